/** The volumes of a pod: each of one kind, with a name of its own. */
import type { FieldErrors, FieldPath } from '../fields.ts';
import type { Volume, VolumeSource } from '../generated/core.v1.ts';
import { isDns1123Subdomain } from '../names.ts';
import { tryParseQuantity } from '../quantity.ts';
import { reject, requireDnsLabel, requireOneOf } from './checks.ts';
import { validatePersistentVolumeClaimTemplate } from './claim-spec.ts';
import { requireDescendingPath, requireFileMode } from './file-paths.ts';
import { validateDownwardFiles, validateKeysToPaths, validateProjectedVolume } from './projected-volumes.ts';
import {
  requireFields,
  validateAzureDisk,
  validateCsiDriverName,
  validateFibreChannel,
  validateFlexVolume,
  validateFlocker,
  validateHostPath,
  validateIscsi,
  validateNfs,
  validatePartition,
  validateQuobyte,
  validateSecretRef,
  validateStorageOs,
} from './volume-sources.ts';

interface VolumeContext {
  volumeName: string;
  /** Where the volume is, of which the source is a part. */
  volumePath: FieldPath;
  /** Only known where the spec is a pod's own. */
  podName: string | undefined;
  isPod: boolean;
}

type SourceRules = {
  [Kind in keyof VolumeSource]-?: (
    source: NonNullable<VolumeSource[Kind]>,
    path: FieldPath,
    errors: FieldErrors,
    context: VolumeContext,
  ) => void;
};

/** The order is upstream's: of several sources the first counts, the others are too many. */
const sourceRules: SourceRules = {
  emptyDir: (source, path, errors) => {
    const limit = source.sizeLimit === undefined ? undefined : tryParseQuantity(source.sizeLimit);
    if (source.sizeLimit !== undefined && (!limit || limit.nano < 0n))
      errors.forbidden(path.child('sizeLimit'), 'SizeLimit field must be a valid resource quantity');
  },
  hostPath: validateHostPath,
  gitRepo: (source, path, errors) => {
    requireFields(source, ['repository'], path, errors);
    requireDescendingPath(errors, path.child('directory'), source.directory ?? '');
  },
  gcePersistentDisk: (source, path, errors) => {
    requireFields(source, ['pdName'], path, errors);
    validatePartition(source.partition, path.child('partition'), errors);
  },
  awsElasticBlockStore: (source, path, errors) => {
    requireFields(source, ['volumeID'], path, errors);
    validatePartition(source.partition, path.child('partition'), errors);
  },
  secret: (source, path, errors) => {
    requireFields(source, ['secretName'], path, errors);
    requireFileMode(errors, path.child('defaultMode'), source.defaultMode);
    validateKeysToPaths(source.items ?? [], path.child('items'), errors);
  },
  nfs: validateNfs,
  iscsi: (source, path, errors, { volumeName, volumePath }) => validateIscsi(source, { volumeName, volumePath }, path, errors),
  glusterfs: (source, path, errors) => requireFields(source, ['endpoints', 'path'], path, errors),
  flocker: validateFlocker,
  persistentVolumeClaim: (source, path, errors) => requireFields(source, ['claimName'], path, errors),
  rbd: (source, path, errors) => requireFields(source, ['monitors', 'image'], path, errors),
  cinder: (source, path, errors) => {
    requireFields(source, ['volumeID'], path, errors);
    if (source.secretRef) validateSecretRef(source.secretRef, false, path.child('secretRef'), errors);
  },
  cephfs: (source, path, errors) => requireFields(source, ['monitors'], path, errors),
  quobyte: validateQuobyte,
  downwardAPI: (source, path, errors) => {
    requireFileMode(errors, path.child('defaultMode'), source.defaultMode);
    validateDownwardFiles(source.items ?? [], path, errors);
  },
  fc: validateFibreChannel,
  flexVolume: validateFlexVolume,
  configMap: (source, path, errors) => {
    requireFields(source, ['name'], path, errors);
    requireFileMode(errors, path.child('defaultMode'), source.defaultMode);
    validateKeysToPaths(source.items ?? [], path.child('items'), errors);
  },
  azureFile: (source, path, errors) => requireFields(source, ['secretName', 'shareName'], path, errors),
  vsphereVolume: (source, path, errors) => requireFields(source, ['volumePath'], path, errors),
  photonPersistentDisk: (source, path, errors) => requireFields(source, ['pdID'], path, errors),
  portworxVolume: (source, path, errors) => requireFields(source, ['volumeID'], path, errors),
  azureDisk: validateAzureDisk,
  storageos: (source, path, errors) => validateStorageOs(source, false, path, errors),
  projected: validateProjectedVolume,
  scaleIO: (source, path, errors) => requireFields(source, ['gateway', 'system', 'volumeName'], path, errors),
  csi: (source, path, errors) => {
    validateCsiDriverName(source.driver ?? '', path.child('driver'), errors);
    const name = source.nodePublishSecretRef?.name;
    if (!source.nodePublishSecretRef) return;
    if (!name) errors.required(path.child('nodePublishSecretRef', 'name'));
    else reject(errors, path.child('name'), name, isDns1123Subdomain(name));
  },
  ephemeral: (source, path, errors) => {
    if (!source.volumeClaimTemplate) errors.required(path.child('volumeClaimTemplate'));
    else validatePersistentVolumeClaimTemplate(source.volumeClaimTemplate, path.child('volumeClaimTemplate'), errors);
  },
  image: (source, path, errors, { isPod }) => {
    if (isPod && !source.reference) errors.required(path.child('reference'));
    requireOneOf(errors, path.child('pullPolicy'), source.pullPolicy, ['Always', 'IfNotPresent', 'Never']);
  },
};
// Object.keys gives the table's own keys.
const sourceKinds = Object.keys(sourceRules) as (keyof VolumeSource)[];

/** How upstream spells these kinds where they are one too many. */
const surplusNames: Partial<Record<keyof VolumeSource, string>> = { cephfs: 'cephFS', downwardAPI: 'downwarAPI' };

function validateSource(volume: Volume, context: VolumeContext, path: FieldPath, errors: FieldErrors): void {
  const [first, ...others] = sourceKinds.filter((kind) => volume[kind] !== undefined && volume[kind] !== null);
  if (!first) {
    errors.required(path, 'must specify a volume type');
    return;
  }
  // The rule and the source are of the same kind, which the compiler can't follow through a variable.
  const rule = sourceRules[first] as (source: unknown, path: FieldPath, errors: FieldErrors, context: VolumeContext) => void;
  // Upstream reports a GCE disk under its internal name.
  rule(volume[first], path.child(first === 'gcePersistentDisk' ? 'persistentDisk' : first), errors, context);
  for (const kind of others) errors.forbidden(path.child(surplusNames[kind] ?? kind), 'may not specify more than 1 volume type');
  if (volume.ephemeral && context.podName && context.volumeName) {
    const claim = `${context.podName}-${context.volumeName}`;
    for (const message of isDns1123Subdomain(claim))
      errors.invalid(path.child('name'), context.volumeName, `PVC name ${JSON.stringify(claim)}: ${message}`);
  }
}

/** Validates volumes and answers those that are all right, by name, for mounts to refer to. */
export function validateVolumes(
  volumes: readonly Volume[],
  pod: { name: string | undefined; isPod: boolean },
  path: FieldPath,
  errors: FieldErrors,
): Map<string, Volume> {
  const valid = new Map<string, Volume>();
  const ownClaims = new Set(volumes.filter((volume) => volume.ephemeral).map((volume) => `${pod.name}-${volume.name}`));
  for (const [i, volume] of volumes.entries()) {
    const at = path.index(i);
    const { name = '' } = volume;
    const before = errors.list.length;
    validateSource(volume, { volumeName: name, volumePath: at, podName: pod.name, isPod: pod.isPod }, at, errors);
    if (!name) errors.required(at.child('name'));
    else requireDnsLabel(errors, at.child('name'), name);
    if (valid.has(name)) errors.duplicate(at.child('name'), name);
    if (errors.list.length === before) valid.set(name, volume);
    const claimName = volume.persistentVolumeClaim?.claimName;
    if (pod.name && claimName && ownClaims.has(claimName))
      errors.invalid(
        at.child('persistentVolumeClaim', 'claimName'),
        claimName,
        'must not reference a PVC that gets created for an ephemeral volume',
      );
  }
  return valid;
}
