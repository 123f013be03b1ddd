import type { StateData } from '../../framework/cycle-state.ts';
import type { PluginFactory } from '../../framework/handle.ts';
import { status } from '../../framework/status.ts';
import { claimLookup } from './claims.ts';

const name = 'VolumeZone';
const elsewhere = status(name, 'UnschedulableAndUnresolvable', 'node(s) had no available volume zone');
/** Each label with the older one that says the same. */
const labels = [
  ['topology.kubernetes.io/zone', 'failure-domain.beta.kubernetes.io/zone'],
  ['topology.kubernetes.io/region', 'failure-domain.beta.kubernetes.io/region'],
] as const;

interface ZoneState extends StateData {
  readonly wanted: readonly { keys: readonly [string, string]; values: ReadonlySet<string> }[];
}

/** A volume that is labelled with zones is used from nodes in one of them. */
export const volumeZone: PluginFactory = (_args, { informers }) => {
  const lookup = claimLookup(informers);
  return {
    name,
    events: () => [
      { resource: 'StorageClass', actions: ['Add'] },
      { resource: 'PersistentVolumeClaim', actions: ['Add', 'Update'] },
      { resource: 'PersistentVolume', actions: ['Add', 'Update'] },
      { resource: 'Node', actions: ['Add', 'UpdateNodeLabel'] },
    ],
    preFilter(state, { claims, pod }) {
      const namespace = pod.metadata.namespace ?? '';
      const wanted = claims.flatMap((key) => {
        const volume = lookup.volume(lookup.claim(namespace, key.slice(namespace.length + 1))?.spec?.volumeName ?? '');
        return labels.flatMap((keys) => {
          const value = keys.map((k) => volume?.metadata.labels?.[k]).find((v) => v !== undefined);
          return value === undefined ? [] : [{ keys, values: new Set(value.split('__')) }];
        });
      });
      if (wanted.length === 0) state.skipFilter.add(name);
      else state.write(name, { wanted } as ZoneState);
      return undefined;
    },
    filter(state, _pod, node) {
      // A node that says nothing of where it is belongs to a cluster without zones.
      if (labels.flat().every((key) => node.labels[key] === undefined)) return undefined;
      for (const { keys, values } of state.read<ZoneState>(name)?.wanted ?? []) {
        const value = node.labels[keys[0]] ?? node.labels[keys[1]];
        if (value === undefined || !values.has(value)) return elsewhere;
      }
      return undefined;
    },
  };
};
