/** What is wrong with an EncryptionConfiguration, in upstream's words. */
import { type FieldError, FieldErrors, FieldPath } from '../../api/index.ts';
import type { EncryptionConfiguration, KeyConfiguration, KmsConfiguration, ProviderConfiguration } from './configuration.ts';
import { type GroupResource, nameOf, parseGroupResource } from './resource-names.ts';

const aesKeyBytes = [16, 24, 32];
const secretboxKeyBytes = [32];

const notRest = new Set(['apiserveripinfo', 'serviceipallocations', 'servicenodeportallocations']);

export function validateConfiguration({ resources }: EncryptionConfiguration, reload: boolean): readonly FieldError[] {
  const errors = new FieldErrors();
  const root = new FieldPath('resources');
  if (resources.length === 0) errors.required(root, 'at least one resources is required');
  const kmsNames = new Set<string>();
  for (const [i, entry] of resources.entries()) {
    const names = root.index(i).child('resources');
    const providers = root.index(i).child('providers');
    if (entry.resources.length === 0) errors.required(names, `at least one ${names} is required`);
    validateOverlap(entry.resources, names, errors);
    for (const [j, name] of entry.resources.entries()) {
      const problem = resourceProblem(name);
      if (problem) errors.invalid(names.index(j), name, problem);
    }
    if (entry.providers.length === 0) errors.required(providers, `at least one ${providers} is required`);
    for (const [j, provider] of entry.providers.entries()) {
      const at = providers.index(j);
      validateOne(provider, at, errors);
      if (provider.kms) {
        validateKms(provider.kms, at.child('kms'), { errors, kmsNames, reload });
        kmsNames.add(provider.kms.name);
      } else if (provider.aesgcm) validateKeys(provider.aesgcm.keys, at.child('aesgcm', 'keys'), aesKeyBytes, errors);
      else if (provider.aescbc) validateKeys(provider.aescbc.keys, at.child('aescbc', 'keys'), aesKeyBytes, errors);
      else if (provider.secretbox) validateKeys(provider.secretbox.keys, at.child('secretbox', 'keys'), secretboxKeyBytes, errors);
    }
  }
  return errors.list;
}

function overlaps(a: GroupResource, b: GroupResource): boolean {
  const isEverything = (r: GroupResource) => r.group === '*' && r.resource === '*';
  return isEverything(a) || isEverything(b) || (a.group === b.group && (a.resource === '*' || b.resource === '*'));
}

function validateOverlap(resources: readonly string[], path: FieldPath, errors: FieldErrors): void {
  const parsed = resources.map(parseGroupResource);
  const names = parsed.map(nameOf);
  if (new Set(names).size < names.length) errors.invalid(path, resources, 'the same resource cannot be specified multiple times');
  // Twice the same is told above; a third of the same, upstream tells as an overlap too.
  const overlapping = parsed.some((a, i) => parsed.some((b, j) => i < j && names[i] !== names[j] && overlaps(a, b)));
  if (overlapping)
    errors.invalid(
      path,
      resources,
      "using overlapping resources such as 'secrets' and '*.' in the same resource list is not allowed as they will be masked",
    );
}

function resourceProblem(name: string): string | undefined {
  if (name.toLowerCase() !== name) return 'resource name should not contain capital letters';
  if (name === '*') return "use '*.' to encrypt all the resources from core API group or *.* to encrypt all resources";
  if (notRest.has(name)) return 'resources which do not have REST API/s cannot be encrypted';
  const { group, resource } = parseGroupResource(name);
  if (group === 'events.k8s.io')
    return "'*.events.k8s.io' objects are stored using the 'events' API group in etcd. Use 'events' instead in the config file";
  if (group === 'extensions') return "'extensions' group has been removed and cannot be used for encryption";
  if (group === '*' && resource !== '*') return 'encrypting the same resource across groups is not supported';
  return undefined;
}

/** As upstream shows it, without what must not be read in a log. */
function shown(provider: ProviderConfiguration): object {
  const keys = (section: { keys: readonly KeyConfiguration[] } | undefined) =>
    section ? { Keys: section.keys.map(({ name }) => ({ Name: name, Secret: 'REDACTED' })) } : null;
  return {
    AESGCM: keys(provider.aesgcm),
    AESCBC: keys(provider.aescbc),
    Secretbox: keys(provider.secretbox),
    Identity: provider.identity ?? null,
    KMS: provider.kms ? { APIVersion: provider.kms.apiVersion, Name: provider.kms.name, Endpoint: provider.kms.endpoint } : null,
  };
}

function validateOne(provider: ProviderConfiguration, path: FieldPath, errors: FieldErrors): void {
  const found = Object.keys(provider).length;
  if (found === 0)
    errors.invalid(
      path,
      shown(provider),
      'provider does not contain any of the expected providers: KMS, AESGCM, AESCBC, Secretbox, Identity',
    );
  if (found > 1)
    errors.invalid(
      path,
      shown(provider),
      'more than one provider specified in a single element, should split into different list elements',
    );
}

/** Go's decoder takes line breaks; Node's takes anything. */
const base64 = /^(?:[A-Za-z0-9+/]{4})*(?:[A-Za-z0-9+/]{2}==|[A-Za-z0-9+/]{3}=)?$/;

function validateKeys(keys: readonly KeyConfiguration[], path: FieldPath, lengths: readonly number[], errors: FieldErrors): void {
  if (keys.length === 0) errors.required(path, 'at least one keys is required');
  for (const [i, { name, secret }] of keys.entries()) {
    const at = path.index(i);
    if (name === '') errors.required(at.child('name'), 'name is a mandatory field for a key');
    if (secret === '') {
      errors.required(at.child('secret'), 'secret is a mandatory field for a key');
      continue;
    }
    const compact = secret.replace(/[\r\n]/g, '');
    if (!base64.test(compact)) {
      errors.invalid(at.child('secret'), 'REDACTED', 'secrets must be base64 encoded');
      continue;
    }
    const { length } = Buffer.from(compact, 'base64');
    if (!lengths.includes(length))
      errors.invalid(
        at.child('secret'),
        'REDACTED',
        `secret is not of the expected length, got ${length}, expected one of [${lengths.join(' ')}]`,
      );
  }
}

interface KmsRules {
  errors: FieldErrors;
  /** Of the providers before. */
  kmsNames: ReadonlySet<string>;
  reload: boolean;
}

function validateKms(kms: KmsConfiguration, path: FieldPath, { errors, kmsNames, reload }: KmsRules): void {
  const { apiVersion, name, endpoint, cachesize } = kms;
  if (name === '') errors.required(path.child('name'), 'name is a mandatory field for a provider');
  if (apiVersion !== 'v1' && name.includes(':'))
    errors.invalid(path.child('name'), name, `invalid KMS provider name ${name}, must not contain ':'`);
  if ((reload || apiVersion !== 'v1') && kmsNames.has(name))
    errors.invalid(path.child('name'), name, `duplicate KMS provider name ${name}, names must be unique`);
  if (kms.timeoutMs <= 0) errors.invalid(path.child('timeout'), kms.timeout, 'timeout should be a positive value');
  validateEndpoint(endpoint, path.child('endpoint'), errors);
  if (apiVersion !== 'v1' && cachesize !== undefined)
    errors.invalid(path.child('cachesize'), cachesize, 'cachesize is not supported in v2');
  if (apiVersion === 'v1' && cachesize === 0)
    errors.invalid(path.child('cachesize'), cachesize, 'cachesize should be a positive value, or negative to disable');
  if (apiVersion !== 'v1' && apiVersion !== 'v2')
    errors.invalid(
      path.child('apiVersion'),
      apiVersion,
      'unsupported apiVersion apiVersion for KMS provider, only v1 and v2 are supported',
    );
}

function validateEndpoint(endpoint: string, path: FieldPath, errors: FieldErrors): void {
  const problem = endpointProblem(endpoint);
  if (problem) errors.invalid(path, endpoint, problem);
}

function endpointProblem(endpoint: string): string | undefined {
  if (endpoint === '') return 'endpoint is a mandatory field for a kms';
  const unparsed = `invalid endpoint for kms provider, error: parse ${JSON.stringify(endpoint)}`;
  if (endpoint.startsWith(':')) return `${unparsed}: missing protocol scheme`;
  const scheme = /^([A-Za-z][A-Za-z0-9+.-]*):/.exec(endpoint)?.[1]?.toLowerCase() ?? '';
  if (scheme !== 'unix') return `unsupported scheme ${JSON.stringify(scheme)} for KMS provider, only unix is supported`;
  return URL.canParse(endpoint) ? undefined : `${unparsed}: invalid character in host name`;
}
