/** Volumes of kinds that no longer work, and files in them that hide one another. */
import { type FieldPath, goQuote } from '../fields.ts';
import type { PersistentVolumeClaimSpec, Volume, VolumeProjection } from '../generated/core.v1.ts';
import { canonicalQuantity, tryParseQuantity } from '../quantity.ts';

/** Sources and since when they don't work, under the names that upstream gives the fields. */
const goneSources = {
  photonPersistentDisk: 'photonPersistentDisk: deprecated in v1.11, non-functional in v1.16+',
  gitRepo: 'gitRepo: deprecated in v1.11, and disabled by default in v1.33+',
  scaleIO: 'scaleIO: deprecated in v1.16, non-functional in v1.22+',
  flocker: 'flocker: deprecated in v1.22, non-functional in v1.25+',
  storageos: 'storageOS: deprecated in v1.22, non-functional in v1.25+',
  quobyte: 'quobyte: deprecated in v1.22, non-functional in v1.25+',
  glusterfs: 'glusterfs: deprecated in v1.25, non-functional in v1.26+',
  cephfs: 'cephfs: deprecated in v1.28, non-functional in v1.31+',
  rbd: 'rbd: deprecated in v1.28, non-functional in v1.31+',
} as const;
// Object.keys gives the table's own keys.
const goneKinds = Object.keys(goneSources) as (keyof typeof goneSources)[];

/** Of a volume's or persistent volume's source that does not work any more. */
export function goneSourceWarnings(source: { readonly [Kind in keyof typeof goneSources]?: unknown }, path: FieldPath): string[] {
  return goneKinds.flatMap((kind) => (source[kind] ? [`${path}.${goneSources[kind]}`] : []));
}

/** Bytes come whole; upstream compares thousandths, rounded up. */
export function fractionWarnings(value: string | undefined, at: () => FieldPath): string[] {
  const quantity = value === undefined ? undefined : tryParseQuantity(value);
  if (!quantity || quantity.nano % 1_000_000_000n === 0n) return [];
  return [`${at()}: fractional byte value "${canonicalQuantity(value ?? '')}" is invalid, must be an integer`];
}

/** Of a claim's spec, wherever it is written. */
export function claimSpecWarnings({ resources }: PersistentVolumeClaimSpec, path: FieldPath): string[] {
  return (['requests', 'limits'] as const).flatMap((list) =>
    fractionWarnings(resources?.[list]?.storage, () => path.child('resources', list).key('storage')),
  );
}

interface File {
  path: string;
  source: string;
}

const shown = ({ path, source }: File) => (source ? `${goQuote(path)} (${source})` : goQuote(path));

/** Whether one path is the other or lies below it. */
const overlap = (a: string, b: string) => a !== '' && b !== '' && (`${a}/`.startsWith(`${b}/`) || `${b}/`.startsWith(`${a}/`));

function overlaps(files: readonly File[]): string[] {
  const before: File[] = [];
  return files.flatMap(({ path, source }) => {
    const file = { path: path.replace(/\/+$/, ''), source };
    const warnings = before.filter((other) => overlap(file.path, other.path)).map((other) => `${shown(file)} with ${shown(other)}`);
    before.push(file);
    return warnings;
  });
}

const filesOf = (items: readonly { path: string }[] | undefined, source: string): File[] =>
  (items ?? []).map(({ path = '' }) => ({ path, source }));

function projectedFiles(projection: VolumeProjection): File[] {
  const { clusterTrustBundle: bundle, configMap, downwardAPI, podCertificate, secret, serviceAccountToken: token } = projection;
  if (configMap) return filesOf(configMap.items, `ConfigMap ${goQuote(configMap.name ?? '')}`);
  if (secret) return filesOf(secret.items, `Secret ${goQuote(secret.name ?? '')}`);
  if (downwardAPI) return filesOf(downwardAPI.items, 'DownwardAPI');
  if (token) return filesOf([token], 'ServiceAccountToken');
  if (bundle) return filesOf([bundle], `ClusterTrustBundle ${goQuote(bundle.name ?? bundle.signerName ?? '')}`);
  if (!podCertificate) return [];
  const { certificateChainPath, credentialBundlePath, keyPath } = podCertificate;
  return [
    ...filesOf(certificateChainPath ? [{ path: certificateChainPath }] : [], 'PodCertificate chain'),
    ...filesOf(keyPath ? [{ path: keyPath }] : [], 'PodCertificate key'),
    ...filesOf(credentialBundlePath ? [{ path: credentialBundlePath }] : [], 'PodCertificate credential bundle'),
  ];
}

/** Files of one volume at the same place, or where another one is a folder. */
export function overlappingFileWarnings({ configMap, downwardAPI, name, projected, secret }: Volume): string[] {
  const warn = (kind: string, files: readonly File[]) =>
    overlaps(files).map((text) => `volume ${goQuote(name)} (${kind}): overlapping paths: ${text}`);
  const sources = projected?.sources ?? [];
  return [
    ...(configMap ? warn(`ConfigMap ${goQuote(configMap.name ?? '')}`, filesOf(configMap.items, '')) : []),
    ...(secret ? warn(`Secret ${goQuote(secret.secretName ?? '')}`, filesOf(secret.items, '')) : []),
    ...(downwardAPI ? warn('DownwardAPI', filesOf(downwardAPI.items, '')) : []),
    ...sources.flatMap((source) => (Object.keys(source).length > 0 ? [] : [`volume ${goQuote(name)} (Projected) has no sources provided`])),
    ...warn('Projected', sources.flatMap(projectedFiles)),
  ];
}
