/** Where a rule's fieldPath leads (k8s.io/apiextensions-apiserver's ValidFieldPath). */
import type { FieldPath } from '../fields.ts';
import type { JSONSchemaProps } from '../generated/apiextensions.v1.ts';
import { valueSchema } from './schema-parts.ts';

const escaped: Readonly<Record<string, string>> = {
  a: '\x07',
  b: '\b',
  f: '\f',
  n: '\n',
  r: '\r',
  t: '\t',
  v: '\v',
  "'": "'",
  '\\': '\\',
};

const step = /\.('[\s\S]*?(?<!\\)'|[^.[\]]+|[.[\]])|\['((?:[\s\S]*?[^\\])?)'\]/gy;

/** The names of a fieldPath: `.spec.x`, `['a.b']`. Undefined for what is none. */
function namesOf(fieldPath: string): string[] | undefined {
  const names: string[] = [];
  let end = 0;
  for (const [text, name, quoted = ''] of fieldPath.matchAll(step)) {
    end += text.length;
    if (name === undefined && [...quoted.matchAll(/\\(.)/g)].some(([, char = '']) => !(char in escaped))) return undefined;
    names.push(name ?? quoted.replace(/\\(.)/g, (_, char: string) => escaped[char] ?? ''));
  }
  return end === fieldPath.length ? names : undefined;
}

function propertyOf({ properties = {} }: JSONSchemaProps, name: string): JSONSchemaProps | undefined {
  return Object.hasOwn(properties, name) ? properties[name] : undefined;
}

/** The place that a rule's path means, from the place of its value; undefined if it leads nowhere. */
export function placeAt(root: JSONSchemaProps, path: FieldPath, fieldPath: string): FieldPath | undefined {
  let place = path;
  let schema: JSONSchemaProps | undefined = root;
  const names = namesOf(fieldPath);
  for (const name of names ?? []) {
    if (schema?.properties) {
      schema = propertyOf(schema, name);
      if (!schema) return undefined;
      place = place.child(name);
    } else if (schema?.additionalProperties) {
      schema = valueSchema(schema);
      place = place.key(name);
    } else return undefined;
  }
  return names && place;
}
