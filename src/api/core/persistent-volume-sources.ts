import type { FieldErrors, FieldPath } from '../fields.ts';
import type { PersistentVolumeSource, PersistentVolumeSpec } from '../generated/core.v1.ts';
import { isDns1123Label } from '../names.ts';
import { reject } from './checks.ts';
import { requireNoBacksteps } from './file-paths.ts';
import {
  requireFields,
  validateAzureDisk,
  validateCsiDriverName,
  validateCsiSecretRef,
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

type SourceRules = {
  [Kind in keyof PersistentVolumeSource]-?: (
    source: NonNullable<PersistentVolumeSource[Kind]>,
    path: FieldPath,
    errors: FieldErrors,
    volumeName: string,
  ) => void;
};

const csiSecrets = ['controllerPublishSecretRef', 'controllerExpandSecretRef', 'nodePublishSecretRef', 'nodeExpandSecretRef'] as const;

/** In upstream's order. */
const sourceRules: SourceRules = {
  hostPath: validateHostPath,
  gcePersistentDisk: (source, path, errors) => {
    requireFields(source, ['pdName'], path, errors);
    validatePartition(source.partition, path.child('partition'), errors);
  },
  awsElasticBlockStore: (source, path, errors) => {
    requireFields(source, ['volumeID'], path, errors);
    validatePartition(source.partition, path.child('partition'), errors);
  },
  glusterfs: (source, path, errors) => {
    requireFields(source, ['endpoints', 'path'], path, errors);
    const { endpointsNamespace: namespace } = source;
    const at = path.child('endpointsNamespace');
    if (namespace === '') errors.invalid(at, namespace, 'if the endpointnamespace is set, it must be a valid namespace name');
    else if (namespace !== undefined) reject(errors, at, namespace, isDns1123Label(namespace));
  },
  flocker: validateFlocker,
  nfs: validateNfs,
  rbd: (source, path, errors) => requireFields(source, ['monitors', 'image'], path, errors),
  quobyte: validateQuobyte,
  cephfs: (source, path, errors) => requireFields(source, ['monitors'], path, errors),
  iscsi: (source, path, errors, volumeName) => validateIscsi(source, { volumeName }, path, errors),
  cinder: (source, path, errors) => {
    requireFields(source, ['volumeID'], path, errors);
    if (source.secretRef) validateSecretRef(source.secretRef, true, path.child('secretRef'), errors);
  },
  fc: validateFibreChannel,
  flexVolume: validateFlexVolume,
  azureFile: (source, path, errors) => {
    requireFields(source, ['secretName', 'shareName'], path, errors);
    if (source.secretNamespace === '') errors.required(path.child('secretNamespace'));
  },
  vsphereVolume: (source, path, errors) => requireFields(source, ['volumePath'], path, errors),
  photonPersistentDisk: (source, path, errors) => requireFields(source, ['pdID'], path, errors),
  portworxVolume: (source, path, errors) => requireFields(source, ['volumeID'], path, errors),
  azureDisk: validateAzureDisk,
  scaleIO: (source, path, errors) => requireFields(source, ['gateway', 'system', 'volumeName'], path, errors),
  local: (source, path, errors) => {
    if (!source.path) errors.required(path.child('path'));
    else requireNoBacksteps(errors, path.child('path'), source.path);
  },
  storageos: (source, path, errors) => validateStorageOs(source, true, path, errors),
  csi: (source, path, errors) => {
    validateCsiDriverName(source.driver ?? '', path.child('driver'), errors);
    requireFields(source, ['volumeHandle'], path, errors);
    for (const field of csiSecrets) {
      const ref = source[field];
      if (ref) validateCsiSecretRef(ref, path.child(field), errors);
    }
  },
};

/** The kinds of storage that a persistent volume may stand for. */
// Object.keys gives the table's own keys.
export const persistentVolumeSources = Object.keys(sourceRules) as (keyof PersistentVolumeSource)[];

/** Exactly one source, well formed. */
export function validatePersistentVolumeSource(spec: PersistentVolumeSpec, volumeName: string, path: FieldPath, errors: FieldErrors): void {
  const given = persistentVolumeSources.filter((kind) => spec[kind] !== undefined && spec[kind] !== null);
  if (given.length === 0) errors.required(path, 'must specify a volume type');
  for (const [i, kind] of given.entries()) {
    // Upstream takes a flexVolume beside another.
    if (i > 0 && kind !== 'flexVolume') {
      errors.forbidden(path.child(kind === 'cephfs' ? 'cephFS' : kind), 'may not specify more than 1 volume type');
      continue;
    }
    // The rule and the source are of the same kind, which the compiler can't follow through a variable.
    const rule = sourceRules[kind] as (source: unknown, path: FieldPath, errors: FieldErrors, volumeName: string) => void;
    rule(spec[kind], path.child(kind === 'gcePersistentDisk' ? 'persistentDisk' : kind), errors, volumeName);
    if (kind === 'local' && !spec.nodeAffinity) errors.required(path.child('nodeAffinity'), 'Local volume requires node affinity');
  }
}
