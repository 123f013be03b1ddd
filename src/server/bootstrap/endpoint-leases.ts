/**
 * Which API servers serve a cluster, where several share a store: each keeps its address there under a lease (as kube-apiserver's
 * `--endpoint-reconciler-type=lease` does, under the same keys), and all write the living ones into the Service `kubernetes`.
 */
import { LeaseNotFoundError, type Store } from '../../store/index.ts';
import type { Clock } from '../../time/index.ts';

export interface EndpointLeasesOptions {
  store: Store;
  /** Where keys begin: `/registry`. */
  prefix: string;
  /** This server's. */
  address: string;
  clock: Clock;
  /** Told all addresses, in order, when they may have changed. */
  publish(addresses: string[]): Promise<void>;
  onError(error: unknown): void;
}

/** kube-apiserver's DefaultEndpointReconcilerTTL and DefaultEndpointReconcilerInterval. */
const ttlSeconds = 15;
const intervalMs = 10_000;

export interface EndpointLeases {
  /** Resolves when this server's address has been published. */
  begin(): Promise<void>;
  /** Takes the address out, so that no client is sent to a server that is going. */
  end(): Promise<void>;
}

export function endpointLeases({ store, prefix, address, clock, publish, onError }: EndpointLeasesOptions): EndpointLeases {
  const base = `${prefix}/masterleases/`;
  const key = `${base}${address}`;
  const stopping = new AbortController();
  let lease: number | undefined;
  let running: Promise<void> | undefined;
  // The form in which upstream keeps it.
  const value = Buffer.from(
    JSON.stringify({ kind: 'Endpoints', apiVersion: 'v1', metadata: {}, subsets: [{ addresses: [{ ip: address }] }] }),
  );

  const publishLiving = async () => {
    const { values } = await store.range(base);
    // A Service without any endpoints is of no use to anybody: what the last server leaves behind stays, as upstream has it.
    if (values.length > 0) await publish(values.map((v) => v.key.slice(base.length)).sort());
  };

  const renew = async (): Promise<void> => {
    try {
      if (lease !== undefined && (await store.get(key))?.lease === lease) {
        await store.keepAlive(lease);
        return;
      }
    } catch (error) {
      if (!(error instanceof LeaseNotFoundError)) throw error;
    }
    ({ id: lease } = await store.grantLease(ttlSeconds));
    await store.commit([], [{ put: key, value, lease }]);
  };

  const turn = async () => {
    await renew();
    await publishLiving();
  };

  return {
    async begin() {
      await renew();
      await publishLiving().catch(onError);
      running = (async () => {
        while (!stopping.signal.aborted) {
          await clock.sleep(intervalMs, stopping.signal).catch(() => {});
          if (!stopping.signal.aborted) await turn().catch(onError);
        }
      })();
    },
    async end() {
      stopping.abort();
      await running;
      if (lease === undefined) return;
      await store.commit([], [{ delete: key }]);
      await publishLiving();
      await store.revokeLease(lease);
    },
  };
}
