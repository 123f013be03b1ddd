/** Binds claims to volumes that are there; what a provisioner is to make, it asks for. */
import {
  type PersistentVolumeClaim as Claim,
  hasReason,
  Node,
  PersistentVolume,
  PersistentVolumeClaim,
  StorageClass,
  semanticEqual,
  storageClassAnnotation,
  type PersistentVolume as Volume,
} from '../../api/index.ts';
import { keyOf } from '../../client/index.ts';
import { defineController } from '../framework/index.ts';
import { classOfClaim, defaultClass, findVolume, isReservedFor, mismatch } from './matching.ts';
import { reclaim } from './reclaim.ts';

const bindCompleted = 'pv.kubernetes.io/bind-completed';
const boundByController = 'pv.kubernetes.io/bound-by-controller';
const selectedNode = 'volume.kubernetes.io/selected-node';
const provisionerAnnotations = ['volume.kubernetes.io/storage-provisioner', 'volume.beta.kubernetes.io/storage-provisioner'];
const noProvisioner = 'kubernetes.io/no-provisioner';

export const persistentVolumeBinder = defineController('persistentvolume-binder-controller', ({ client, informers, recorder }, queue) => {
  const claims = informers.for(PersistentVolumeClaim);
  const volumes = informers.for(PersistentVolume);
  const classes = informers.for(StorageClass);
  const nodes = informers.for(Node);
  const events = recorder('persistentvolume-controller');
  const claimKey = (claim: Claim) => `claim ${keyOf(claim)}`;
  const volumeKey = (volume: Volume) => `volume ${volume.metadata.name}`;
  const retryPending = () => {
    for (const claim of claims.lister.list()) if (!claim.spec?.volumeName) queue.add(claimKey(claim));
  };
  const ofClaim = (claim: Claim) => {
    queue.add(claimKey(claim));
    if (claim.spec?.volumeName) queue.add(`volume ${claim.spec.volumeName}`);
  };
  claims.addHandler({ add: ofClaim, update: ofClaim, delete: ofClaim });
  const ofVolume = (volume: Volume) => {
    queue.add(volumeKey(volume));
    const { name, namespace } = volume.spec?.claimRef ?? {};
    if (name) queue.add(`claim ${namespace}/${name}`);
    else retryPending();
  };
  volumes.addHandler({ add: ofVolume, update: ofVolume, delete: ofVolume });
  classes.addHandler({ add: retryPending, update: retryPending });

  const claimPhase = async (claim: Claim, status: NonNullable<Claim['status']>, signal: AbortSignal) => {
    const next = { ...claim.status, ...status };
    if (!semanticEqual(next, claim.status)) await client.updateStatus(PersistentVolumeClaim, { ...claim, status: next }, { signal });
  };
  const volumePhase = async (volume: Volume, phase: 'Available' | 'Bound' | 'Released', signal: AbortSignal) => {
    if (volume.status?.phase === phase) return;
    const { message: _, ...status } = volume.status ?? {};
    await client.updateStatus(PersistentVolume, { ...volume, status: { ...status, phase } }, { signal });
  };

  /** The claim is gone: what the volume holds is kept or goes, as its policy says. */
  const release = async (volume: Volume, signal: AbortSignal) => {
    if (volume.status?.phase === 'Failed') return;
    if (volume.status?.phase !== 'Released') return volumePhase(volume, 'Released', signal);
    const { name, uid } = volume.metadata;
    const outcome = await reclaim(volume);
    if (outcome.do === 'delete') {
      await client.delete(PersistentVolume, name, { preconditions: { uid }, signal }).catch((error: unknown) => {
        if (!hasReason(error, 'NotFound')) throw error;
      });
    } else if (outcome.do === 'fail') {
      const { reason, message } = outcome;
      const status = { ...volume.status, phase: 'Failed' as const, message };
      await client.updateStatus(PersistentVolume, { ...volume, status }, { signal });
      events.event(volume, 'Warning', reason, message);
    }
  };

  /** Both sides name each other, the volume first: it is what two claims could contend for. */
  const bind = async (claim: Claim, volume: Volume, signal: AbortSignal) => {
    const { name, namespace, uid, resourceVersion } = claim.metadata;
    let bound = volume;
    if (volume.spec?.claimRef?.uid !== uid) {
      const claimRef = { apiVersion: 'v1', kind: 'PersistentVolumeClaim', name, ...(namespace ? { namespace } : {}), uid, resourceVersion };
      const annotations = volume.spec?.claimRef
        ? volume.metadata.annotations
        : { ...volume.metadata.annotations, [boundByController]: 'yes' };
      const metadata = { ...volume.metadata, ...(annotations ? { annotations } : {}) };
      bound = await client.update(PersistentVolume, { ...volume, metadata, spec: { ...volume.spec, claimRef } }, { signal });
    }
    await volumePhase(bound, 'Bound', signal);
    let current = claim;
    const annotations = {
      ...claim.metadata.annotations,
      [bindCompleted]: 'yes',
      ...(claim.spec?.volumeName ? {} : { [boundByController]: 'yes' }),
    };
    if (claim.spec?.volumeName !== volume.metadata.name || !semanticEqual(annotations, claim.metadata.annotations)) {
      const next = { ...claim, metadata: { ...claim.metadata, annotations }, spec: { ...claim.spec, volumeName: volume.metadata.name } };
      current = await client.update(PersistentVolumeClaim, next, { signal });
    }
    const { accessModes, capacity } = bound.spec ?? {};
    await claimPhase(current, { phase: 'Bound', ...(accessModes ? { accessModes } : {}), ...(capacity ? { capacity } : {}) }, signal);
  };

  /** A claim from before there was a default class gets it (KEP-3333); one that asks for none does not. */
  const assignDefaultClass = async (claim: Claim, signal: AbortSignal): Promise<boolean> => {
    if (claim.spec?.storageClassName !== undefined || claim.metadata.annotations?.[storageClassAnnotation] !== undefined) return false;
    const storageClass = defaultClass(classes.lister.list());
    if (!storageClass) return false;
    const spec = { ...claim.spec, storageClassName: storageClass.metadata.name };
    await client.update(PersistentVolumeClaim, { ...claim, spec }, { signal });
    return true;
  };

  /** There is no volume for the claim: say what it waits for. */
  const wait = async (claim: Claim, signal: AbortSignal) => {
    await claimPhase(claim, { phase: 'Pending' }, signal);
    const className = classOfClaim(claim);
    if (!className) {
      events.event(claim, 'Normal', 'FailedBinding', 'no persistent volumes available for this claim and no storage class is set');
      return;
    }
    const storageClass = classes.lister.get(className);
    if (!storageClass) {
      events.event(claim, 'Warning', 'ProvisioningFailed', `storageclass.storage.k8s.io ${JSON.stringify(className)} not found`);
      return;
    }
    const { provisioner } = storageClass;
    if (provisioner === noProvisioner) return;
    if (provisionerAnnotations.some((name) => claim.metadata.annotations?.[name] !== provisioner)) {
      const annotations = {
        ...claim.metadata.annotations,
        ...Object.fromEntries(provisionerAnnotations.map((name) => [name, provisioner])),
      };
      // The write brings the claim back here.
      await client.update(PersistentVolumeClaim, { ...claim, metadata: { ...claim.metadata, annotations } }, { signal });
      return;
    }
    const message = `Waiting for a volume to be created either by the external provisioner '${provisioner}' or manually by the system administrator. If volume creation is delayed, please verify that the provisioner is running and correctly registered.`;
    events.event(claim, 'Normal', 'ExternalProvisioning', message);
  };

  const syncUnbound = async (claim: Claim, signal: AbortSignal) => {
    const waits = classes.lister.get(classOfClaim(claim))?.volumeBindingMode === 'WaitForFirstConsumer';
    const nodeName = claim.metadata.annotations?.[selectedNode];
    const all = volumes.lister.list();
    // The scheduler may have chosen the volume already, by its claimRef.
    const found =
      waits && !nodeName
        ? all.find((volume) => isReservedFor(volume, claim))
        : findVolume(claim, all, nodeName ? nodes.lister.get(nodeName) : undefined);
    if (found) return bind(claim, found, signal);
    // The write brings the claim back here.
    if (await assignDefaultClass(claim, signal)) return;
    if (!waits || nodeName) return wait(claim, signal);
    events.event(claim, 'Normal', 'WaitForFirstConsumer', 'waiting for first consumer to be created before binding');
    return claimPhase(claim, { phase: 'Pending' }, signal);
  };

  const syncClaim = async (key: string, signal: AbortSignal) => {
    const claim = claims.lister.getByKey(key);
    if (!claim) return;
    const complete = claim.metadata.annotations?.[bindCompleted] !== undefined;
    const { volumeName } = claim.spec ?? {};
    if (!volumeName) {
      if (!claim.metadata.deletionTimestamp) await syncUnbound(claim, signal);
      return;
    }
    const volume = volumes.lister.get(volumeName);
    if (volume && isReservedFor(volume, claim)) return bind(claim, volume, signal);
    if (!complete) {
      // The claim's owner has chosen the volume.
      const quoted = JSON.stringify(volumeName);
      if (volume?.spec?.claimRef) events.event(claim, 'Warning', 'FailedBinding', `volume ${quoted} already bound to a different claim.`);
      else if (volume) {
        const why = mismatch(volume, claim);
        if (why === undefined) return bind(claim, volume, signal);
        events.event(claim, 'Warning', 'VolumeMismatch', `Cannot bind to requested volume ${quoted}: ${why}`);
      }
      return claimPhase(claim, { phase: 'Pending' }, signal);
    }
    if (claim.status?.phase === 'Lost') return;
    const [reason, message] = volume
      ? ['ClaimMisbound', 'Two claims are bound to the same volume, this one is bound incorrectly']
      : ['ClaimLost', 'Bound claim has lost its PersistentVolume. Data on the volume is lost!'];
    events.event(claim, 'Warning', reason, message);
    return claimPhase(claim, { phase: 'Lost' }, signal);
  };

  const syncVolume = async (name: string, signal: AbortSignal) => {
    const volume = volumes.lister.get(name);
    if (!volume) return;
    const reference = volume.spec?.claimRef;
    // Set aside for a claim that is not bound yet, or for nobody.
    if (!reference?.uid) return volumePhase(volume, 'Available', signal);
    const claim = claims.lister.get(reference.name ?? '', reference.namespace);
    if (!claim || claim.metadata.uid !== reference.uid) return release(volume, signal);
    if (claim.spec?.volumeName === name) return volumePhase(volume, 'Bound', signal);
  };

  return {
    informers: [claims, volumes, classes, nodes],
    // One by one, so that no two claims take one volume from a cache that has yet to show it taken.
    workers: 1,
    async reconcile(key, signal) {
      const [what, name = ''] = key.split(' ');
      if (what === 'claim') await syncClaim(name, signal);
      else await syncVolume(name, signal);
    },
  };
});
