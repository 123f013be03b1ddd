/**
 * Fields that belong to a feature gate. While the gate is off a write loses them, except where the object has them already: what is
 * in use stays usable (upstream's dropDisabledFields). Where a gate's fields were used is asked as a whole: an object that uses one of
 * them may use all.
 */
import { dropDisabledPodFields } from './gated-pod-fields.ts';
import type { PodSpec } from './generated/core.v1.ts';
import { isJsonObject } from './json-object.ts';
import { groupResourceOf, type KubeObject, type Resource } from './resource.ts';

/**
 * A gate with its fields: names by dots, `[]` for each item of a list, `*` for each value of a map; what ends in `?` goes, too, when nothing
 * is left in it.
 */
type Rule = readonly [gate: string, ...paths: readonly string[]];

const inContainers = (path: string) => ['containers', 'initContainers', 'ephemeralContainers'].map((list) => `${list}[].${path}`);
const inStatuses = (path: string) => ['container', 'initContainer', 'ephemeralContainer'].map((kind) => `status.${kind}Statuses[].${path}`);

/** Beside what `dropDisabledPodFields` takes. */
const podSpec: readonly Rule[] = [
  ['ClusterTrustBundleProjection', 'volumes[].projected.sources[].clusterTrustBundle'],
  ['ContainerStopSignals', ...inContainers('lifecycle?.stopSignal')],
  ['EnvFiles', ...inContainers('env[].valueFrom.fileKeyRef')],
  ['GenericWorkload', 'schedulingGroup'],
  ['HostnameOverride', 'hostnameOverride'],
  ['MatchLabelKeysInPodTopologySpread', 'topologySpreadConstraints[].matchLabelKeys'],
  ['PodCertificateRequest', 'volumes[].projected.sources[].podCertificate'],
  ['PodLevelResources', 'resources'],
  ['SELinuxChangePolicy', 'securityContext.seLinuxChangePolicy'],
  ['UserNamespacesSupport', 'hostUsers'],
];

const podStatus: readonly Rule[] = [
  ['DRAExtendedResource', 'status.extendedResourceClaimStatus'],
  ['ImageVolumeWithDigest', ...inStatuses('volumeMounts[].volumeStatus')],
  ['InPlacePodLevelResourcesVerticalScaling', 'status.resources', 'status.allocatedResources'],
  ['ResourceHealthStatus', ...inStatuses('allocatedResourcesStatus')],
];

const below = (root: string, rules: readonly Rule[]): Rule[] =>
  rules.map(([gate, ...paths]) => [gate, ...paths.map((path) => `${root}.${path}`)]);

/** Where resources have pods' specs. */
const podSpecs: Readonly<Record<string, string>> = {
  pods: 'spec',
  podtemplates: 'template.spec',
  'cronjobs.batch': 'spec.jobTemplate.spec.template.spec',
  ...Object.fromEntries(
    ['replicationcontrollers', 'daemonsets.apps', 'deployments.apps', 'replicasets.apps', 'statefulsets.apps', 'jobs.batch'].map(
      (resource) => [resource, 'spec.template.spec'],
    ),
  ),
};

const terminating: Rule = ['DeploymentReplicaSetTerminatingReplicas', 'status.terminatingReplicas'];

/** What claims ask for. */
const claimSpec: readonly Rule[] = [
  [
    'DRAConsumableCapacity',
    'devices.constraints[].distinctAttribute',
    'devices.requests[].exactly.capacity',
    'devices.requests[].firstAvailable[].capacity',
  ],
  ['DRADeviceTaints', 'devices.requests[].exactly.tolerations', 'devices.requests[].firstAvailable[].tolerations'],
  ['DRAPrioritizedList', 'devices.requests[].firstAvailable'],
];
const results = 'status.allocation.devices.results[]';

/** Each of these may stay where it alone is used. */
const podGroup: readonly Rule[] = [
  ['DRAWorkloadResourceClaims', 'resourceClaims'],
  ['TopologyAwareWorkloadScheduling', 'schedulingConstraints'],
  ['WorkloadAwarePreemption', 'disruptionMode'],
  ['WorkloadAwarePreemption', 'priorityClassName'],
  ['WorkloadAwarePreemption', 'priority'],
];

const own: Readonly<Record<string, readonly Rule[]>> = {
  pods: podStatus,
  'deployments.apps': [terminating],
  'replicasets.apps': [terminating],
  'statefulsets.apps': [['MaxUnavailableStatefulSet', 'spec.updateStrategy.rollingUpdate.maxUnavailable']],
  'leases.coordination.k8s.io': [['CoordinatedLeaderElection', 'spec.strategy', 'spec.preferredHolder']],
  nodes: [['NodeDeclaredFeatures', 'status.declaredFeatures']],
  'horizontalpodautoscalers.autoscaling': [
    ['HPAConfigurableTolerance', 'spec.behavior.scaleUp.tolerance', 'spec.behavior.scaleDown.tolerance'],
  ],
  'csidrivers.storage.k8s.io': [
    ['MutableCSINodeAllocatableCount', 'spec.nodeAllocatableUpdatePeriodSeconds'],
    ['SELinuxMountReadWriteOncePod', 'spec.seLinuxMount'],
    ['VolumeLimitScaling', 'spec.preventPodSchedulingIfMissing'],
  ],
  'deviceclasses.resource.k8s.io': [['DRAExtendedResource', 'spec.extendedResourceName']],
  'podgroups.scheduling.k8s.io': [
    ...below('spec', podGroup),
    ['DRAWorkloadResourceClaims', 'status.resourceClaimStatuses', 'spec.resourceClaims'],
  ],
  'resourceclaims.resource.k8s.io': [
    ...below('spec', claimSpec).map(
      ([gate, ...paths]): Rule =>
        gate === 'DRAConsumableCapacity'
          ? [gate, ...paths, `${results}.shareID`, `${results}.consumedCapacity`, 'status.devices[].shareID']
          : [gate, ...paths],
    ),
    ['DRADeviceBindingConditions', `${results}.bindingConditions`, `${results}.bindingFailureConditions`],
    ['DRAResourceClaimDeviceStatus', 'status.devices'],
  ],
  'resourceclaimtemplates.resource.k8s.io': below('spec.spec', claimSpec),
  'resourceslices.resource.k8s.io': [
    ['DRAConsumableCapacity', 'spec.devices[].allowMultipleAllocations', 'spec.devices[].capacity.*.requestPolicy'],
    [
      'DRADeviceBindingConditions',
      ...['bindsToNode', 'bindingConditions', 'bindingFailureConditions'].map((name) => `spec.devices[].${name}`),
    ],
    ['DRADeviceTaints', 'spec.devices[].taints'],
    ['DRAListTypeAttributes', ...['bools', 'ints', 'strings', 'versions'].map((name) => `spec.devices[].attributes.*.${name}`)],
    ['DRANodeAllocatableResources', 'spec.devices[].nodeAllocatableResourceMappings'],
    [
      'DRAPartitionableDevices',
      'spec.sharedCounters',
      'spec.perDeviceNodeSelection',
      ...['consumesCounters', 'nodeName', 'nodeSelector', 'allNodes'].map((name) => `spec.devices[].${name}`),
    ],
  ],
  'workloads.scheduling.k8s.io': below('spec.podGroupTemplates[]', podGroup),
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
  if (step.endsWith('?')) {
    const name = step.slice(0, -1);
    const inside = value[name];
    const found = follow(inside, steps, at + 1, remove);
    if (remove && found && isJsonObject(inside) && Object.keys(inside).length === 0) delete value[name];
    return found;
  }
  if (!step.endsWith('[]') && step !== '*') return follow(value[step], steps, at + 1, remove);
  const inner = step === '*' ? Object.values(value) : value[step.slice(0, -2)];
  let found = false;
  if (Array.isArray(inner)) for (const item of inner) found = follow(item, steps, at + 1, remove) || found;
  return found;
}

/** By resource the gates with their paths, taken apart. */
const rules = new Map(
  [...new Set([...Object.keys(podSpecs), ...Object.keys(own)])].map((resource) => {
    const root = podSpecs[resource];
    const all = [...(root === undefined ? [] : below(root, podSpec)), ...(own[resource] ?? [])];
    return [resource, all.map(([gate, ...paths]) => ({ gate, paths: paths.map((path) => path.split('.')) }))];
  }),
);
const podSpecSteps = new Map(Object.entries(podSpecs).map(([resource, path]) => [resource, path.split('.')]));

function podSpecOf(object: KubeObject | undefined, steps: readonly string[]): PodSpec | undefined {
  let value: unknown = object;
  for (const step of steps) value = isJsonObject(value) ? value[step] : undefined;
  return value as PodSpec | undefined; // as the resource has it
}

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
  const steps = podSpecSteps.get(name);
  const spec = steps && podSpecOf(next, steps);
  if (spec) dropDisabledPodFields(spec, podSpecOf(prev, steps), isEnabled);
  if (name === 'persistentvolumeclaims' && !isEnabled('CrossNamespaceVolumeDataSource')) {
    const specOf = (object: KubeObject | undefined) => (object as { spec?: unknown } | undefined)?.spec; // a claim
    dropForeignSource(specOf(next), specOf(prev));
  }
}
