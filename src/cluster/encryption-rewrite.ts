/**
 * `k8ts encryption rewrite`: has every stored object written anew, through the API, by the key that writes now. A patch that changes
 * nothing writes an object only where it was written by another key (or not encrypted): whoever is interrupted starts again, and what
 * is done is not done twice. The server applies it to the object as it is then, so that nothing that others write meanwhile is lost.
 */
import {
  type APIGroupList,
  type APIResource,
  type APIResourceList,
  APIService,
  hasReason,
  type KubeList,
  type KubeObject,
  type Resource,
  StatusError,
} from '../api/index.ts';
import { type Client, connectionOf, createClient, httpsTransport, loadKubeconfig } from '../client/index.ts';
import type { Clock } from '../time/index.ts';
import { ClusterError } from './cluster-error.ts';
import { adminKubeconfig } from './cluster-files.ts';

export interface RewriteProgress {
  /** `secrets`, `deployments.apps`. */
  resource: string;
  /** Written anew. */
  rewritten: number;
  /** Written by the present key before. */
  current: number;
  /** Deleted meanwhile. */
  gone: number;
  failed: number;
  done: boolean;
}

export interface RewriteFailure {
  resource: string;
  namespace?: string;
  name: string;
  message: string;
}

export interface RewriteResult {
  resources: RewriteProgress[];
  failures: RewriteFailure[];
}

export interface RewriteOptions {
  /** `secrets`, `deployments.apps`; default: all that can be listed and patched. */
  resources?: readonly string[];
  clock: Clock;
  signal?: AbortSignal;
  onProgress?: (progress: RewriteProgress) => void;
}

const pageSize = 500;
const atOnce = 16;
/** Of one object that others write as well, or of a server that has no room. */
const attempts = 20;
const longestPauseMs = 2000;

/** Groups that serve under another name what a group beside them stores. */
const aliases = new Set(['events.k8s.io', 'extensions']);

/** Rewrites the objects of the cluster in a data directory. */
export async function rewriteCluster(dataDir: string, options: RewriteOptions): Promise<RewriteResult> {
  const client = createClient(httpsTransport(await connectionOf(await loadKubeconfig(adminKubeconfig(dataDir)))), {
    userAgent: 'k8ts-encryption-rewrite',
  });
  try {
    return await rewriteObjects(client, options);
  } finally {
    await client.close();
  }
}

export async function rewriteObjects(client: Client, options: RewriteOptions): Promise<RewriteResult> {
  const result: RewriteResult = { resources: [], failures: [] };
  for (const resource of await selected(client, options.resources)) {
    const progress: RewriteProgress = { resource: nameOf(resource), rewritten: 0, current: 0, gone: 0, failed: 0, done: false };
    result.resources.push(progress);
    await rewriteResource(client, resource, { options, progress, failures: result.failures });
    progress.done = true;
    options.onProgress?.(progress);
  }
  return result;
}

const nameOf = ({ group, plural }: Pick<Resource, 'group' | 'plural'>) => (group === '' ? plural : `${plural}.${group}`);

/** What is stored here, once each. */
async function storedResources(client: Client): Promise<Resource[]> {
  // Discovery's own kinds.
  const groups = (await client.raw('GET', '/apis')) as APIGroupList;
  const elsewhere = new Set(
    (await client.list(APIService)).items.filter(({ spec }) => spec?.service).map(({ spec }) => `${spec?.group}/${spec?.version}`),
  );
  const versions = [
    { group: '', version: 'v1' },
    ...groups.groups.map(({ name, versions: all, preferredVersion }) => ({
      group: name,
      version: preferredVersion?.version ?? all[0]?.version ?? '',
    })),
  ].filter(({ group, version }) => !aliases.has(group) && !elsewhere.has(`${group}/${version}`));
  const lists = await Promise.all(
    versions.map(async ({ group, version }) => {
      const list = (await client.raw('GET', group === '' ? `/api/${version}` : `/apis/${group}/${version}`)) as APIResourceList;
      return list.resources.filter(isRewritable).map(
        (found): Resource => ({
          group,
          version,
          kind: found.kind,
          plural: found.name,
          namespaced: found.namespaced,
        }),
      );
    }),
  );
  return lists.flat();
}

const isRewritable = ({ name, verbs }: APIResource) => !name.includes('/') && verbs.includes('list') && verbs.includes('patch');

async function selected(client: Client, asked: readonly string[] | undefined): Promise<Resource[]> {
  const all = await storedResources(client);
  if (!asked || asked.length === 0) return all;
  return asked.map((name) => {
    const found = all.find((resource) => nameOf(resource) === name);
    if (!found) throw new ClusterError(`the server doesn't have a resource type ${JSON.stringify(name)} that can be rewritten`);
    return found;
  });
}

interface Task {
  options: RewriteOptions;
  progress: RewriteProgress;
  failures: RewriteFailure[];
}

async function rewriteResource(client: Client, resource: Resource, task: Task): Promise<void> {
  const { options } = task;
  const signal = options.signal ? { signal: options.signal } : {};
  for (let next: string | undefined; ; ) {
    let page: KubeList<KubeObject>;
    try {
      page = await client.list(resource, { limit: pageSize, ...(next ? { continue: next } : {}), ...signal });
    } catch (error) {
      // The list took longer than history is kept: its remainder as it is now will do.
      const rest: string | undefined =
        hasReason(error, 'Expired') && error instanceof StatusError ? error.status.metadata?.continue : undefined;
      if (!next || !rest || rest === next) throw error;
      next = rest;
      continue;
    }
    const waiting = [...page.items];
    const worker = async () => {
      for (let object = waiting.shift(); object; object = waiting.shift()) {
        options.signal?.throwIfAborted();
        task.progress[await rewrite(client, resource, object, task)]++;
      }
    };
    await Promise.all(Array.from({ length: atOnce }, worker));
    options.onProgress?.(task.progress);
    next = page.metadata.continue || undefined;
    if (!next) return;
  }
}

type Outcome = 'rewritten' | 'current' | 'gone' | 'failed';

/** Who has no room, or is just starting, says when to come again. */
const isPassing = (error: unknown): error is StatusError => error instanceof StatusError && (error.code === 429 || error.code === 503);

async function rewrite(client: Client, resource: Resource, listed: KubeObject, { options, progress, failures }: Task): Promise<Outcome> {
  const { name = '', namespace } = listed.metadata;
  const request = { ...(namespace ? { namespace } : {}), ...(options.signal ? { signal: options.signal } : {}) };
  for (let attempt = 1; ; attempt++) {
    try {
      const answer = await client.patch(resource, name, 'merge', {}, { ...request, fieldManager: 'k8ts-encryption-rewrite' });
      return answer.metadata.resourceVersion === listed.metadata.resourceVersion ? 'current' : 'rewritten';
    } catch (error) {
      options.signal?.throwIfAborted();
      try {
        if (hasReason(error, 'NotFound')) return 'gone';
        if (attempt >= attempts || !(hasReason(error, 'Conflict') || isPassing(error))) throw error;
        if (isPassing(error)) await options.clock.sleep(Math.min(longestPauseMs, (error.retryAfterSeconds ?? 1) * 1000), options.signal);
      } catch (failure) {
        if (hasReason(failure, 'NotFound')) return 'gone';
        // An answer about this object; anything else (nobody answers any more) ends the whole.
        if (!(failure instanceof StatusError)) throw failure;
        failures.push({ resource: progress.resource, ...(namespace ? { namespace } : {}), name, message: failure.message });
        return 'failed';
      }
    }
  }
}
