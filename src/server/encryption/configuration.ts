/** EncryptionConfiguration of apiserver.config.k8s.io/v1 (--encryption-provider-config): read strictly, with defaults, validated. */

import { parseAllDocuments } from 'yaml';
import { aggregateMessage, fieldErrorMessage, isJsonObject, parseGoDuration, yamlOptions } from '../../api/index.ts';
import { validateConfiguration } from './validation.ts';

export interface KeyConfiguration {
  name: string;
  /** In base64. */
  secret: string;
}

export interface KmsConfiguration {
  apiVersion: string;
  name: string;
  cachesize: number | undefined;
  endpoint: string;
  timeoutMs: number;
  /** As it was written. */
  timeout: string;
}

/** One of these; more are refused. */
export interface ProviderConfiguration {
  aesgcm?: { keys: KeyConfiguration[] };
  aescbc?: { keys: KeyConfiguration[] };
  secretbox?: { keys: KeyConfiguration[] };
  identity?: object;
  kms?: KmsConfiguration;
}

export interface ResourceConfiguration {
  /** `secrets`, `deployments.apps`, `*.apps`, `*.` (the core group), `*.*`. */
  resources: string[];
  /** The first writes, all read. */
  providers: ProviderConfiguration[];
}

export interface EncryptionConfiguration {
  resources: ResourceConfiguration[];
}

/** The shape of a Go type: what its JSON may be. */
type Shape = 'string' | 'int32' | { list: Shape; of: string } | { struct: string; fields: Readonly<Record<string, Shape>> };

const key: Shape = { struct: 'Key', fields: { name: 'string', secret: 'string' } };
const keysOf = (struct: string): Shape => ({ struct, fields: { keys: { list: key, of: '[]v1.Key' } } });
const provider: Shape = {
  struct: 'ProviderConfiguration',
  fields: {
    aesgcm: keysOf('AESConfiguration'),
    aescbc: keysOf('AESConfiguration'),
    secretbox: keysOf('SecretboxConfiguration'),
    identity: { struct: 'IdentityConfiguration', fields: {} },
    kms: {
      struct: 'KMSConfiguration',
      fields: { apiVersion: 'string', name: 'string', cachesize: 'int32', endpoint: 'string', timeout: 'string' },
    },
  },
};
const shape: Shape = {
  struct: 'EncryptionConfiguration',
  fields: {
    apiVersion: 'string',
    kind: 'string',
    resources: {
      list: {
        struct: 'ResourceConfiguration',
        fields: { resources: { list: 'string', of: '[]string' }, providers: { list: provider, of: '[]v1.ProviderConfiguration' } },
      },
      of: '[]v1.ResourceConfiguration',
    },
  },
};

function jsonType(value: unknown): string {
  if (Array.isArray(value)) return 'array';
  return typeof value === 'boolean' ? 'bool' : typeof value;
}

/** Where a value is: its struct's field as Go's decoder names it, and its path. */
interface Place {
  struct: string;
  fields: string;
  path: string;
}

/** Throws for a value of another type, in Go's words; collects fields that there are not. */
function checkShape(value: unknown, expected: Shape, at: Place, unknownFields: string[]): void {
  if (value === null || value === undefined) return;
  const refuse = (type: string) => {
    const where = at.fields === '' ? 'value' : `struct field ${at.struct}.${at.fields}`;
    return new Error(`json: cannot unmarshal ${jsonType(value)} into Go ${where} of type ${type}`);
  };
  if (expected === 'string') {
    if (typeof value !== 'string') throw refuse('string');
  } else if (expected === 'int32') {
    if (typeof value !== 'number') throw refuse('int32');
    if (!Number.isInteger(value) || Math.abs(value) > 0x7fffffff)
      throw new Error(`json: cannot unmarshal number ${value} into Go struct field ${at.struct}.${at.fields} of type int32`);
  } else if ('list' in expected) {
    if (!Array.isArray(value)) throw refuse(expected.of);
    for (const [i, item] of value.entries()) checkShape(item, expected.list, { ...at, path: `${at.path}[${i}]` }, unknownFields);
  } else {
    if (!isJsonObject(value)) throw refuse(`v1.${expected.struct}`);
    for (const [name, member] of Object.entries(value)) {
      const field = expected.fields[name];
      const path = at.path === '' ? name : `${at.path}.${name}`;
      if (field === undefined) unknownFields.push(`unknown field ${JSON.stringify(path)}`);
      else
        checkShape(
          member,
          field,
          { struct: expected.struct, fields: at.fields === '' ? name : `${at.fields}.${name}`, path },
          unknownFields,
        );
    }
  }
}

/** As the file has it, its shape checked: anything may be missing. */
interface Written {
  resources?: {
    resources?: string[];
    providers?: {
      aesgcm?: { keys?: Partial<KeyConfiguration>[] };
      aescbc?: { keys?: Partial<KeyConfiguration>[] };
      secretbox?: { keys?: Partial<KeyConfiguration>[] };
      identity?: object;
      kms?: { apiVersion?: string; name?: string; cachesize?: number; endpoint?: string; timeout?: string };
    }[];
  }[];
}

const keysFrom = (section: { keys?: Partial<KeyConfiguration>[] }) => ({
  keys: (section.keys ?? []).map((given) => ({ name: given?.name ?? '', secret: given?.secret ?? '' })),
});

const defaultTimeout = '3s';
const defaultV1CacheSize = 1000;

function withDefaults(written: Written): EncryptionConfiguration {
  const resources = (written.resources ?? []).map((resource) => ({
    resources: resource?.resources ?? [],
    providers: (resource?.providers ?? []).map((given): ProviderConfiguration => {
      const { aesgcm, aescbc, secretbox, identity, kms } = given ?? {};
      return {
        ...(aesgcm ? { aesgcm: keysFrom(aesgcm) } : {}),
        ...(aescbc ? { aescbc: keysFrom(aescbc) } : {}),
        ...(secretbox ? { secretbox: keysFrom(secretbox) } : {}),
        ...(identity ? { identity } : {}),
        ...(kms ? { kms: kmsFrom(kms) } : {}),
      };
    }),
  }));
  return { resources };
}

function kmsFrom(given: { apiVersion?: string; name?: string; cachesize?: number; endpoint?: string; timeout?: string }): KmsConfiguration {
  const apiVersion = given.apiVersion || 'v1';
  const timeout = given.timeout ?? defaultTimeout;
  const nanos = parseGoDuration(timeout);
  if (nanos === undefined) throw new Error(`time: invalid duration ${JSON.stringify(timeout)}`);
  return {
    apiVersion,
    name: given.name ?? '',
    cachesize: given.cachesize ?? (apiVersion === 'v1' ? defaultV1CacheSize : undefined),
    endpoint: given.endpoint ?? '',
    timeoutMs: Number(nanos) / 1e6,
    timeout,
  };
}

function decode(text: string): Written {
  const [first] = parseAllDocuments(text, yamlOptions);
  if (first !== undefined && 'errors' in first && first.errors[0]) throw new Error(`yaml: ${first.errors[0].message}`);
  const document: unknown = first && 'toJS' in first ? first.toJS({ maxAliasCount: 100 }) : undefined;
  if (!isJsonObject(document))
    throw new Error("couldn't get version/kind; json parse error: json: cannot unmarshal into Go value of type struct");
  const { apiVersion = '', kind = '' } = document;
  // The secrets in it are not shown, though upstream shows them here.
  if (kind === '') throw new Error("Object 'Kind' is missing");
  if (apiVersion === '') throw new Error("Object 'apiVersion' is missing");
  const isLegacy = apiVersion === 'v1' && kind === 'EncryptionConfig';
  if (!isLegacy && (apiVersion !== 'apiserver.config.k8s.io/v1' || kind !== 'EncryptionConfiguration'))
    throw new Error(
      `no kind ${JSON.stringify(kind)} is registered for version ${JSON.stringify(apiVersion)} in scheme "k8s.io/apiserver/pkg/server/options/encryptionconfig/config.go:127"`,
    );
  const unknownFields: string[] = [];
  checkShape(document, shape, { struct: '', fields: '', path: '' }, unknownFields);
  if (unknownFields.length > 0) throw new Error(`strict decoding error: ${unknownFields.join(', ')}`);
  // Checked just now.
  return document as Written;
}

/** `file` is for messages; `reload`: whether the file will be read again. Throws in upstream's words. */
export function parseConfiguration(text: string, file: string, reload: boolean): EncryptionConfiguration {
  let configuration: EncryptionConfiguration;
  try {
    configuration = withDefaults(decode(text));
  } catch (error) {
    const why = error instanceof Error ? error.message : String(error);
    throw new Error(`error decoding encryption provider configuration file ${JSON.stringify(file)}: ${why}`, { cause: error });
  }
  const messages = validateConfiguration(configuration, reload).map(fieldErrorMessage);
  if (messages.length > 0) throw new Error(aggregateMessage(messages));
  return configuration;
}
