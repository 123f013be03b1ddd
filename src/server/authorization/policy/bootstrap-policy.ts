/** Everything that RBAC holds in a new cluster: the tables of this folder as objects. */
import {
  apiVersionOf,
  ClusterRole,
  ClusterRoleBinding,
  type Draft,
  type PolicyRule,
  Role,
  RoleBinding,
  type Subject,
} from '../../../api/index.ts';
import { componentRoles } from './component-roles.ts';
import { controllerRules } from './controller-roles.ts';
import { type IsEnabled, read, rule } from './rule.ts';
import { adminRules, editRules, viewRules } from './user-roles.ts';

export { nodeRules } from './component-roles.ts';

export interface BootstrapPolicy {
  clusterRoles: Draft<ClusterRole>[];
  clusterRoleBindings: Draft<ClusterRoleBinding>[];
  roles: Draft<Role>[];
  roleBindings: Draft<RoleBinding>[];
}

const group = 'rbac.authorization.k8s.io';
const apiVersion = apiVersionOf(ClusterRole);
const metadata = (name: string, labels: Record<string, string> = {}, namespace?: string) => ({
  name,
  ...(namespace === undefined ? {} : { namespace }),
  labels: { 'kubernetes.io/bootstrapping': 'rbac-defaults', ...labels },
  annotations: { 'rbac.authorization.kubernetes.io/autoupdate': 'true' },
});

const clusterRole = (name: string, rules: readonly PolicyRule[], labels: Record<string, string> = {}): Draft<ClusterRole> => ({
  apiVersion,
  kind: ClusterRole.kind,
  metadata: metadata(name, labels),
  rules: [...rules],
});

const aggregateTo = (name: string) => `${group}/aggregate-to-${name}`;

const aggregated = (name: string, labels: Record<string, string> = {}): Draft<ClusterRole> => ({
  apiVersion,
  kind: ClusterRole.kind,
  metadata: metadata(name, labels),
  aggregationRule: { clusterRoleSelectors: [{ matchLabels: { [aggregateTo(name)]: 'true' } }] },
});

const user = (name: string): Subject => ({ apiGroup: group, kind: 'User', name });
const groupSubject = (name: string): Subject => ({ apiGroup: group, kind: 'Group', name });
const account = (namespace: string, name: string): Subject => ({ kind: 'ServiceAccount', name, namespace });

const clusterBinding = (name: string, role: string, subjects: Subject[]): Draft<ClusterRoleBinding> => ({
  apiVersion,
  kind: ClusterRoleBinding.kind,
  metadata: metadata(name),
  roleRef: { apiGroup: group, kind: 'ClusterRole', name: role },
  subjects,
});

const authenticated = groupSubject('system:authenticated');
const unauthenticated = groupSubject('system:unauthenticated');

/** ClusterRoleBindings of the same name as their role. */
const boundRoles: [string, Subject[]][] = [
  ['cluster-admin', [groupSubject('system:masters')]],
  ['system:monitoring', [groupSubject('system:monitoring')]],
  ['system:discovery', [authenticated]],
  ['system:basic-user', [authenticated]],
  ['system:public-info-viewer', [authenticated, unauthenticated]],
  ['system:node-proxier', [user('system:kube-proxy')]],
  ['system:kube-controller-manager', [user('system:kube-controller-manager')]],
  ['system:kube-dns', [account('kube-system', 'kube-dns')]],
  ['system:kube-scheduler', [user('system:kube-scheduler')]],
  ['system:volume-scheduler', [user('system:kube-scheduler')]],
  // Without subjects: nodes are the Node authorizer's business; the binding is kept for clusters that came from before it.
  ['system:node', []],
  ['system:service-account-issuer-discovery', [groupSubject('system:serviceaccounts')]],
];
const boundTrustBundles: (typeof boundRoles)[number] = ['system:cluster-trust-bundle-discovery', [groupSubject('system:serviceaccounts')]];

const leaderLocking = ['leases', 'leasecandidates'].map((resource) => rule('create get list update watch', 'coordination', resource));

/** What upstream keeps in single namespaces: NAMESPACE, role, rules, subjects. */
const namespaced: [string, string, PolicyRule[], Subject[]][] = [
  [
    'kube-system',
    'extension-apiserver-authentication-reader',
    [rule(read, 'core', 'configmaps', 'extension-apiserver-authentication')],
    [user('system:kube-controller-manager'), user('system:kube-scheduler')],
  ],
  ['kube-system', 'system:controller:bootstrap-signer', [rule(read, 'core', 'secrets')], [account('kube-system', 'bootstrap-signer')]],
  [
    'kube-system',
    'system:controller:cloud-provider',
    [rule('create get list watch', 'core', 'configmaps')],
    [account('kube-system', 'cloud-provider')],
  ],
  [
    'kube-system',
    'system:controller:token-cleaner',
    [rule('delete get list watch', 'core', 'secrets'), rule('create patch update', 'core events', 'events')],
    [account('kube-system', 'token-cleaner')],
  ],
  [
    'kube-system',
    'system::leader-locking-kube-controller-manager',
    leaderLocking,
    [
      user('system:kube-controller-manager'),
      account('kube-system', 'kube-controller-manager'),
      account('kube-system', 'leader-election-controller'),
    ],
  ],
  [
    'kube-system',
    'system::leader-locking-kube-scheduler',
    leaderLocking,
    [user('system:kube-scheduler'), account('kube-system', 'kube-scheduler')],
  ],
  [
    'kube-public',
    'system:controller:bootstrap-signer',
    [
      rule(read, 'core', 'configmaps'),
      rule('update', 'core', 'configmaps', 'cluster-info'),
      rule('create patch update', 'core events', 'events'),
    ],
    [account('kube-system', 'bootstrap-signer')],
  ],
];

/** Role bindings whose name is not their role's. */
const bindingNames: Record<string, string> = {
  'extension-apiserver-authentication-reader': 'system::extension-apiserver-authentication-reader',
};

/** With the roles and rules of those feature gates that are on; by default all are. */
export function bootstrapPolicy(isEnabled: IsEnabled = () => true): BootstrapPolicy {
  const controllers = Object.entries(controllerRules(isEnabled));
  const bound = isEnabled('ClusterTrustBundle') ? [...boundRoles, boundTrustBundles] : boundRoles;
  return {
    clusterRoles: [
      ...Object.entries(componentRoles(isEnabled)).map(([name, rules]) => clusterRole(name, rules)),
      aggregated('admin'),
      aggregated('edit', { [aggregateTo('admin')]: 'true' }),
      aggregated('view', { [aggregateTo('edit')]: 'true' }),
      clusterRole('system:aggregate-to-admin', adminRules, { [aggregateTo('admin')]: 'true' }),
      clusterRole('system:aggregate-to-edit', editRules, { [aggregateTo('edit')]: 'true' }),
      clusterRole('system:aggregate-to-view', viewRules, { [aggregateTo('view')]: 'true' }),
      ...controllers.map(([name, rules]) => clusterRole(`system:controller:${name}`, rules)),
    ],
    clusterRoleBindings: [
      ...bound.map(([name, subjects]) => clusterBinding(name, name, subjects)),
      ...controllers.map(([name]) =>
        clusterBinding(`system:controller:${name}`, `system:controller:${name}`, [account('kube-system', name)]),
      ),
    ],
    roles: namespaced.map(([namespace, name, rules]) => ({ apiVersion, kind: Role.kind, metadata: metadata(name, {}, namespace), rules })),
    roleBindings: namespaced.map(([namespace, name, , subjects]) => ({
      apiVersion,
      kind: RoleBinding.kind,
      metadata: metadata(bindingNames[name] ?? name, {}, namespace),
      roleRef: { apiGroup: group, kind: 'Role', name },
      subjects,
    })),
  };
}
