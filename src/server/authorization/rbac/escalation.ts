import {
  aggregateMessage,
  type ClusterRole,
  errors,
  goQuote,
  type KubeObject,
  type PolicyRule,
  type Role,
  type RoleBinding,
} from '../../../api/index.ts';
import { changesOnlyOwnership } from '../../admission/context.ts';
import type { AdmissionPlugin, AdmissionRequest, Authorizer, UserInfo } from '../../request.ts';
import type { Rbac } from './rbac.ts';
import { compactRules, describeRule, uncoveredRules } from './rules.ts';

const group = 'rbac.authorization.k8s.io';
const roleResources = new Set(['roles', 'clusterroles']);
const bindingResources = new Set(['rolebindings', 'clusterrolebindings']);

/**
 * Nobody grants what they do not hold: roles and bindings are checked against the rules of who writes them, unless they may
 * `escalate` roles, or `bind` this one. Always on, beside the configured admission plugins.
 */
export function rbacEscalation(rbac: Rbac, authorizer: Authorizer): AdmissionPlugin {
  const allowed = async (request: AdmissionRequest, verb: string, resource: string, name: string) => {
    const decision = await authorizer.authorize({
      user: request.user,
      verb,
      isResourceRequest: true,
      apiGroup: group,
      apiVersion: '*',
      namespace: request.namespace,
      resource,
      subresource: '',
      name,
      path: '',
    });
    return decision.decision === 'allow';
  };
  const missingRules = (request: AdmissionRequest, wanted: readonly PolicyRule[], namespace: string) =>
    compactRules(uncoveredRules(rbac.rulesOf(request.user, namespace).rules, wanted));
  const confirm = (request: AdmissionRequest, wanted: readonly PolicyRule[], namespace: string) => {
    const missing = new Set(missingRules(request, wanted, namespace).map(describeRule));
    if (missing.size === 0) return;
    const unresolved = rbac.rulesOf(request.user, namespace).errors;
    const text = `user ${describeUser(request.user)} is attempting to grant RBAC permissions not currently held:\n${[...missing].sort().join('\n')}${
      unresolved.length > 0 ? `; resolution errors: [${aggregateMessage(unresolved)}]` : ''
    }`;
    throw errors.forbidden({ group, plural: request.resource }, request.name, text);
  };
  return {
    name: 'RBACEscalation',
    handles: (r) =>
      r.group === group &&
      r.subresource === '' &&
      (r.operation === 'CREATE' || r.operation === 'UPDATE') &&
      (roleResources.has(r.resource) || bindingResources.has(r.resource)),
    async validate(request) {
      if (request.user.groups.includes('system:masters')) return;
      const { object, oldObject } = request;
      if (object === undefined) return;
      if (roleResources.has(request.resource)) {
        // A request to create one names none that somebody could be allowed to escalate.
        const name = request.verb === 'create' ? '' : request.name;
        if (await allowed(request, 'escalate', request.resource, name)) return;
        if (changesOnlyOwnership(request)) return;
        // The resources that this handles are of these kinds.
        confirm(request, (object as Role).rules ?? [], request.namespace);
        if ((collects(object) || collects(oldObject)) && missingRules(request, everything, '').length > 0)
          throw errors.forbidden(
            { group, plural: request.resource },
            request.name,
            'must have cluster-admin privileges to use the aggregationRule',
          );
        return;
      }
      if (changesOnlyOwnership(request)) return;
      const { roleRef } = object as RoleBinding;
      if (await allowed(request, 'bind', roleRef.kind === 'ClusterRole' ? 'clusterroles' : 'roles', roleRef.name)) return;
      const rules = rbac.rulesOfRole(roleRef, request.namespace);
      if (rules === undefined)
        throw errors.notFound({ group, plural: roleRef.kind === 'ClusterRole' ? 'clusterroles' : 'roles' }, roleRef.name);
      confirm(request, rules, request.namespace);
    },
  };
}

const everything: PolicyRule[] = [
  { apiGroups: ['*'], resources: ['*'], verbs: ['*'] },
  { nonResourceURLs: ['*'], verbs: ['*'] },
];

/** Whether a cluster role gathers the rules of others. */
const collects = (role: KubeObject | undefined) =>
  Boolean((role as ClusterRole | undefined)?.aggregationRule?.clusterRoleSelectors?.length);

function describeUser(user: UserInfo): string {
  return `${goQuote(user.name)} (groups=[${user.groups.map(goQuote).join(' ')}])`;
}
