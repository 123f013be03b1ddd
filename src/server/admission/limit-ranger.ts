import {
  aggregateMessage,
  type Container,
  compareQuantities,
  LimitRange,
  type LimitRangeItem,
  type PersistentVolumeClaim,
  type Pod,
  podLimits,
  podRequests,
  quantityMilliValue,
  type ResourceRequirements,
  toResourceList,
} from '../../api/index.ts';
import type { AdmissionPlugin, AdmissionRequest } from '../request.ts';
import { readObjects } from '../storages.ts';
import { type AdmissionContext, isCreate, isUpdate, refuse } from './context.ts';

type Amounts = Record<string, string>;

/** A namespace's LimitRanges give containers default requests and limits, and keep them, pods and claims between bounds. */
export function limitRanger(context: AdmissionContext): AdmissionPlugin {
  return {
    name: 'LimitRanger',
    handles: (r) => {
      if (r.group !== '' || !(isCreate(r) || isUpdate(r))) return false;
      if (r.resource === 'pods') return (r.subresource === '' && isCreate(r)) || (r.subresource === 'resize' && isUpdate(r));
      return r.resource === 'persistentvolumeclaims' && r.subresource === '';
    },
    async admit(request) {
      if (request.resource !== 'pods') return;
      for (const item of (await readObjects(context.storages, LimitRange, request.namespace)).flatMap(itemsOf))
        if (item.type === 'Container') applyDefaults(request.object as Pod, item);
    },
    async validate(request) {
      // What one of them has against the request is told, each thing once.
      for (const range of await readObjects(context.storages, LimitRange, request.namespace)) {
        const problems = itemsOf(range).flatMap((item) => problemsOf(request, item));
        if (problems.length > 0) throw refuse(request, aggregateMessage(problems));
      }
    },
  };
}

const itemsOf = ({ spec }: LimitRange): readonly LimitRangeItem[] => spec?.limits ?? [];

function applyDefaults(pod: Pod, item: LimitRangeItem): void {
  const notes: string[] = [];
  const apply = (containers: Container[] | undefined, label: string) => {
    for (const container of containers ?? []) {
      const requests = fill(container, 'requests', item.defaultRequest);
      const limits = fill(container, 'limits', item.default);
      if (requests.length > 0) notes.push(`${requests.join(', ')} request for ${label} ${container.name}`);
      if (limits.length > 0) notes.push(`${limits.join(', ')} limit for ${label} ${container.name}`);
    }
  };
  apply(pod.spec?.containers, 'container');
  apply(pod.spec?.initContainers, 'init container');
  if (notes.length > 0)
    pod.metadata.annotations = { ...pod.metadata.annotations, 'kubernetes.io/limit-ranger': `LimitRanger plugin set: ${notes.join('; ')}` };
}

function fill(container: { resources?: ResourceRequirements }, field: 'requests' | 'limits', defaults: Amounts | undefined): string[] {
  const present = container.resources?.[field] ?? {};
  const missing = Object.keys(defaults ?? {})
    .filter((name) => present[name] === undefined)
    .sort();
  if (missing.length === 0) return [];
  container.resources = { ...container.resources, [field]: { ...defaults, ...present } };
  return missing;
}

function problemsOf(request: AdmissionRequest, item: LimitRangeItem): string[] {
  if (request.resource === 'persistentvolumeclaims') {
    if (item.type !== 'PersistentVolumeClaim') return [];
    const { requests = {} } = (request.object as PersistentVolumeClaim).spec?.resources ?? {};
    return [
      ...each(item.min, (name, bound) => belowMinimum(name, bound, item.type, requests, {})),
      ...each(item.max, (name, bound) => {
        const asked = requests[name];
        if (asked === undefined) return `maximum ${name} usage per ${item.type} is ${bound}.  No request is specified`;
        return compareQuantities(asked, bound) > 0
          ? `maximum ${name} usage per ${item.type} is ${bound}, but request is ${asked}`
          : undefined;
      }),
    ];
  }
  const { spec } = request.object as Pod;
  if (item.type === 'Container')
    return [...(spec?.containers ?? []), ...(spec?.initContainers ?? [])].flatMap((c) =>
      bounds(item, c.resources?.requests ?? {}, c.resources?.limits ?? {}),
    );
  if (item.type !== 'Pod') return [];
  if (spec === undefined) return [];
  // Overhead is no wish of who made the pod.
  const { overhead: _, ...asked } = spec;
  return bounds(item, toResourceList(podRequests(asked)), toResourceList(podLimits(asked)));
}

const each = (bounds: Amounts | undefined, check: (name: string, bound: string) => string | undefined): string[] =>
  Object.entries(bounds ?? {})
    .map(([name, bound]) => check(name, bound))
    .filter((problem) => problem !== undefined);

function bounds(item: LimitRangeItem, requests: Amounts, limits: Amounts): string[] {
  return [
    ...each(item.min, (name, bound) => belowMinimum(name, bound, item.type, requests, limits)),
    ...each(item.max, (name, bound) => aboveMaximum(name, bound, item.type, requests, limits)),
    ...each(item.maxLimitRequestRatio, (name, bound) => aboveRatio(name, bound, item.type, requests, limits)),
  ];
}

function belowMinimum(name: string, bound: string, type: string, requests: Amounts, limits: Amounts): string | undefined {
  const start = `minimum ${name} usage per ${type} is ${bound}`;
  const request = requests[name];
  const limit = limits[name];
  if (request === undefined) return `${start}.  No request is specified`;
  if (compareQuantities(request, bound) < 0) return `${start}, but request is ${request}`;
  return limit !== undefined && compareQuantities(limit, bound) < 0 ? `${start}, but limit is ${limit}` : undefined;
}

function aboveMaximum(name: string, bound: string, type: string, requests: Amounts, limits: Amounts): string | undefined {
  const start = `maximum ${name} usage per ${type} is ${bound}`;
  const request = requests[name];
  const limit = limits[name];
  if (limit === undefined) return `${start}.  No limit is specified`;
  if (compareQuantities(limit, bound) > 0) return `${start}, but limit is ${limit}`;
  return request !== undefined && compareQuantities(request, bound) > 0 ? `${start}, but request is ${request}` : undefined;
}

function aboveRatio(name: string, bound: string, type: string, requests: Amounts, limits: Amounts): string | undefined {
  const start = `${name} max limit to request ratio per ${type} is ${bound}`;
  const request = requests[name];
  const limit = limits[name];
  if (request === undefined || compareQuantities(request, '0') === 0) return `${start}, but no request is specified or request is 0`;
  if (limit === undefined || compareQuantities(limit, '0') === 0) return `${start}, but no limit is specified or limit is 0`;
  const ratio = quantityMilliValue(limit) / quantityMilliValue(request);
  return ratio * 1000 > quantityMilliValue(bound) ? `${start}, but provided ratio is ${ratio.toFixed(6)}` : undefined;
}
