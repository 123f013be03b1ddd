import type { KubeObject } from '../../api/index.ts';
import type { CachedObject } from './cached-object.ts';
import type { StorageWatchEvent } from './storage.ts';

type ObjectEvent<T extends KubeObject> = Extract<StorageWatchEvent<T>, { item: unknown }>;

/** What is left of a change whose objects memory has let go of; the store's history has them. */
export interface PastChange {
  readonly revision: number;
  readonly key: string;
  readonly atMs: number;
  readonly isCreation: boolean;
  readonly isDeletion: boolean;
}

/** One change of one object, as watchers with any selection will see it. The events are shared: one of a kind for all watchers. */
export class Change<T extends KubeObject = KubeObject> {
  readonly revision: number;
  readonly before: CachedObject<T> | undefined;
  readonly after: CachedObject<T> | undefined;
  readonly atMs: number;
  readonly #events: { [type: string]: ObjectEvent<T> } = {};

  constructor(revision: number, before: CachedObject<T> | undefined, after: CachedObject<T> | undefined, atMs: number) {
    this.revision = revision;
    this.before = before;
    this.after = after;
    this.atMs = atMs;
  }

  get key(): string {
    return this.after?.key ?? this.before?.key ?? '';
  }

  /** What it holds: the object that it has come to, or was. */
  get bytes(): number {
    return (this.after ?? this.before)?.bytes.length ?? 0;
  }

  /** Without its objects. */
  past(): PastChange {
    const { revision, key, atMs, before, after } = this;
    return { revision, key, atMs, isCreation: before === undefined, isDeletion: after === undefined };
  }

  /**
   * What a watcher that selects by `accepts` sees: an object that enters its selection is ADDED, one that leaves it is DELETED with
   * its last selected state under this revision (k8s.io/apiserver's cacher does the same).
   */
  seenBy(accepts: (object: CachedObject<T>) => boolean): ObjectEvent<T> | undefined {
    const was = this.before !== undefined && accepts(this.before);
    const is = this.after !== undefined && accepts(this.after);
    if (is && this.after) return this.#event(was ? 'MODIFIED' : 'ADDED', this.after);
    if (was && this.before) return this.#events.DELETED ?? this.#event('DELETED', this.before.restamped(this.revision));
    return undefined;
  }

  #event(type: ObjectEvent<T>['type'], item: CachedObject<T>): ObjectEvent<T> {
    this.#events[type] ??= { type, item };
    return this.#events[type];
  }
}
