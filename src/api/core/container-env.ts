/** Environment variables and what they may come from. */
import type { FieldErrors, FieldPath } from '../fields.ts';
import type { EnvFromSource, EnvVar, ObjectFieldSelector, ResourceFieldSelector } from '../generated/core.v1.ts';
import { isConfigMapKey, isDns1123Subdomain, isQualifiedName, isRelaxedEnvVarName, nameIsDnsSubdomain } from '../names.ts';
import { canonicalQuantity } from '../quantity.ts';
import { reject, requireDnsLabel } from './checks.ts';
import { requireNoBacksteps } from './file-paths.ts';

const envFieldPaths = [
  'metadata.name',
  'metadata.namespace',
  'metadata.uid',
  'spec.nodeName',
  'spec.serviceAccountName',
  'status.hostIP',
  'status.hostIPs',
  'status.podIP',
  'status.podIPs',
];

/** What `fieldRef` in a downward API volume may name. */
export const volumeFieldPaths = ['metadata.annotations', 'metadata.labels', 'metadata.name', 'metadata.namespace', 'metadata.uid'];

/** Fields that `fieldRef` knows at all; where each is allowed is narrower. */
const knownFieldPaths = new Set([...envFieldPaths, ...volumeFieldPaths, 'spec.restartPolicy', 'status.phase', 'spec.schedulerName']);

/** `metadata.labels['app']`, split; undefined where there is no subscript. */
export function splitSubscript(fieldPath: string): [path: string, subscript: string] | undefined {
  const match = /^(.+)\['([^']*)'\]$/.exec(fieldPath);
  return match ? [match[1] ?? '', match[2] ?? ''] : undefined;
}

/** A reference to a field of the pod. `supported` are the fields that may be named without a subscript. */
export function validateFieldRef(ref: ObjectFieldSelector, supported: readonly string[], path: FieldPath, errors: FieldErrors): void {
  if (!ref.apiVersion) {
    errors.required(path.child('apiVersion'));
    return;
  }
  if (!ref.fieldPath) {
    errors.required(path.child('fieldPath'));
    return;
  }
  const at = path.child('fieldPath');
  const subscripted = splitSubscript(ref.fieldPath);
  if (ref.apiVersion !== 'v1') {
    errors.invalid(at, ref.fieldPath, `error converting fieldPath: unsupported pod version: ${ref.apiVersion}`);
    return;
  }
  if (subscripted) {
    const [map, key] = subscripted;
    if (map === 'metadata.annotations') reject(errors, path, key.toLowerCase(), isQualifiedName(key.toLowerCase()));
    else if (map === 'metadata.labels') reject(errors, path, key, isQualifiedName(key));
    else errors.invalid(at, ref.fieldPath, `error converting fieldPath: field label does not support subscript: ${ref.fieldPath}`);
    return;
  }
  if (!knownFieldPaths.has(ref.fieldPath))
    errors.invalid(at, ref.fieldPath, `error converting fieldPath: field label not supported: ${ref.fieldPath}`);
  else if (!supported.includes(ref.fieldPath)) errors.notSupported(at, ref.fieldPath, supported);
}

const containerResources = [
  'limits.cpu',
  'limits.ephemeral-storage',
  'limits.memory',
  'requests.cpu',
  'requests.ephemeral-storage',
  'requests.memory',
];
const byteDivisors = '1, 1k, 1M, 1G, 1T, 1P, 1E, 1Ki, 1Mi, 1Gi, 1Ti, 1Pi, 1Ei';

function validateDivisor(resource: string, divisor: string, path: FieldPath, errors: FieldErrors): void {
  const text = canonicalQuantity(divisor);
  if (text === '0') return;
  const name = resource.slice(resource.indexOf('.') + 1);
  const at = path.child('divisor');
  if (name === 'cpu') {
    if (text !== '1m' && text !== '1') errors.invalid(at, resource, "only divisor's values 1m and 1 are supported with the cpu resource");
    return;
  }
  // Canonical text writes 1Ki and 1024 apart only by format, so the divisor is compared as it came, too.
  const isAllowed = byteDivisors.split(', ').some((allowed) => allowed === text || allowed === divisor);
  const label =
    name === 'memory'
      ? 'memory'
      : name === 'ephemeral-storage'
        ? 'local ephemeral storage'
        : name.startsWith('hugepages-')
          ? 'hugepages'
          : undefined;
  if (label && !isAllowed) errors.invalid(at, resource, `only divisor's values ${byteDivisors} are supported with the ${label} resource`);
}

/** A reference to a container's requests or limits; in volumes the container must be named. */
export function validateResourceFieldRef(ref: ResourceFieldSelector, inVolume: boolean, path: FieldPath, errors: FieldErrors): void {
  if (inVolume && !ref.containerName) errors.required(path.child('containerName'));
  else if (!ref.resource) errors.required(path.child('resource'));
  else if (!containerResources.includes(ref.resource) && !/^(requests|limits)\.hugepages-/.test(ref.resource))
    errors.notSupported(path.child('resource'), ref.resource, containerResources);
  if (ref.divisor !== undefined) validateDivisor(ref.resource ?? '', ref.divisor, path, errors);
}

function validateKeyRef(ref: { name?: string; key: string }, path: FieldPath, errors: FieldErrors): void {
  reject(errors, path.child('name'), ref.name ?? '', isDns1123Subdomain(ref.name ?? ''));
  if (!ref.key) errors.required(path.child('key'));
  else reject(errors, path.child('key'), ref.key, isConfigMapKey(ref.key));
}

function validateValueFrom(env: EnvVar, path: FieldPath, errors: FieldErrors): void {
  const from = env.valueFrom;
  if (!from) return;
  if (from.fieldRef) validateFieldRef(from.fieldRef, envFieldPaths, path.child('fieldRef'), errors);
  if (from.resourceFieldRef) validateResourceFieldRef(from.resourceFieldRef, false, path.child('resourceFieldRef'), errors);
  if (from.configMapKeyRef) validateKeyRef(from.configMapKeyRef, path.child('configMapKeyRef'), errors);
  if (from.secretKeyRef) validateKeyRef(from.secretKeyRef, path.child('secretKeyRef'), errors);
  if (from.fileKeyRef) {
    const at = path.child('fileKeyRef');
    const { key, path: file, volumeName } = from.fileKeyRef;
    if (!key) errors.required(at.child('key'));
    else reject(errors, at.child('key'), key, isRelaxedEnvVarName(key));
    if (!volumeName) errors.required(at.child('volumeName'));
    else requireDnsLabel(errors, at.child('volumeName'), volumeName);
    if (!file) errors.required(at.child('path'));
    else requireNoBacksteps(errors, at.child('path'), file);
  }
  const sources = Object.values(from).filter((source) => source !== undefined && source !== null).length;
  if (sources === 0)
    errors.invalid(path, '', 'must specify one of: `fieldRef`, `resourceFieldRef`, `configMapKeyRef`, `secretKeyRef` or `fileKeyRef`');
  else if (env.value) errors.invalid(path, '', 'may not be specified when `value` is not empty');
  else if (sources > 1) errors.invalid(path, '', 'may not have more than one field specified at a time');
}

export function validateEnv(vars: readonly EnvVar[], path: FieldPath, errors: FieldErrors): void {
  for (const [i, env] of vars.entries()) {
    const at = path.index(i);
    if (!env.name) errors.required(at.child('name'));
    else reject(errors, at.child('name'), env.name, isRelaxedEnvVarName(env.name));
    validateValueFrom(env, at.child('valueFrom'), errors);
  }
}

export function validateEnvFrom(sources: readonly EnvFromSource[], path: FieldPath, errors: FieldErrors): void {
  for (const [i, source] of sources.entries()) {
    const at = path.index(i);
    if (source.prefix) reject(errors, at.child('prefix'), source.prefix, isRelaxedEnvVarName(source.prefix));
    for (const kind of ['configMapRef', 'secretRef'] as const) {
      const ref = source[kind];
      if (!ref) continue;
      const namePath = at.child(kind, 'name');
      if (!ref.name) errors.required(namePath);
      else reject(errors, namePath, ref.name, nameIsDnsSubdomain(ref.name, true));
    }
    if (!source.configMapRef && !source.secretRef) errors.invalid(path, '', 'must specify one of: `configMapRef` or `secretRef`');
    else if (source.configMapRef && source.secretRef) errors.invalid(path, '', 'may not have more than one field specified at a time');
  }
}
