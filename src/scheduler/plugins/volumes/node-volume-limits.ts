/** A node attaches only so many volumes of a CSI driver, as its CSINode says. */
import { CSINode, type CSINode as CSINodeType, type PersistentVolumeClaim, type Pod, VolumeAttachment } from '../../../api/index.ts';
import type { NodeInfo } from '../../cache/node-info.ts';
import type { StateData } from '../../framework/cycle-state.ts';
import type { PluginFactory } from '../../framework/handle.ts';
import { status } from '../../framework/status.ts';
import { claimLookup, claimUses } from './claims.ts';

const name = 'NodeVolumeLimits';
const exceeded = status(name, 'Unschedulable', 'node(s) exceed max volume count');
const byNode = 'node';

/** The driver of each volume, by what is unique to the volume. */
type Volumes = Map<string, string>;

interface VolumesState extends StateData {
  readonly volumes: Volumes;
}

export const nodeVolumeLimits: PluginFactory = (_args, { informers }) => {
  const lookup = claimLookup(informers);
  const nodes = informers.for(CSINode).lister;
  const attachments = informers.for(VolumeAttachment);
  attachments.addIndex(byNode, ({ spec }) => [spec.nodeName]);

  /** A claim without a volume will have one of its class's driver. */
  const volumeOf = (claim: PersistentVolumeClaim): readonly [string, string] | undefined => {
    const csi = lookup.volume(claim.spec?.volumeName ?? '')?.spec?.csi;
    if (csi) return [`${csi.driver}/${csi.volumeHandle}`, csi.driver];
    const provisioner = claim.spec?.volumeName ? undefined : lookup.class(claim)?.provisioner;
    return provisioner ? [`${provisioner}/claim ${claim.metadata.namespace}/${claim.metadata.name}`, provisioner] : undefined;
  };
  const volumesOf = (pod: Pod, into: Volumes): Volumes => {
    for (const use of claimUses(pod)) {
      const claim = lookup.claim(pod.metadata.namespace ?? '', use.name);
      const volume = claim && volumeOf(claim);
      if (volume) into.set(...volume);
    }
    return into;
  };
  const attachedTo = (node: NodeInfo): Volumes => {
    const attached: Volumes = new Map();
    for (const { pod, claims } of node.pods.values()) if (claims.length > 0) volumesOf(pod, attached);
    for (const { spec } of attachments.lister.byIndex(byNode, node.name)) {
      const csi = lookup.volume(spec.source.persistentVolumeName ?? '')?.spec?.csi;
      if (csi) attached.set(`${csi.driver}/${csi.volumeHandle}`, csi.driver);
    }
    return attached;
  };
  const limitsOf = (node: CSINodeType | undefined) =>
    new Map(node?.spec.drivers.flatMap((d) => (d.allocatable?.count === undefined ? [] : [[d.name, d.allocatable.count] as const])));

  return {
    name,
    events: () => [
      { resource: 'CSINode', actions: ['Add', 'Update'] },
      {
        resource: 'AssignedPod',
        actions: ['Delete'],
        hint: (_pod, previous) => previous !== undefined && claimUses(previous as Pod).length > 0,
      },
      { resource: 'PersistentVolumeClaim', actions: ['Add', 'Update'] },
      { resource: 'VolumeAttachment', actions: ['Delete'] },
    ],
    preFilter(state, { claims, pod }) {
      const volumes = claims.length > 0 ? volumesOf(pod, new Map()) : new Map();
      if (volumes.size === 0) state.skipFilter.add(name);
      else state.write(name, { volumes } as VolumesState);
      return undefined;
    },
    filter(state, _pod, node) {
      const wanted = state.read<VolumesState>(name)?.volumes;
      const limits = limitsOf(nodes.get(node.name));
      if (!wanted || limits.size === 0) return undefined;
      const attached = attachedTo(node);
      const fresh = [...wanted].filter(([volume]) => !attached.has(volume));
      const count = (volumes: Iterable<string>, driver: string) => [...volumes].filter((d) => d === driver).length;
      for (const driver of new Set(fresh.map(([, d]) => d))) {
        const limit = limits.get(driver);
        const added = count(
          fresh.map(([, d]) => d),
          driver,
        );
        if (limit !== undefined && count(attached.values(), driver) + added > limit) return exceeded;
      }
      return undefined;
    },
  };
};
