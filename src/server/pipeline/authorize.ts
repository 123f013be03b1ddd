import { errors, StatusError } from '../../api/index.ts';
import type { RequestContext } from '../exchange.ts';
import type { Attributes, Authorizer, Decision } from '../request.ts';

export function attributesOf(context: RequestContext): Attributes {
  const { info, query, user } = context;
  const { isResourceRequest, verb, apiGroup, apiVersion, namespace, resource, subresource, name } = info;
  const selecting = query.size > 0 && (verb === 'list' || verb === 'watch' || verb === 'deletecollection');
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
  if (!a.isResourceRequest) return `User ${user} cannot ${a.verb} path ${JSON.stringify(a.path)}`;
  const resource = JSON.stringify(a.subresource === '' ? a.resource : `${a.resource}/${a.subresource}`);
  const scope = a.namespace === '' ? 'at the cluster scope' : `in the namespace ${JSON.stringify(a.namespace)}`;
  return `User ${user} cannot ${a.verb} resource ${resource} in API group ${JSON.stringify(a.apiGroup)} ${scope}`;
}

/** Throws Forbidden unless the decision is to allow; InternalError where it could not be made. */
function insist(attributes: Attributes, { decision, reason, error }: Decision): void {
  if (decision === 'allow') return;
  if (error) throw new StatusError(500, 'InternalError', `Internal Server Error: ${JSON.stringify(attributes.path)}: ${error.message}`, {});
  const message = reason === '' ? forbiddenMessage(attributes) : `${forbiddenMessage(attributes)}: ${reason}`;
  if (!attributes.isResourceRequest) throw new StatusError(403, 'Forbidden', `forbidden: ${message}`, {});
  throw errors.forbidden({ group: attributes.apiGroup, plural: attributes.resource }, attributes.name, message);
}

/** Throws Forbidden unless the authorizer allows it. */
export async function demand(attributes: Attributes, authorizer: Authorizer): Promise<void> {
  insist(attributes, await authorizer.authorize(attributes));
}

/** The same for the request itself, noting the decision for the audit log. */
export function authorize(context: RequestContext, authorizer: Authorizer): void | Promise<void> {
  const attributes = attributesOf(context);
  const decided = (decision: Decision) => {
    if (context.audit !== undefined) {
      context.auditAnnotation('authorization.k8s.io/decision', decision.decision === 'allow' ? 'allow' : 'forbid');
      context.auditAnnotation(
        'authorization.k8s.io/reason',
        decision.error && decision.decision !== 'allow' ? 'internal error' : decision.reason,
      );
    }
    insist(attributes, decision);
  };
  const answer = authorizer.authorize(attributes);
  return answer instanceof Promise ? answer.then(decided) : decided(answer);
}
