import type { Client } from '../../client/index.ts';
import type { PodSecurityMetrics } from '../metrics/pod-security-metrics.ts';
import type { AdmissionPlugin } from '../request.ts';
import { alwaysAdmit, alwaysDeny, alwaysPullImages } from './always.ts';
import { certificateApproval, certificateSigning, certificateSubjectRestriction, clusterTrustBundleAttest } from './certificates.ts';
import { type EventLimit, eventRateLimit } from './event-rate-limit.ts';
import type { ExtensionContext } from './extension/context.ts';
import { type ImagePolicyOptions, imagePolicyWebhook } from './image-policy.ts';
import { limitRanger } from './limit-ranger.ts';
import { namespaceLifecycle } from './namespace-lifecycle.ts';
import { nodeDeclaredFeatureValidator } from './node-declared-feature-validator.ts';
import { nodeRestriction } from './node-restriction.ts';
import { ownerReferencesPermissionEnforcement } from './owner-references.ts';
import { podGroupWorkloadExists } from './pod-group-workload-exists.ts';
import { type PodNodeSelectors, podNodeSelector } from './pod-node-selector.ts';
import { podResizeValidator } from './pod-resize-validator.ts';
import { podSecurity } from './pod-security.ts';
import type { PodSecurityOptions } from './pod-security-policy.ts';
import { type PodTolerationOptions, podTolerationRestriction } from './pod-tolerations.ts';
import { podTopologyLabels } from './pod-topology-labels.ts';
import { mutatingAdmissionPolicy } from './policy/mutating-policy.ts';
import { validatingAdmissionPolicy } from './policy/validating-policy.ts';
import { priority } from './priority.ts';
import { type LimitedResource, resourceQuota } from './resource-quota.ts';
import {
  denyServiceExternalIps,
  extendedResourceToleration,
  limitPodHardAntiAffinityTopology,
  namespaceAutoProvision,
  namespaceExists,
} from './restrictions.ts';
import { runtimeClass } from './runtime-class.ts';
import { serviceAccount } from './service-account.ts';
import { defaultIngressClass, defaultStorageClass, persistentVolumeClaimResize, storageObjectInUseProtection } from './storage.ts';
import { defaultTolerationSeconds, taintNodesByCondition } from './tolerations.ts';
import { mutatingAdmissionWebhook } from './webhook/mutating-webhook.ts';
import { validatingAdmissionWebhook } from './webhook/validating-webhook.ts';

export interface AdmissionOptions extends ExtensionContext {
  /** The server's own client, for plugins that make objects. */
  client: Client;
  /** --enable-admission-plugins: beside the default ones. */
  enable?: readonly string[];
  /** --disable-admission-plugins. */
  disable?: readonly string[];
  /** --default-not-ready-toleration-seconds, --default-unreachable-toleration-seconds. */
  tolerationSeconds?: { notReady?: number; unreachable?: number };
  eventLimits?: readonly EventLimit[];
  podSecurity?: PodSecurityOptions;
  podSecurityMetrics?: PodSecurityMetrics;
  limitedResources?: readonly LimitedResource[];
  podTolerations?: PodTolerationOptions;
  podNodeSelectors?: PodNodeSelectors;
  /** ImagePolicyWebhook can't do without. */
  imagePolicy?: ImagePolicyOptions;
}

function imagePolicy(options: AdmissionOptions): AdmissionPlugin {
  if (!options.imagePolicy)
    throw new Error('failed to initialize admission: couldn\'t init admission plugin "ImagePolicyWebhook": no config specified');
  return imagePolicyWebhook(options, options.imagePolicy);
}

/** Every plugin in the order in which upstream runs them, whatever the order of the flags; `on` by default. */
const plugins: readonly { name: string; on: boolean; make(options: AdmissionOptions): AdmissionPlugin }[] = [
  { name: 'AlwaysAdmit', on: false, make: () => alwaysAdmit },
  { name: 'NamespaceAutoProvision', on: false, make: namespaceAutoProvision },
  { name: 'NamespaceLifecycle', on: true, make: namespaceLifecycle },
  { name: 'NamespaceExists', on: false, make: namespaceExists },
  { name: 'LimitPodHardAntiAffinityTopology', on: false, make: () => limitPodHardAntiAffinityTopology },
  { name: 'LimitRanger', on: true, make: limitRanger },
  { name: 'ServiceAccount', on: true, make: serviceAccount },
  // Off by default upstream; kubeadm turns it on, and so do we: kubelets are not trusted with more than their own.
  { name: 'NodeRestriction', on: true, make: nodeRestriction },
  { name: 'TaintNodesByCondition', on: true, make: () => taintNodesByCondition },
  { name: 'AlwaysPullImages', on: false, make: () => alwaysPullImages },
  { name: 'ImagePolicyWebhook', on: false, make: imagePolicy },
  { name: 'PodSecurity', on: true, make: (o) => podSecurity(o, o.podSecurity, o.podSecurityMetrics) },
  { name: 'PodNodeSelector', on: false, make: (o) => podNodeSelector(o, o.podNodeSelectors) },
  { name: 'Priority', on: true, make: priority },
  { name: 'DefaultTolerationSeconds', on: true, make: (o) => defaultTolerationSeconds(o.tolerationSeconds) },
  { name: 'PodTolerationRestriction', on: false, make: (o) => podTolerationRestriction(o, o.podTolerations) },
  { name: 'EventRateLimit', on: false, make: (o) => eventRateLimit(o, o.eventLimits ?? []) },
  { name: 'ExtendedResourceToleration', on: false, make: () => extendedResourceToleration },
  { name: 'DefaultStorageClass', on: true, make: defaultStorageClass },
  { name: 'StorageObjectInUseProtection', on: true, make: () => storageObjectInUseProtection },
  { name: 'OwnerReferencesPermissionEnforcement', on: false, make: ownerReferencesPermissionEnforcement },
  { name: 'PersistentVolumeClaimResize', on: true, make: persistentVolumeClaimResize },
  { name: 'RuntimeClass', on: true, make: runtimeClass },
  { name: 'CertificateApproval', on: true, make: certificateApproval },
  { name: 'CertificateSigning', on: true, make: certificateSigning },
  { name: 'ClusterTrustBundleAttest', on: true, make: clusterTrustBundleAttest },
  { name: 'CertificateSubjectRestriction', on: true, make: () => certificateSubjectRestriction },
  { name: 'DefaultIngressClass', on: true, make: defaultIngressClass },
  { name: 'DenyServiceExternalIPs', on: false, make: () => denyServiceExternalIps },
  { name: 'PodTopologyLabels', on: true, make: podTopologyLabels },
  { name: 'PodGroupWorkloadExists', on: true, make: podGroupWorkloadExists },
  { name: 'NodeDeclaredFeatureValidator', on: true, make: nodeDeclaredFeatureValidator },
  { name: 'PodResizeValidator', on: true, make: podResizeValidator },
  { name: 'MutatingAdmissionPolicy', on: true, make: mutatingAdmissionPolicy },
  { name: 'MutatingAdmissionWebhook', on: true, make: mutatingAdmissionWebhook },
  { name: 'ValidatingAdmissionPolicy', on: true, make: validatingAdmissionPolicy },
  { name: 'ValidatingAdmissionWebhook', on: true, make: validatingAdmissionWebhook },
  { name: 'ResourceQuota', on: true, make: (o) => resourceQuota(o, o.limitedResources) },
  { name: 'AlwaysDeny', on: false, make: () => alwaysDeny },
];

export const admissionOrder: readonly string[] = plugins.map((p) => p.name);

/** The configured admission plugins. Throws for a name that is none. */
export function defaultAdmission(options: AdmissionOptions): AdmissionPlugin[] {
  const { enable = [], disable = [] } = options;
  for (const [flag, names] of Object.entries({ enable, disable }))
    for (const name of names)
      if (!admissionOrder.includes(name)) throw new Error(`${flag}-admission-plugins plugin ${JSON.stringify(name)} is unknown`);
  const both = enable.filter((name) => disable.includes(name)).sort();
  if (both.length > 0) throw new Error(`[${both.join(' ')}] in enable-admission-plugins and disable-admission-plugins overlapped`);
  return plugins.filter((p) => (p.on || enable.includes(p.name)) && !disable.includes(p.name)).map((p) => p.make(options));
}
