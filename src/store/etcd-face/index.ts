/**
 * etcd's gRPC API v3 over a store of ours: what speaks with etcd (etcdctl, other API servers, upstream's or ours) can use it. One member,
 * without users; who has a certificate of its authority may do everything.
 */
import { Server, ServerCredentials } from '@grpc/grpc-js';
import type { Clock } from '../../time/index.ts';
import { type EtcdService, etcdService } from '../etcd-proto.ts';
import type { Store } from '../store.ts';
import { etcdServices } from './services.ts';

export interface EtcdFaceOptions {
  store: Store;
  clock: Clock;
  /** `HOST:PORT`; port 0 for any that is free. */
  listen: string;
  tls: { ca: string; cert: string; key: string };
}

export interface EtcdFace {
  /** `HOST:PORT`. */
  address: string;
  close(): Promise<void>;
}

/** Serves until closed. Rejects where it cannot listen. */
export async function serveEtcd({ store, clock, listen, tls }: EtcdFaceOptions): Promise<EtcdFace> {
  if (!store.transact) throw new Error('the store is in an etcd, whose own face is there already');
  const lifetime = new AbortController();
  const server = new Server({
    'grpc.max_receive_message_length': 16 * 1024 * 1024,
    'grpc.max_send_message_length': -1,
    'grpc.max_concurrent_streams': 10_000,
  });
  const host = listen.slice(0, listen.lastIndexOf(':'));
  let address = listen;
  const services = etcdServices({ store, clock, clientUrls: () => [`https://${address}`], lifetime: lifetime.signal });
  for (const [name, methods] of Object.entries(services)) server.addService(etcdService(name as EtcdService).service, methods);
  const credentials = ServerCredentials.createSsl(
    Buffer.from(tls.ca),
    [{ cert_chain: Buffer.from(tls.cert), private_key: Buffer.from(tls.key) }],
    true,
  );
  const port = await new Promise<number>((resolve, reject) => {
    server.bindAsync(listen, credentials, (error, bound) => (error ? reject(error) : resolve(bound)));
  });
  address = `${host}:${port}`;
  return {
    address,
    async close() {
      lifetime.abort();
      const forced = clock.setTimer(2000, () => server.forceShutdown(), { background: true });
      await new Promise<void>((resolve) => server.tryShutdown(() => resolve()));
      forced.cancel();
    },
  };
}
