/**
 * Field descriptions for `kubectl explain`, read from the doc comments of two packages that are generated from upstream's OpenAPI.
 * @kubernetes/client-node has those of this release, as one paragraph each, and none for fields that refer to another type.
 * kubernetes-models has all fields, of the removed versions too, with their paragraphs and what enums may be, but of an older release.
 * They are derived at build time and never committed.
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
type Model = Record<string, string>;

/** `declaration` is what stands before the type's name. */
function readModel(source: string, declaration: string): Model {
  const out: Model = {};
  const head = new RegExp(`${comment}${declaration}`).exec(source);
  if (head?.[1]) out[''] = clean(head[1]);
  const body = source.slice(source.indexOf(declaration));
  for (const [, text = '', name = ''] of body.matchAll(new RegExp(`${comment}['"]([^'"]+)['"]\\??:`, 'g'))) out[name] ??= clean(text);
  return out;
}

const capital = (s: string) => s.charAt(0).toUpperCase() + s.slice(1);

/** Groups whose folder in kubernetes-models is not their short name. */
const folders: Record<string, string> = { core: '', rbac: 'rbac.authorization.k8s.io', flowcontrol: 'flowcontrol.apiserver.k8s.io' };
const bare = new Set(['apps', 'autoscaling', 'batch', 'extensions', 'policy']);

const sameWords = (a: string, b: string) =>
  a.replace(/\s+/g, ' ') === b.replace(/\n+Possible enum values:[\s\S]*$/, '').replace(/\s+/g, ' ');

/** The newer one's words, in the other's form where they are the same. */
function merge(newer: Model, formed: Model): Model {
  const out = { ...formed, ...newer };
  for (const [name, text] of Object.entries(formed)) if (sameWords(newer[name] ?? '', text)) out[name] = text;
  return out;
}

const read = (files: readonly string[]) => {
  const file = files.find((f) => existsSync(f));
  return file === undefined ? '' : readFileSync(file, 'utf8');
};

/**
 * Descriptions by type name (`apps.v1.Deployment`), from the packages in a folder of modules. A version that neither package knows
 * takes those of the same type in v1 for the fields that both have.
 */
export function readDescriptions(
  types: Iterable<{ name: string; fields: readonly { name: string }[] }>,
  modules: string,
): Record<string, Model> {
  const out: Record<string, Model> = {};
  for (const type of types) {
    const [, group = '', version = '', name = ''] = /^(.*)\.([^.]+)\.([^.]+)$/.exec(type.name) ?? [];
    const classes = [capital(group) + capital(version), capital(version), `${capital(group)}V1`, 'V1'];
    const newer = read(classes.map((prefix) => join(modules, '@kubernetes/client-node/dist/gen/models', `${prefix}${name}.d.ts`)));
    const folder = folders[group] ?? (bare.has(group) ? group : `${group}.k8s.io`);
    const formed = read([
      ...[version, 'v1'].map((v) => join(modules, 'kubernetes-models', folder, v, `${name}.d.ts`)),
      ...(group === 'meta' ? [join(modules, '@kubernetes-models/apimachinery/apis/meta', version, `${name}.d.ts`)] : []),
    ]);
    if (newer === '' && formed === '') continue;
    // The first comment of client-node's files is on the file.
    const model = merge(
      readModel(newer.slice(newer.indexOf('*/') + 2), 'export declare class'),
      readModel(formed, `export interface I${name}`),
    );
    const known = new Set(['', ...type.fields.map((f) => f.name)]);
    // Embedded structs' fields belong to the model of the outer type.
    const embeds = type.fields.some((f) => f.name === '');
    out[type.name] = Object.fromEntries(Object.entries(model).filter(([field]) => embeds || known.has(field)));
  }
  return out;
}
