/**
 * What an object uses of the resources that a ResourceQuota can limit, and which quotas it counts against. Admission (before the
 * write) and the quota controller (afterwards, over everything) count by the same functions.
 */
import { computePodQos, podLimits, podRequests, specWithHeld } from './core/pod-resources.ts';
import { isPodTerminal } from './core/pod-state.ts';
import type { PersistentVolumeClaim, Pod, PodSpec, ResourceQuota, Service } from './generated/index.ts';
import type { DeviceClass, ResourceClaim } from './generated/resource.v1.ts';
import {
  addQuantities,
  compareQuantities,
  formatQuantity,
  parseQuantity,
  type Quantity,
  quantityFromValue,
  quantityValue,
} from './quantity.ts';
import type { KubeObject } from './resource.ts';
import { groupResourceOf } from './resource.ts';

/** Quantities by resource name: `pods`, `requests.cpu`, `count/deployments.apps`. */
export type Usage = Record<string, Quantity>;

const one = parseQuantity('1');
const zero = parseQuantity('0');

/** Resources that are counted under their plain name, too. */
const plainCounts = new Set(['configmaps', 'persistentvolumeclaims', 'replicationcontrollers', 'resourcequotas', 'secrets', 'services']);

/** Devices of a class as pods can ask for them like for any extended resource (KEP-5004). */
const implicitDevices = 'requests.deviceclass.resource.kubernetes.io/';
const resourceClaims = 'resourceclaims.resource.k8s.io';

/** What both pods and claims may ask for. */
const isExtended = (name: string) =>
  name.startsWith(implicitDevices) || (name.startsWith('requests.') && name.includes('/') && !name.includes('kubernetes.io/'));

/** The resources, as `plural.group`, whose objects use what a quota calls `name`. */
export function countedResources(name: string): readonly string[] {
  if (name.startsWith('count/')) return [name.slice('count/'.length)];
  if (name === 'requests.storage' || name.includes('.storageclass.storage.k8s.io/')) return ['persistentvolumeclaims'];
  if (name.endsWith('.deviceclass.resource.k8s.io/devices')) return [resourceClaims];
  if (isExtended(name)) return ['pods', resourceClaims];
  if (name.startsWith('services.')) return ['services'];
  return [plainCounts.has(name) ? name : 'pods'];
}

/** Whether the resource's objects use devices whose classes may have names as extended resources. */
export const usesDevices = (resource: { group: string; plural: string }): boolean => groupResourceOf(resource) === resourceClaims;

/**
 * What one object uses at a time (milliseconds since the epoch); an empty record for what is not there. `classes`: what device classes there
 * are; asked for only where `usesDevices`.
 */
export function quotaUsage(
  resource: { group: string; plural: string },
  object: KubeObject,
  now: number,
  classes: readonly DeviceClass[] = [],
): Usage {
  const name = groupResourceOf(resource);
  if (name === 'pods') return podUsage(object as Pod, now);
  const usage: Usage = { [`count/${name}`]: one };
  if (plainCounts.has(name)) usage[name] = one;
  if (name === 'services') Object.assign(usage, serviceUsage(object as Service));
  if (name === 'persistentvolumeclaims') Object.assign(usage, claimUsage(object as PersistentVolumeClaim));
  if (name === resourceClaims) Object.assign(usage, deviceUsage(object as ResourceClaim, classes));
  return usage;
}

function serviceUsage(service: Service): Usage {
  const { type, ports = [], allocateLoadBalancerNodePorts } = service.spec ?? {};
  const nodePorts =
    type === 'NodePort'
      ? ports.length
      : type === 'LoadBalancer'
        ? ports.filter((p) => allocateLoadBalancerNodePorts !== false || p.nodePort).length
        : 0;
  return {
    'services.nodeports': parseQuantity(nodePorts),
    'services.loadbalancers': type === 'LoadBalancer' ? one : zero,
  };
}

function claimUsage(claim: PersistentVolumeClaim): Usage {
  const usage: Usage = {};
  const size = claim.spec?.resources?.requests?.storage;
  const storageClass = claim.metadata.annotations?.['volume.beta.kubernetes.io/storage-class'] ?? claim.spec?.storageClassName;
  if (storageClass) usage[`${storageClass}.storageclass.storage.k8s.io/persistentvolumeclaims`] = one;
  if (size === undefined) return usage;
  const allocated = claim.status?.allocatedResources?.storage;
  const counted = allocated !== undefined && compareQuantities(allocated, size) > 0 ? allocated : size;
  const bytes = { nano: quantityFromValue(quantityValue(counted)).nano, format: parseQuantity(counted).format };
  usage['requests.storage'] = bytes;
  if (storageClass) usage[`${storageClass}.storageclass.storage.k8s.io/requests.storage`] = bytes;
  return usage;
}

/** What a request for all devices may come to: a claim's results have no more room (AllocationResultsMaxSize). */
const mostDevices = 32;

/** The devices of each class that a claim may get, by each of the names that they can be asked for; of alternatives the worst. */
function deviceUsage({ spec }: ResourceClaim, classes: readonly DeviceClass[]): Usage {
  const usage: Usage = {};
  for (const { exactly, firstAvailable = [] } of spec?.devices?.requests ?? []) {
    const worst = new Map<string, number>();
    for (const { deviceClassName, allocationMode, count } of [...(exactly ? [exactly] : []), ...firstAvailable]) {
      const devices = allocationMode === 'All' ? mostDevices : allocationMode === 'ExactCount' ? Number(count ?? 0) : 0;
      worst.set(deviceClassName, Math.max(worst.get(deviceClassName) ?? 0, devices));
    }
    for (const [deviceClass, devices] of worst) {
      const extended = classes.find(({ metadata }) => metadata.name === deviceClass)?.spec.extendedResourceName;
      const names = [`${deviceClass}.deviceclass.resource.k8s.io/devices`, `${implicitDevices}${deviceClass}`];
      for (const name of extended ? [...names, `requests.${extended}`] : names)
        usage[name] = addQuantities(usage[name] ?? zero, parseQuantity(devices));
    }
  }
  return usage;
}

/** A pod that should have been gone by now: its node has not told of its end. */
function isOverdue({ metadata: { deletionTimestamp, deletionGracePeriodSeconds } }: Pod, now: number): boolean {
  if (deletionTimestamp === undefined || deletionGracePeriodSeconds === undefined) return false;
  return now > Date.parse(deletionTimestamp) + deletionGracePeriodSeconds * 1000;
}

/** A pod that has finished, or should have, counts as an object only. */
function podUsage(pod: Pod, now: number): Usage {
  const usage: Usage = { 'count/pods': one };
  if (isPodTerminal(pod) || isOverdue(pod, now)) return usage;
  usage.pods = one;
  const spec = specWithHeld(pod);
  const limits = podLimits(spec);
  for (const [name, amount] of podRequests(spec)) {
    usage[`requests.${name}`] = amount;
    if (name === 'cpu' || name === 'memory' || name === 'ephemeral-storage' || name.startsWith('hugepages-')) usage[name] = amount;
  }
  for (const name of ['cpu', 'memory', 'ephemeral-storage']) {
    const amount = limits.get(name);
    if (amount !== undefined) usage[`limits.${name}`] = amount;
  }
  return usage;
}

/** What of an object a quota is about. */
export interface QuotaScope {
  scopeName: string;
  operator: string;
  values?: readonly string[];
}

/** The scopes of a quota, in both of the ways in which it names them. */
export function quotaScopes({ spec }: ResourceQuota): QuotaScope[] {
  const named = (spec?.scopes ?? []).map((scopeName) => ({ scopeName, operator: 'Exists', values: [] }));
  return [...named, ...(spec?.scopeSelector?.matchExpressions ?? [])];
}

/** Whether the quota's scopes take the object in. */
export const quotaMatches = (quota: ResourceQuota, resource: { group: string; plural: string }, object: KubeObject): boolean =>
  matchesScopes(quotaScopes(quota), resource, object);

/** Scopes are about pods, one about claims; a quota with one counts nothing else. */
export function matchesScopes(selectors: readonly QuotaScope[], resource: { group: string; plural: string }, object: KubeObject): boolean {
  if (selectors.length === 0) return true;
  const name = groupResourceOf(resource);
  if (name === 'persistentvolumeclaims') {
    const classes = attributesClasses(object as PersistentVolumeClaim);
    return selectors.every(
      ({ scopeName, operator, values }) =>
        scopeName === 'VolumeAttributesClass' && classes.some((className) => matchesClass(className, operator, values ?? [])),
    );
  }
  if (name !== 'pods') return false;
  const pod = object as Pod;
  return selectors.every(({ scopeName, operator, values }) => {
    switch (scopeName) {
      case 'Terminating':
        return isTerminating(pod);
      case 'NotTerminating':
        return !isTerminating(pod);
      case 'BestEffort':
        return isBestEffort(pod);
      case 'NotBestEffort':
        return !isBestEffort(pod);
      case 'PriorityClass':
        return matchesClass(pod.spec?.priorityClassName ?? '', operator, values ?? []);
      case 'CrossNamespacePodAffinity':
        return usesOtherNamespaces(pod.spec);
      default:
        return false;
    }
  });
}

/** The classes that the claim wants, has or is on its way to; one empty name where there are none. */
function attributesClasses({ spec, status }: PersistentVolumeClaim): string[] {
  const named = [
    spec?.volumeAttributesClassName,
    status?.currentVolumeAttributesClassName,
    status?.modifyVolumeStatus?.targetVolumeAttributesClassName,
  ].flatMap((className) => className || []);
  return named.length > 0 ? named : [''];
}

/** It is to end after some time: a quota's notion of terminating. */
export const isTerminating = ({ spec }: Pod): boolean => (spec?.activeDeadlineSeconds ?? -1) >= 0;

const isBestEffort = (pod: Pod): boolean => (pod.status?.qosClass ?? computePodQos(pod)) === 'BestEffort';

function matchesClass(name: string, operator: string, values: readonly string[]): boolean {
  if (operator === 'In') return values.includes(name);
  if (operator === 'NotIn') return !values.includes(name);
  return operator === 'Exists' ? name !== '' : name === '';
}

function usesOtherNamespaces(spec: PodSpec | undefined): boolean {
  return [spec?.affinity?.podAffinity, spec?.affinity?.podAntiAffinity].some((affinity) =>
    [
      ...(affinity?.requiredDuringSchedulingIgnoredDuringExecution ?? []),
      ...(affinity?.preferredDuringSchedulingIgnoredDuringExecution ?? []).map((p) => p.podAffinityTerm),
    ].some((term) => (term.namespaces?.length ?? 0) > 0 || term.namespaceSelector !== undefined),
  );
}

/** `cpu=100m,pods=1`: how quota messages show quantities. */
export function describeUsage(usage: Record<string, Quantity | string>): string {
  return Object.keys(usage)
    .sort()
    .map((name) => {
      const amount = usage[name] ?? '0';
      return `${name}=${typeof amount === 'string' ? amount : formatQuantity(amount)}`;
    })
    .join(',');
}
