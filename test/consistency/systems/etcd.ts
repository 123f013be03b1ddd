/** Two API servers over an etcd of three members, each in a network namespace of its own, the members each with a disk that can be slow. */
import { join } from 'node:path';
import { openEtcdStore } from '../../../src/store/index.ts';
import { canSlowDown, mountSlowDisk, type SlowDisk } from '../../../src/store/testing/slow-disk.ts';
import type { Random } from '../../../src/time/index.ts';
import { pick } from '../load/clients.ts';
import { createApiServer } from './api-server-part.ts';
import { compaction, killing, partFault, restarting, slowDisk, writesElsewhere } from './faults.ts';
import { createNetwork, type PartNetwork } from './network.ts';
import { createPart, type Part, pausing } from './process.ts';
import type { Fault, System, SystemOptions } from './system.ts';
import { temporaryDirectory } from './temporary.ts';

export async function startEtcd({ tell }: SystemOptions): Promise<System> {
  const temporary = temporaryDirectory();
  const network = await createNetwork(['etcd-0', 'etcd-1', 'etcd-2', 'api-0', 'api-1']).catch((error) => {
    temporary.remove();
    throw error;
  });
  const [memberNetworks, apiNetworks] = [network.parts.slice(0, 3), network.parts.slice(3)];
  const cluster = memberNetworks.map(({ name, address }) => `${name}=http://${address}:2380`).join(',');
  const disks = canSlowDown ? memberNetworks.map(() => mountSlowDisk(memberDiskBytes)) : [];
  const members = memberNetworks.map((at, i) => createMember(at, cluster, temporary.path, disks[i]));
  const endpoints = memberNetworks.map(({ address }) => `http://${address}:2379`);
  // Only what this run says is ever compacted.
  const args = { 'etcd-servers': endpoints.join(','), 'etcd-compaction-interval': '0s' };
  const administrator = await openEtcdStore({ endpoints, patienceMs: 500 });
  const servers = apiNetworks.map(({ name, namespace, address: host }) => {
    const files = { dataDir: join(temporary.path, name), logFile: join(temporary.path, `${name}.log`) };
    return createApiServer({ name, ...files, host, port: 6443, namespace, args, tell });
  });
  const stop = async () => {
    await administrator.close();
    await Promise.all([...members, ...servers].map((part) => part.kill()));
    for (const disk of disks) disk.unmount();
    await network.remove();
    temporary.remove();
  };
  try {
    for (const member of members) member.start();
    // One after the other: the first makes what all need, as in an installation.
    for (const server of servers) await server.restart();
  } catch (error) {
    await stop();
    throw error;
  }
  const membersCut: Fault = {
    name: 'an etcd is cut off from the others',
    begin: async (random) => {
      const one = pick(random, memberNetworks);
      const others = memberNetworks.filter((other) => other !== one);
      // Sometimes it is a whole half of the house: the API server that uses it goes along.
      return random.next() < 0.5
        ? network.cut([one], others)
        : network.cut([one, apiNetworks[0] as PartNetwork], [...others, apiNetworks[1] as PartNetwork]);
    },
  };
  const serverCut: Fault = {
    name: 'an API server is cut off from an etcd',
    begin: async (random) => network.cut([pick(random, apiNetworks)], [pick(random, memberNetworks)]),
  };
  const compacted = 'another client compacts';
  const lonely = async (random: Random) => network.cut([pick(random, apiNetworks)], memberNetworks);
  return {
    servers: servers.map((server) => server.address),
    faults: [
      membersCut,
      serverCut,
      partFault('an etcd is killed', members, killing),
      partFault('an etcd stands still', members, (part) => pausing([part])()),
      { ...partFault('an API server is killed', servers, restarting), longestMs: 300 },
      partFault('an API server stands still', servers, (part) => pausing([part])()),
      compaction(compacted, administrator, tell),
      writesElsewhere(administrator),
      compaction(`${compacted} while an API server is cut off`, administrator, tell, lonely),
      ...(disks.length > 0 ? [slowDisk("an etcd's disk is slow", disks)] : []),
    ],
    stop,
  };
}

/** etcd takes 64 MB for its write-ahead log, and for the next. */
const memberDiskBytes = 512 << 20;

function createMember({ name, namespace, address }: PartNetwork, cluster: string, directory: string, disk?: SlowDisk): Part {
  const [client, peer] = [`http://${address}:2379`, `http://${address}:2380`];
  const command = [
    ...['etcd', '--name', name, '--data-dir', join(disk?.path ?? directory, name), '--logger', 'zap', '--initial-cluster', cluster],
    ...(disk ? [] : ['--unsafe-no-fsync']),
    // Short, so that a run sees many leaders.
    ...['--heartbeat-interval', '50', '--election-timeout', '500'],
    ...[
      '--listen-client-urls',
      client,
      '--advertise-client-urls',
      client,
      '--listen-peer-urls',
      peer,
      '--initial-advertise-peer-urls',
      peer,
    ],
  ];
  return createPart({ name, command, namespace, logFile: join(directory, `${name}.log`), ...(disk ? { started: disk.admit } : {}) });
}
