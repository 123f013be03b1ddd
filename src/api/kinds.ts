/**
 * All built-in kinds: one line a kind. Adding a kind is a file `<group>/<kind>.ts` and a line here; everything else (storage,
 * REST paths, discovery, Tables, OpenAPI) follows from the table and the definition.
 */

import {
  mutatingAdmissionPolicy,
  mutatingAdmissionPolicyBinding,
  validatingAdmissionPolicy,
  validatingAdmissionPolicyBinding,
} from './admissionregistration/admission-policies.ts';
import { mutatingWebhookConfiguration, validatingWebhookConfiguration } from './admissionregistration/webhook-configurations.ts';
import { customResourceDefinition } from './apiextensions/custom-resource-definition.ts';
import { apiService } from './apiregistration/api-service.ts';
import { storageVersion } from './apiserverinternal/storage-version.ts';
import { controllerRevision } from './apps/controller-revision.ts';
import { daemonSet } from './apps/daemon-set.ts';
import { deployment } from './apps/deployment.ts';
import { replicaSet } from './apps/replica-set.ts';
import { statefulSet } from './apps/stateful-set.ts';
import { selfSubjectReview, tokenReview } from './authentication/reviews.ts';
import {
  localSubjectAccessReview,
  selfSubjectAccessReview,
  selfSubjectRulesReview,
  subjectAccessReview,
} from './authorization/access-reviews.ts';
import { horizontalPodAutoscaler } from './autoscaling/horizontal-pod-autoscaler.ts';
import { cronJob } from './batch/cron-job.ts';
import { job } from './batch/job.ts';
import { certificateSigningRequest } from './certificates/certificate-signing-request.ts';
import { clusterTrustBundle } from './certificates/cluster-trust-bundle.ts';
import { podCertificateRequest } from './certificates/pod-certificate-request.ts';
import { lease } from './coordination/lease.ts';
import { leaseCandidate } from './coordination/lease-candidate.ts';
import { binding } from './core/binding.ts';
import { componentStatus } from './core/component-status.ts';
import { configMap } from './core/config-map.ts';
import { endpoints } from './core/endpoints.ts';
import { event as coreEvent } from './core/event.ts';
import { limitRange } from './core/limit-range.ts';
import { namespace } from './core/namespace.ts';
import { node } from './core/node.ts';
import { persistentVolume } from './core/persistent-volume.ts';
import { persistentVolumeClaim } from './core/persistent-volume-claim.ts';
import { pod } from './core/pod.ts';
import { podTemplate } from './core/pod-template.ts';
import { replicationController } from './core/replication-controller.ts';
import { resourceQuota } from './core/resource-quota.ts';
import { secret } from './core/secret.ts';
import { service } from './core/service.ts';
import { serviceAccount } from './core/service-account.ts';
import { endpointSlice } from './discovery/endpoint-slice.ts';
import { flowSchema } from './flowcontrol/flow-schema.ts';
import { priorityLevelConfiguration } from './flowcontrol/priority-level-configuration.ts';
import type { KindDefinition } from './kind.ts';
import { ingress } from './networking/ingress.ts';
import { ingressClass } from './networking/ingress-class.ts';
import { ipAddress } from './networking/ip-address.ts';
import { networkPolicy } from './networking/network-policy.ts';
import { serviceCidr } from './networking/service-cidr.ts';
import { runtimeClass } from './node/runtime-class.ts';
import { podDisruptionBudget } from './policy/pod-disruption-budget.ts';
import { clusterRole } from './rbac/cluster-role.ts';
import { clusterRoleBinding } from './rbac/cluster-role-binding.ts';
import { role } from './rbac/role.ts';
import { roleBinding } from './rbac/role-binding.ts';
import { deviceClass } from './resource/device-class.ts';
import { deviceTaintRule } from './resource/device-taint-rule.ts';
import { resourceClaim } from './resource/resource-claim.ts';
import { resourceClaimTemplate } from './resource/resource-claim-template.ts';
import { resourcePoolStatusRequest } from './resource/resource-pool-status-request.ts';
import { resourceSlice } from './resource/resource-slice.ts';
import type { KubeObject } from './resource.ts';
import { podGroup } from './scheduling/pod-group.ts';
import { priorityClass } from './scheduling/priority-class.ts';
import { workload } from './scheduling/workload.ts';
import { csiDriver } from './storage/csi-driver.ts';
import { csiNode } from './storage/csi-node.ts';
import { csiStorageCapacity } from './storage/csi-storage-capacity.ts';
import { storageClass } from './storage/storage-class.ts';
import { volumeAttachment } from './storage/volume-attachment.ts';
import { volumeAttributesClass } from './storage/volume-attributes-class.ts';
import { storageVersionMigration } from './storagemigration/storage-version-migration.ts';

/** Forgets a definition's type parameter: the registry treats all kinds alike and hands each only objects of its own kind. */
// The functions of a definition are contravariant in T, so that only an assertion widens it; objects reach them by kind alone.
const kind = <T extends KubeObject>(definition: KindDefinition<T>): KindDefinition => definition as unknown as KindDefinition;

export const kinds: readonly KindDefinition[] = [
  // core
  kind(namespace),
  kind(node),
  kind(pod),
  kind(service),
  kind(endpoints),
  kind(configMap),
  kind(secret),
  kind(serviceAccount),
  kind(coreEvent),
  kind(replicationController),
  kind(podTemplate),
  kind(resourceQuota),
  kind(limitRange),
  kind(persistentVolume),
  kind(persistentVolumeClaim),
  kind(componentStatus),
  kind(binding),
  // apps
  kind(deployment),
  kind(replicaSet),
  kind(daemonSet),
  kind(statefulSet),
  kind(controllerRevision),
  // rbac
  kind(role),
  kind(clusterRole),
  kind(roleBinding),
  kind(clusterRoleBinding),
  // coordination
  kind(lease),
  kind(leaseCandidate),
  // batch
  kind(job),
  kind(cronJob),
  // scheduling
  kind(priorityClass),
  kind(workload),
  kind(podGroup),
  // resource
  kind(resourceClaim),
  kind(resourceClaimTemplate),
  kind(deviceClass),
  kind(resourceSlice),
  kind(deviceTaintRule),
  kind(resourcePoolStatusRequest),
  // node
  kind(runtimeClass),
  // policy
  kind(podDisruptionBudget),
  // storage
  kind(storageClass),
  kind(csiDriver),
  kind(csiNode),
  kind(csiStorageCapacity),
  kind(volumeAttachment),
  kind(volumeAttributesClass),
  // networking
  kind(ingress),
  kind(ingressClass),
  kind(networkPolicy),
  kind(ipAddress),
  kind(serviceCidr),
  // discovery
  kind(endpointSlice),
  // authorization
  kind(subjectAccessReview),
  kind(localSubjectAccessReview),
  kind(selfSubjectAccessReview),
  kind(selfSubjectRulesReview),
  // authentication
  kind(tokenReview),
  kind(selfSubjectReview),
  // certificates
  kind(certificateSigningRequest),
  kind(clusterTrustBundle),
  kind(podCertificateRequest),
  // storagemigration
  kind(storageVersionMigration),
  // internal.apiserver
  kind(storageVersion),
  // apiextensions
  kind(customResourceDefinition),
  // apiregistration
  kind(apiService),
  // autoscaling
  kind(horizontalPodAutoscaler),
  // flowcontrol
  kind(flowSchema),
  kind(priorityLevelConfiguration),
  // admissionregistration
  kind(mutatingWebhookConfiguration),
  kind(validatingWebhookConfiguration),
  kind(validatingAdmissionPolicy),
  kind(validatingAdmissionPolicyBinding),
  kind(mutatingAdmissionPolicy),
  kind(mutatingAdmissionPolicyBinding),
];
