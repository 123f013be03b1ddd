/**
 * The FlowSchemas and PriorityLevelConfigurations that every cluster begins with: the mandatory ones, whose spec is fixed, and the
 * suggested ones, which administrators may change (k8s.io/apiserver/pkg/apis/flowcontrol/bootstrap).
 */
import type { FlowSchemaSpec, PolicyRulesWithSubjects, PriorityLevelConfigurationSpec, Subject } from '../generated/flowcontrol.v1.ts';

export interface BootstrapConfiguration {
  priorityLevels: ReadonlyMap<string, PriorityLevelConfigurationSpec>;
  flowSchemas: ReadonlyMap<string, FlowSchemaSpec>;
}

const limited = (
  nominalConcurrencyShares: number,
  lendablePercent: number,
  queuing?: { queues: number; handSize: number },
): PriorityLevelConfigurationSpec => ({
  type: 'Limited',
  limited: {
    nominalConcurrencyShares,
    limitResponse: queuing === undefined ? { type: 'Reject' } : { type: 'Queue', queuing: { ...queuing, queueLengthLimit: 50 } },
    lendablePercent,
  },
});

const groups = (...names: string[]): Subject[] => names.map((name) => ({ kind: 'Group', group: { name } }));
const users = (...names: string[]): Subject[] => names.map((name) => ({ kind: 'User', user: { name } }));
const kubeSystemAccounts = (...names: string[]): Subject[] =>
  names.map((name) => ({ kind: 'ServiceAccount', serviceAccount: { namespace: 'kube-system', name } }));
const everybody = groups('system:unauthenticated', 'system:authenticated');

const schema = (
  priorityLevel: string,
  matchingPrecedence: number,
  distinguisher: 'ByUser' | 'ByNamespace' | undefined,
  rule: PolicyRulesWithSubjects,
): FlowSchemaSpec => ({
  priorityLevelConfiguration: { name: priorityLevel },
  matchingPrecedence,
  ...(distinguisher === undefined ? {} : { distinguisherMethod: { type: distinguisher } }),
  rules: [rule],
});

const everything = (subjects: Subject[]): PolicyRulesWithSubjects => ({
  subjects,
  resourceRules: [{ verbs: ['*'], apiGroups: ['*'], resources: ['*'], clusterScope: true, namespaces: ['*'] }],
  nonResourceRules: [{ verbs: ['*'], nonResourceURLs: ['*'] }],
});

const locks = (apiGroup: string, ...resources: string[]) => ({
  verbs: ['get', 'create', 'update'],
  apiGroups: [apiGroup],
  resources,
  namespaces: ['*'],
});
const leases = locks('coordination.k8s.io', 'leases');

/** The configuration that must be, exactly so (the exempt level's own shares apart). */
export const mandatoryConfiguration: BootstrapConfiguration = {
  priorityLevels: new Map<string, PriorityLevelConfigurationSpec>([
    ['exempt', { type: 'Exempt', exempt: { nominalConcurrencyShares: 0, lendablePercent: 0 } }],
    ['catch-all', limited(5, 0)],
  ]),
  flowSchemas: new Map([
    ['exempt', schema('exempt', 1, undefined, everything(groups('system:masters')))],
    ['catch-all', schema('catch-all', 10000, 'ByUser', everything(everybody))],
  ]),
};

export const suggestedConfiguration: BootstrapConfiguration = {
  priorityLevels: new Map([
    ['system', limited(30, 33, { queues: 64, handSize: 6 })],
    ['node-high', limited(40, 25, { queues: 64, handSize: 6 })],
    ['leader-election', limited(10, 0, { queues: 16, handSize: 4 })],
    ['workload-high', limited(40, 50, { queues: 128, handSize: 6 })],
    ['workload-low', limited(100, 90, { queues: 128, handSize: 6 })],
    ['global-default', limited(20, 50, { queues: 128, handSize: 6 })],
  ]),
  flowSchemas: new Map([
    ['system-nodes', schema('system', 500, 'ByUser', everything(groups('system:nodes')))],
    [
      'system-node-high',
      schema('node-high', 400, 'ByUser', {
        subjects: groups('system:nodes'),
        resourceRules: [
          { verbs: ['*'], apiGroups: [''], resources: ['nodes', 'nodes/status'], clusterScope: true, namespaces: ['*'] },
          { verbs: ['*'], apiGroups: ['coordination.k8s.io'], resources: ['leases'], namespaces: ['*'] },
        ],
      }),
    ],
    [
      'probes',
      schema('exempt', 2, undefined, {
        subjects: everybody,
        nonResourceRules: [{ verbs: ['get'], nonResourceURLs: ['/healthz', '/readyz', '/livez'] }],
      }),
    ],
    [
      'system-leader-election',
      schema('leader-election', 100, 'ByUser', {
        subjects: [...users('system:kube-controller-manager', 'system:kube-scheduler'), ...kubeSystemAccounts('*')],
        resourceRules: [leases],
      }),
    ],
    [
      'endpoint-controller',
      schema('workload-high', 150, 'ByUser', {
        subjects: [
          ...users('system:kube-controller-manager'),
          ...kubeSystemAccounts('endpoint-controller', 'endpointslicemirroring-controller'),
        ],
        resourceRules: [locks('', 'endpoints')],
      }),
    ],
    [
      'workload-leader-election',
      schema('leader-election', 200, 'ByUser', {
        subjects: kubeSystemAccounts('*'),
        resourceRules: [locks('', 'endpoints', 'configmaps'), leases],
      }),
    ],
    ['kube-controller-manager', schema('workload-high', 800, 'ByNamespace', everything(users('system:kube-controller-manager')))],
    ['kube-scheduler', schema('workload-high', 800, 'ByNamespace', everything(users('system:kube-scheduler')))],
    ['kube-system-service-accounts', schema('workload-high', 900, 'ByNamespace', everything(kubeSystemAccounts('*')))],
    ['service-accounts', schema('workload-low', 9000, 'ByUser', everything(groups('system:serviceaccounts')))],
    ['global-default', schema('global-default', 9900, 'ByUser', everything(everybody))],
  ]),
};
