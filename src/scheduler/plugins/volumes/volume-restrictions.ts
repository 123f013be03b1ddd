import type { PodInfo } from '../../cache/pod-info.ts';
import type { CycleState, StateData } from '../../framework/cycle-state.ts';
import type { PluginFactory } from '../../framework/handle.ts';
import { status } from '../../framework/status.ts';
import { claimLookup } from './claims.ts';

const name = 'VolumeRestrictions';
const conflict = status(
  name,
  'Unschedulable',
  'node has pod using PersistentVolumeClaim with the same name and ReadWriteOncePod access mode',
);

interface ExclusiveState extends StateData {
  readonly claims: ReadonlySet<string>;
  /** How many pods use one of them. */
  users: number;
}

/** A claim with access mode ReadWriteOncePod has one pod at a time, wherever it runs (KEP-2485). */
export const volumeRestrictions: PluginFactory = (_args, { cache, informers }) => {
  const lookup = claimLookup(informers);
  const imagine = (state: CycleState, other: PodInfo, by: 1 | -1) => {
    const exclusive = state.read<ExclusiveState>(name);
    if (exclusive) exclusive.users += by * other.claims.filter((c) => exclusive.claims.has(c)).length;
  };
  return {
    name,
    events: () => [
      { resource: 'AssignedPod', actions: ['Delete'] },
      { resource: 'PersistentVolumeClaim', actions: ['Add', 'Update'] },
      { resource: 'Node', actions: ['Add'] },
    ],
    preFilter(state, { claims, pod }) {
      const namespace = pod.metadata.namespace ?? '';
      const exclusive = new Set(
        claims.filter((key) => lookup.claim(namespace, key.slice(namespace.length + 1))?.spec?.accessModes?.includes('ReadWriteOncePod')),
      );
      if (exclusive.size === 0) {
        state.skipFilter.add(name);
        return undefined;
      }
      let users = 0;
      for (const node of cache.nodes) for (const claim of exclusive) users += node.claims.get(claim) ?? 0;
      const data: ExclusiveState = {
        claims: exclusive,
        users,
        clone() {
          return { ...this };
        },
      };
      state.write(name, data);
      return undefined;
    },
    filter: (state) => ((state.read<ExclusiveState>(name)?.users ?? 0) > 0 ? conflict : undefined),
    addPod: (state, _pod, other) => imagine(state, other, 1),
    removePod: (state, _pod, other) => imagine(state, other, -1),
  };
};
