import {
  addQuantities,
  compareQuantities,
  describeUsage,
  formatQuantity,
  type Pod,
  parseQuantity,
  quotaMatches,
  quotaUsage,
  ResourceQuota,
  subtractQuantities,
  type Usage,
} from '../../api/index.ts';
import type { AdmissionPlugin, AdmissionRequest } from '../request.ts';
import { readObjects } from '../storages.ts';
import { type AdmissionContext, isCreate, isUpdate, refuse } from './context.ts';

const computeResources = new Set(['cpu', 'memory', 'requests.cpu', 'requests.memory', 'limits.cpu', 'limits.memory']);

/** Requests that would exceed a quota are refused; what is admitted is added to the quota's status at once, under compare-and-set. */
export function resourceQuota(context: AdmissionContext): AdmissionPlugin {
  return {
    name: 'ResourceQuota',
    handles: (r) => {
      if (r.namespace === '' || (r.resource === 'namespaces' && r.group === '')) return false;
      if (r.subresource === 'resize' && r.resource === 'pods') return isUpdate(r);
      return r.subresource === '' && (isCreate(r) || isUpdate(r));
    },
    async validate(request) {
      const { object } = request;
      if (object === undefined) return;
      const quotas = await readObjects(context.storages, ResourceQuota, request.namespace);
      if (quotas.length === 0) return;
      const resource = { group: request.group, plural: request.resource };
      const wanted = quotaUsage(resource, object);
      const before = request.oldObject === undefined ? {} : quotaUsage(resource, request.oldObject);
      const delta = isUpdate(request) ? positive(difference(wanted, before)) : wanted;
      for (const quota of quotas) {
        if (!quotaMatches(quota, resource, object)) continue;
        if (isCreate(request) && request.resource === 'pods' && request.group === '') requireResources(request, quota);
        const limited = pick(delta, Object.keys(quota.status?.hard ?? {}));
        if (Object.values(limited).every((amount) => compareQuantities(amount, '0') === 0)) continue;
        await charge(request, quota, limited);
      }
    },
  };

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
  const unknown = names.filter((n) => used[n] === undefined).sort();
  if (unknown.length > 0) throw refuse(request, `status unknown for quota: ${name}, resources: ${unknown.join(',')}`);
  const next: Record<string, string> = { ...used };
  const exceeded: string[] = [];
  for (const n of names) {
    const total = addQuantities(parseQuantity(used[n] ?? '0'), delta[n] ?? parseQuantity('0'));
    if (compareQuantities(delta[n] ?? '0', '0') > 0 && compareQuantities(total, hard[n] ?? '0') > 0) exceeded.push(n);
    next[n] = formatQuantity(total);
  }
  if (exceeded.length > 0)
    throw refuse(
      request,
      `exceeded quota: ${name}, requested: ${describeUsage(pick(delta, exceeded))}, used: ${describeUsage(pick(used, exceeded))}, limited: ${describeUsage(pick(hard, exceeded))}`,
    );
  return { ...quota, status: { ...quota.status, used: next } };
}

/** Where a quota limits cpu or memory, each container must say how much it wants. */
function requireResources(request: AdmissionRequest, quota: ResourceQuota): void {
  const { spec } = request.object as Pod;
  const missing = new Map<string, string[]>();
  for (const name of Object.keys(quota.status?.hard ?? {})
    .filter((n) => computeResources.has(n))
    .sort()) {
    const [list, resource] = name.startsWith('limits.')
      ? (['limits', name.slice(7)] as const)
      : (['requests', name.replace('requests.', '')] as const);
    if (spec?.resources?.[list]?.[resource] !== undefined) continue;
    const without = [...(spec?.containers ?? []), ...(spec?.initContainers ?? [])]
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
