/** The sources of volumes that somebody else's storage serves, shared by pods' volumes and persistent volumes. */
import type { FieldErrors, FieldPath } from '../fields.ts';
import type {
  AzureDiskVolumeSource,
  FCVolumeSource,
  FlockerVolumeSource,
  HostPathVolumeSource,
  ISCSIPersistentVolumeSource,
  NFSVolumeSource,
  QuobyteVolumeSource,
} from '../generated/core.v1.ts';
import { byteLength, isDns1123Label, isDns1123Subdomain, isInRange } from '../names.ts';
import { allowOneOf, reject, require, requireDnsLabel } from './checks.ts';
import { requireNoBacksteps } from './file-paths.ts';

/** Reports each of these fields that is empty. */
export function requireFields<T>(source: T, fields: readonly (keyof T & string)[], path: FieldPath, errors: FieldErrors): void {
  for (const field of fields) {
    const value = source[field];
    if (!value || (Array.isArray(value) && value.length === 0)) errors.required(path.child(field));
  }
}

const hostPathTypes = ['', 'BlockDevice', 'CharDevice', 'Directory', 'DirectoryOrCreate', 'File', 'FileOrCreate', 'Socket'];

export function validateHostPath(source: HostPathVolumeSource, path: FieldPath, errors: FieldErrors): void {
  if (!source.path) {
    errors.required(path.child('path'));
    return;
  }
  requireNoBacksteps(errors, path.child('path'), source.path);
  allowOneOf(errors, path.child('type'), source.type, hostPathTypes);
}

export function validateNfs(source: NFSVolumeSource, path: FieldPath, errors: FieldErrors): void {
  requireFields(source, ['server', 'path'], path, errors);
  if (!source.path?.startsWith('/')) errors.invalid(path.child('path'), source.path ?? '', 'must be an absolute path');
}

/** A partition of a cloud's disk. */
export function validatePartition(partition: number | undefined, path: FieldPath, errors: FieldErrors): void {
  if (partition !== undefined && (partition < 0 || partition > 255))
    errors.invalid(path, partition, 'must be between 1 and 255, inclusive');
}

const initiatorForms: Record<string, RegExp> = {
  iqn: /iqn\.\d{4}-\d{2}\.([a-zA-Z0-9\-.]+)(:[^,;*&$|\s]+)$/,
  eui: /^eui.[a-zA-Z0-9]{16}$/,
  naa: /^naa.[a-zA-Z0-9]{32}$/,
};

function validateInitiator(name: string, unknownForm: string, path: FieldPath, errors: FieldErrors): void {
  const form = initiatorForms[name.slice(0, 3)];
  if (!form) errors.invalid(path, name, unknownForm);
  else if (!form.test(name)) errors.invalid(path, name, 'must be valid format');
}

/** iSCSI, in a pod (with a `volumePath`) or a persistent volume. `volumeName` bounds the length of the initiator's interface name. */
export function validateIscsi(
  source: ISCSIPersistentVolumeSource,
  { volumeName, volumePath }: { volumeName: string; volumePath?: FieldPath },
  path: FieldPath,
  errors: FieldErrors,
): void {
  const inPod = volumePath !== undefined;
  const { initiatorName, iqn, lun = 0, targetPortal = '' } = source;
  const unknownForm = inPod ? 'must be valid format starting with iqn, eui, or naa' : 'must be valid format';
  requireFields(source, ['targetPortal'], path, errors);
  if (initiatorName !== undefined && byteLength(`${volumeName}:${targetPortal}`) > 64) {
    const tooLong = 'Total length of <volume name>:<iscsi.targetPortal> must be under 64 characters if iscsi.initiatorName is specified.';
    if (volumePath) errors.invalid(volumePath.child('name'), volumeName, tooLong);
    else errors.invalid(path.child('targetportal'), targetPortal, tooLong);
  }
  if (!iqn) errors.required(path.child('iqn'));
  else validateInitiator(iqn, unknownForm, path.child('iqn'), errors);
  reject(errors, path.child('lun'), lun, isInRange(lun, 0, 255));
  if ((source.chapAuthDiscovery || source.chapAuthSession) && !source.secretRef) errors.required(path.child('secretRef'));
  if (!inPod && source.secretRef && !source.secretRef.name) errors.required(path.child('secretRef', 'name'));
  if (initiatorName !== undefined) validateInitiator(initiatorName, unknownForm, path.child('initiatorname'), errors);
}

export function validateFibreChannel(source: FCVolumeSource, path: FieldPath, errors: FieldErrors): void {
  const names = source.targetWWNs ?? [];
  const ids = source.wwids ?? [];
  const at = path.child('targetWWNs');
  if (names.length === 0 && ids.length === 0) errors.required(at, 'must specify either targetWWNs or wwids, but not both');
  if (names.length > 0 && ids.length > 0) errors.invalid(at, names, 'targetWWNs and wwids can not be specified simultaneously');
  if (names.length === 0) return;
  if (source.lun === undefined) errors.required(path.child('lun'), 'lun is required if targetWWNs is specified');
  else reject(errors, path.child('lun'), source.lun, isInRange(source.lun, 0, 255));
}

export function validateQuobyte(source: QuobyteVolumeSource, path: FieldPath, errors: FieldErrors): void {
  const pairs = 'must be a host:port pair or multiple pairs separated by commas';
  if (!source.registry) errors.required(path.child('registry'), pairs);
  else if ((source.tenant ?? '').length >= 65)
    errors.required(path.child('tenant'), 'must be a UUID and may not exceed a length of 64 characters');
  else {
    for (const pair of source.registry.split(','))
      if (!/^([^:]*|\[[^\]]*\]):[^:]*$/.test(pair)) errors.invalid(path.child('registry'), source.registry, pairs);
  }
  requireFields(source, ['volume'], path, errors);
}

export function validateFlocker(source: FlockerVolumeSource, path: FieldPath, errors: FieldErrors): void {
  const { datasetName = '', datasetUUID = '' } = source;
  if (!datasetName && !datasetUUID) errors.required(path, 'one of datasetName and datasetUUID is required');
  if (datasetName && datasetUUID) errors.invalid(path, 'resource', 'datasetName and datasetUUID can not be specified simultaneously');
  if (datasetName.includes('/')) errors.invalid(path.child('datasetName'), datasetName, "must not contain '/'");
}

export function validateFlexVolume(
  source: { driver: string; options?: Record<string, string> },
  path: FieldPath,
  errors: FieldErrors,
): void {
  requireFields(source, ['driver'], path, errors);
  for (const key of Object.keys(source.options ?? {})) {
    const namespace = `.${(key.includes('/') ? key.slice(0, key.indexOf('/')) : key).toLowerCase()}`;
    if (namespace.endsWith('.kubernetes.io') || namespace.endsWith('.k8s.io'))
      errors.invalid(path.child('options').key(key), key, 'kubernetes.io and k8s.io namespaces are reserved');
  }
}

export function validateAzureDisk(source: AzureDiskVolumeSource, path: FieldPath, errors: FieldErrors): void {
  const { diskURI = '', kind } = source;
  requireFields(source, ['diskName', 'diskURI'], path, errors);
  allowOneOf(errors, path.child('cachingMode'), source.cachingMode, ['None', 'ReadOnly', 'ReadWrite']);
  allowOneOf(errors, path.child('kind'), kind, ['Dedicated', 'Managed', 'Shared']);
  if (kind === 'Managed' && !diskURI.startsWith('/subscriptions/')) {
    const form = '/subscriptions/{sub-id}/resourcegroups/{group-name}/providers/microsoft.compute/disks/{disk-id}';
    errors.notSupported(path.child('diskURI'), diskURI, [form]);
  }
  if (kind !== undefined && kind !== 'Managed' && !diskURI.startsWith('https://'))
    errors.notSupported(path.child('diskURI'), diskURI, ['https://{account-name}.blob.core.windows.net/{container-name}/{disk-name}.vhd']);
}

/** StorageOS; a persistent volume's secret is in a namespace of its own. */
export function validateStorageOs(
  source: { volumeName?: string; volumeNamespace?: string; secretRef?: { name?: string; namespace?: string } },
  secretNamespace: boolean,
  path: FieldPath,
  errors: FieldErrors,
): void {
  if (!source.volumeName) errors.required(path.child('volumeName'));
  else requireDnsLabel(errors, path.child('volumeName'), source.volumeName);
  if (source.volumeNamespace) requireDnsLabel(errors, path.child('volumeNamespace'), source.volumeNamespace);
  if (source.secretRef) validateSecretRef(source.secretRef, secretNamespace, path.child('secretRef'), errors);
}

/** That a reference to a secret names one. */
export function validateSecretRef(
  ref: { name?: string; namespace?: string },
  namespaced: boolean,
  path: FieldPath,
  errors: FieldErrors,
): void {
  if (!ref.name) errors.required(path.child('name'));
  if (namespaced && !ref.namespace) errors.required(path.child('namespace'));
}

/** A CSI driver's name. */
export function validateCsiDriverName(name: string, path: FieldPath, errors: FieldErrors): void {
  if (!require(errors, path, name)) return;
  if (name.length > 63) errors.tooLong(path, 63);
  reject(errors, path, name, isDns1123Subdomain(name.toLowerCase()));
}

/** A reference to a secret in any namespace, as CSI persistent volumes have it. */
export function validateCsiSecretRef(ref: { name?: string; namespace?: string }, path: FieldPath, errors: FieldErrors): void {
  if (!ref.name) errors.required(path.child('name'));
  else reject(errors, path.child('name'), ref.name, isDns1123Subdomain(ref.name));
  if (!ref.namespace) errors.required(path.child('namespace'));
  else reject(errors, path.child('namespace'), ref.namespace, isDns1123Label(ref.namespace));
}
