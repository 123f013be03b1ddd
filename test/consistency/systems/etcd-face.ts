/** Two API servers over one embedded store: the first has it and answers as an etcd, of which the second is a client. */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { openEtcdStore, type Store } from '../../../src/store/index.ts';
import { createApiServer } from './api-server-part.ts';
import { compaction, partFault, restarting, writesElsewhere } from './faults.ts';
import { createNetwork, type PartNetwork } from './network.ts';
import { pausing } from './process.ts';
import type { Fault, System, SystemOptions } from './system.ts';
import { temporaryDirectory } from './temporary.ts';

export async function startEtcdFace({ tell }: SystemOptions): Promise<System> {
  const temporary = temporaryDirectory();
  const network = await createNetwork(['store', 'api']).catch((error) => {
    temporary.remove();
    throw error;
  });
  // As many as were asked for.
  const [first, second] = network.parts as [PartNetwork, PartNetwork];
  const server = (at: PartNetwork, options: { args: Record<string, string>; etcdListen?: string }) => {
    const files = { dataDir: join(temporary.path, at.name), logFile: join(temporary.path, `${at.name}.log`) };
    return createApiServer({ name: at.name, ...files, host: at.address, port: 6443, namespace: at.namespace, ...options, tell });
  };
  const pki = (file: string) => join(temporary.path, first.name, 'pki', 'etcd', file);
  const endpoint = `https://${first.address}:2379`;
  // Only what this run says is ever compacted.
  const args = {
    ...{ 'etcd-servers': endpoint, 'etcd-compaction-interval': '0s' },
    ...{ 'etcd-cafile': pki('ca.crt'), 'etcd-certfile': pki('client.crt'), 'etcd-keyfile': pki('client.key') },
  };
  const store = server(first, { args: { history: '1h' }, etcdListen: `${first.address}:2379` });
  const other = server(second, { args });
  let administrator: Store | undefined;
  const stop = async () => {
    await administrator?.close();
    await Promise.all([store.kill(), other.kill()]);
    await network.remove();
    temporary.remove();
  };
  try {
    await store.restart();
    const [ca, cert, key] = ['ca.crt', 'client.crt', 'client.key'].map((file) => readFileSync(pki(file))) as [Buffer, Buffer, Buffer];
    administrator = await openEtcdStore({ endpoints: [endpoint], tls: { ca, cert, key }, patienceMs: 500 });
    await other.restart();
  } catch (error) {
    await stop();
    throw error;
  }
  const servers = [store, other];
  const cut: Fault = { name: 'the API servers are cut off from each other', begin: () => network.cut([first], [second]) };
  const compacted = 'another client compacts';
  return {
    servers: servers.map((part) => part.address),
    faults: [
      cut,
      { ...partFault('an API server is killed', servers, restarting), longestMs: 300 },
      partFault('an API server stands still', servers, (part) => pausing([part])()),
      compaction(compacted, administrator, tell),
      writesElsewhere(administrator),
      compaction(`${compacted} while the API servers are cut off from each other`, administrator, tell, cut.begin),
    ],
    stop,
  };
}
