/** Who changed what, when: the embedded store's history as changes of objects. */
import { kinds } from '../api/index.ts';
import { decodeStored, type Encryption } from '../server/index.ts';
import { openStoreReader, type StoredChange } from '../store/index.ts';
import { systemClock } from '../time/index.ts';
import { openClusterEncryption } from './cluster-encryption.ts';
import { readConfig } from './cluster-files.ts';
import { layoutOf } from './layout.ts';
import { diff, type FieldChange } from './object-diff.ts';
import { requireEmbeddedStore } from './store-commands.ts';

export interface ObjectChange {
  revision: number;
  /** RFC 3339 with milliseconds; undefined where the time is not known. */
  time?: string;
  type: StoredChange['type'];
  apiVersion?: string;
  kind?: string;
  namespace?: string;
  name?: string;
  /** The object's place in the store. */
  key: string;
  /** The field managers whose fields this write has set, and how: `kubectl-client-side-apply (Update)`. */
  managers: string[];
  /** What is different; undefined where that is not known. */
  changes?: FieldChange[];
}

export interface LogSelection {
  /** Only what is younger than this. */
  agoMs?: number;
  /** `deployment`, `deploy`, `deployments`, or a custom resource's kind or plural. */
  kind?: string;
  name?: string;
  namespace?: string;
  /** Leases and Events too, though no kind is asked for. */
  all?: boolean;
}

interface ManagerEntry {
  manager?: string;
  operation?: string;
  subresource?: string;
  time?: string;
}

interface StoredObject {
  apiVersion?: string;
  kind?: string;
  metadata?: { name?: string; namespace?: string; managedFields?: ManagerEntry[] };
}

/** Calls `each` with every change that is kept and selected, oldest first. Works beside a running cluster. */
export async function readStoreLog(dataDir: string, selection: LogSelection, each: (change: ObjectChange) => void): Promise<void> {
  requireEmbeddedStore(dataDir);
  const config = readConfig(layoutOf(dataDir));
  const encryption = config && (await openClusterEncryption(config, { reload: false }));
  const reader = openStoreReader(layoutOf(dataDir).store);
  try {
    const accepts = selector(selection);
    for (const stored of reader.changes(selection.agoMs === undefined ? undefined : systemClock.now() - selection.agoMs)) {
      const change = describe(encryption ? await opened(stored, encryption) : stored);
      if (accepts(change)) each(change);
    }
  } finally {
    encryption?.close();
    await reader.close();
  }
}

/** With plain values where the configuration of today opens them; the others are shown by their keys alone. */
async function opened(stored: StoredChange, encryption: Encryption): Promise<StoredChange> {
  const open = async (value: Buffer | undefined): Promise<Buffer | undefined> => {
    try {
      return value && (await encryption.open(value, stored.key)).plain;
    } catch {
      return value;
    }
  };
  return { ...stored, before: await open(stored.before), after: await open(stored.after) };
}

/** The kind that a name on the command line means. */
function kindOf(text: string): string {
  const asked = text.toLowerCase();
  const known = kinds.find(
    ({ resource, shortNames }) => resource.plural === asked || resource.kind.toLowerCase() === asked || shortNames?.includes(asked),
  );
  return known?.resource.kind.toLowerCase() ?? asked;
}

const busy = new Set(['Lease', 'Event']);

function selector({ kind, name, namespace, all }: LogSelection): (change: ObjectChange) => boolean {
  const wanted = kind === undefined ? undefined : kindOf(kind);
  return (change) => {
    if (wanted === undefined) {
      if (!all && (change.kind === undefined || busy.has(change.kind))) return false;
    } else if (change.kind?.toLowerCase() !== wanted && !change.key.split('/').slice(0, 4).includes(wanted)) return false;
    return (name === undefined || change.name === name) && (namespace === undefined || change.namespace === namespace);
  };
}

function describe({ revision, atMs, type, key, before, after }: StoredChange): ObjectChange {
  const now = parse(after);
  const was = parse(before);
  const object = now ?? was;
  const { name, namespace } = object?.metadata ?? {};
  const changes = type === 'changed' && now && was ? diff(shown(was), shown(now)) : undefined;
  const safe = object?.kind === 'Secret' ? changes?.map(withoutSecrets) : changes;
  return {
    revision,
    ...(atMs === 0 ? {} : { time: new Date(atMs).toISOString() }),
    type,
    ...(object?.apiVersion ? { apiVersion: object.apiVersion } : {}),
    ...(object?.kind ? { kind: object.kind } : {}),
    ...(namespace ? { namespace } : {}),
    ...(name ? { name } : {}),
    key,
    managers: now ? writers(was, now) : [],
    ...(safe ? { changes: safe } : {}),
  };
}

/** undefined for what is no object: encrypted, or not of the API's making, e.g. put there through etcd's face. */
function parse(value: Buffer | undefined): StoredObject | undefined {
  if (value === undefined) return undefined;
  try {
    const object: unknown = decodeStored(value);
    return typeof object === 'object' && object !== null ? object : undefined;
  } catch {
    return undefined;
  }
}

/**
 * Whose entry in managedFields this write has made or dated anew; who only lost fields to another keeps his date. Dates are whole
 * seconds: of two writes in one, the second may show by its fields alone, or not at all.
 */
function writers(was: StoredObject | undefined, now: StoredObject): string[] {
  const identity = ({ manager, operation, subresource }: ManagerEntry) =>
    `${manager ?? '?'} (${operation ?? '?'}${subresource ? ` ${subresource}` : ''})`;
  const entries = now.metadata?.managedFields ?? [];
  const before = new Map((was?.metadata?.managedFields ?? []).map((entry) => [identity(entry), entry]));
  // Who scales for the first time is there without a date.
  const dated = entries.filter((entry) => !before.has(identity(entry)) || before.get(identity(entry))?.time !== entry.time);
  if (dated.length > 0) return dated.map(identity);
  const latest = entries
    .map(({ time }) => time ?? '')
    .sort()
    .at(-1);
  const changed = entries.filter((entry) => entry.time === latest && JSON.stringify(entry) !== JSON.stringify(before.get(identity(entry))));
  return changed.map(identity);
}

/** Bookkeeping left out. */
function shown(object: StoredObject): unknown {
  const { managedFields: _, ...metadata } = object.metadata ?? {};
  return { ...object, metadata };
}

const covered = '(hidden)';

/** That a secret's value has changed is told, not what it is; nor what kubectl has copied of it into an annotation. */
function withoutSecrets(change: FieldChange): FieldChange {
  if (!/^(data|stringData|metadata\.annotations)\b/.test(change.path)) return change;
  const cover = (value: unknown) => (value === undefined ? undefined : covered);
  return { path: change.path, before: cover(change.before), after: cover(change.after) };
}
