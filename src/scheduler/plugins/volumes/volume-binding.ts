/**
 * Pods with persistent volume claims. A bound claim's volume must reach the node. A claim whose class waits for its first consumer
 * is matched with a free volume, or handed to its provisioner with the node's name, and the pod is bound when the claim is.
 */
import { PersistentVolume, PersistentVolumeClaim, type Pod } from '../../../api/index.ts';
import type { NodeInfo } from '../../cache/node-info.ts';
import type { PodInfo } from '../../cache/pod-info.ts';
import type { VolumeBindingArgs } from '../../framework/config.ts';
import type { StateData } from '../../framework/cycle-state.ts';
import type { Handle, PluginFactory } from '../../framework/handle.ts';
import { errorStatus, type Status, status } from '../../framework/status.ts';
import { claimLookup, claimUses, isBound } from './claims.ts';
import { provisioningOn } from './provisioning.ts';
import { findVolume, reaches } from './volume-match.ts';

const name = 'VolumeBinding';
const selectedNodeAnnotation = 'volume.kubernetes.io/selected-node';
const boundByControllerAnnotation = 'pv.kubernetes.io/bound-by-controller';

const refuse = (reason: string) => status(name, 'UnschedulableAndUnresolvable', reason);
const bindConflict = refuse("node(s) didn't find available persistent volumes to bind");
const noSpace = refuse('node(s) did not have enough free storage');
const nodeConflict = refuse("node(s) didn't match PersistentVolume's node affinity");
const volumeMissing = refuse('node(s) unavailable due to one or more pvc(s) bound to non-existent pv(s)');
const unboundImmediate = refuse('pod has unbound immediate PersistentVolumeClaims');

interface Decision {
  readonly claim: PersistentVolumeClaim;
  /** The volume to bind it to; absent where one is to be provisioned. */
  readonly volume?: PersistentVolume;
}

interface VolumeState extends StateData {
  readonly bound: readonly PersistentVolumeClaim[];
  readonly delayed: readonly PersistentVolumeClaim[];
  readonly decisions: Map<string, readonly Decision[]>;
}

export const volumeBinding: PluginFactory = (args, handle) => {
  const bindTimeoutMs = ((args as VolumeBindingArgs).bindTimeoutSeconds ?? 600) * 1000;
  const lookup = claimLookup(handle.informers);
  const provisioningFor = provisioningOn(handle.informers);
  /** Volumes that pods on their way to a node will use, by name. */
  const assumed = new Set<string>();

  /** Sorts a pod's claims by what is to be done about them; a status when nothing can be. */
  const classify = (pod: Pod): VolumeState | Status => {
    const bound: PersistentVolumeClaim[] = [];
    const delayed: PersistentVolumeClaim[] = [];
    for (const use of claimUses(pod)) {
      const claim = lookup.claim(pod.metadata.namespace ?? '', use.name);
      const broken = whyUnusable(pod, use.name, use.ephemeral, claim);
      if (broken || !claim) return refuse(broken ?? '');
      if (isBound(claim)) bound.push(claim);
      else if (lookup.class(claim)?.volumeBindingMode === 'WaitForFirstConsumer') delayed.push(claim);
      else return unboundImmediate;
    }
    return { bound, delayed, decisions: new Map() };
  };

  const decide = (claims: readonly PersistentVolumeClaim[], node: NodeInfo): readonly Decision[] | Status => {
    const chosen = new Set<string>();
    const decisions: Decision[] = [];
    for (const claim of claims) {
      const selected = claim.metadata.annotations?.[selectedNodeAnnotation];
      if (selected && selected !== node.name) return bindConflict;
      const volume = selected ? undefined : findVolume(claim, lookup.volumes(), node, (n) => assumed.has(n) || chosen.has(n));
      if (volume) {
        chosen.add(volume.metadata.name);
        decisions.push({ claim, volume });
        continue;
      }
      const provisioning = provisioningFor(claim, lookup.class(claim), node);
      if (provisioning !== 'possible') return provisioning === 'no-space' ? noSpace : bindConflict;
      decisions.push({ claim });
    }
    return decisions;
  };

  return {
    name,
    events: () => [
      { resource: 'PersistentVolumeClaim', actions: ['Add', 'Update'], hint: (pod, _previous, claim) => usesClaim(pod, claim) },
      { resource: 'PersistentVolume', actions: ['Add', 'Update'] },
      { resource: 'StorageClass', actions: ['Add', 'Update'] },
      { resource: 'CSINode', actions: ['Add', 'Update'] },
      { resource: 'CSIStorageCapacity', actions: ['Add', 'Update'] },
      { resource: 'CSIDriver', actions: ['Update'] },
      { resource: 'Node', actions: ['Add', 'UpdateNodeLabel', 'UpdateNodeTaint'] },
    ],

    preFilter(state, { pod, claims }) {
      if (claims.length === 0) {
        state.skipFilter.add(name);
        return undefined;
      }
      const classified = classify(pod);
      if ('code' in classified) return { status: classified };
      state.write(name, classified);
      return undefined;
    },

    filter(state, _pod, node) {
      const known = state.read<VolumeState>(name);
      if (!known) return undefined;
      for (const claim of known.bound) {
        const volume = lookup.volume(claim.spec?.volumeName ?? '');
        if (!volume) return volumeMissing;
        if (!reaches(volume, node)) return nodeConflict;
      }
      if (known.delayed.length === 0) return undefined;
      const decisions = decide(known.delayed, node);
      if ('code' in decisions) return decisions;
      known.decisions.set(node.name, decisions);
      return undefined;
    },

    reserve(state, _pod, nodeName) {
      for (const { volume } of state.read<VolumeState>(name)?.decisions.get(nodeName) ?? []) if (volume) assumed.add(volume.metadata.name);
      return undefined;
    },

    unreserve(state, _pod, nodeName) {
      for (const { volume } of state.read<VolumeState>(name)?.decisions.get(nodeName) ?? [])
        if (volume) assumed.delete(volume.metadata.name);
    },

    preBind(state, pod, nodeName, signal) {
      const decisions = state.read<VolumeState>(name)?.decisions.get(nodeName) ?? [];
      return decisions.length === 0 ? undefined : bindVolumes(handle, pod, decisions, nodeName, bindTimeoutMs, signal);
    },

    postBind(state, _pod, nodeName) {
      // From here on the volumes' own claimRef says that they are taken.
      for (const { volume } of state.read<VolumeState>(name)?.decisions.get(nodeName) ?? [])
        if (volume) assumed.delete(volume.metadata.name);
    },
  };
};

function usesClaim(pod: Pod, claim: { metadata: { name: string; namespace?: string } } | undefined): boolean {
  if (claim?.metadata.namespace !== pod.metadata.namespace) return false;
  return claimUses(pod).some((use) => use.name === claim?.metadata.name);
}

function whyUnusable(pod: Pod, claimName: string, ephemeral: boolean, claim: PersistentVolumeClaim | undefined): string | undefined {
  const quoted = JSON.stringify(claimName);
  if (!claim) {
    return ephemeral
      ? `waiting for ephemeral volume controller to create the persistentvolumeclaim ${quoted}`
      : `persistentvolumeclaim ${quoted} not found`;
  }
  if (claim.status?.phase === 'Lost')
    return `persistentvolumeclaim ${quoted} bound to non-existent persistentvolume ${JSON.stringify(claim.spec?.volumeName ?? '')}`;
  if (claim.metadata.deletionTimestamp) return `persistentvolumeclaim ${quoted} is being deleted`;
  if (ephemeral && !claim.metadata.ownerReferences?.some((o) => o.controller && o.uid === pod.metadata.uid))
    return `PVC ${claim.metadata.namespace}/${claimName} was not created for pod ${pod.metadata.namespace}/${pod.metadata.name} (pod is not owner)`;
  return undefined;
}

/** Writes what was decided, and waits until the volume controller and the provisioners have carried it out. */
async function bindVolumes(
  handle: Handle,
  pod: PodInfo,
  decisions: readonly Decision[],
  nodeName: string,
  timeoutMs: number,
  signal: AbortSignal,
): Promise<Status | undefined> {
  try {
    for (const { claim, volume } of decisions) {
      if (volume) await claimVolume(handle, volume, claim, signal);
      else await selectNode(handle, claim, nodeName, signal);
    }
  } catch (error) {
    return errorStatus(name, error);
  }
  return whenBound(handle, pod, decisions, nodeName, timeoutMs, signal);
}

async function claimVolume({ client }: Handle, volume: PersistentVolume, claim: PersistentVolumeClaim, signal: AbortSignal): Promise<void> {
  const { name: claimName, namespace, uid, resourceVersion } = claim.metadata;
  if (volume.spec?.claimRef?.uid === uid) return;
  const claimRef = { apiVersion: 'v1', kind: 'PersistentVolumeClaim', name: claimName, namespace: namespace ?? '', uid, resourceVersion };
  const annotations = { ...volume.metadata.annotations, [boundByControllerAnnotation]: 'yes' };
  const claimed = { ...volume, metadata: { ...volume.metadata, annotations }, spec: { ...volume.spec, claimRef } };
  await client.update(PersistentVolume, claimed, { signal });
}

async function selectNode({ client }: Handle, claim: PersistentVolumeClaim, nodeName: string, signal: AbortSignal): Promise<void> {
  if (claim.metadata.annotations?.[selectedNodeAnnotation] === nodeName) return;
  const annotations = { ...claim.metadata.annotations, [selectedNodeAnnotation]: nodeName };
  await client.update(PersistentVolumeClaim, { ...claim, metadata: { ...claim.metadata, annotations } }, { signal });
}

function whenBound(
  { informers, clock, cache }: Handle,
  { pod }: PodInfo,
  decisions: readonly Decision[],
  nodeName: string,
  timeoutMs: number,
  signal: AbortSignal,
): Promise<Status | undefined> {
  const { promise, resolve } = Promise.withResolvers<Status | undefined>();
  const claims = informers.for(PersistentVolumeClaim);
  const volumes = informers.for(PersistentVolume).lister;
  const look = (): void => {
    let all = true;
    for (const { claim, volume } of decisions) {
      const current = claims.lister.get(claim.metadata.name, claim.metadata.namespace);
      if (!current || current.metadata.uid !== claim.metadata.uid) {
        resolve(errorStatus(name, new Error(`persistentvolumeclaim ${JSON.stringify(claim.metadata.name)} not found`)));
        return;
      }
      const selected = current.metadata.annotations?.[selectedNodeAnnotation];
      const seen = current.metadata.resourceVersion !== claim.metadata.resourceVersion;
      // A provisioner that can't serve this node takes the annotation away: another node has to be found.
      if (!volume && seen && !isBound(current) && selected !== nodeName) {
        resolve(errorStatus(name, new Error(`provisioning failed for PVC ${JSON.stringify(claim.metadata.name)}`)));
        return;
      }
      if (!isBound(current)) {
        all = false;
        continue;
      }
      const boundTo = volumes.get(current.spec?.volumeName ?? '');
      const node = cache.node(nodeName);
      if (boundTo && node && !reaches(boundTo, node)) {
        resolve(
          errorStatus(
            name,
            new Error(`pv ${JSON.stringify(boundTo.metadata.name)} node affinity doesn't match node ${JSON.stringify(nodeName)}`),
          ),
        );
        return;
      }
    }
    if (all) resolve(undefined);
  };
  const remove = claims.addHandler({ add: look, update: look, delete: look });
  const timer = clock.setTimer(timeoutMs, () =>
    resolve(
      errorStatus(
        name,
        new Error(`binding volumes: timed out waiting for the condition (pod ${pod.metadata.namespace}/${pod.metadata.name})`),
      ),
    ),
  );
  const onAbort = () => resolve(errorStatus(name, signal.reason));
  signal.addEventListener('abort', onAbort, { once: true });
  look();
  return promise.finally(() => {
    remove();
    timer.cancel();
    signal.removeEventListener('abort', onAbort);
  });
}
