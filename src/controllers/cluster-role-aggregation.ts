import {
  ClusterRole,
  type ClusterRole as ClusterRoleType,
  deepEqual,
  type PolicyRule,
  selectorFromObject,
  semanticEqual,
} from '../api/index.ts';
import { defineController } from './framework/index.ts';

/** The rules that a role gathers from others, in the order of their names, each once. */
export function aggregatedRules(role: ClusterRoleType, all: readonly ClusterRoleType[]): PolicyRule[] {
  const rules: PolicyRule[] = [];
  const byName = [...all].sort((a, b) => (a.metadata.name < b.metadata.name ? -1 : 1));
  for (const selector of role.aggregationRule?.clusterRoleSelectors ?? []) {
    const matching = selectorFromObject(selector);
    for (const other of byName) {
      if (other.metadata.name === role.metadata.name || !matching.matches(other.metadata.labels)) continue;
      for (const rule of other.rules ?? []) if (!rules.some((known) => deepEqual(known, rule))) rules.push(rule);
    }
  }
  return rules;
}

/** Roles such as `admin`, `edit` and `view` consist of the rules of all roles that say so by a label. */
export const clusterRoleAggregationController = defineController('clusterrole-aggregation-controller', ({ client, informers }, queue) => {
  const roles = informers.for(ClusterRole);
  const enqueueAggregating = () => {
    for (const role of roles.lister.list()) if (role.aggregationRule) queue.add(role.metadata.name);
  };
  roles.addHandler({ add: enqueueAggregating, update: enqueueAggregating, delete: enqueueAggregating });
  return {
    informers: [roles],
    async reconcile(name, signal) {
      const role = roles.lister.get(name);
      if (!role?.aggregationRule) return;
      const rules = aggregatedRules(role, roles.lister.list());
      if (semanticEqual(rules, role.rules)) return;
      const configuration = { apiVersion: 'rbac.authorization.k8s.io/v1', kind: 'ClusterRole', metadata: { name }, rules };
      await client.patch(ClusterRole, name, 'apply', configuration, {
        fieldManager: 'clusterrole-aggregation-controller',
        force: true,
        signal,
      });
    },
  };
});
