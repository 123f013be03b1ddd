import type { KubeObject } from '../api/index.ts';

/** `namespace/name`, or `name` where there is no namespace: what work queues and caches are keyed by. */
export function keyOf(object: { metadata: { name?: string; namespace?: string } }): string {
  const { namespace, name = '' } = object.metadata;
  return namespace ? `${namespace}/${name}` : name;
}

/** The inverse of `keyOf`. */
export function splitKey(key: string): { namespace: string; name: string } {
  const at = key.indexOf('/');
  return at < 0 ? { namespace: '', name: key } : { namespace: key.slice(0, at), name: key.slice(at + 1) };
}

/** The values under which an index finds an object. */
export type IndexFunction<T> = (object: T) => readonly string[];

/** Reads from a cache: answers at once with shared objects, which nobody may change. */
export interface Lister<T extends KubeObject> {
  get(name: string, namespace?: string): T | undefined;
  /** By `namespace/name`. */
  getByKey(key: string): T | undefined;
  list(namespace?: string): readonly T[];
  /** Objects that the index files under `value`; the index must have been added to the informer. */
  byIndex(index: string, value: string): readonly T[];
  readonly size: number;
}

const none: readonly never[] = [];
const namespaceIndex = 'namespace';

/** Objects by key, with indexes: the store behind an informer. */
export class ObjectCache<T extends KubeObject> implements Lister<T> {
  readonly #objects = new Map<string, T>();
  readonly #indexes = new Map<string, { of: IndexFunction<T>; entries: Map<string, Map<string, T>> }>();

  constructor() {
    this.addIndex(namespaceIndex, (object) => [object.metadata.namespace ?? '']);
  }

  get size(): number {
    return this.#objects.size;
  }

  get(name: string, namespace?: string): T | undefined {
    return this.#objects.get(namespace ? `${namespace}/${name}` : name);
  }

  getByKey(key: string): T | undefined {
    return this.#objects.get(key);
  }

  keys(): IterableIterator<string> {
    return this.#objects.keys();
  }

  list(namespace?: string): readonly T[] {
    return namespace ? this.byIndex(namespaceIndex, namespace) : [...this.#objects.values()];
  }

  byIndex(index: string, value: string): readonly T[] {
    const found = this.#indexes.get(index);
    if (!found) throw new Error(`no index ${JSON.stringify(index)}`);
    const entry = found.entries.get(value);
    return entry ? [...entry.values()] : none;
  }

  /** Adds an index, filing what is already there. Adding a name again is no change: callers that share an informer agree on what a name means. */
  addIndex(name: string, of: IndexFunction<T>): void {
    if (this.#indexes.has(name)) return;
    const index = { of, entries: new Map<string, Map<string, T>>() };
    this.#indexes.set(name, index);
    for (const [key, object] of this.#objects) file(index, key, object);
  }

  set(object: T): void {
    const key = keyOf(object);
    const previous = this.#objects.get(key);
    this.#objects.set(key, object);
    for (const index of this.#indexes.values()) {
      if (previous) unfile(index, key, previous);
      file(index, key, object);
    }
  }

  delete(key: string): T | undefined {
    const previous = this.#objects.get(key);
    if (!previous) return undefined;
    this.#objects.delete(key);
    for (const index of this.#indexes.values()) unfile(index, key, previous);
    return previous;
  }
}

interface Index<T> {
  of: IndexFunction<T>;
  entries: Map<string, Map<string, T>>;
}

function file<T>(index: Index<T>, key: string, object: T): void {
  for (const value of index.of(object)) {
    let entry = index.entries.get(value);
    if (!entry) {
      entry = new Map();
      index.entries.set(value, entry);
    }
    entry.set(key, object);
  }
}

function unfile<T>(index: Index<T>, key: string, object: T): void {
  for (const value of index.of(object)) {
    const entry = index.entries.get(value);
    if (entry?.delete(key) && entry.size === 0) index.entries.delete(value);
  }
}
