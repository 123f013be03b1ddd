import { errors, StatusError } from '../../api/index.ts';
import type { RequestContext } from '../exchange.ts';
import type { Attributes, Authorizer, Decision } from '../request.ts';
import { FilterFailure } from './filter-failure.ts';
import { withoutMarkup } from './markup.ts';

export function attributesOf(context: RequestContext): Attributes {
  const { info, query, user } = context;
  const { isResourceRequest, verb, apiGroup, apiVersion, namespace, resource, subresource, name } = info;
  const selecting = query.size > 0 && info.verbInPath !== true && (verb === 'list' || verb === 'watch' || verb === 'deletecollection');
  const labelSelector = selecting && query.get('labelSelector');
  const fieldSelector = selecting && query.get('fieldSelector');
  return {
    user,
    verb,
    isResourceRequest,
    apiGroup,
    apiVersion,
    namespace,
    resource,
    subresource,
    name,
    path: context.path,
    ...(labelSelector ? { labelSelector } : {}),
    ...(fieldSelector ? { fieldSelector } : {}),
  };
}

/** `User "x" cannot list resource "pods" in API group "" in the namespace "default"`. */
export function forbiddenMessage(a: Attributes): string {
  const user = JSON.stringify(a.user.name);
  if (!a.isResourceRequest) return withoutMarkup(`User ${user} cannot ${a.verb} path ${JSON.stringify(a.path)}`);
  const resource = JSON.stringify(a.subresource === '' ? a.resource : `${a.resource}/${a.subresource}`);
  const scope = a.namespace === '' ? 'at the cluster scope' : `in the namespace ${JSON.stringify(a.namespace)}`;
  return withoutMarkup(`User ${user} cannot ${a.verb} resource ${resource} in API group ${JSON.stringify(a.apiGroup)} ${scope}`);
}

/** Somebody may not do what they ask for. */
export class AccessDenied extends StatusError {}

/** The refusal that an authorizer's answer means. */
export function accessDenied(attributes: Attributes, reason: string): AccessDenied {
  const message = reason === '' ? forbiddenMessage(attributes) : `${forbiddenMessage(attributes)}: ${reason}`;
  if (!attributes.isResourceRequest) return new AccessDenied(403, 'Forbidden', `forbidden: ${message}`, {});
  const { status } = errors.forbidden({ group: attributes.apiGroup, plural: attributes.resource }, attributes.name, message);
  return new AccessDenied(403, 'Forbidden', status.message ?? '', status.details);
}

/** Throws Forbidden unless the authorizer allows it; InternalError where it can't tell. */
export async function demand(attributes: Attributes, authorizer: Authorizer): Promise<void> {
  const { decision, reason, error } = await authorizer.authorize(attributes);
  if (decision === 'allow') return;
  throw error ? errors.internal(error.message) : accessDenied(attributes, reason);
}

/** The same for the request itself, noting the decision for the audit log. */
export function authorize(context: RequestContext, authorizer: Authorizer): void | Promise<void> {
  const attributes = attributesOf(context);
  const decided = ({ decision, reason, error }: Decision) => {
    const isAllowed = decision === 'allow';
    if (error && !isAllowed) {
      context.auditAnnotation('authorization.k8s.io/reason', 'internal error');
      throw new FilterFailure(error.message);
    }
    if (context.audit !== undefined) {
      context.auditAnnotation('authorization.k8s.io/decision', isAllowed ? 'allow' : 'forbid');
      context.auditAnnotation('authorization.k8s.io/reason', reason);
    }
    if (!isAllowed) throw accessDenied(attributes, reason);
  };
  const answer = authorizer.authorize(attributes);
  return answer instanceof Promise ? answer.then(decided) : decided(answer);
}
