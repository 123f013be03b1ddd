/** The rules of nodes, scheduler, proxy and the other components, and what every user may (upstream's policy.go). */
import type { PolicyRule } from '../../../api/index.ts';
import { controllerManagerRules, discoveryPaths } from './controller-roles.ts';
import { type IsEnabled, paths, read, recordEvents, rule, when, write } from './rule.ts';

/** What a kubelet may beside what the Node authorizer decides by relation. */
export const nodeRules = (isEnabled: IsEnabled): readonly PolicyRule[] => [
  rule('create', 'authentication', 'tokenreviews'),
  rule('create', 'authorization', 'localsubjectaccessreviews subjectaccessreviews'),
  rule(read, 'core', 'services'),
  rule('create get list watch', 'core', 'nodes'),
  rule('patch update', 'core', 'nodes/status'),
  rule('patch update', 'core', 'nodes'),
  recordEvents,
  rule(read, 'core', 'pods'),
  rule('create delete', 'core', 'pods'),
  rule('patch update', 'core', 'pods/status'),
  rule('create', 'core', 'pods/eviction'),
  rule(read, 'core', 'configmaps secrets'),
  rule('get', 'core', 'persistentvolumeclaims persistentvolumes'),
  rule('get', 'core', 'endpoints'),
  rule('create get list watch', 'certificates', 'certificatesigningrequests'),
  rule('create delete get patch update', 'coordination', 'leases'),
  rule('get', 'storage', 'volumeattachments'),
  rule('create', 'core', 'serviceaccounts/token'),
  rule('get patch update', 'core', 'persistentvolumeclaims/status'),
  rule(read, 'storage', 'csidrivers'),
  rule('create delete get patch update', 'storage', 'csinodes'),
  rule(read, 'node', 'runtimeclasses'),
  rule('get', 'resource', 'resourceclaims'),
  // Single ones are the Node authorizer's business, which takes node names out of selectors.
  rule('deletecollection', 'resource', 'resourceslices'),
  ...when(isEnabled('ClusterTrustBundle'), rule(read, 'certificates', 'clustertrustbundles')),
  ...when(isEnabled('KubeletServiceAccountTokenForCredentialProviders'), rule('get', 'core', 'serviceaccounts')),
  ...when(isEnabled('PodCertificateRequest'), rule('create get list watch', 'certificates', 'podcertificaterequests')),
];

const schedulerRules = (isEnabled: IsEnabled): readonly PolicyRule[] => [
  recordEvents,
  rule('create', 'coordination', 'leases'),
  rule('get list update watch', 'coordination', 'leases', 'kube-scheduler'),
  rule(`${write} get list watch`, 'coordination', 'leasecandidates'),
  rule(read, 'core', 'nodes'),
  rule('delete get list watch', 'core', 'pods'),
  rule('create', 'core', 'bindings pods/binding'),
  rule('patch update', 'core', 'pods/status'),
  rule(read, 'core', 'replicationcontrollers services'),
  rule(read, 'apps extensions', 'replicasets'),
  rule(read, 'apps', 'statefulsets'),
  rule(read, 'policy', 'poddisruptionbudgets'),
  rule(read, 'core', 'persistentvolumeclaims persistentvolumes'),
  rule('create', 'authentication', 'tokenreviews'),
  rule('create', 'authorization', 'subjectaccessreviews'),
  rule(read, 'storage', 'csinodes'),
  rule(read, 'storage', 'volumeattachments'),
  rule(read, 'core', 'namespaces'),
  rule(read, 'storage', 'csidrivers'),
  rule(read, 'storage', 'csistoragecapacities'),
  rule(read, 'resource', 'deviceclasses'),
  rule('get list patch update watch', 'resource', 'resourceclaims'),
  rule('get list patch update watch', 'resource', 'resourceclaims/status'),
  rule('update', 'core', 'pods/finalizers'),
  rule(read, 'resource', 'resourceslices'),
  ...when(isEnabled('DRAResourceClaimGranularStatusAuthorization'), rule('patch update', 'resource', 'resourceclaims/binding')),
  ...when(isEnabled('DRAExtendedResource'), rule('create delete', 'resource', 'resourceclaims')),
  ...when(isEnabled('DRADeviceTaintRules'), rule(read, 'resource', 'devicetaintrules')),
  ...when(
    isEnabled('GenericWorkload'),
    rule(read, 'scheduling', 'podgroups workloads'),
    rule('patch update', 'scheduling', 'podgroups/status'),
  ),
];

const selfReviews = [
  rule('create', 'authorization', 'selfsubjectaccessreviews selfsubjectrulesreviews'),
  rule('create', 'authentication', 'selfsubjectreviews'),
];

const zPages = (isEnabled: IsEnabled) =>
  `${isEnabled('ComponentFlagz') ? '/flagz' : ''} ${isEnabled('ComponentStatusz') ? '/statusz' : ''}`;

export const componentRoles = (isEnabled: IsEnabled): Record<string, readonly PolicyRule[]> => ({
  'cluster-admin': [rule('*', '*', '*'), paths('*', '*')],
  'system:discovery': [discoveryPaths],
  'system:monitoring': [
    paths('get', `/healthz /healthz/* /livez /livez/* /metrics /metrics/slis /readyz /readyz/* ${zPages(isEnabled)}`),
    rule('get', 'core', 'nodes/metrics'),
  ],
  'system:basic-user': selfReviews,
  'system:public-info-viewer': [paths('get', '/healthz /livez /readyz /version /version/')],
  'system:heapster': [rule(read, 'core', 'events namespaces nodes pods'), rule(read, 'extensions', 'deployments')],
  'system:node': nodeRules(isEnabled),
  'system:node-problem-detector': [rule('get', 'core', 'nodes'), rule('patch', 'core', 'nodes/status'), recordEvents],
  'system:node-proxier': [
    rule('list watch', 'core', 'endpoints services'),
    rule(read, 'core', 'nodes'),
    recordEvents,
    rule('list watch', 'networking', 'servicecidrs'),
    rule('list watch', 'discovery', 'endpointslices'),
  ],
  'system:kubelet-api-admin': [
    rule(read, 'core', 'nodes'),
    rule('proxy', 'core', 'nodes'),
    rule('*', 'core', 'nodes/log nodes/metrics nodes/proxy nodes/stats'),
    rule('*', 'core', 'nodes/configz nodes/healthz nodes/pods'),
  ],
  'system:node-bootstrapper': [rule('create get list watch', 'certificates', 'certificatesigningrequests')],
  'system:auth-delegator': [rule('create', 'authentication', 'tokenreviews'), rule('create', 'authorization', 'subjectaccessreviews')],
  'system:kube-aggregator': [rule(read, 'core', 'endpoints services')],
  'system:kube-controller-manager': controllerManagerRules,
  'system:kube-scheduler': schedulerRules(isEnabled),
  'system:kube-dns': [rule('list watch', 'core', 'endpoints services')],
  'system:persistent-volume-provisioner': [
    rule('create delete get list watch', 'core', 'persistentvolumes'),
    rule('get list update watch', 'core', 'persistentvolumeclaims'),
    rule(read, 'storage', 'storageclasses'),
    rule('watch', 'core', 'events'),
    recordEvents,
  ],
  'system:volume-scheduler': [
    rule('get list patch update watch', 'core', 'persistentvolumes'),
    rule(read, 'storage', 'storageclasses'),
    rule('get list patch update watch', 'core', 'persistentvolumeclaims'),
  ],
  'system:certificates.k8s.io:legacy-unknown-approver': [rule('approve', 'certificates', 'signers', 'kubernetes.io/legacy-unknown')],
  'system:certificates.k8s.io:kubelet-serving-approver': [rule('approve', 'certificates', 'signers', 'kubernetes.io/kubelet-serving')],
  'system:certificates.k8s.io:kube-apiserver-client-approver': [
    rule('approve', 'certificates', 'signers', 'kubernetes.io/kube-apiserver-client'),
  ],
  'system:certificates.k8s.io:kube-apiserver-client-kubelet-approver': [
    rule('approve', 'certificates', 'signers', 'kubernetes.io/kube-apiserver-client-kubelet'),
  ],
  'system:certificates.k8s.io:certificatesigningrequests:nodeclient': [
    rule('create', 'certificates', 'certificatesigningrequests/nodeclient'),
  ],
  'system:certificates.k8s.io:certificatesigningrequests:selfnodeclient': [
    rule('create', 'certificates', 'certificatesigningrequests/selfnodeclient'),
  ],
  'system:service-account-issuer-discovery': [
    paths('get', '/.well-known/openid-configuration /.well-known/openid-configuration/ /openid/v1/jwks /openid/v1/jwks/'),
  ],
  ...(isEnabled('ClusterTrustBundle')
    ? { 'system:cluster-trust-bundle-discovery': [rule(read, 'certificates', 'clustertrustbundles')] }
    : {}),
});
