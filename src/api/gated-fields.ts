/**
 * Fields that belong to a feature gate. While the gate is off a write loses them, except where the object has them already: what is
 * in use stays usable (upstream's dropDisabledFields). Where a gate's fields were used is asked as a whole: an object that uses one of
 * them may use all.
 */
import { isJsonObject } from './json-object.ts';
import { groupResourceOf, type KubeObject, type Resource } from './resource.ts';

/** By gate its fields: names by dots, `[]` for each item of a list, `*` for each value of a map. */
type Gated = Readonly<Record<string, readonly string[]>>;

const inContainers = (path: string) => ['containers', 'initContainers', 'ephemeralContainers'].map((list) => `${list}[].${path}`);

const podSpec: Gated = {
  ClusterTrustBundleProjection: ['volumes[].projected.sources[].clusterTrustBundle'],
  ContainerRestartRules: ['containers[].restartPolicy', 'containers[].restartPolicyRules', 'initContainers[].restartPolicyRules'],
  ContainerStopSignals: inContainers('lifecycle.stopSignal'),
  EnvFiles: inContainers('env[].valueFrom.fileKeyRef'),
  GenericWorkload: ['schedulingGroup'],
  HostnameOverride: ['hostnameOverride'],
  ImageVolume: ['volumes[].image'],
  MatchLabelKeysInPodTopologySpread: ['topologySpreadConstraints[].matchLabelKeys'],
  PodCertificateRequest: ['volumes[].projected.sources[].podCertificate'],
  PodLevelResources: ['resources'],
  SELinuxChangePolicy: ['securityContext.seLinuxChangePolicy'],
  UserNamespacesSupport: ['hostUsers'],
};

const below = (root: string, gated: Gated): Gated =>
  Object.fromEntries(Object.entries(gated).map(([gate, paths]) => [gate, paths.map((path) => `${root}.${path}`)]));

const template = below('spec.template.spec', podSpec);

const byResource: Readonly<Record<string, Gated>> = {
  pods: below('spec', podSpec),
  podtemplates: below('template.spec', podSpec),
  replicationcontrollers: template,
  'daemonsets.apps': template,
  'deployments.apps': { ...template, DeploymentReplicaSetTerminatingReplicas: ['status.terminatingReplicas'] },
  'replicasets.apps': { ...template, DeploymentReplicaSetTerminatingReplicas: ['status.terminatingReplicas'] },
  'statefulsets.apps': { ...template, MaxUnavailableStatefulSet: ['spec.updateStrategy.rollingUpdate.maxUnavailable'] },
  'jobs.batch': template,
  'cronjobs.batch': below('spec.jobTemplate.spec.template.spec', podSpec),
  nodes: { NodeDeclaredFeatures: ['status.declaredFeatures'] },
  'horizontalpodautoscalers.autoscaling': {
    HPAConfigurableTolerance: ['spec.behavior.scaleUp.tolerance', 'spec.behavior.scaleDown.tolerance'],
  },
  'csidrivers.storage.k8s.io': {
    MutableCSINodeAllocatableCount: ['spec.nodeAllocatableUpdatePeriodSeconds'],
    SELinuxMountReadWriteOncePod: ['spec.seLinuxMount'],
    VolumeLimitScaling: ['spec.preventPodSchedulingIfMissing'],
  },
  'deviceclasses.resource.k8s.io': { DRAExtendedResource: ['spec.extendedResourceName'] },
  'resourceclaims.resource.k8s.io': {
    DRAPrioritizedList: ['spec.devices.requests[].firstAvailable'],
    DRAResourceClaimDeviceStatus: ['status.devices'],
  },
  'resourceclaimtemplates.resource.k8s.io': { DRAPrioritizedList: ['spec.spec.devices.requests[].firstAvailable'] },
  'resourceslices.resource.k8s.io': {
    DRAConsumableCapacity: ['spec.devices[].allowMultipleAllocations', 'spec.devices[].capacity.*.requestPolicy'],
    DRADeviceBindingConditions: ['bindsToNode', 'bindingConditions', 'bindingFailureConditions'].map((name) => `spec.devices[].${name}`),
    DRADeviceTaints: ['spec.devices[].taints'],
    DRAListTypeAttributes: ['bools', 'ints', 'strings', 'versions'].map((name) => `spec.devices[].attributes.*.${name}`),
    DRANodeAllocatableResources: ['spec.devices[].nodeAllocatableResourceMappings'],
    DRAPartitionableDevices: [
      'spec.sharedCounters',
      'spec.perDeviceNodeSelection',
      ...['consumesCounters', 'nodeName', 'nodeSelector', 'allNodes'].map((name) => `spec.devices[].${name}`),
    ],
  },
};

/** Whether the path leads to anything; with `remove`, it does not afterwards. Plain recursion: every write of a pod comes by here. */
function follow(value: unknown, steps: readonly string[], at: number, remove: boolean): boolean {
  if (!isJsonObject(value)) return false;
  const step = steps[at] ?? '';
  if (at === steps.length - 1) {
    if (value[step] === undefined) return false;
    if (remove) delete value[step];
    return true;
  }
  if (!step.endsWith('[]') && step !== '*') return follow(value[step], steps, at + 1, remove);
  const inner = step === '*' ? Object.values(value) : value[step.slice(0, -2)];
  let found = false;
  if (Array.isArray(inner)) for (const item of inner) found = follow(item, steps, at + 1, remove) || found;
  return found;
}

/** By resource the gates with their paths, taken apart. */
const rules = new Map(
  Object.entries(byResource).map(([resource, gated]) => [
    resource,
    Object.entries(gated).map(([gate, paths]) => ({ gate, paths: paths.map((path) => path.split('.')) })),
  ]),
);

/** Claims that name another namespace's source lose all of it. */
function dropForeignSource(spec: unknown, prev: unknown): void {
  const source = (of: unknown) => (isJsonObject(of) && isJsonObject(of.dataSourceRef) ? of.dataSourceRef : undefined);
  if (isJsonObject(spec) && source(spec)?.namespace && !source(prev)?.namespace) delete spec.dataSourceRef;
}

/** Takes from an object about to be written what its features that are off would bring; `prev`: the object as it is. */
export function dropDisabledFields(
  resource: Resource,
  next: KubeObject,
  prev: KubeObject | undefined,
  isEnabled: (gate: string) => boolean,
): void {
  const name = groupResourceOf(resource);
  for (const { gate, paths } of rules.get(name) ?? [])
    if (!isEnabled(gate) && !(prev && paths.some((steps) => follow(prev, steps, 0, false))))
      for (const steps of paths) follow(next, steps, 0, true);
  if (name === 'persistentvolumeclaims' && !isEnabled('CrossNamespaceVolumeDataSource')) {
    const specOf = (object: KubeObject | undefined) => (object as { spec?: unknown } | undefined)?.spec; // a claim
    dropForeignSource(specOf(next), specOf(prev));
  }
}
