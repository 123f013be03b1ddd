import { type KubeObject, parseExactly } from '../../api/index.ts';
import { Recent } from './recent.ts';
import type { Cached } from './storage.ts';
import { stringAt } from './string-at.ts';

type Labels = Readonly<Record<string, string>>;

const metadataOpening = Buffer.from('"metadata":{');
const openingBrace = '{'.charCodeAt(0);
const closingBrace = '}'.charCodeAt(0);
const quote = '"'.charCodeAt(0);
/** kind and apiVersion come first and are short. */
const openingWithin = 1024;

/** What the store keeps of an object: its JSON with kind, apiVersion and metadata first, without resourceVersion. */
export function encodeObject(object: KubeObject): Buffer {
  const { kind, apiVersion, metadata, ...rest } = object;
  const { resourceVersion: _, ...unversioned } = metadata;
  return Buffer.from(JSON.stringify({ kind, apiVersion, metadata: unversioned, ...rest }));
}

/** So many objects that were written or decoded last stay decoded: whoever is told of a write looks at it at once. */
const recentObjects = 64;
const recent = new Recent<{ forget(): void }>(recentObjects, (cached) => cached.forget());

/**
 * An object in the cache. Its bytes are made once and are all that the cache holds: the object that was written, or was decoded from
 * them, is there for a little while, and for as long as somebody holds it (informers of this process share it); then it is decoded
 * again when it is wanted again. Its labels, which selections ask for, are kept.
 */
export class CachedObject<T extends KubeObject = KubeObject> implements Cached<T> {
  readonly key: string;
  readonly revision: number;
  readonly bytes: Buffer;
  /** Where `"resourceVersion":"N",` begins in `bytes`, and how long it is. */
  readonly #versionAt: number;
  readonly #versionLength: number;
  /** Written or decoded a moment ago. */
  #recent: T | undefined;
  /** What others hold. */
  #shared: WeakRef<T> | undefined;
  /** Undefined: not looked at yet. */
  #labels: Labels | null | undefined;

  private constructor(key: string, revision: number, stored: Buffer, versionAt: number, object: T | undefined) {
    const inserted = `"resourceVersion":"${revision}"${stored[versionAt] === closingBrace ? '' : ','}`;
    // Not from Buffer's pool: what lives long would keep the slabs of what does not.
    const bytes = Buffer.allocUnsafeSlow(stored.length + inserted.length);
    stored.copy(bytes, 0, 0, versionAt);
    bytes.write(inserted, versionAt, 'latin1');
    stored.copy(bytes, versionAt + inserted.length, versionAt);
    this.key = key;
    this.revision = revision;
    this.bytes = bytes;
    this.#versionAt = versionAt;
    this.#versionLength = this.bytes.length - stored.length;
    if (object !== undefined) this.#hold(object);
  }

  /** `written`: the object that `stored` is the encoding of, where it is at hand. */
  static of<T extends KubeObject>(key: string, revision: number, stored: Buffer, written?: T): CachedObject<T> {
    const at = stored.indexOf(metadataOpening);
    const isFirst = at >= 0 && at < openingWithin && stored.indexOf(openingBrace, 1) > at;
    if (!isFirst || stored[0] !== openingBrace || stored[1] !== quote) {
      // Written by another program in another order of members.
      return CachedObject.of(key, revision, encodeObject(parseExactly(stored.toString()) as KubeObject));
    }
    const object = written && { ...written, metadata: { ...written.metadata, resourceVersion: String(revision) } };
    return new CachedObject<T>(key, revision, stored, at + metadataOpening.length, object);
  }

  get object(): T {
    return this.#decoded() ?? this.#hold(this.#decode());
  }

  get shared(): T {
    const { object } = this;
    if (this.#shared?.deref() === undefined) this.#shared = new WeakRef(object);
    return object;
  }

  #decoded(): T | undefined {
    return this.#recent ?? this.#shared?.deref();
  }

  #decode(): T {
    // What is stored is what was encoded from a T.
    return parseExactly(this.bytes.toString()) as T;
  }

  #hold(object: T): T {
    this.#recent = object;
    this.#labels ??= object.metadata.labels ?? null;
    recent.add(this);
    return object;
  }

  /** For `recent` alone. */
  forget(): void {
    this.#recent = undefined;
  }

  get labels(): Labels | undefined {
    if (this.#labels === undefined) this.#labels = this.object.metadata.labels ?? null;
    return this.#labels ?? undefined;
  }

  /** The string at a path, '' where there is none; of a hundred thousand that are indexed by it, few are looked at again. */
  field(path: readonly string[]): string {
    const object = this.#decoded();
    return (object === undefined ? stringAt(this.bytes, path) : undefined) ?? walk(object ?? this.#decode(), path);
  }

  /** The bytes as they are stored. */
  stored(): Buffer {
    return Buffer.concat([this.bytes.subarray(0, this.#versionAt), this.bytes.subarray(this.#versionAt + this.#versionLength)]);
  }

  /** Whether this is how it is stored. */
  isStoredAs(json: Buffer): boolean {
    const { bytes } = this;
    const at = this.#versionAt;
    const end = at + this.#versionLength;
    if (json.length !== bytes.length - this.#versionLength) return false;
    return json.compare(bytes, 0, at, 0, at) === 0 && json.compare(bytes, end, bytes.length, at) === 0;
  }

  /** The same state under another revision: what a DELETED event carries. */
  restamped(revision: number): CachedObject<T> {
    const object = this.#decoded();
    return new CachedObject<T>(
      this.key,
      revision,
      this.stored(),
      this.#versionAt,
      object && { ...object, metadata: { ...object.metadata, resourceVersion: String(revision) } },
    );
  }
}

function walk(object: unknown, path: readonly string[]): string {
  let at = object;
  // What has members is an object; what has not has none of this name.
  for (const name of path) at = (at as Record<string, unknown> | null | undefined)?.[name];
  return typeof at === 'string' ? at : '';
}
