/** The string formats that upstream's validation knows (kube-openapi's strfmt); others are ignored. */
import { partsOf } from './apiextensions/schema-parts.ts';
import type { JSONSchemaProps } from './generated/apiextensions.v1.ts';
import { isRequestUri } from './go-url.ts';
import { parseCidr, parseIp } from './ip.ts';
import { isDns1123Label, isDns1123Subdomain } from './names.ts';
import { parseGoDuration, parseRfc3339 } from './time-format.ts';

const uuid = /^[0-9a-f]{8}-?[0-9a-f]{4}-?[0-9a-f]{4}-?[0-9a-f]{4}-?[0-9a-f]{12}$/i;
const dotted = /^\d{1,3}(\.\d{1,3}){3}$/;

function isDate(text: string): boolean {
  if (!/^\d{4}-\d{2}-\d{2}$/.test(text)) return false;
  const at = new Date(`${text}T00:00:00Z`);
  return !Number.isNaN(at.getTime()) && at.toISOString().startsWith(text);
}

const formats: Record<string, (text: string) => boolean> = {
  bsonobjectid: (text) => /^[0-9a-f]{24}$/i.test(text),
  byte: (text) => text.length % 4 === 0 && /^[A-Za-z0-9+/]*={0,2}$/.test(text),
  cidr: (text) => parseCidr(text) !== undefined,
  creditcard: (text) => /^\d{13,19}$/.test(text.replace(/[ -]/g, '')),
  date: isDate,
  datetime: (text) => parseRfc3339(text) !== undefined,
  duration: (text) => parseGoDuration(text) !== undefined || /^\d+\s*(ns|us|µs|ms|s|m|h|d|w)$/.test(text),
  email: (text) => /^[^\s@<>]+@[^\s@<>]+$/.test(text),
  hexcolor: (text) => /^#?([0-9a-f]{3}|[0-9a-f]{6})$/i.test(text),
  hostname: (text) => text.length <= 255 && /^[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?(\.[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?)*\.?$/i.test(text),
  ipv4: (text) => dotted.test(text) && parseIp(text) !== undefined,
  ipv6: (text) => text.includes(':') && parseIp(text) !== undefined,
  isbn: (text) => /^(\d{9}[\dX]|\d{13})$/.test(text.replace(/[ -]/g, '')),
  isbn10: (text) => /^\d{9}[\dX]$/.test(text.replace(/[ -]/g, '')),
  isbn13: (text) => /^\d{13}$/.test(text.replace(/[ -]/g, '')),
  k8slongname: (text) => isDns1123Subdomain(text).length === 0,
  k8sshortname: (text) => isDns1123Label(text).length === 0,
  mac: (text) => /^([0-9a-f]{2}[:-]){5}([0-9a-f]{2}[:-][0-9a-f]{2}[:-])?[0-9a-f]{2}$/i.test(text),
  password: () => true,
  rgbcolor: (text) => /^rgb\(\s*\d{1,3}\s*,\s*\d{1,3}\s*,\s*\d{1,3}\s*\)$/.test(text),
  ssn: (text) => /^\d{3}-?\d{2}-?\d{4}$/.test(text),
  uri: isRequestUri,
  uuid: (text) => uuid.test(text),
  uuid3: (text) => uuid.test(text) && text.replaceAll('-', '')[12] === '3',
  uuid4: (text) => uuid.test(text) && text.replaceAll('-', '')[12] === '4',
  uuid5: (text) => uuid.test(text) && text.replaceAll('-', '')[12] === '5',
};

const numberFormats: Readonly<Record<string, readonly string[]>> = { integer: ['int32', 'int64'], number: ['float', 'double'] };

/** The format of a schema's values; empty where there is none, or none that means something for the schema's type. */
export function knownFormat({ format = '', type = '' }: JSONSchemaProps): string {
  if (type === '' || type === 'string') return Object.hasOwn(formats, format.replaceAll('-', '')) ? format : '';
  return numberFormats[type]?.includes(format) ? format : '';
}

/** The formats in a schema that mean nothing for their types, in the order in which it has them; each as often as it has it. */
export function unknownFormats(schema: JSONSchemaProps): string[] {
  const own = schema.format && knownFormat(schema) === '' ? [schema.format] : [];
  return [...own, ...partsOf(schema).flatMap(unknownFormats)];
}

/** Whether a text has a format; texts have every format that is not known. */
export function hasFormat(format: string, text: string): boolean {
  const name = format.replaceAll('-', '');
  return !Object.hasOwn(formats, name) || formats[name]?.(text) === true;
}
