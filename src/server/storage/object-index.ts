import type { KubeObject } from '../../api/index.ts';
import { compareKeys, lowerBound } from '../../store/index.ts';
import type { CachedObject } from './cached-object.ts';

/** The objects of one namespace (or of a cluster-scoped resource), in the order of their keys. */
interface Shelf<T extends KubeObject> {
  /** Key prefix with its trailing slash: the order of shelves is then the order of keys. */
  prefix: string;
  objects: CachedObject<T>[];
}

/** A field that objects are found by: a string. */
export interface FieldPath {
  /** As selectors name it: `spec.nodeName`. */
  field: string;
  path: readonly string[];
}

/** All objects of a resource by key, by namespace, in key order, and by indexed fields. */
export class ObjectIndex<T extends KubeObject> {
  readonly #byKey = new Map<string, CachedObject<T>>();
  readonly #shelves: Shelf<T>[] = [];
  readonly #shelfByPrefix = new Map<string, Shelf<T>>();
  readonly #indexes: readonly FieldPath[];
  /** field → value → key → object. */
  readonly #byField = new Map<string, Map<string, Map<string, CachedObject<T>>>>();

  constructor(indexes: readonly FieldPath[]) {
    this.#indexes = indexes;
    for (const { field } of indexes) this.#byField.set(field, new Map());
  }

  get size(): number {
    return this.#byKey.size;
  }

  get(key: string): CachedObject<T> | undefined {
    return this.#byKey.get(key);
  }

  keys(): Iterable<string> {
    return this.#byKey.keys();
  }

  set(object: CachedObject<T>): void {
    const before = this.#byKey.get(object.key);
    this.#byKey.set(object.key, object);
    const shelf = this.#shelfFor(object.key);
    const last = shelf.objects.at(-1);
    // They come in order where a cache is filled, and mostly where names are numbered.
    if (!last || compareKeys(last.key, object.key) < 0) shelf.objects.push(object);
    else {
      const at = lowerBound(shelf.objects, object.key, keyOf);
      if (before) shelf.objects[at] = object;
      else shelf.objects.splice(at, 0, object);
    }
    this.#reindex(before, object);
  }

  delete(key: string): void {
    const before = this.#byKey.get(key);
    if (!before) return;
    this.#byKey.delete(key);
    const shelf = this.#shelfFor(key);
    shelf.objects.splice(lowerBound(shelf.objects, key, keyOf), 1);
    if (shelf.objects.length === 0) {
      this.#shelfByPrefix.delete(shelf.prefix);
      this.#shelves.splice(lowerBound(this.#shelves, shelf.prefix, prefixOf), 1);
    }
    this.#reindex(before, undefined);
  }

  clear(): void {
    this.#byKey.clear();
    this.#shelves.length = 0;
    this.#shelfByPrefix.clear();
    for (const values of this.#byField.values()) values.clear();
  }

  /** Objects whose keys begin with `prefix` (a resource's or a namespace's, with its trailing slash) from `start` on, in key order. */
  *below(prefix: string, start: string = prefix): Generator<CachedObject<T>, undefined> {
    const single = this.#shelfByPrefix.get(prefix);
    if (single) yield* from(single, start);
    else {
      for (const shelf of this.#shelves) {
        if (!shelf.prefix.startsWith(prefix)) continue;
        const last = shelf.objects.at(-1);
        if (last && compareKeys(last.key, start) >= 0) yield* from(shelf, start);
      }
    }
    return undefined;
  }

  /** How many there are. */
  countBelow(prefix: string, start: string = prefix): number {
    let count = 0;
    const single = this.#shelfByPrefix.get(prefix);
    for (const shelf of single ? [single] : this.#shelves) {
      if (shelf.prefix.startsWith(prefix)) count += shelf.objects.length - lowerBound(shelf.objects, start, keyOf);
    }
    return count;
  }

  /** Objects with this value of an indexed field, in key order; undefined where the field is not indexed. */
  withField(field: string, value: string): CachedObject<T>[] | undefined {
    const values = this.#byField.get(field);
    return values && [...(values.get(value)?.values() ?? [])].sort((a, b) => compareKeys(a.key, b.key));
  }

  #shelfFor(key: string): Shelf<T> {
    const prefix = key.slice(0, key.lastIndexOf('/') + 1);
    let shelf = this.#shelfByPrefix.get(prefix);
    if (!shelf) {
      shelf = { prefix, objects: [] };
      this.#shelfByPrefix.set(prefix, shelf);
      this.#shelves.splice(lowerBound(this.#shelves, prefix, prefixOf), 0, shelf);
    }
    return shelf;
  }

  #reindex(before: CachedObject<T> | undefined, after: CachedObject<T> | undefined): void {
    for (const { field, path } of this.#indexes) {
      const values = this.#byField.get(field);
      if (!values) continue;
      if (before) {
        const value = before.field(path);
        const objects = values.get(value);
        objects?.delete(before.key);
        if (objects?.size === 0) values.delete(value);
      }
      if (after) {
        const value = after.field(path);
        const objects = values.get(value);
        if (objects) objects.set(after.key, after);
        else values.set(value, new Map([[after.key, after]]));
      }
    }
  }
}

const keyOf = (object: { key: string }) => object.key;
const prefixOf = (shelf: { prefix: string }) => shelf.prefix;

function* from<T extends KubeObject>(shelf: Shelf<T>, start: string): Generator<CachedObject<T>> {
  for (let at = lowerBound(shelf.objects, start, keyOf); at < shelf.objects.length; at++) {
    const object = shelf.objects[at];
    if (object) yield object;
  }
}
