/**
 * Objects of one resource over the Store, behind the watch cache: encode once, read from memory, one revision. The generic
 * registry stands on this and knows nothing of keys' values.
 *
 * What is stored is the object's JSON in its storage version without resourceVersion; what is served is the same bytes with
 * `"resourceVersion":"N",` spliced in as the first member of metadata. They are made once, when the write or watch event arrives.
 */
import type { KubeObject } from '../../api/index.ts';

/** An object as the cache holds it: immutable, shared by every reader. */
export interface Cached<T extends KubeObject = KubeObject> {
  readonly key: string;
  readonly revision: number;
  /** Served JSON in the storage version, resourceVersion included. */
  readonly bytes: Buffer;
  /** The same, decoded (lazily where that saves memory), for who looks at it. */
  readonly object: T;
  /** The same for who goes on holding it: all of them hold one. */
  readonly shared: T;
}

export interface StorageListOptions<T extends KubeObject = KubeObject> {
  namespace?: string;
  /** A single name (fieldSelector metadata.name=...). */
  name?: string;
  /** Field selection, or any other. */
  matches?: ((object: T) => boolean) | undefined;
  /** Label selection alone: needs no decoded object. Both must accept. */
  matchesLabels?: ((labels: Readonly<Record<string, string>> | undefined) => boolean) | undefined;
  /** A hint: narrows the search by an index that the storage was opened with, e.g. spec.nodeName. `matches` must still test it. */
  indexed?: { field: string; value: string };
  limit?: number;
  continue?: string;
  resourceVersion?: string;
  resourceVersionMatch?: 'Exact' | 'NotOlderThan';
  /** As it was then: RFC 3339, or how long ago (`-5m`). */
  at?: string;
}

export interface StorageGetOptions {
  resourceVersion?: string;
  /** Exact: as it was at resourceVersion. */
  resourceVersionMatch?: 'Exact' | 'NotOlderThan';
  /** As in StorageListOptions. */
  at?: string;
}

export interface StorageList<T extends KubeObject = KubeObject> {
  items: readonly Cached<T>[];
  revision: number;
  continue?: string;
  remainingItemCount?: number;
}

export interface StorageWatchOptions<T extends KubeObject = KubeObject> {
  namespace?: string;
  name?: string;
  matches?: ((object: T) => boolean) | undefined;
  /** Label selection alone: needs no decoded object. Both must accept. */
  matchesLabels?: ((labels: Readonly<Record<string, string>> | undefined) => boolean) | undefined;
  /** What `matches` and `matchesLabels` come from, where that says all of them: watches with the same share what is done for them. */
  selector?: string;
  /** undefined: from now, with the present objects first as ADDED (Get State and Start at Most Recent); '0': the same at any version; else events after it. */
  resourceVersion?: string;
  /** Begin with the present objects, then a bookmark that carries `k8s.io/initial-events-end: "true"`. */
  sendInitialEvents?: boolean;
  bookmarks?: boolean;
  /** As in StorageListOptions. */
  indexed?: { field: string; value: string };
  /** Called once the initial events have been taken, or where there are none to come. */
  initialized?: (() => void) | undefined;
  /** When the caller is going to end the watch: with `bookmarks` a last one comes two seconds before. */
  timeoutSeconds?: number;
  signal: AbortSignal;
}

/** An event as one watcher sees it: selection turns a change into ADDED or DELETED where the object enters or leaves. */
export type StorageWatchEvent<T extends KubeObject = KubeObject> =
  /** For DELETED, `item` is the last state with the revision of the deletion. */
  { type: 'ADDED' | 'MODIFIED' | 'DELETED'; item: Cached<T> } | { type: 'BOOKMARK'; revision: number; initialEventsEnd: boolean };

/** Is told what a storage reads, for metrics. */
export interface StorageObserver {
  /** A list, from memory or from the store: how many objects were looked at, and how many answered. */
  listed(where: 'cache' | 'storage', fetched: number, returned: number): void;
  /** Changes have come from the store, up to this revision. */
  received(events: number, revision: number): void;
  /** The cache holds everything as of this revision. */
  filled(revision: number): void;
  /** A change has been offered to those who watch. */
  dispatched(): void;
  /** A watcher has been cut off: it did not keep up. */
  terminated(): void;
  /** A read has waited so long for the cache to be new enough; mostly it is. */
  waited(seconds: number): void;
  /** The most recent state was asked of the cache, which could answer or not in time. */
  readConsistently(success: boolean): void;
  /** A value of the store can't be read. */
  undecodable(): void;
}

export interface Preconditions {
  uid?: string | undefined;
  resourceVersion?: string | undefined;
  /** What is absent has an empty uid to an update, and fails a condition on it; to a delete it is not found. */
  ofUpdate?: boolean | undefined;
}

/** The state of a resource, perhaps a moment old. */
export interface StoragePresent<T extends KubeObject = KubeObject> {
  get(namespace: string, name: string): Cached<T> | undefined;
  /** In a namespace, or all. */
  list(namespace?: string): readonly Cached<T>[];
}

export interface ResourceStorage<T extends KubeObject = KubeObject> {
  /** Default: linearizable. With resourceVersion '0' or 'N': from the cache, not older than N. Throws 410 Expired for what is too long ago. */
  get(namespace: string, name: string, options?: StorageGetOptions): Promise<Cached<T> | undefined>;
  list(options?: StorageListOptions<T>): Promise<StorageList<T>>;
  /** Throws StatusError 410 Expired when the start is too old; ends early when the reader is too slow. */
  watch(options: StorageWatchOptions<T>): AsyncIterable<StorageWatchEvent<T>>;
  /** The same in batches of what came together; none is empty, and a bookmark is alone. They are shared with other watchers. */
  watchBatches(options: StorageWatchOptions<T>): AsyncIterable<readonly StorageWatchEvent<T>[]>;
  /** Throws AlreadyExists. */
  create(object: T): Promise<Cached<T>>;
  /**
   * Reads, asks `change` for the next state and writes it under compare-and-set, retrying from a fresh read when somebody else
   * wrote in between. `change` returns its argument's object to write nothing (but what is stored in another form than it would be now); `undefined` to delete. Throws NotFound, Conflict (preconditions), what `change` throws.
   */
  update(
    namespace: string,
    name: string,
    preconditions: Preconditions,
    change: (current: Cached<T>) => T | undefined | Promise<T | undefined>,
  ): Promise<Cached<T>>;
  /** Removes the key; answers the last state with the deletion's revision. */
  delete(
    namespace: string,
    name: string,
    preconditions: Preconditions,
    check?: (current: Cached<T>) => void | Promise<void>,
  ): Promise<Cached<T>>;
  /** Removes the key of a value that can't be read, unseen. Throws NotFound, and Conflict where it can be. */
  deleteUnreadable(namespace: string, name: string): Promise<void>;
  /** What the cache shows, for who does not wait for it; undefined while it is being filled. */
  readonly present: StoragePresent<T> | undefined;
  /** Number of objects, for metrics and limits. */
  count(): number;
  /** Bytes of the objects' encodings; how many changes are kept at most, for watches from the past, as things are. */
  footprint(): { bytes: number; capacity: number };
  /** Resolves once the cache is filled. */
  ready(): Promise<void>;
  /** Ends all watches and forgets the cache (a custom resource's definition has gone). */
  close(): void;
}
