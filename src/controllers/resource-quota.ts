/** What a quota's namespace uses, counted anew when objects change: admission only ever adds. */
import {
  addQuantities,
  compareQuantities,
  countedResources,
  DeviceClass,
  formatQuantity,
  groupResourceOf,
  type KubeObject,
  kinds,
  parseQuantity,
  quotaMatches,
  quotaUsage,
  type Resource,
  ResourceQuota,
  type ResourceQuota as ResourceQuotaType,
  usesDevices,
} from '../api/index.ts';
import { type Informer, keyOf } from '../client/index.ts';
import { defineController, discover } from './framework/index.ts';

/** Additions have been counted by admission: they are counted again together, some time later. */
const additionDelayMs = 1000;

/** The use of what the quota limits, by the objects of each resource. */
export function computeUsed(
  quota: ResourceQuotaType,
  objects: (resource: string) => { resource: Resource; items: readonly KubeObject[] },
  now: number,
  classes: readonly DeviceClass[] = [],
): Record<string, string> {
  const names = Object.keys(quota.spec?.hard ?? {});
  const totals = new Map(names.map((name) => [name, parseQuantity('0')]));
  for (const counted of new Set(names.flatMap(countedResources))) {
    const { resource, items } = objects(counted);
    for (const object of items) {
      if (!quotaMatches(quota, resource, object)) continue;
      for (const [name, amount] of Object.entries(quotaUsage(resource, object, now, classes))) {
        const total = totals.get(name);
        if (total) totals.set(name, addQuantities(total, amount));
      }
    }
  }
  return Object.fromEntries([...totals].map(([name, total]) => [name, formatQuantity(total)]));
}

/** The same amounts, however they are written. */
function sameAmounts(a: Record<string, string> = {}, b: Record<string, string> = {}): boolean {
  const names = Object.keys(a);
  return (
    names.length === Object.keys(b).length && names.every((n) => b[n] !== undefined && compareQuantities(a[n] ?? '0', b[n] ?? '0') === 0)
  );
}

export const resourceQuotaController = defineController('resourcequota-controller', ({ client, informers, config, clock }, queue) => {
  const quotas = informers.for(ResourceQuota);
  const builtIn = new Map<string, Resource>(kinds.map(({ resource }) => [groupResourceOf(resource), resource]));
  /** Informers of what quotas limit, begun when the first does. */
  const counted = new Map<string, { resource: Resource; informer: Informer<KubeObject> }>();

  const enqueueNamespace = (name: string, { metadata }: KubeObject, delayMs: number) => {
    for (const quota of quotas.lister.list(metadata.namespace))
      if (Object.keys(quota.spec?.hard ?? {}).some((hard) => countedResources(hard).includes(name))) queue.addAfter(keyOf(quota), delayMs);
  };
  const usageChanged = (resource: Resource, a: KubeObject, b: KubeObject) => {
    const [before, after] = [quotaUsage(resource, a, clock.now()), quotaUsage(resource, b, clock.now())];
    const names = new Set([...Object.keys(before), ...Object.keys(after)]);
    return (
      [...names].some((n) => compareQuantities(before[n] ?? '0', after[n] ?? '0') !== 0) ||
      quotas.lister.list(b.metadata.namespace).some((quota) => quotaMatches(quota, resource, a) !== quotaMatches(quota, resource, b))
    );
  };

  const informerOf = async (name: string, signal: AbortSignal) => {
    const known = counted.get(name);
    if (known) return known;
    const resource = builtIn.get(name) ?? (await discover(client, signal)).resources.find((r) => groupResourceOf(r) === name);
    if (!resource) return undefined;
    const entry = { resource, informer: informers.for<KubeObject>(resource) };
    if (!counted.has(name)) {
      counted.set(name, entry);
      entry.informer.addHandler({
        add: (object) => enqueueNamespace(name, object, additionDelayMs),
        update: (object, previous) => {
          if (usageChanged(resource, previous, object)) enqueueNamespace(name, object, 0);
        },
        delete: (object) => enqueueNamespace(name, object, 0),
      });
    }
    return entry;
  };

  quotas.addHandler(
    { add: (quota) => queue.add(keyOf(quota)), update: (quota) => queue.add(keyOf(quota)) },
    { resyncMs: config.resourceQuotaSyncPeriodMs },
  );

  return {
    informers: [quotas],
    async reconcile(key, signal) {
      const quota = quotas.lister.getByKey(key);
      if (!quota || quota.metadata.deletionTimestamp) return;
      const hard = quota.spec?.hard ?? {};
      const objects = new Map<string, { resource: Resource; items: readonly KubeObject[] }>();
      for (const name of new Set(Object.keys(hard).flatMap(countedResources))) {
        const entry = await informerOf(name, signal);
        await entry?.informer.whenSynced(signal);
        if (entry) objects.set(name, { resource: entry.resource, items: entry.informer.lister.list(quota.metadata.namespace) });
      }
      const classes: DeviceClass[] = [];
      if ([...objects.values()].some(({ resource }) => usesDevices(resource))) {
        const informer = informers.for(DeviceClass);
        await informer.whenSynced(signal);
        classes.push(...informer.lister.list());
      }
      const nothing = { resource: ResourceQuota, items: [] };
      const used = computeUsed(quota, (name) => objects.get(name) ?? nothing, clock.now(), classes);
      if (sameAmounts(quota.status?.hard, hard) && sameAmounts(quota.status?.used, used)) return;
      await client.updateStatus(ResourceQuota, { ...quota, status: { hard, used } }, { signal });
    },
  };
});
