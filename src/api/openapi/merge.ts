/** One OpenAPI v2 document of several servers: of another server's, what its group version's paths need. */
import { isJsonObject } from '../json-object.ts';
import type { Json } from './schemas.ts';

export interface RemoteDocument {
  /** `/apis/metrics.k8s.io/v1beta1/` */
  prefix: string;
  /** As the server gave it: anything; undefined where it gave none. */
  document: unknown;
}

const definitionPrefix = '#/definitions/';

/** Calls back for every object within; deep documents are refused, not recursed into without end. */
function rewriteReferences(value: unknown, rename: (name: string) => string, depth = 0): unknown {
  if (depth > 200) throw new Error('openapi: the document is nested too deeply');
  if (Array.isArray(value)) return value.map((item) => rewriteReferences(item, rename, depth + 1));
  if (!isJsonObject(value)) return value;
  return Object.fromEntries(
    Object.entries(value).map(([key, item]) => [
      key,
      key === '$ref' && typeof item === 'string' && item.startsWith(definitionPrefix)
        ? definitionPrefix + rename(item.slice(definitionPrefix.length))
        : rewriteReferences(item, rename, depth + 1),
    ]),
  );
}

/**
 * Adds what other servers tell of their group versions. A definition that both have under one name stays where it is the same, and
 * else goes by another name (`NAME_v2`), as kube-aggregator has it.
 */
export function mergeOpenApiV2(own: Json, others: readonly RemoteDocument[]): Json {
  const paths = { ...(own.paths as Json) }; // of our own making
  const definitions = { ...(own.definitions as Json) };
  for (const { prefix, document } of others) {
    if (!isJsonObject(document) || !isJsonObject(document.paths)) continue;
    const theirs = isJsonObject(document.definitions) ? document.definitions : {};
    const names = new Map<string, string>();
    const pending: string[] = [];
    const rename = (name: string): string => {
      const known = names.get(name);
      if (known !== undefined) return known;
      let chosen = name;
      for (let n = 2; Object.hasOwn(definitions, chosen) && !sameDefinition(definitions[chosen], theirs[name]); n++)
        chosen = `${name}_v${n}`;
      names.set(name, chosen);
      if (!Object.hasOwn(definitions, chosen)) {
        // Claims the name before the definition, which may refer to itself, is there.
        definitions[chosen] = {};
        pending.push(name);
      }
      return chosen;
    };
    for (const [path, item] of Object.entries(document.paths))
      if (path.startsWith(prefix) || path === prefix.slice(0, -1)) paths[path] = rewriteReferences(item, rename);
    for (const name of pending) definitions[names.get(name) ?? name] = rewriteReferences(theirs[name] ?? {}, rename);
  }
  return { ...own, paths, definitions };
}

/** But for what they say to people. */
function sameDefinition(a: unknown, b: unknown): boolean {
  const plain = (_: string, value: unknown) => (isJsonObject(value) ? withoutDescription(value) : value);
  return JSON.stringify(a, plain) === JSON.stringify(b, plain);
}

function withoutDescription(value: Json): Json {
  const { description, ...rest } = value;
  const kept = typeof description === 'string' ? rest : value;
  return Object.fromEntries(Object.entries(kept).sort(([x], [y]) => (x < y ? -1 : 1)));
}
