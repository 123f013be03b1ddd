import type { EtcdFace, EtcdFaceOptions } from './etcd-face/index.ts';
import type { EtcdStoreOptions } from './etcd-store.ts';
import type { Store } from './store.ts';

export { type CompactorOptions, compactRegularly } from './compactor.ts';
export { type EmbeddedStoreOptions, openEmbeddedStore, StoreUnusableError } from './embedded-store.ts';
export type { EtcdTls } from './etcd-member.ts';
export type { EtcdStoreOptions } from './etcd-store.ts';
export { compareKeys } from './key-order.ts';
export { backupStore, checkStore, compactStore, openStoreReader, restoreStore, type StoreReader } from './maintenance.ts';
export { type MemoryStoreOptions, openMemoryStore } from './memory-store.ts';
export { parseRetention, type Retention } from './retention.ts';
export { SortedList } from './sorted-list.ts';
export {
  type CommitResult,
  CompactedError,
  type Condition,
  FutureRevisionError,
  LeaseNotFoundError,
  maxKeyBytes,
  maxRequestBytes,
  NoSpaceError,
  type Operation,
  type RangeOptions,
  type RangeResult,
  RequestTooLargeError,
  type RevisionTimes,
  type Store,
  StoreClosedError,
  type StoredValue,
  type StoreEvent,
  type Transaction,
  type WatchBatch,
  type WatchOptions,
} from './store.ts';
export type { StoredChange } from './times.ts';
export type { StoreCheck, StoreFacts } from './verify.ts';

/** A store over a real etcd. gRPC is loaded only by who uses one. */
export const openEtcdStore = async (options: EtcdStoreOptions): Promise<Store> => (await import('./etcd-store.ts')).openEtcdStore(options);

export type { EtcdFace, EtcdFaceOptions } from './etcd-face/index.ts';

/** etcd's API over a store of ours. */
export const serveEtcd = async (options: EtcdFaceOptions): Promise<EtcdFace> => (await import('./etcd-face/index.ts')).serveEtcd(options);
