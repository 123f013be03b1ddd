import { type FieldErrors, FieldPath } from '../fields.ts';
import { Secret } from '../generated/core.v1.ts';
import { goSyntaxError } from '../json-text.ts';
import { defineKind } from '../kind.ts';
import { isConfigMapKey } from '../names.ts';
import { fieldImmutable } from '../object-meta.ts';
import { ageColumn, fieldDoc, nameColumn } from '../printing.ts';
import { reject } from './checks.ts';
import { decodedLength, maxDataBytes, validateDataUpdate } from './config-map.ts';
import { keyPairWarnings } from './key-pair-warnings.ts';

const dataPath = new FieldPath('data');
/** The ServiceAccount whose token a secret holds. */
export const serviceAccountNameAnnotation = 'kubernetes.io/service-account.name';

const bytesOf = (base64: string) => Uint8Array.from(atob(base64), (char) => char.charCodeAt(0));

/** Base64 of text's UTF-8 bytes. */
function base64Of(text: string): string {
  let binary = '';
  for (const byte of new TextEncoder().encode(text)) binary += String.fromCharCode(byte);
  return btoa(binary);
}

/** What a key must hold: JSON, an object. The words are Go's. */
function validateJson(key: string, data: Readonly<Record<string, string>>, errors: FieldErrors): void {
  const path = dataPath.key(key);
  const value = data[key];
  if (value === undefined) {
    errors.required(path);
    return;
  }
  const redacted = '<secret contents redacted>';
  const text = new TextDecoder().decode(bytesOf(value));
  try {
    const parsed: unknown = JSON.parse(text);
    if (typeof parsed === 'object' && !Array.isArray(parsed)) return;
    const type = Array.isArray(parsed) ? 'array' : typeof parsed === 'boolean' ? 'bool' : typeof parsed;
    errors.invalid(path, redacted, `json: cannot unmarshal ${type} into Go value of type map[string]interface {}`);
  } catch (error) {
    if (!(error instanceof SyntaxError)) throw error;
    errors.invalid(path, redacted, goSyntaxError(text));
  }
}

/** What the secrets of a type must hold. */
const typeRules: Record<string, (secret: Secret, data: Readonly<Record<string, string>>, errors: FieldErrors) => void> = {
  'kubernetes.io/service-account-token': (secret, _data, errors) => {
    if (!secret.metadata.annotations?.[serviceAccountNameAnnotation])
      errors.required(new FieldPath('metadata').child('annotations').key(serviceAccountNameAnnotation));
  },
  'kubernetes.io/dockercfg': (_secret, data, errors) => validateJson('.dockercfg', data, errors),
  'kubernetes.io/dockerconfigjson': (_secret, data, errors) => validateJson('.dockerconfigjson', data, errors),
  'kubernetes.io/basic-auth': (_secret, data, errors) => {
    if (data.username !== undefined || data.password !== undefined) return;
    errors.required(dataPath.key('username'));
    errors.required(dataPath.key('password'));
  },
  'kubernetes.io/ssh-auth': (_secret, data, errors) => {
    if (!data['ssh-privatekey']) errors.required(dataPath.key('ssh-privatekey'));
  },
  'kubernetes.io/tls': (_secret, data, errors) => {
    for (const key of ['tls.crt', 'tls.key']) if (data[key] === undefined) errors.required(dataPath.key(key));
  },
};

export const secret = defineKind<Secret>({
  resource: Secret,
  storagePrefix: 'secrets',
  defaults(secret) {
    secret.type ||= 'Opaque';
    // Write-only: what is said in clear text becomes data, and wins over it.
    for (const [key, value] of Object.entries(secret.stringData ?? {})) secret.data = { ...secret.data, [key]: base64Of(value) };
    delete secret.stringData;
  },
  validate(secret, errors) {
    const { data = {} } = secret;
    let bytes = 0;
    for (const [key, value] of Object.entries(data)) {
      reject(errors, dataPath.key(key), key, isConfigMapKey(key));
      bytes += decodedLength(value);
    }
    if (bytes > maxDataBytes) errors.tooLong(dataPath, maxDataBytes);
    typeRules[secret.type ?? '']?.(secret, data, errors);
  },
  validateFirst(next, prev, errors) {
    if (!prev) return;
    if (next.type !== prev.type) errors.invalid(new FieldPath('type'), next.type, fieldImmutable);
    validateDataUpdate(next, prev, ['data'], errors);
  },
  warnings: ({ type, data = {} }) =>
    type === 'kubernetes.io/tls' ? keyPairWarnings(atob(data['tls.crt'] ?? ''), atob(data['tls.key'] ?? '')) : [],
  fieldSelectors: { type: ({ type }) => type ?? '' },
  columns: [
    nameColumn,
    { name: 'Type', description: fieldDoc('core.v1.Secret.type'), value: ({ type }) => type ?? '' },
    {
      name: 'Data',
      description: fieldDoc('core.v1.Secret.data'),
      value: ({ data = {} }) => Object.keys(data).length,
      type: 'string',
    },
    ageColumn,
  ],
});
