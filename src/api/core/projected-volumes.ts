/** Volumes made of API objects: secrets, config maps, the downward API, tokens, certificates, and all of them in one. */

import type { FieldErrors, FieldPath } from '../fields.ts';
import type {
  ClusterTrustBundleProjection,
  DownwardAPIVolumeFile,
  KeyToPath,
  PodCertificateProjection,
  ProjectedVolumeSource,
  ServiceAccountTokenProjection,
} from '../generated/core.v1.ts';
import { internalForm } from '../internal-form.ts';
import { isDns1123Subdomain } from '../names.ts';
import { validateLabelSelector } from '../object-meta.ts';
import { reject } from './checks.ts';
import { validateFieldRef, validateResourceFieldRef, volumeFieldPaths } from './container-env.ts';
import { requireFileMode, requireLocalPath } from './file-paths.ts';
import { validateSignerName } from './signer-names.ts';

export function validateKeysToPaths(items: readonly KeyToPath[], path: FieldPath, errors: FieldErrors): void {
  for (const [i, item] of items.entries()) {
    const at = path.index(i);
    if (!item.key) errors.required(at.child('key'));
    if (!item.path) errors.required(at.child('path'));
    requireLocalPath(errors, at.child('path'), item.path ?? '');
    requireFileMode(errors, at.child('mode'), item.mode);
  }
}

/** Upstream reports a file's errors at the volume, without its index. */
export function validateDownwardFiles(files: readonly DownwardAPIVolumeFile[], path: FieldPath, errors: FieldErrors): void {
  for (const file of files) {
    if (!file.path) errors.required(path.child('path'));
    requireLocalPath(errors, path.child('path'), file.path ?? '');
    if (file.fieldRef) {
      validateFieldRef(file.fieldRef, volumeFieldPaths, path.child('fieldRef'), errors);
      if (file.resourceFieldRef) errors.invalid(path, 'resource', 'fieldRef and resourceFieldRef can not be specified simultaneously');
    } else if (file.resourceFieldRef) validateResourceFieldRef(file.resourceFieldRef, true, path.child('resourceFieldRef'), errors);
    else errors.required(path, 'one of fieldRef and resourceFieldRef is required');
    requireFileMode(errors, path.child('mode'), file.mode);
  }
}

function validateToken(token: ServiceAccountTokenProjection, volumePath: FieldPath, path: FieldPath, errors: FieldErrors): void {
  const seconds = token.expirationSeconds ?? 0;
  if (seconds < 600) errors.invalid(path.child('expirationSeconds'), seconds, 'may not specify a duration less than 10 minutes');
  if (seconds > 2 ** 32) errors.invalid(path.child('expirationSeconds'), seconds, 'may not specify a duration larger than 2^32 seconds');
  if (!token.path) errors.required(volumePath.child('path'));
  else errors.ratcheting(() => requireLocalPath(errors, volumePath.child('path'), token.path));
}

function validateTrustBundle(bundle: ClusterTrustBundleProjection, path: FieldPath, errors: FieldErrors): void {
  const { labelSelector, name, signerName } = bundle;
  if (name !== undefined && signerName !== undefined)
    errors.invalid(path, internalForm('core.v1.ClusterTrustBundleProjection', bundle), 'only one of name and signerName may be used');
  else if (name !== undefined) {
    if (name === '') errors.required(path.child('name'), 'must be a valid object name');
    // `example.com:signer:name` belongs to the signer `example.com/signer`.
    const own = name.slice(name.lastIndexOf(':') + 1);
    const wrong = isDns1123Subdomain(own).map((message) => `not a valid clustertrustbundlename: ${message}`);
    reject(errors, path.child('name'), name, wrong);
    if (labelSelector) errors.invalid(path.child('labelSelector'), labelSelector, 'labelSelector must be unset if name is specified');
  } else if (signerName !== undefined) {
    if (signerName === '') errors.required(path.child('signerName'), 'must be a valid signer name');
    validateSignerName(signerName, path.child('signerName'), errors);
    validateLabelSelector(labelSelector, path.child('labelSelector'), errors);
  } else errors.required(path, 'either name or signerName must be specified');
  if (!bundle.path) errors.required(path.child('path'));
  requireLocalPath(errors, path.child('path'), bundle.path ?? '');
}

const keyTypes = ['RSA3072', 'RSA4096', 'ECDSAP256', 'ECDSAP384', 'ECDSAP521', 'ED25519'];

function certificatePaths(certificate: PodCertificateProjection): [string, string][] {
  const fields = ['credentialBundlePath', 'keyPath', 'certificateChainPath'] as const;
  return fields.flatMap((field): [string, string][] => {
    const file = certificate[field];
    return file ? [[field, file]] : [];
  });
}

function validateCertificate(certificate: PodCertificateProjection, path: FieldPath, errors: FieldErrors): void {
  const { keyType, maxExpirationSeconds: seconds, signerName } = certificate;
  validateSignerName(signerName ?? '', path.child('signerName'), errors);
  if (!keyTypes.includes(keyType ?? '')) errors.notSupported(path.child('keyType'), keyType ?? '', keyTypes);
  if (seconds !== undefined) {
    const isKubernetes = signerName?.startsWith('kubernetes.io/');
    const max = isKubernetes ? 24 * 3600 : 91 * 24 * 3600;
    if (seconds < 3600) errors.invalid(path.child('maxExpirationSeconds'), seconds, 'if provided, maxExpirationSeconds must be >= 3600');
    if (seconds > max) errors.invalid(path.child('maxExpirationSeconds'), seconds, `if provided, maxExpirationSeconds must be <= ${max}`);
  }
  const files = certificatePaths(certificate);
  if (files.length === 0) errors.required(path, 'specify at least one of credentialBundlePath, keyPath, and certificateChainPath');
  for (const [field, file] of files) requireLocalPath(errors, path.child(field), file);
}

function validateSource(
  source: NonNullable<ProjectedVolumeSource['sources']>[number],
  takePath: (file: string, reported: string) => void,
  volumePath: FieldPath,
  path: FieldPath,
  errors: FieldErrors,
): void {
  for (const kind of ['secret', 'configMap'] as const) {
    const projection = source[kind];
    if (!projection) continue;
    if (!projection.name) errors.required(path.child(kind, 'name'));
    validateKeysToPaths(projection.items ?? [], path.child(kind, 'items'), errors);
    for (const item of projection.items ?? []) takePath(item.path, projection.name ?? '');
  }
  if (source.downwardAPI) {
    validateDownwardFiles(source.downwardAPI.items ?? [], path.child('downwardAPI'), errors);
    for (const file of source.downwardAPI.items ?? []) takePath(file.path, file.path);
  }
  if (source.serviceAccountToken) validateToken(source.serviceAccountToken, volumePath, path.child('serviceAccountToken'), errors);
  if (source.clusterTrustBundle) {
    validateTrustBundle(source.clusterTrustBundle, path.child('clusterTrustBundle'), errors);
    takePath(source.clusterTrustBundle.path, source.clusterTrustBundle.path);
  }
  if (source.podCertificate) {
    validateCertificate(source.podCertificate, path.child('podCertificate'), errors);
    for (const [, file] of certificatePaths(source.podCertificate)) takePath(file, file);
  }
}

export function validateProjectedVolume(volume: ProjectedVolumeSource, path: FieldPath, errors: FieldErrors): void {
  requireFileMode(errors, path.child('defaultMode'), volume.defaultMode);
  const taken = new Set<string>();
  const takePath = (file: string, reported: string) => {
    if (!file) return;
    if (taken.has(file)) errors.invalid(path, reported, 'conflicting duplicate paths');
    taken.add(file);
  };
  for (const [i, source] of (volume.sources ?? []).entries()) {
    const at = path.child('sources').index(i);
    validateSource(source, takePath, path, at, errors);
    if (Object.values(source).filter((kind) => kind !== undefined && kind !== null).length > 1)
      errors.forbidden(at, 'may not specify more than 1 volume type per source');
  }
}
