import {
  addQuantities,
  compareQuantities,
  countedResources,
  DeviceClass,
  describeUsage,
  formatQuantity,
  groupResourceOf,
  isTerminating,
  type KubeObject,
  matchesScopes,
  type Pod,
  parseQuantity,
  type QuotaScope,
  quotaMatches,
  quotaScopes,
  quotaUsage,
  ResourceQuota,
  StatusError,
  subtractQuantities,
  type Usage,
  usesDevices,
} from '../../api/index.ts';
import type { AdmissionPlugin, AdmissionRequest } from '../request.ts';
import { readObjects } from '../storages.ts';
import { type AdmissionContext, isCreate, isUpdate, refuse } from './context.ts';

const computeResources = new Set(['cpu', 'memory', 'requests.cpu', 'requests.memory', 'limits.cpu', 'limits.memory']);

/** What an update can make more of. */
const updatable = new Set(['pods', 'services', 'persistentvolumeclaims', 'resourceclaims.resource.k8s.io']);
const subresources = new Set(['pods/resize', 'services/status', 'persistentvolumeclaims/status']);
const groupResource = ({ group, resource }: AdmissionRequest) => groupResourceOf({ group, plural: resource });

/** What nobody may consume where no quota covers it (a ResourceQuotaConfiguration's). */
export interface LimitedResource {
  group: string;
  resource: string;
  /** Parts of the names of usages: `.storageclass.storage.k8s.io/requests.storage`. */
  matchContains: readonly string[];
  matchScopes: readonly QuotaScope[];
}

/** As Go prints a list of them. */
const formatScopes = (scopes: readonly QuotaScope[]) =>
  `[${scopes.map(({ scopeName, operator, values = [] }) => `{${scopeName} ${operator} [${values.join(' ')}]}`).join(' ')}]`;

/** Requests that would exceed a quota are refused; what is admitted is added to the quota's status at once, under compare-and-set. */
export function resourceQuota(context: AdmissionContext, limitedResources: readonly LimitedResource[] = []): AdmissionPlugin {
  return {
    name: 'ResourceQuota',
    handles: (r) => {
      if (r.namespace === '' || (r.resource === 'namespaces' && r.group === '')) return false;
      if (r.subresource === '') return isCreate(r) || (isUpdate(r) && updatable.has(groupResource(r)));
      return isUpdate(r) && subresources.has(`${groupResource(r)}/${r.subresource}`);
    },
    async validate(request) {
      const { object } = request;
      if (object === undefined) return;
      const quotas = await readObjects(context.storages, ResourceQuota, request.namespace);
      if (quotas.length === 0 && limitedResources.length === 0) return;
      const resource = { group: request.group, plural: request.resource };
      const isPod = groupResource(request) === 'pods';
      const { oldObject } = request;
      // Of a pod's updates one brings it into a quota's scope, or out of it.
      if (isPod && request.subresource === '' && oldObject && isTerminating(object as Pod) === isTerminating(oldObject as Pod)) return;
      const now = context.clock.now();
      const classes = usesDevices(resource) ? await readObjects(context.storages, DeviceClass, '') : [];
      const wanted = quotaUsage(resource, object, now, classes);
      const before = oldObject === undefined ? {} : quotaUsage(resource, oldObject, now, classes);
      const delta = isUpdate(request) ? positive(difference(wanted, before)) : wanted;
      const due: { quota: ResourceQuota; usage: Usage }[] = [];
      const matching = quotas.filter((quota) => limitedIn(quota, resource).length > 0 && quotaMatches(quota, resource, object));
      for (const quota of matching) {
        if (isPod) requireResources(request, quota);
        requireStatus(request, quota, limitedIn(quota, resource));
        // What comes to match only now is charged as a whole.
        const matched = oldObject === undefined || quotaMatches(quota, resource, oldObject);
        const usage = pick(matched ? delta : wanted, Object.keys(quota.status?.hard ?? {}));
        if (Object.values(usage).some((amount) => compareQuantities(amount, '0') !== 0)) due.push({ quota, usage });
      }
      if (Object.keys(delta).length > 0) requireCover(request, object, { wanted, quotas, matching });
      // All must have room before any is charged.
      for (const { quota, usage } of due) charged(request, quota, usage);
      for (const { quota, usage } of due) await charge(request, quota, usage);
    },
  };

  /** What is limited by default needs a quota that covers it. */
  function requireCover(
    request: AdmissionRequest,
    object: KubeObject,
    { wanted, quotas, matching }: { wanted: Usage; quotas: readonly ResourceQuota[]; matching: readonly ResourceQuota[] },
  ): void {
    if (limitedResources.length === 0) return;
    const resource = { group: request.group, plural: request.resource };
    const own = limitedResources.filter((limited) => limited.group === resource.group && limited.resource === resource.plural);
    const consumed = Object.keys(wanted).filter((name) => compareQuantities(wanted[name] ?? '0', '0') > 0);
    const limited = consumed.filter((name) => own.some(({ matchContains }) => matchContains.some((part) => name.includes(part))));
    const covered = new Set(matching.flatMap((quota) => Object.keys(quota.status?.hard ?? {})));
    const uncovered = limited.filter((name) => !covered.has(name)).sort();
    if (uncovered.length > 0) throw refuse(request, `insufficient quota to consume: ${uncovered.join(',')}`);
    const matched = (scopes: readonly QuotaScope[]) => scopes.filter((scope) => matchesScopes([scope], resource, object));
    const inQuotas = new Set(quotas.flatMap((quota) => matched(quotaScopes(quota)).map(({ scopeName }) => scopeName)));
    const open = limitedResources.flatMap(({ matchScopes }) => matched(matchScopes)).filter(({ scopeName }) => !inQuotas.has(scopeName));
    if (open.length > 0) throw new StatusError(500, '', `insufficient quota to match these scopes: ${formatScopes(open)}`, {});
  }

  async function charge(request: AdmissionRequest, quota: ResourceQuota, delta: Usage): Promise<void> {
    if (request.dryRun) {
      charged(request, quota, delta);
      return;
    }
    await context
      .storages(ResourceQuota)
      .update(request.namespace, quota.metadata.name ?? '', {}, ({ object }) => charged(request, object, delta));
  }
}

/** The quota with its usage raised. */
function charged(request: AdmissionRequest, quota: ResourceQuota, delta: Usage): ResourceQuota {
  const hard = quota.status?.hard ?? {};
  const used = quota.status?.used ?? {};
  const name = quota.metadata.name;
  const names = Object.keys(delta).filter((n) => hard[n] !== undefined);
  const next: Record<string, string> = { ...used };
  const exceeded: string[] = [];
  for (const n of names) {
    const total = addQuantities(parseQuantity(used[n] ?? '0'), delta[n] ?? parseQuantity('0'));
    if (compareQuantities(delta[n] ?? '0', '0') > 0 && compareQuantities(total, hard[n] ?? '0') > 0) exceeded.push(n);
    next[n] = formatQuantity(total);
  }
  // What has come to be is counted, room or not.
  if (exceeded.length > 0 && request.subresource !== 'status')
    throw refuse(
      request,
      `exceeded quota: ${name}, requested: ${describeUsage(pick(delta, exceeded))}, used: ${describeUsage(pick(used, exceeded))}, limited: ${describeUsage(pick(hard, exceeded))}`,
    );
  return { ...quota, status: { ...quota.status, used: next } };
}

/** What of a resource's use a quota limits. */
const limitedIn = ({ status }: ResourceQuota, resource: { group: string; plural: string }): string[] =>
  Object.keys(status?.hard ?? {})
    .filter((name) => countedResources(name).includes(groupResourceOf(resource)))
    .sort();

/** Nothing is let in against a quota whose use has not been counted yet. */
function requireStatus(request: AdmissionRequest, { metadata, status }: ResourceQuota, names: readonly string[]): void {
  if (names.every((name) => status?.used?.[name] !== undefined)) return;
  throw refuse(request, `status unknown for quota: ${metadata.name}, resources: ${names.join(',')}`);
}

/** Where a quota limits cpu or memory, each container must say how much it wants, unless the pod says it for them all. */
function requireResources(request: AdmissionRequest, quota: ResourceQuota): void {
  const { spec } = request.object as Pod;
  if (Object.keys({ ...spec.resources?.requests, ...spec.resources?.limits }).length > 0) return;
  const missing = new Map<string, string[]>();
  for (const name of Object.keys(quota.status?.hard ?? {})
    .filter((n) => computeResources.has(n))
    .sort()) {
    const [list, resource] = name.startsWith('limits.')
      ? (['limits', name.slice(7)] as const)
      : (['requests', name.replace('requests.', '')] as const);
    const without = [...(spec.containers ?? []), ...(spec.initContainers ?? [])]
      .filter((c) => c.resources?.[list]?.[resource] === undefined)
      .map((c) => c.name);
    if (without.length > 0) missing.set(name, without.sort());
  }
  if (missing.size === 0) return;
  const text = [...missing].map(([name, containers]) => `${name} for: ${containers.join(',')}`).join('; ');
  throw refuse(request, `failed quota: ${quota.metadata.name}: must specify ${text}`);
}

function pick<V>(record: Record<string, V>, names: readonly string[]): Record<string, V> {
  return Object.fromEntries(Object.entries(record).filter(([name]) => names.includes(name)));
}

function difference(next: Usage, prev: Usage): Usage {
  const names = new Set([...Object.keys(next), ...Object.keys(prev)]);
  return Object.fromEntries([...names].map((n) => [n, subtractQuantities(next[n] ?? '0', prev[n] ?? '0')]));
}

const positive = (usage: Usage): Usage =>
  Object.fromEntries(Object.entries(usage).filter(([, amount]) => compareQuantities(amount, '0') > 0));
