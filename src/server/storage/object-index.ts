import type { KubeObject } from '../../api/index.ts';
import { compareKeys, SortedList } from '../../store/index.ts';
import type { CachedObject } from './cached-object.ts';

/** A field that objects are found by: a string. */
export interface FieldPath {
  /** As selectors name it: `spec.nodeName`. */
  field: string;
  path: readonly string[];
}

/** All objects of a resource by key, by namespace, in key order, and by indexed fields. */
export class ObjectIndex<T extends KubeObject> {
  readonly #byKey = new Map<string, CachedObject<T>>();
  readonly #sorted = new SortedList<CachedObject<T>>((object) => object.key);
  readonly #indexes: readonly FieldPath[];
  /** field → value → key → object. */
  readonly #byField = new Map<string, Map<string, Map<string, CachedObject<T>>>>();

  constructor(indexes: readonly FieldPath[]) {
    this.#indexes = indexes;
    for (const { field } of indexes) this.#byField.set(field, new Map());
  }

  /** Of all encodings. */
  #bytes = 0;

  get bytes(): number {
    return this.#bytes;
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
    this.#bytes += object.bytes.length - (before?.bytes.length ?? 0);
    this.#sorted.set(object);
    this.#reindex(before, object);
  }

  delete(key: string): void {
    const before = this.#byKey.get(key);
    if (!before) return;
    this.#byKey.delete(key);
    this.#bytes -= before.bytes.length;
    this.#sorted.delete(key);
    this.#reindex(before, undefined);
  }

  clear(): void {
    this.#byKey.clear();
    this.#bytes = 0;
    this.#sorted.clear();
    for (const values of this.#byField.values()) values.clear();
  }

  /** Objects whose keys begin with `prefix` (a resource's or a namespace's, with its trailing slash) from `start` on, in key order. */
  below(prefix: string, start: string = prefix): Generator<CachedObject<T>, undefined> {
    return this.#sorted.below(prefix, start);
  }

  /** How many there are. */
  countBelow(prefix: string, start: string = prefix): number {
    return this.#sorted.countBelow(prefix, start);
  }

  /** Objects with this value of an indexed field, in key order; undefined where the field is not indexed. */
  withField(field: string, value: string): CachedObject<T>[] | undefined {
    const values = this.#byField.get(field);
    return values && [...(values.get(value)?.values() ?? [])].sort((a, b) => compareKeys(a.key, b.key));
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
