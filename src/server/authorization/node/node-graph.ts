import type { KubeObject, NamedInPod, Pod, Resource, PersistentVolume as Volume } from '../../../api/index.ts';
import { certificatesV1beta1, namesInPod, PersistentVolume, Pod as Pods, ResourceSlice, VolumeAttachment } from '../../../api/index.ts';
import { type Follower, follow, type Storages } from '../../storages.ts';

/** What a pod leads its node to. */
export type Related = NamedInPod | 'serviceaccount' | 'pod';

/** What names its node itself. */
export type Owned = 'volumeattachment' | 'resourceslice' | 'podcertificaterequest';

const id = (kind: Related, namespace: string, name: string) => `${kind}:${namespace}/${name}`;

/** Which objects the pods of each node refer to, kept up to date by events. */
export class NodeGraph {
  /** Node → object → how many pods of the node refer to it. */
  readonly #counts = new Map<string, Map<string, number>>();
  readonly #pods = new Map<string, { node: string; refs: readonly string[] }>();
  /** Claim (NAMESPACE/NAME) → volume, and volume → claim and secrets. */
  readonly #volumes = new Map<string, { claim: string; secrets: readonly string[] }>();
  readonly #volumeOfClaim = new Map<string, Set<string>>();
  readonly #secretVolumes = new Map<string, Set<string>>();
  /** Objects that name their node themselves (NAMESPACE/NAME), and which. */
  readonly #owned: Record<Owned, Map<string, string>> = {
    volumeattachment: new Map(),
    resourceslice: new Map(),
    podcertificaterequest: new Map(),
  };
  /** Resolves once pods, volumes and attachments have been read. */
  synced: Promise<void> = Promise.resolve();

  static following(
    storages: Storages,
    options: { signal: AbortSignal; onError(error: unknown): void },
    /** Does an action, and takes its time where somebody wants to know. */
    timed: (operation: string, act: () => void) => void = (_, act) => act(),
  ): NodeGraph {
    const graph = new NodeGraph();
    const following = <T extends KubeObject>(what: string, resource: Resource<T>, { reset, set, remove }: Follower<T>) =>
      follow(
        storages(resource),
        {
          reset,
          set: (object) => timed(`Add${what}`, () => set(object)),
          remove: (object) => timed(`Delete${what}`, () => remove(object)),
        },
        options,
      );
    const owned = <T extends KubeObject & { spec: { nodeName?: string } }>(kind: Owned, what: string, resource: Resource<T>) => {
      const nodes = graph.#owned[kind];
      const key = ({ metadata: { namespace = '', name = '' } }: T) => `${namespace}/${name}`;
      return following(what, resource, {
        reset: () => nodes.clear(),
        set: (object) => nodes.set(key(object), object.spec.nodeName ?? ''),
        remove: (object) => nodes.delete(key(object)),
      });
    };
    graph.synced = Promise.all([
      following('Pod', Pods, { reset: () => graph.clearPods(), set: (p) => graph.setPod(p), remove: (p) => graph.removePod(p) }),
      following('PV', PersistentVolume, {
        reset: () => graph.clearVolumes(),
        set: (v) => graph.setVolume(v),
        remove: (v) => graph.removeVolume(v),
      }),
      owned('volumeattachment', 'VolumeAttachment', VolumeAttachment),
      owned('resourceslice', 'ResourceSlice', ResourceSlice),
      owned('podcertificaterequest', 'PodCertificateRequest', certificatesV1beta1.PodCertificateRequest),
    ]).then(() => undefined);
    return graph;
  }

  clearPods(): void {
    this.#counts.clear();
    this.#pods.clear();
  }

  setPod(pod: Pod): void {
    const node = pod.spec?.nodeName ?? '';
    const key = `${pod.metadata.namespace}/${pod.metadata.name}`;
    const known = this.#pods.get(key);
    // A pod's references do not change once it is bound, but for ephemeral containers and claims, which the refs show.
    const refs = node === '' ? [] : referencesOf(pod);
    if (known !== undefined && known.node === node && known.refs.length === refs.length && known.refs.every((r, i) => r === refs[i]))
      return;
    this.removePod(pod);
    if (node === '') return;
    this.#pods.set(key, { node, refs });
    const counts = this.#counts.get(node) ?? new Map<string, number>();
    for (const ref of refs) counts.set(ref, (counts.get(ref) ?? 0) + 1);
    this.#counts.set(node, counts);
  }

  removePod(pod: Pod): void {
    const key = `${pod.metadata.namespace}/${pod.metadata.name}`;
    const known = this.#pods.get(key);
    if (known === undefined) return;
    this.#pods.delete(key);
    const counts = this.#counts.get(known.node);
    for (const ref of known.refs) {
      const left = (counts?.get(ref) ?? 1) - 1;
      if (left === 0) counts?.delete(ref);
      else counts?.set(ref, left);
    }
    if (counts?.size === 0) this.#counts.delete(known.node);
  }

  clearVolumes(): void {
    this.#volumes.clear();
    this.#volumeOfClaim.clear();
    this.#secretVolumes.clear();
  }

  setVolume(volume: Volume): void {
    this.removeVolume(volume);
    const name = volume.metadata.name ?? '';
    const ref = volume.spec?.claimRef;
    if (ref === undefined) return;
    const claim = `${ref.namespace}/${ref.name}`;
    const secrets = secretsOfVolume(volume).map((s) => `${s.namespace || ref.namespace}/${s.name}`);
    this.#volumes.set(name, { claim, secrets });
    add(this.#volumeOfClaim, claim, name);
    for (const secret of secrets) add(this.#secretVolumes, secret, name);
  }

  removeVolume(volume: Volume): void {
    const name = volume.metadata.name ?? '';
    const known = this.#volumes.get(name);
    if (known === undefined) return;
    this.#volumes.delete(name);
    this.#volumeOfClaim.get(known.claim)?.delete(name);
    for (const secret of known.secrets) this.#secretVolumes.get(secret)?.delete(name);
  }

  /** Whether a pod of the node refers to the object. */
  relates(node: string, kind: Related, namespace: string, name: string): boolean {
    if (this.#counts.get(node)?.has(id(kind, namespace, name)) === true) return true;
    if (kind !== 'secret') return false;
    for (const volume of this.#secretVolumes.get(`${namespace}/${name}`) ?? []) if (this.usesVolume(node, volume)) return true;
    return false;
  }

  usesVolume(node: string, volume: string): boolean {
    const claim = this.#volumes.get(volume)?.claim;
    if (claim === undefined) return false;
    const at = claim.indexOf('/');
    return this.relates(node, 'persistentvolumeclaim', claim.slice(0, at), claim.slice(at + 1));
  }

  /** Whether an object says that it is the node's. */
  owns(node: string, kind: Owned, namespace: string, name: string): boolean {
    return this.#owned[kind].get(`${namespace}/${name}`) === node;
  }
}

function add(map: Map<string, Set<string>>, key: string, value: string): void {
  const set = map.get(key) ?? new Set();
  set.add(value);
  map.set(key, set);
}

function referencesOf(pod: Pod): string[] {
  const namespace = pod.metadata.namespace ?? '';
  const refs = new Set<string>([id('pod', namespace, pod.metadata.name ?? '')]);
  const spec = pod.spec;
  // A static pod's mirror can't lead anywhere: it is the node itself that wrote it.
  if (spec === undefined || pod.metadata.annotations?.['kubernetes.io/config.mirror'] !== undefined) return [...refs];
  if (spec.serviceAccountName) refs.add(id('serviceaccount', namespace, spec.serviceAccountName));
  for (const [kind, name] of namesInPod(spec)) refs.add(id(kind, namespace, name));
  for (const claim of pod.status?.resourceClaimStatuses ?? [])
    if (claim.resourceClaimName) refs.add(id('resourceclaim', namespace, claim.resourceClaimName));
  const extended = pod.status?.extendedResourceClaimStatus?.resourceClaimName;
  if (extended) refs.add(id('resourceclaim', namespace, extended));
  for (const volume of spec.volumes ?? [])
    if (volume.ephemeral) refs.add(id('persistentvolumeclaim', namespace, `${pod.metadata.name}-${volume.name}`));
  return [...refs];
}

function secretsOfVolume(volume: Volume): { name?: string; namespace?: string }[] {
  const { azureFile, cephfs, cinder, csi, flexVolume, iscsi, rbd, scaleIO, storageos } = volume.spec ?? {};
  return [
    azureFile && { name: azureFile.secretName, namespace: azureFile.secretNamespace ?? '' },
    cephfs?.secretRef,
    cinder?.secretRef,
    csi?.controllerPublishSecretRef,
    csi?.nodePublishSecretRef,
    csi?.nodeStageSecretRef,
    csi?.controllerExpandSecretRef,
    csi?.nodeExpandSecretRef,
    flexVolume?.secretRef,
    iscsi?.secretRef,
    rbd?.secretRef,
    scaleIO?.secretRef,
    storageos?.secretRef,
  ].filter((ref) => ref !== undefined);
}
