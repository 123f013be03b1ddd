import { semanticEqual } from '../equality.ts';
import { FieldPath } from '../fields.ts';
import {
  type Container,
  Pod,
  type PodAffinityTerm,
  type PodCondition,
  type PodSpec,
  type PodStatus,
  type TopologySpreadConstraint,
} from '../generated/core.v1.ts';
import { defineKind } from '../kind.ts';
import type { FieldSet } from '../managed-fields/field-set.ts';
import {
  adoptAppArmorAnnotations,
  mirrorPodAnnotation,
  validatePodAnnotations,
  validateProfileAnnotationsMatch,
} from './pod-annotations.ts';
import { podColumns, podRowConditions } from './pod-columns.ts';
import { dropInitContainerAnnotations } from './pod-defaults.ts';
import { validatePodResize } from './pod-resize.ts';
import { aggregateContainerLimits, aggregateContainerRequests, computePodQos } from './pod-resources.ts';
import { defaultPodSpec, validatePodSpec } from './pod-spec.ts';
import { validatePodStatusUpdate } from './pod-status-update.ts';
import { validateEphemeralContainersUpdate, validatePodUpdate } from './pod-update.ts';
import { podStatusWarnings, podWarnings } from './pod-warnings.ts';
import { isHugePages, isOvercommitAllowed } from './resource-names.ts';
import { isPodLevelResource } from './resource-requirements.ts';

const specPath = new FieldPath('spec');

/** A limit without a request asks for as much as it allows. */
function defaultRequests(container: Container): void {
  if (!container.resources?.limits) return;
  const { resources } = container;
  resources.requests = { ...resources.limits, ...resources.requests };
}

/** On the node's network a port of the container is one of the node. */
function defaultHostPorts(containers: readonly Container[]): void {
  for (const container of containers) for (const port of container.ports ?? []) port.hostPort ||= port.containerPort;
}

/** Huge pages can't be given to more than have them: what containers may use, the pod as a whole may, if it says anything of itself. */
function defaultHugePages({ resources, ...spec }: PodSpec): void {
  if (!resources || Object.keys({ ...resources.limits, ...resources.requests }).length === 0) return;
  for (const [name, value] of Object.entries(aggregateContainerLimits(spec)))
    if (isHugePages(name) && resources.requests?.[name] === undefined) resources.limits = { [name]: value, ...resources.limits };
}

/** Of the pod as a whole: what its containers ask for together, or else what it may use at most. */
function defaultPodRequests(spec: PodSpec): void {
  const { resources } = spec;
  if (!resources?.limits || Object.keys(resources.limits).length === 0) return;
  const requests = { ...resources.requests };
  for (const [name, value] of Object.entries(aggregateContainerRequests(spec)))
    if (isPodLevelResource(name) && isOvercommitAllowed(name)) requests[name] ??= value;
  for (const [name, value] of Object.entries(resources.limits)) if (isPodLevelResource(name)) requests[name] ??= value;
  if (Object.keys(requests).length > 0) resources.requests = requests;
}

/** The first of `podIPs` has a field of its own, which kubelets of old know alone: where the two differ, it counts. */
function alignPodIps(status: PodStatus): void {
  const first = status.podIPs?.[0]?.ip;
  if (status.podIP && status.podIP !== first) status.podIPs = [{ ip: status.podIP }];
  else if (first !== undefined) status.podIP = first;
}

/** Turns the pod's own values of these labels into requirements, so that the scheduler need not know of label keys. */
function mergeLabelKeys(term: PodAffinityTerm | TopologySpreadConstraint, labels: Readonly<Record<string, string>>): void {
  if (!term.labelSelector) return;
  const added = [
    ...(term.matchLabelKeys ?? []).map((key) => ({ key, operator: 'In' as const })),
    ...(('mismatchLabelKeys' in term && term.mismatchLabelKeys) || []).map((key) => ({ key, operator: 'NotIn' as const })),
  ].flatMap(({ key, operator }) => {
    const value = labels[key];
    return value === undefined ? [] : [{ key, operator, values: [value] }];
  });
  if (added.length > 0) term.labelSelector.matchExpressions = [...(term.labelSelector.matchExpressions ?? []), ...added];
}

function mergeAllLabelKeys(pod: Pod): void {
  const labels = pod.metadata.labels ?? {};
  for (const kind of ['podAffinity', 'podAntiAffinity'] as const) {
    const affinity = pod.spec.affinity?.[kind];
    for (const term of affinity?.requiredDuringSchedulingIgnoredDuringExecution ?? []) mergeLabelKeys(term, labels);
    for (const term of affinity?.preferredDuringSchedulingIgnoredDuringExecution ?? []) mergeLabelKeys(term.podAffinityTerm, labels);
  }
  for (const constraint of pod.spec.topologySpreadConstraints ?? []) mergeLabelKeys(constraint, labels);
}

/** The metadata that subresources leave alone; a foreign name or uid stays, for validation to refuse. */
function keepMetadata(next: Pod, prev: Pod): void {
  const { managedFields, name, namespace, resourceVersion, uid } = next.metadata;
  const { managedFields: _, ...kept } = prev.metadata;
  next.metadata = { ...kept, name, namespace, uid: uid || prev.metadata.uid, resourceVersion, ...(managedFields ? { managedFields } : {}) };
}

/** Subresources that change the spec raise the generation, too: the kubelet's status tells which one it has seen. */
function countChange(next: Pod, prev: Pod): void {
  if (!semanticEqual(next.spec, prev.spec)) next.metadata.generation = (prev.metadata.generation ?? 0) + 1;
}

/** All changes but those of the containers' resources are dropped; a different list of containers is left for validation to refuse. */
function keepAllButResources(next: Pod, prev: Pod): void {
  const lists = ['containers', 'initContainers'] as const;
  const names = (pod: Pod) => lists.map((field) => (pod.spec[field] ?? []).map((container) => container.name).join(',')).join(';');
  if (names(next) !== names(prev)) return;
  const spec: PodSpec = { ...prev.spec };
  for (const field of lists) {
    // What is left out is taken away, which validation refuses.
    const containers = prev.spec[field]?.map(({ resources: _, resizePolicy: __, ...container }, i): Container => {
      const { resizePolicy, resources } = next.spec[field]?.[i] ?? {};
      return { ...container, ...(resources && { resources }), ...(resizePolicy && { resizePolicy }) };
    });
    if (containers) spec[field] = containers;
  }
  if (next.spec.resources) spec.resources = next.spec.resources;
  else delete spec.resources;
  next.spec = spec;
  next.status = prev.status;
  keepMetadata(next, prev);
  countChange(next, prev);
}

/** What a writer of the resize subresource may come to own of a container. */
const resized: FieldSet = { '*': { 'f:resources': {}, 'f:resizePolicy': {} } };

export const pod = defineKind<Pod>({
  resource: Pod,
  answersDeleted: true,
  shortNames: ['po'],
  categories: ['all'],
  storagePrefix: 'pods',
  defaults(pod) {
    pod.spec ??= { containers: [] };
    dropInitContainerAnnotations(pod.metadata);
    defaultPodSpec(pod.spec);
    if (Number(pod.spec.terminationGracePeriodSeconds) < 0) pod.spec.terminationGracePeriodSeconds = 1;
    for (const container of [...(pod.spec.containers ?? []), ...(pod.spec.initContainers ?? [])]) defaultRequests(container);
    defaultHugePages(pod.spec);
    defaultPodRequests(pod.spec);
    pod.spec.enableServiceLinks ??= true;
    if (pod.spec.hostNetwork) defaultHostPorts([...(pod.spec.containers ?? []), ...(pod.spec.initContainers ?? [])]);
    if (pod.status) alignPodIps(pod.status);
  },
  create(pod, { now, warn }) {
    pod.status = { phase: 'Pending', qosClass: pod.status?.qosClass || computePodQos(pod) };
    if (pod.spec.schedulingGates?.length) {
      const message = 'Scheduling is blocked due to non-empty scheduling gates';
      // The table's types know no null, which Go writes for a time that was not set.
      const condition = {
        type: 'PodScheduled',
        status: 'False',
        lastProbeTime: null,
        lastTransitionTime: now,
        reason: 'SchedulingGated',
        message,
      };
      pod.status.conditions = [condition as unknown as PodCondition];
    }
    mergeAllLabelKeys(pod);
    adoptAppArmorAnnotations(pod, warn);
  },
  update(next, prev) {
    next.status = prev.status;
  },
  validate(pod, errors) {
    const { annotations, name } = pod.metadata;
    validatePodAnnotations(annotations, pod.spec, new FieldPath('metadata').child('annotations'), errors);
    validatePodSpec(pod.spec, specPath, errors, { isPod: true, podName: name, isMirror: annotations?.[mirrorPodAnnotation] !== undefined });
    if (pod.spec.serviceAccountName) return;
    for (const [v, volume] of (pod.spec.volumes ?? []).entries())
      for (const [s, source] of (volume.projected?.sources ?? []).entries())
        if (source.serviceAccountToken)
          errors.forbidden(
            specPath.child('volumes').index(v).child('projected', 'sources').index(s).child('serviceAccountToken'),
            'must not be specified when serviceAccountName is not set',
          );
  },
  validateCreate(pod, errors) {
    if (pod.spec.ephemeralContainers?.length) errors.forbidden(specPath.child('ephemeralContainers'), 'cannot be set on create');
    if (pod.spec.nodeName && pod.spec.schedulingGates?.length)
      errors.forbidden(specPath.child('nodeName'), 'cannot be set until all schedulingGates have been cleared');
    validateProfileAnnotationsMatch(pod.metadata.annotations, pod.spec, specPath, errors);
  },
  validateUpdate: validatePodUpdate,
  // People rarely change pods themselves, and machines often do: only a new one is looked at.
  warnings: (pod, prev) => (prev ? [] : podWarnings(pod)),
  gracePeriodSeconds(pod, requested) {
    const isDone = pod.status?.phase === 'Failed' || pod.status?.phase === 'Succeeded';
    if (!pod.spec.nodeName || isDone) return 0;
    const seconds = Number(requested ?? pod.spec.terminationGracePeriodSeconds ?? 0);
    return seconds < 0 ? 1 : seconds;
  },
  fieldSelectors: {
    'spec.nodeName': ({ spec }) => spec.nodeName ?? '',
    // Its oldest name.
    'spec.host': ({ spec }) => spec.nodeName ?? '',
    'spec.restartPolicy': ({ spec }) => spec.restartPolicy ?? '',
    'spec.schedulerName': ({ spec }) => spec.schedulerName ?? '',
    'spec.serviceAccountName': ({ spec }) => spec.serviceAccountName ?? '',
    'spec.hostNetwork': ({ spec }) => String(spec.hostNetwork ?? false),
    'status.phase': ({ status }) => status?.phase ?? '',
    'status.podIP': ({ status }) => status?.podIPs?.[0]?.ip ?? status?.podIP ?? '',
    'status.nominatedNodeName': ({ status }) => status?.nominatedNodeName ?? '',
  },
  subresources: {
    status: {
      resetFields: { reset: { 'f:spec': {}, 'f:metadata': { 'f:deletionTimestamp': {}, 'f:ownerReferences': {} } } },
      update(next, prev) {
        next.spec = prev.spec;
        if (prev.metadata.deletionTimestamp === undefined) delete next.metadata.deletionTimestamp;
        // Old kubelets write owner references that break garbage collection, so theirs don't count.
        const { ownerReferences } = prev.metadata;
        if (ownerReferences === undefined) delete next.metadata.ownerReferences;
        else next.metadata.ownerReferences = ownerReferences;
        next.status ??= {};
        next.status.qosClass ??= prev.status?.qosClass;
        next.status.observedGeneration ??= prev.status?.observedGeneration;
        const earlier = new Map((prev.status?.conditions ?? []).map((condition) => [condition.type, condition.observedGeneration]));
        for (const condition of next.status.conditions ?? []) condition.observedGeneration ??= earlier.get(condition.type);
      },
      validate: validatePodStatusUpdate,
      warnings: podStatusWarnings,
    },
    ephemeralcontainers: {
      resetFields: { only: { 'f:spec': { 'f:ephemeralContainers': {} } } },
      update(next, prev) {
        next.spec = { ...prev.spec, ephemeralContainers: next.spec.ephemeralContainers };
        next.status = prev.status;
        keepMetadata(next, prev);
        countChange(next, prev);
      },
      validate(next, prev, errors) {
        validatePodSpec(next.spec, specPath, errors, { isPod: true, podName: next.metadata.name });
        validateEphemeralContainersUpdate(next, prev, errors);
      },
    },
    resize: {
      resetFields: { only: { 'f:spec': { 'f:containers': resized, 'f:initContainers': resized } } },
      update: keepAllButResources,
      validate(next, prev, errors) {
        validatePodSpec(next.spec, specPath, errors, { isPod: true, podName: next.metadata.name });
        validatePodResize(next, prev, errors);
      },
    },
  },
  columns: podColumns,
  rowConditions: podRowConditions,
});
