/** Acting as somebody else, for those who may (`kubectl --as`; k8s.io/apiserver's impersonation filter). */
import { errors } from '../../api/index.ts';
import type { RequestContext } from '../exchange.ts';
import { fromHeader } from '../http/header-text.ts';
import type { Attributes, Authorizer, UserInfo } from '../request.ts';
import { demand } from './authorize.ts';

const extraPrefix = 'impersonate-extra-';

const serviceAccountPrefix = 'system:serviceaccount:';

function splitServiceAccount(name: string): { namespace: string; name: string } | undefined {
  if (!name.startsWith(serviceAccountPrefix)) return undefined;
  const [namespace = '', account = '', ...rest] = name.slice(serviceAccountPrefix.length).split(':');
  return namespace === '' || account === '' || rest.length > 0 ? undefined : { namespace, name: account };
}

/** Whether a request says that it is somebody else's. */
export function asksToImpersonate({ rawHeaders }: RequestContext): boolean {
  for (const header of rawHeaders) if (header[0].startsWith('impersonate-')) return true;
  return false;
}

/** Replaces the context's user where the request asks for that, after asking the authorizer about every part of it. */
export async function impersonate(context: RequestContext, authorizer: Authorizer): Promise<void> {
  // In process there is no wire, and so no bytes to be text.
  const text = context.local ? (value: string) => value : fromHeader;
  const name = text(context.header('impersonate-user') ?? '');
  const groups = context.headerValues('impersonate-group').map(text);
  const uid = context.header('impersonate-uid') ?? '';
  const extras = context.rawHeaders.filter(([key]) => key.startsWith(extraPrefix)).map(([key, value]) => [key, text(value)] as const);
  if (name === '') {
    if (groups.length === 0 && uid === '' && extras.length === 0) return;
    throw errors.badRequest(`requested [${[...groups.map((g) => `{Group  ${g}}`)].join(' ')}] without impersonating a user`);
  }
  const ask = (given: Partial<Attributes>) =>
    demand(
      {
        user: context.user,
        verb: 'impersonate',
        isResourceRequest: true,
        apiGroup: '',
        apiVersion: 'v1',
        namespace: '',
        resource: '',
        subresource: '',
        name: '',
        path: context.path,
        ...given,
      },
      authorizer,
    );
  const account = splitServiceAccount(name);
  if (account !== undefined) await ask({ resource: 'serviceaccounts', ...account });
  else await ask({ resource: 'users', name });
  for (const group of groups) await ask({ resource: 'groups', name: group });
  if (uid !== '') await ask({ apiGroup: 'authentication.k8s.io', resource: 'uids', name: uid });
  const extra: Record<string, string[]> = {};
  for (const [header, value] of extras) {
    const key = decodeURIComponentOrSelf(header.slice(extraPrefix.length));
    await ask({ apiGroup: 'authentication.k8s.io', resource: 'userextras', subresource: key, name: value });
    extra[key] = [...(extra[key] ?? []), value];
  }
  context.impersonator = context.user;
  context.user = {
    name,
    groups: impersonatedGroups(name, groups, account?.namespace),
    ...(uid === '' ? {} : { uid }),
    ...(extras.length === 0 ? {} : { extra }),
  } satisfies UserInfo;
}

/** The groups asked for, completed as they would be by authentication. */
function impersonatedGroups(name: string, asked: readonly string[], serviceAccountNamespace: string | undefined): string[] {
  const groups = [...asked];
  if (groups.length === 0 && serviceAccountNamespace !== undefined)
    groups.push('system:serviceaccounts', `system:serviceaccounts:${serviceAccountNamespace}`);
  const base = name === 'system:anonymous' ? 'system:unauthenticated' : 'system:authenticated';
  if (!groups.includes(base) && !groups.includes('system:unauthenticated')) groups.push(base);
  return groups;
}

function decodeURIComponentOrSelf(text: string): string {
  try {
    return decodeURIComponent(text);
  } catch {
    return text; // not percent-encoded: taken as it is, as upstream does
  }
}
