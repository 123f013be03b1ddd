/** The rules of each controller's service account kube-system/NAME (upstream's controller_policy.go). */
import type { PolicyRule } from '../../../api/index.ts';
import { type IsEnabled, paths, read, recordEvents, rule, when } from './rule.ts';

const ev = recordEvents;

/** Those of every cluster. */
const always = (isEnabled: IsEnabled): Record<string, readonly PolicyRule[]> => ({
  'attachdetach-controller': [
    rule('list watch', 'core', 'persistentvolumes persistentvolumeclaims'),
    rule(read, 'core', 'nodes'),
    rule('patch update', 'core', 'nodes/status'),
    rule('list watch', 'core', 'pods'),
    ev,
    rule('get create delete list watch', 'storage', 'volumeattachments'),
    rule(read, 'storage', 'csidrivers'),
    rule(read, 'storage', 'csinodes'),
  ],
  'certificate-controller': [
    rule('delete get list watch', 'certificates', 'certificatesigningrequests'),
    rule('update', 'certificates', 'certificatesigningrequests/approval certificatesigningrequests/status'),
    rule('approve', 'certificates', 'signers', 'kubernetes.io/kube-apiserver-client-kubelet'),
    rule(
      'sign',
      'certificates',
      'signers',
      'kubernetes.io/kube-apiserver-client-kubelet kubernetes.io/kubelet-serving kubernetes.io/kube-apiserver-client kubernetes.io/legacy-unknown',
    ),
    rule('create', 'authorization', 'subjectaccessreviews'),
    ev,
  ],
  'clusterrole-aggregation-controller': [rule('escalate get list patch update watch', 'rbac', 'clusterroles')],
  'cronjob-controller': [
    rule('get list update watch', 'batch', 'cronjobs'),
    rule('create delete get list patch update watch', 'batch', 'jobs'),
    rule('update', 'batch', 'cronjobs/status'),
    rule('update', 'batch', 'cronjobs/finalizers'),
    rule('delete list watch', 'core', 'pods'),
    ev,
  ],
  'daemon-set-controller': [
    rule(read, 'extensions apps', 'daemonsets'),
    rule('update', 'extensions apps', 'daemonsets/status'),
    rule('update', 'extensions apps', 'daemonsets/finalizers'),
    rule('list watch', 'core', 'nodes'),
    rule('create delete list patch watch', 'core', 'pods'),
    rule('create', 'core', 'pods/binding'),
    rule('create delete get list patch update watch', 'apps', 'controllerrevisions'),
    ev,
  ],
  'deployment-controller': [
    rule('get list update watch', 'extensions apps', 'deployments'),
    rule('update', 'extensions apps', 'deployments/status'),
    rule('update', 'extensions apps', 'deployments/finalizers'),
    rule('create delete get list patch update watch', 'apps extensions', 'replicasets'),
    rule('get list update watch', 'core', 'pods'),
    ev,
  ],
  'disruption-controller': [
    rule(read, 'extensions apps', 'deployments'),
    rule(read, 'apps extensions', 'replicasets'),
    rule(read, 'core', 'replicationcontrollers'),
    rule(read, 'policy', 'poddisruptionbudgets'),
    rule(read, 'apps', 'statefulsets'),
    rule('update', 'policy', 'poddisruptionbudgets/status'),
    rule('patch update', 'core', 'pods/status'),
    rule('get', '*', '*/scale'),
    ev,
  ],
  'endpoint-controller': [
    rule(read, 'core', 'pods services'),
    rule('create delete get list update watch', 'core', 'endpoints'),
    rule('create', 'core', 'endpoints/restricted'),
    ev,
  ],
  'endpointslice-controller': [
    rule(read, 'core', 'nodes pods services'),
    rule('update', 'core', 'services/finalizers'),
    rule('create delete get list update watch', 'discovery', 'endpointslices'),
    ev,
  ],
  'endpointslicemirroring-controller': [
    rule(read, 'core', 'endpoints services'),
    rule('update', 'core', 'services/finalizers'),
    rule('update', 'core', 'endpoints/finalizers'),
    rule('create delete get list update watch', 'discovery', 'endpointslices'),
    ev,
  ],
  'ephemeral-volume-controller': [
    rule(read, 'core', 'pods'),
    rule('update', 'core', 'pods/finalizers'),
    rule('create get list watch', 'core', 'persistentvolumeclaims'),
    ev,
  ],
  'expand-controller': [
    rule('get list patch update watch', 'core', 'persistentvolumes'),
    rule('patch update', 'core', 'persistentvolumeclaims/status'),
    rule(read, 'core', 'persistentvolumeclaims'),
    ev,
  ],
  'generic-garbage-collector': [rule('delete get list patch update watch', '*', '*'), ev],
  'horizontal-pod-autoscaler': [
    rule(read, 'autoscaling', 'horizontalpodautoscalers'),
    rule('update', 'autoscaling', 'horizontalpodautoscalers/status'),
    rule('get update', '*', '*/scale'),
    rule('list watch', 'core', 'pods'),
    rule('list watch', 'metrics', 'pods'),
    rule(read, 'custom.metrics.k8s.io', '*'),
    rule(read, 'external.metrics.k8s.io', '*'),
    ev,
  ],
  'job-controller': [
    rule('get list patch update watch', 'batch', 'jobs'),
    rule('update', 'batch', 'jobs/status'),
    rule('update', 'batch', 'jobs/finalizers'),
    rule('create delete list patch watch', 'core', 'pods'),
    ev,
    ...when(isEnabled('WorkloadWithJob'), rule('create get list patch update watch', 'scheduling', 'podgroups workloads')),
  ],
  'legacy-service-account-token-cleaner': [
    rule('get', 'core', 'configmaps', 'kube-apiserver-legacy-service-account-token-tracking'),
    rule('delete patch', 'core', 'secrets'),
  ],
  'namespace-controller': [
    rule('delete get list watch', 'core', 'namespaces'),
    rule('update', 'core', 'namespaces/finalize namespaces/status'),
    rule('delete deletecollection get list watch', '*', '*'),
  ],
  'node-controller': [
    rule('delete get list patch update watch', 'core', 'nodes'),
    rule('patch update', 'core', 'nodes/status'),
    rule('patch update', 'core', 'pods/status'),
    rule('delete get list watch', 'core', 'pods'),
    ev,
  ],
  'persistent-volume-binder': [
    rule('create delete get list update watch', 'core', 'persistentvolumes'),
    rule('update', 'core', 'persistentvolumes/status'),
    rule('get list update watch', 'core', 'persistentvolumeclaims'),
    rule('update', 'core', 'persistentvolumeclaims/status'),
    rule('create delete get list watch', 'core', 'pods'),
    rule(read, 'storage', 'storageclasses'),
    rule('list watch', 'core', 'nodes'),
    ev,
    rule('watch', 'core', 'events'),
  ],
  'pod-garbage-collector': [rule('delete list watch', 'core', 'pods'), rule(read, 'core', 'nodes'), rule('patch', 'core', 'pods/status')],
  'pv-protection-controller': [rule('get list update watch', 'core', 'persistentvolumes'), ev],
  'pvc-protection-controller': [
    rule('get list update watch', 'core', 'persistentvolumeclaims'),
    rule('update', 'core', 'persistentvolumeclaims/status'),
    rule(read, 'core', 'pods'),
    ev,
  ],
  'replicaset-controller': [
    rule('get list update watch', 'apps extensions', 'replicasets'),
    rule('update', 'apps extensions', 'replicasets/status'),
    rule('update', 'apps extensions', 'replicasets/finalizers'),
    rule('create delete list patch watch', 'core', 'pods'),
    ev,
  ],
  'replication-controller': [
    rule('get list update watch', 'core', 'replicationcontrollers'),
    rule('update', 'core', 'replicationcontrollers/status'),
    rule('update', 'core', 'replicationcontrollers/finalizers'),
    rule('create delete list patch watch', 'core', 'pods'),
    ev,
  ],
  'resource-claim-controller': [
    rule(read, 'core', 'pods'),
    rule('update', 'core', 'pods/finalizers'),
    rule('create delete get list watch', 'resource', 'resourceclaims'),
    rule('patch update', 'resource', 'resourceclaims resourceclaims/status'),
    rule('patch update', 'core', 'pods/status'),
    ev,
    ...when(
      isEnabled('DRAWorkloadResourceClaims'),
      rule(read, 'scheduling', 'podgroups'),
      rule('patch update', 'scheduling', 'podgroups/status'),
    ),
    rule('patch update', 'resource', 'resourceclaims/binding'),
  ],
  'resourcequota-controller': [rule('list watch', '*', '*'), rule('update', 'core', 'resourcequotas/status'), ev],
  'root-ca-cert-publisher': [rule('create update', 'core', 'configmaps'), ev],
  'route-controller': [rule('list watch', 'core', 'nodes'), rule('patch', 'core', 'nodes/status'), ev],
  'selinux-warning-controller': [
    ev,
    rule(read, 'core', 'persistentvolumes'),
    rule(read, 'core', 'persistentvolumeclaims'),
    rule(read, 'core', 'pods'),
    rule(read, 'storage', 'csidrivers'),
  ],
  'service-account-controller': [rule('create', 'core', 'serviceaccounts'), ev],
  'service-cidrs-controller': [
    rule('get list patch update watch', 'networking', 'servicecidrs'),
    rule('patch update', 'networking', 'servicecidrs/finalizers'),
    rule('patch update', 'networking', 'servicecidrs/status'),
    rule(read, 'networking', 'ipaddresses'),
    ev,
  ],
  'service-controller': [
    rule(read, 'core', 'services'),
    rule('patch update', 'core', 'services/status'),
    rule('list watch', 'core', 'nodes'),
    ev,
  ],
  'statefulset-controller': [
    rule('list watch', 'core', 'pods'),
    rule(read, 'apps', 'statefulsets'),
    rule('update', 'apps', 'statefulsets/status'),
    rule('update', 'apps', 'statefulsets/finalizers'),
    rule('create delete get patch update', 'core', 'pods'),
    rule('create delete get list patch update watch', 'apps', 'controllerrevisions'),
    rule('create get list watch', 'core', 'persistentvolumeclaims'),
    rule('delete update', 'core', 'persistentvolumeclaims'),
    rule('update', 'core', 'pods/finalizers'),
    ev,
  ],
  'ttl-after-finished-controller': [rule('delete get list watch', 'batch', 'jobs'), ev],
  'ttl-controller': [rule('list patch update watch', 'core', 'nodes'), ev],
  'validatingadmissionpolicy-status-controller': [
    rule(read, 'admissionregistration', 'validatingadmissionpolicies'),
    rule('get patch update', 'admissionregistration', 'validatingadmissionpolicies/status'),
    ev,
  ],
  'volumeattributesclass-protection-controller': [
    rule(read, 'core', 'persistentvolumeclaims'),
    rule(read, 'core', 'persistentvolumes'),
    rule('get list update watch', 'storage', 'volumeattributesclasses'),
    ev,
  ],
});

/** Those of controllers that run only where a feature gate is on: the gate, the account, its rules. */
const gated = (isEnabled: IsEnabled): [gate: string, name: string, rules: readonly PolicyRule[]][] => [
  [
    'DRADeviceTaints',
    'device-taint-eviction-controller',
    [
      rule('delete get list watch', 'core', 'pods'),
      rule('patch update', 'core', 'pods/status'),
      rule(read, 'resource', 'resourceclaims'),
      rule(read, 'resource', 'resourceslices'),
      rule(read, 'resource', 'deviceclasses'),
      ev,
      ...when(
        isEnabled('DRADeviceTaintRules'),
        rule('patch update', 'resource', 'devicetaintrules/status'),
        rule(read, 'resource', 'devicetaintrules'),
      ),
    ],
  ],
  [
    'ClusterTrustBundle',
    'kube-apiserver-serving-clustertrustbundle-publisher',
    [
      rule('attest', 'certificates', 'signers', 'kubernetes.io/kube-apiserver-serving'),
      rule('create delete list update watch', 'certificates', 'clustertrustbundles'),
      ev,
    ],
  ],
  ['PodCertificateRequest', 'podcertificaterequestcleaner', [rule('delete get list watch', 'certificates', 'podcertificaterequests')]],
  [
    'GenericWorkload',
    'podgroup-protection-controller',
    [rule('get list update watch', 'scheduling', 'podgroups'), rule(read, 'core', 'pods')],
  ],
  [
    'StorageVersionAPI',
    'storage-version-garbage-collector',
    [
      rule(read, 'coordination', 'leases'),
      rule('delete get list patch update watch', 'internal', 'storageversions'),
      rule('get patch update', 'internal', 'storageversions/status'),
    ],
  ],
  [
    'StorageVersionMigrator',
    'storage-version-migrator-controller',
    [
      rule('list patch', '*', '*'),
      rule('get', 'apiextensions', 'customresourcedefinitions'),
      rule('patch', 'apiextensions', 'customresourcedefinitions/status'),
      rule('update', 'storagemigration', 'storageversionmigrations/status'),
    ],
  ],
];

export function controllerRules(isEnabled: IsEnabled): Record<string, readonly PolicyRule[]> {
  const present = gated(isEnabled).filter(([gate]) => isEnabled(gate));
  return { ...always(isEnabled), ...Object.fromEntries(present.map(([, name, rules]) => [name, rules])) };
}

/** kube-controller-manager's own identity, beside its controllers'. */
export const controllerManagerRules: readonly PolicyRule[] = [
  ev,
  rule('create', 'coordination', 'leases'),
  rule('get update', 'coordination', 'leases', 'kube-controller-manager'),
  rule('create', 'core', 'secrets serviceaccounts'),
  rule('delete', 'core', 'secrets'),
  rule('get', 'core', 'configmaps namespaces secrets serviceaccounts'),
  rule('update', 'core', 'secrets serviceaccounts'),
  rule('create', 'authentication', 'tokenreviews'),
  rule('create', 'authorization', 'subjectaccessreviews'),
  rule('list watch', '*', '*'),
  rule('create', 'core', 'serviceaccounts/token'),
];

export const discoveryPaths = paths('get', '/api /api/* /apis /apis/* /healthz /livez /openapi /openapi/* /readyz /version /version/');
