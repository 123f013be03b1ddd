/**
 * kubeconfig files: read, merged into, written. Everything in the file that is not touched stays as it was, comments and
 * unknown fields included; a file that cannot be understood is left alone.
 */
import { chmod, mkdir, open, readFile, realpath, rename, rm } from 'node:fs/promises';
import { homedir } from 'node:os';
import { dirname, isAbsolute, join, resolve } from 'node:path';
import { type Document, isMap, isSeq, parseDocument, YAMLMap, YAMLSeq } from 'yaml';
import type { HttpsTransportOptions } from './https-transport.ts';

export interface KubeconfigCluster {
  server: string;
  'certificate-authority'?: string;
  'certificate-authority-data'?: string;
  'insecure-skip-tls-verify'?: boolean;
  'tls-server-name'?: string;
}

export interface KubeconfigUser {
  'client-certificate'?: string;
  'client-certificate-data'?: string;
  'client-key'?: string;
  'client-key-data'?: string;
  token?: string;
  tokenFile?: string;
  username?: string;
  password?: string;
}

export interface KubeconfigContext {
  cluster: string;
  user: string;
  namespace?: string;
}

export interface Kubeconfig {
  apiVersion: 'v1';
  kind: 'Config';
  clusters: { name: string; cluster: KubeconfigCluster }[];
  users: { name: string; user: KubeconfigUser }[];
  contexts: { name: string; context: KubeconfigContext }[];
  'current-context'?: string;
}

/** A cluster, a user and a context of one name, as `k8ts up` makes them. */
export interface KubeconfigEntry {
  name: string;
  cluster: KubeconfigCluster;
  user: KubeconfigUser;
  namespace?: string;
}

export class KubeconfigError extends Error {
  readonly path: string;
  constructor(path: string, why: string, options?: ErrorOptions) {
    super(`error loading config file "${path}": ${why}`, options);
    this.name = 'KubeconfigError';
    this.path = path;
  }
}

/** The files that KUBECONFIG names, or ~/.kube/config. New entries go to the first that exists, else to the last. */
export function kubeconfigPaths(env: NodeJS.ProcessEnv = process.env): string[] {
  const named = (env.KUBECONFIG ?? '').split(':').filter((p) => p !== '');
  return named.length > 0 ? named : [join(env.HOME ?? homedir(), '.kube', 'config')];
}

/** Reads one file. Throws KubeconfigError where it cannot be read or understood. Relative file names in it become absolute. */
export async function loadKubeconfig(path: string): Promise<Kubeconfig> {
  let text: string;
  try {
    text = await readFile(path, 'utf8');
  } catch (cause) {
    throw new KubeconfigError(path, cause instanceof Error ? cause.message : String(cause), { cause });
  }
  return kubeconfigOf(parse(path, text), path);
}

/** Merges files as kubectl does: the first to name something wins. Files that do not exist are passed over. */
export async function loadKubeconfigs(paths: readonly string[] = kubeconfigPaths()): Promise<Kubeconfig> {
  const merged: Kubeconfig = { apiVersion: 'v1', kind: 'Config', clusters: [], users: [], contexts: [] };
  for (const path of paths) {
    const text = await readIfThere(path);
    if (text === undefined) continue;
    const config = kubeconfigOf(parse(path, text), path);
    for (const list of ['clusters', 'users', 'contexts'] as const) {
      const known = new Set(merged[list].map((entry) => entry.name));
      // The three lists have different element types; each is only ever joined with itself.
      (merged[list] as { name: string }[]).push(...config[list].filter((entry) => !known.has(entry.name)));
    }
    if (!merged['current-context'] && config['current-context']) merged['current-context'] = config['current-context'];
  }
  return merged;
}

const pemOf = async (data: string | undefined, file: string | undefined) =>
  data ? Buffer.from(data, 'base64').toString() : file ? await readFile(file, 'utf8') : undefined;

/** How a user proves who it is; PEM as text. Throws for files that can't be read. */
export async function credentialsOf(user: KubeconfigUser) {
  return {
    cert: await pemOf(user['client-certificate-data'], user['client-certificate']),
    key: await pemOf(user['client-key-data'], user['client-key']),
    token: user.token,
    tokenFile: user.tokenFile,
    username: user.username,
    password: user.password,
  };
}

/** What `httpsTransport` needs to connect as a context says. Throws where the context, its cluster or its user is not there. */
export async function connectionOf(
  config: Kubeconfig,
  contextName: string | undefined = config['current-context'],
): Promise<HttpsTransportOptions & { namespace: string }> {
  if (!contextName) throw new Error('current-context is not set');
  const context = config.contexts.find((c) => c.name === contextName)?.context;
  if (!context) throw new Error(`context "${contextName}" does not exist`);
  const cluster = config.clusters.find((c) => c.name === context.cluster)?.cluster;
  if (!cluster) throw new Error(`cluster "${context.cluster}" does not exist`);
  return {
    server: cluster.server,
    ca: await pemOf(cluster['certificate-authority-data'], cluster['certificate-authority']),
    ...(await credentialsOf(config.users.find((u) => u.name === context.user)?.user ?? {})),
    insecureSkipTlsVerify: cluster['insecure-skip-tls-verify'],
    tlsServerName: cluster['tls-server-name'],
    namespace: context.namespace ?? 'default',
  };
}

/** A kubeconfig of one context, as text. */
export function formatKubeconfig(entry: KubeconfigEntry): string {
  return merge(parseDocument(''), entry, true);
}

/**
 * Adds or replaces an entry in the file, making the file (mode 0600) where there is none, and makes it the current context
 * unless told not to. The write is atomic. Throws KubeconfigError, and leaves the file untouched, where it cannot be understood.
 */
export async function mergeKubeconfig(path: string, entry: KubeconfigEntry, options: { setCurrent?: boolean } = {}): Promise<void> {
  const document = parse(path, (await readIfThere(path)) ?? '');
  kubeconfigOf(document, path);
  await writeAtomically(path, merge(document, entry, options.setCurrent ?? true));
}

/** Takes the context, cluster and user of this name out of the file, and the current context where it is that. Answers whether anything was there. */
export async function removeFromKubeconfig(path: string, name: string): Promise<boolean> {
  const text = await readIfThere(path);
  if (text === undefined) return false;
  const document = parse(path, text);
  kubeconfigOf(document, path);
  let found = false;
  for (const list of ['clusters', 'users', 'contexts']) {
    const sequence = document.get(list);
    if (!isSeq(sequence)) continue;
    const at = indexOfName(sequence, name);
    if (at < 0) continue;
    sequence.delete(at);
    found = true;
  }
  if (document.get('current-context') === name) {
    document.set('current-context', '');
    found = true;
  }
  if (found) await writeAtomically(path, document.toString({ lineWidth: 0 }));
  return found;
}

function parse(path: string, text: string): Document {
  const document = parseDocument(text);
  const [error] = document.errors;
  if (error) throw new KubeconfigError(path, error.message, { cause: error });
  if (document.contents !== null && !isMap(document.contents)) throw new KubeconfigError(path, 'it is not a mapping');
  return document;
}

/** The document as a Kubeconfig, checked as far as this module relies on it. */
function kubeconfigOf(document: Document, path: string): Kubeconfig {
  const raw = (document.toJS() ?? {}) as Record<string, unknown>;
  if (raw.kind !== undefined && raw.kind !== 'Config')
    throw new KubeconfigError(path, `its kind is ${JSON.stringify(raw.kind)}, not "Config"`);
  const list = (name: string, field: string): { name: string; [field: string]: unknown }[] => {
    const value = raw[name] ?? [];
    if (!Array.isArray(value)) throw new KubeconfigError(path, `${name} is not a list`);
    for (const element of value) {
      if (typeof element?.name !== 'string') throw new KubeconfigError(path, `${name} has an element without a name`);
    }
    return value.map((element) => ({ name: element.name, [field]: absolutePaths(element[field] ?? {}, dirname(path)) }));
  };
  // The lists' elements were checked to have names; the fields in them are checked where they are used.
  return {
    apiVersion: 'v1',
    kind: 'Config',
    clusters: list('clusters', 'cluster'),
    users: list('users', 'user'),
    contexts: list('contexts', 'context'),
    ...(raw['current-context'] ? { 'current-context': String(raw['current-context']) } : {}),
  } as Kubeconfig;
}

function absolutePaths(fields: Record<string, unknown>, base: string): Record<string, unknown> {
  const result = { ...fields };
  for (const name of ['certificate-authority', 'client-certificate', 'client-key', 'tokenFile']) {
    const file = result[name];
    if (typeof file === 'string' && file !== '' && !isAbsolute(file)) result[name] = resolve(base, file);
  }
  return result;
}

function merge(document: Document, entry: KubeconfigEntry, setCurrent: boolean): string {
  const { name } = entry;
  if (document.contents === null) document.contents = document.createNode({});
  if (!document.has('apiVersion')) document.set('apiVersion', 'v1');
  if (!document.has('kind')) document.set('kind', 'Config');
  const context: KubeconfigContext = { cluster: name, user: name, ...(entry.namespace ? { namespace: entry.namespace } : {}) };
  upsert(document, 'clusters', { name, cluster: entry.cluster });
  upsert(document, 'contexts', { name, context });
  upsert(document, 'users', { name, user: entry.user });
  if (setCurrent || !document.get('current-context')) document.set('current-context', name);
  return document.toString({ lineWidth: 0 });
}

function upsert(document: Document, list: string, element: Kubeconfig['clusters' | 'users' | 'contexts'][number]): void {
  let sequence = document.get(list);
  if (!isSeq(sequence)) {
    sequence = new YAMLSeq();
    document.set(list, sequence);
  }
  if (!isSeq(sequence)) return;
  sequence.flow = false;
  const at = indexOfName(sequence, element.name);
  const node = document.createNode(element);
  if (at < 0) sequence.add(node);
  else sequence.set(at, node);
}

function indexOfName(sequence: YAMLSeq, name: string): number {
  return sequence.items.findIndex((item) => item instanceof YAMLMap && item.get('name') === name);
}

async function readIfThere(path: string): Promise<string | undefined> {
  try {
    return await readFile(path, 'utf8');
  } catch (cause) {
    if (cause instanceof Error && 'code' in cause && cause.code === 'ENOENT') return undefined;
    throw new KubeconfigError(path, cause instanceof Error ? cause.message : String(cause), { cause });
  }
}

/** Writes beside the file and renames: a reader sees the old text or the new, and a symbolic link stays one. */
async function writeAtomically(path: string, text: string): Promise<void> {
  const target = await realpath(path).catch(() => path);
  await mkdir(dirname(target), { recursive: true, mode: 0o750 });
  const temporary = `${target}.${process.pid}.tmp`;
  const file = await open(temporary, 'w', 0o600);
  try {
    await file.writeFile(text);
    await file.sync();
    await file.close();
    await chmod(temporary, 0o600);
    await rename(temporary, target);
  } catch (error) {
    await file.close().catch(() => undefined);
    await rm(temporary, { force: true });
    throw error;
  }
}
