/**
 * Field descriptions for `kubectl explain`, read from the doc comments of @kubernetes/client-node's models, which are generated
 * from upstream's OpenAPI. They are derived at build time and never committed.
 */
import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';

const comment = String.raw`/\*\*\s*([\s\S]*?)\s*\*/\s*`;

function clean(text: string): string {
  return text
    .split('\n')
    .map((line) => line.replace(/^\s*\*\s?/, ''))
    .join('\n')
    .replaceAll("\\'", "'")
    .replaceAll('\\"', '"')
    .replaceAll('*_/', '*/')
    .trim();
}

/** The type's own description under the empty name, and one a field. */
function readModel(file: string): Record<string, string> {
  const source = readFileSync(file, 'utf8');
  const out: Record<string, string> = {};
  const head = new RegExp(`${comment}export declare class`).exec(source.slice(source.indexOf('*/') + 2));
  if (head?.[1]) out[''] = clean(head[1]);
  const body = source.slice(source.indexOf('export declare class'));
  for (const [, text = '', name = ''] of body.matchAll(new RegExp(`${comment}'([^']+)'\\??:`, 'g'))) out[name] = clean(text);
  return out;
}

const capital = (s: string) => s.charAt(0).toUpperCase() + s.slice(1);

/**
 * Descriptions by type name (`apps.v1.Deployment`). A version that upstream does not serve any more takes those of the same
 * type in v1 for the fields that both have.
 */
export function readDescriptions(
  types: Iterable<{ name: string; fields: readonly { name: string }[] }>,
  models: string,
): Record<string, Record<string, string>> {
  const out: Record<string, Record<string, string>> = {};
  for (const type of types) {
    const [, group = '', version = '', name = ''] = /^(.*)\.([^.]+)\.([^.]+)$/.exec(type.name) ?? [];
    const candidates = [
      `${capital(group)}${capital(version)}${name}`,
      `${capital(version)}${name}`,
      `${capital(group)}V1${name}`,
      `V1${name}`,
    ];
    const file = candidates.map((c) => join(models, `${c}.d.ts`)).find((f) => existsSync(f));
    if (!file) continue;
    const model = readModel(file);
    const known = new Set(['', ...type.fields.map((f) => f.name)]);
    // Embedded structs' fields belong to the model of the outer type.
    const embeds = type.fields.some((f) => f.name === '');
    out[type.name] = Object.fromEntries(Object.entries(model).filter(([field]) => embeds || known.has(field)));
  }
  return out;
}
