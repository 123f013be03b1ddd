/**
 * Who may act as whom, and in what (KEP-5284): as a node, the requester's own or any, as a service account, or as another user, each
 * with a verb of its own and only for what may be done so; and, as ever, with the verb `impersonate`, for everything.
 */
import {
  FieldErrors,
  FieldPath,
  fieldErrorMessage,
  isDns1123Label,
  isDns1123Subdomain,
  StatusError,
  validateDomainPrefixedPath,
} from '../../api/index.ts';
import { serviceAccountGroups } from '../authentication/service-account/claims.ts';
import type { Attributes, Authorizer, UserInfo } from '../request.ts';
import { accessDenied } from './authorize.ts';

/** As the headers have it, not completed yet. */
export interface WantedUser {
  name: string;
  uid: string;
  groups: readonly string[];
  extra: Readonly<Record<string, readonly string[]>>;
}

export interface ImpersonatedUser {
  user: UserInfo;
  /** The verb that allowed it; undefined: `impersonate`. */
  constraint?: string;
}

/** Resolves to undefined where the mode is not for such a user; throws Forbidden. */
export type ImpersonationMode = (wanted: WantedUser, request: Attributes) => Promise<ImpersonatedUser | undefined>;

const authenticationGroup = { apiGroup: 'authentication.k8s.io', apiVersion: 'v1' };
const coreGroup = { apiGroup: '', apiVersion: 'v1' };
/** From so many on, all are asked for at once first. */
const many = 4;

const serviceAccountPrefix = 'system:serviceaccount:';
const nodePrefix = 'system:node:';
const nodeNameKey = 'authentication.kubernetes.io/node-name';

/** Of what only looks like one, and could be none, it is a user's name like any other. */
function serviceAccountOf(username: string): { namespace: string; name: string } | undefined {
  if (!username.startsWith(serviceAccountPrefix)) return undefined;
  const [namespace = '', name = '', ...rest] = username.slice(serviceAccountPrefix.length).split(':');
  const isOne = rest.length === 0 && isDns1123Label(namespace).length === 0 && isDns1123Subdomain(name).length === 0;
  return isOne ? { namespace, name } : undefined;
}

function nodeOf(username: string): string | undefined {
  if (!username.startsWith(nodePrefix)) return undefined;
  const name = username.slice(nodePrefix.length);
  return isDns1123Subdomain(name).length === 0 ? name : undefined;
}

async function demand(attributes: Attributes, authorizer: Authorizer): Promise<void> {
  const { decision, reason, error } = await authorizer.authorize(attributes);
  if (decision === 'allow') return;
  throw accessDenied(attributes, error === undefined ? reason : reason === '' ? error.message : `${error.message}: ${reason}`);
}

const isAllowed = (work: Promise<void>): Promise<boolean> =>
  work.then(
    () => true,
    (error: unknown) => {
      if (error instanceof StatusError && error.code === 403) return false;
      throw error;
    },
  );

/** Why extra values can't be another's, if they can't. */
function extraProblem(extra: WantedUser['extra']): string | undefined {
  for (const [key, values] of Object.entries(extra)) {
    if (key === '') return 'impersonating the empty string key in extra is not allowed';
    const found = new FieldErrors();
    validateDomainPrefixedPath(key, new FieldPath('extra').child('key'), found);
    if (!found.ok) return `impersonating an invalid key in extra is not allowed: ${found.list.map(fieldErrorMessage).join(', ')}`;
    if (key !== key.toLowerCase()) return `impersonating a non-lowercase key in extra is not allowed: ${JSON.stringify(key)}`;
    if (values.includes('')) return 'impersonating the empty string value in extra is not allowed';
  }
  return undefined;
}

/** Asks for every part of a user, with one verb. */
async function permit(wanted: WantedUser, requester: UserInfo, verb: string, authorizer: Authorizer): Promise<ImpersonatedUser> {
  const isConstrained = verb !== 'impersonate';
  const about = (given: Partial<Attributes>): Attributes => ({
    ...{ user: requester, verb, isResourceRequest: true, namespace: '', resource: '', subresource: '', name: '', path: '' },
    ...authenticationGroup,
    ...given,
  });
  const ask = (given: Partial<Attributes>) => demand(about(given), authorizer);
  const named = isConstrained ? authenticationGroup : coreGroup;
  const account = serviceAccountOf(wanted.name);
  const node = isConstrained ? nodeOf(wanted.name) : undefined;
  let groups = [...wanted.groups];
  if (account !== undefined) {
    if (groups.length === 0) groups = serviceAccountGroups(account.namespace);
    await ask({ ...named, resource: 'serviceaccounts', ...account });
  } else if (node !== undefined) {
    groups = ['system:nodes'];
    await ask({ ...named, resource: 'nodes', name: node });
  } else await ask({ ...named, resource: 'users', name: wanted.name });
  if (wanted.uid !== '') await ask({ resource: 'uids', name: wanted.uid });

  const ofGroup = (name: string) => ({ ...named, resource: 'groups', name });
  if (isConstrained && wanted.groups.includes(''))
    throw accessDenied(about(ofGroup('')), 'impersonating the empty string group is not allowed');
  if (isConstrained && wanted.groups.includes('system:masters'))
    throw accessDenied(about(ofGroup('system:masters')), 'impersonating the system:masters group is not allowed');
  const allGroups = isConstrained && wanted.groups.length >= many && (await isAllowed(ask(ofGroup('*'))));
  if (!allGroups) for (const group of wanted.groups) await ask(ofGroup(group));

  const extra = Object.entries(wanted.extra).flatMap(([key, values]) => values.map((value) => [key, value] as const));
  const ofExtra = (subresource: string, name: string) => ({ resource: 'userextras', subresource, name });
  const problem = isConstrained ? extraProblem(wanted.extra) : undefined;
  if (problem !== undefined) throw accessDenied(about(ofExtra('', '')), problem);
  const allExtra = isConstrained && extra.length >= many && (await isAllowed(ask(ofExtra('*', '*'))));
  if (!allExtra) for (const [key, value] of extra) await ask(ofExtra(key, value));

  const base = wanted.name === 'system:anonymous' ? 'system:unauthenticated' : 'system:authenticated';
  if (!groups.includes(base) && !groups.includes('system:unauthenticated')) groups.push(base);
  return {
    user: {
      name: wanted.name,
      groups,
      ...(wanted.uid === '' ? {} : { uid: wanted.uid }),
      ...(extra.length === 0 ? {} : { extra: Object.fromEntries(Object.entries(wanted.extra).map(([key, values]) => [key, [...values]])) }),
    },
    ...(isConstrained ? { constraint: verb } : {}),
  };
}

/** `isFor`: which users the mode is for, asked for by whom. */
function constrained(mode: string, authorizer: Authorizer, isFor: (wanted: WantedUser, requester: UserInfo) => boolean): ImpersonationMode {
  return async (wanted, request) => {
    if (!isFor(wanted, request.user)) return undefined;
    await demand({ ...request, verb: `impersonate-on:${mode}:${request.verb}` }, authorizer);
    return permit(wanted, request.user, `impersonate:${mode}`, authorizer);
  };
}

const hasNameOnly = ({ uid, groups, extra }: WantedUser) => uid === '' && groups.length === 0 && Object.keys(extra).length === 0;

/** The node that a service account's token is bound to is its own, whichever it is: an agent of all nodes asks with one permission. */
function associatedNode(authorizer: Authorizer): ImpersonationMode {
  const verb = 'impersonate:associated-node';
  const anyNode: Authorizer = {
    ...authorizer,
    authorize: (attributes) =>
      authorizer.authorize({
        ...attributes,
        name: attributes.verb === verb ? '*' : attributes.name,
        user: {
          ...attributes.user,
          extra: { 'authentication.kubernetes.io/associated-node-keys': Object.keys(attributes.user.extra ?? {}).sort() },
        },
      }),
  };
  return constrained('associated-node', anyNode, (wanted, requester) => {
    const names = requester.extra?.[nodeNameKey] ?? [];
    const node = nodeOf(wanted.name);
    const isOwn = node !== undefined && names.length === 1 && names[0] === node;
    return isOwn && hasNameOnly(wanted) && serviceAccountOf(requester.name) !== undefined;
  });
}

/** Acting as anybody in everything, as ever. */
export const unconstrained =
  (authorizer: Authorizer): ImpersonationMode =>
  (wanted, { user }) =>
    permit(wanted, user, 'impersonate', authorizer);

/** All ways, the narrowest first. */
export function impersonationModes(authorizer: Authorizer): ImpersonationMode[] {
  return [
    associatedNode(authorizer),
    constrained('arbitrary-node', authorizer, (wanted) => hasNameOnly(wanted) && nodeOf(wanted.name) !== undefined),
    constrained('serviceaccount', authorizer, (wanted) => hasNameOnly(wanted) && serviceAccountOf(wanted.name) !== undefined),
    constrained('user-info', authorizer, ({ name }) => nodeOf(name) === undefined && serviceAccountOf(name) === undefined),
    unconstrained(authorizer),
  ];
}
