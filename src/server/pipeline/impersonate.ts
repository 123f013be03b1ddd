/** Acting as somebody else, for those who may (`kubectl --as`; k8s.io/apiserver's impersonation filters). */
import { errors } from '../../api/index.ts';
import type { RequestContext } from '../exchange.ts';
import { fromHeader, valuesByKey } from '../http/header-text.ts';
import type { ImpersonationMetrics } from '../metrics/impersonation-metrics.ts';
import type { Authorizer } from '../request.ts';
import { attributesOf } from './authorize.ts';
import { type ImpersonatedUser, impersonationModes, unconstrained, type WantedUser } from './impersonation-modes.ts';

const extraPrefix = 'impersonate-extra-';

/** Whether a request says that it is somebody else's. */
export function asksToImpersonate({ rawHeaders }: RequestContext): boolean {
  for (const header of rawHeaders) if (header[0].startsWith('impersonate-')) return true;
  return false;
}

/** As Go's %#v shows the user that a request wants to be. */
function goUser({ name, uid, groups, extra }: WantedUser): string {
  const list = (items: readonly string[]) => `[]string{${items.map((item) => JSON.stringify(item)).join(', ')}}`;
  const entries = Object.entries(extra).sort(([a], [b]) => (a < b ? -1 : 1));
  const shownGroups = groups.length === 0 ? '[]string(nil)' : list(groups);
  const values = entries.map(([key, items]) => `${JSON.stringify(key)}:${list(items)}`).join(', ');
  const shownExtra = entries.length === 0 ? 'map[string][]string(nil)' : `map[string][]string{${values}}`;
  return `&user.DefaultInfo{Name:${JSON.stringify(name)}, UID:${JSON.stringify(uid)}, Groups:${shownGroups}, Extra:${shownExtra}}`;
}

/** As Go's %v shows the references that the filter of before asked for. */
function goReferences({ uid, groups, extra }: WantedUser): string {
  const own = 'authentication.k8s.io/v1';
  const references = [
    ...groups.map((group) => `{Group  ${group}    }`),
    ...Object.entries(extra).flatMap(([key, values]) => values.map((value) => `{UserExtra  ${value}  ${own}  ${key}}`)),
    ...(uid === '' ? [] : [`{UID  ${uid}  ${own}  }`]),
  ];
  return `[${references.join(' ')}]`;
}

/** Undefined where a request does not name anybody. */
function wantedUser(context: RequestContext, isConstrained: boolean): WantedUser | undefined {
  // In process there is no wire, and so no bytes to be text.
  const text = context.local ? (value: string) => value : fromHeader;
  const extra = valuesByKey(
    context.rawHeaders
      .filter(([header]) => header.startsWith(extraPrefix))
      .map(([header, value]) => [decodeURIComponentOrSelf(header.slice(extraPrefix.length)), text(value)]),
  );
  const wanted = {
    name: text(context.header('impersonate-user') ?? ''),
    uid: context.header('impersonate-uid') ?? '',
    groups: context.headerValues('impersonate-group').map(text),
    extra,
  };
  if (wanted.name !== '') return wanted;
  if (wanted.groups.length === 0 && wanted.uid === '' && Object.keys(extra).length === 0) return undefined;
  throw errors.badRequest(
    isConstrained
      ? `requested ${goUser(wanted)} without impersonating a user name`
      : `requested ${goReferences(wanted)} without impersonating a user`,
  );
}

function decodeURIComponentOrSelf(text: string): string {
  try {
    return decodeURIComponent(text);
  } catch {
    return text; // not percent-encoded: taken as it is, as upstream does
  }
}

/** Of so many requesters it is remembered which way was allowed last. */
const mostRemembered = 10_000;

/**
 * Replaces a context's user where the request asks for that, after asking the authorizer about every part of it. `isConstrained`: whether
 * permissions may be narrower than to act as somebody in everything (the feature ConstrainedImpersonation).
 */
export function createImpersonation(
  given: Authorizer,
  isConstrained: boolean,
  metrics?: ImpersonationMetrics,
): (context: RequestContext) => Promise<void> {
  const authorizer = isConstrained ? (metrics?.counted(given) ?? given) : given;
  const modes = isConstrained ? impersonationModes(authorizer) : [unconstrained(authorizer)];
  const last = new Map<string, number>();

  const become = (context: RequestContext, { user, constraint }: ImpersonatedUser) => {
    context.impersonator = context.user;
    context.user = user;
    if (constraint !== undefined) context.impersonationConstraint = constraint;
  };
  return async (context) => {
    const wanted = wantedUser(context, isConstrained);
    if (wanted === undefined) return;
    const request = attributesOf(context);
    const requester = context.user.name;
    const startedMs = metrics?.now() ?? 0;
    const remembered = last.get(requester);
    let refusal: unknown;
    for (const i of new Set([...(remembered === undefined ? [] : [remembered]), ...modes.keys()])) {
      try {
        const impersonated = await modes[i]?.(wanted, request);
        if (impersonated === undefined) continue;
        if (last.size >= mostRemembered) last.clear();
        last.set(requester, i);
        if (isConstrained) metrics?.attempted({ allowed: true, constraint: impersonated.constraint }, startedMs);
        return become(context, impersonated);
      } catch (error) {
        refusal ??= error;
      }
    }
    if (isConstrained) metrics?.attempted({ allowed: false }, startedMs);
    throw refusal;
  };
}
