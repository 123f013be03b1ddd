/** `k8ts store compact` of a cluster that is up: asked of the API server, which has the store open. */
import { connectionOf, createClient, httpsTransport, loadKubeconfig } from '../client/index.ts';
import { type Route, textAnswer } from '../server/index.ts';
import { CompactedError, type Store } from '../store/index.ts';
import { adminKubeconfig } from './cluster-files.ts';

export interface Compaction {
  /** History before it is gone. */
  revision: number;
  beforeBytes: number;
  afterBytes: number;
}

/** Our own; a path of no resource, which RBAC gives to administrators only. */
const path = '/k8ts/store/compact';

/** Forgets all history and gives the room back, with the store in use. Not for stores that have no file. */
export function storeCompactionRoute(store: Store): Route {
  return async (context) => {
    if (context.path !== path || context.method !== 'POST' || !store.defragment) return undefined;
    const revision = await store.revision();
    await store.compact(revision).catch((error) => {
      // There is no history to forget.
      if (!(error instanceof CompactedError)) throw error;
    });
    const result: Compaction = { revision, ...(await store.defragment()) };
    return textAnswer(JSON.stringify(result), 200, 'application/json');
  };
}

export async function compactRunningStore(dataDir: string): Promise<Compaction> {
  const client = createClient(httpsTransport(await connectionOf(await loadKubeconfig(adminKubeconfig(dataDir)))), { userAgent: 'k8ts' });
  try {
    // What the route answers.
    return (await client.raw('POST', path)) as Compaction;
  } finally {
    await client.close();
  }
}
