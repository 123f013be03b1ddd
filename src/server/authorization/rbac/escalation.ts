import type { PolicyRule } from '../../../api/index.ts';
import { type ClusterRole, errors, type Role, type RoleBinding, semanticEqual } from '../../../api/index.ts';
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
  const confirm = (request: AdmissionRequest, wanted: readonly PolicyRule[], namespace: string) => {
    const { rules, errors: unresolved } = rbac.rulesOf(request.user, namespace);
    const missing = compactRules(uncoveredRules(rules, wanted));
    if (missing.length === 0) return;
    const text = `user ${describeUser(request.user)} is attempting to grant RBAC permissions not currently held:\n${missing.map(describeRule).sort().join('\n')}${
      unresolved.length > 0 ? `; resolution errors: [${unresolved.join(', ')}]` : ''
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
      if (roleResources.has(request.resource)) {
        const role = request.object as Role & ClusterRole;
        const before = request.oldObject as (Role & ClusterRole) | undefined;
        if (before !== undefined && semanticEqual(role.rules, before.rules) && semanticEqual(role.aggregationRule, before.aggregationRule))
          return;
        if (await allowed(request, 'escalate', request.resource, request.name)) return;
        if (role.aggregationRule !== undefined && !semanticEqual(role.aggregationRule, before?.aggregationRule))
          confirm(request, [everyRule], '');
        confirm(request, role.rules ?? [], request.namespace);
        return;
      }
      const binding = request.object as RoleBinding;
      const before = request.oldObject as RoleBinding | undefined;
      if (before !== undefined && semanticEqual(binding.roleRef, before.roleRef) && semanticEqual(binding.subjects, before.subjects))
        return;
      const { roleRef } = binding;
      if (await allowed(request, 'bind', roleRef.kind === 'ClusterRole' ? 'clusterroles' : 'roles', roleRef.name)) return;
      const rules = rbac.rulesOfRole(roleRef, request.namespace);
      if (rules === undefined)
        throw errors.notFound({ group, plural: roleRef.kind === 'ClusterRole' ? 'clusterroles' : 'roles' }, roleRef.name);
      confirm(request, rules, request.namespace);
    },
  };
}

const everyRule: PolicyRule = { apiGroups: ['*'], resources: ['*'], verbs: ['*'] };

function describeUser(user: UserInfo): string {
  return `${JSON.stringify(user.name)} (groups=[${user.groups.map((g) => JSON.stringify(g)).join(' ')}])`;
}
