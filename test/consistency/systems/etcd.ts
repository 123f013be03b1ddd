/** Two API servers over an etcd of three members, each in a network namespace of its own. */
import { join } from 'node:path';
import { eventually } from '../../support/wait.ts';
import { pick } from '../load/clients.ts';
import { type ApiServerPart, createApiServer } from './api-server-part.ts';
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
  const members = memberNetworks.map((at) => createMember(at, cluster, temporary.path));
  const args = { 'etcd-servers': memberNetworks.map(({ address }) => `http://${address}:2379`).join(',') };
  const servers = apiNetworks.map(({ name, namespace, address: host }) => {
    const files = { dataDir: join(temporary.path, name), logFile: join(temporary.path, `${name}.log`) };
    return createApiServer({ name, ...files, host, port: 6443, namespace, args, tell });
  });
  const stop = async () => {
    await Promise.all([...members, ...servers].map((part) => part.kill()));
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
  return {
    servers: servers.map((server) => server.address),
    faults: [
      membersCut,
      serverCut,
      partFault('an etcd is killed', members, killing),
      partFault('an etcd stands still', members, (part) => pausing([part])()),
      { ...partFault('an API server is killed', servers, restarting), longestMs: 300 },
      partFault('an API server stands still', servers, (part) => pausing([part])()),
    ],
    stop,
  };
}

function createMember({ name, namespace, address }: PartNetwork, cluster: string, directory: string): Part {
  const [client, peer] = [`http://${address}:2379`, `http://${address}:2380`];
  const command = [
    ...['etcd', '--name', name, '--data-dir', join(directory, name), '--unsafe-no-fsync', '--logger', 'zap', '--initial-cluster', cluster],
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
  return createPart({ name, command, namespace, logFile: join(directory, `${name}.log`) });
}

/** Something done to one of the parts, whichever chance says. */
export function partFault<P extends Part>(name: string, parts: readonly P[], begin: (part: P) => Promise<() => Promise<void>>): Fault {
  return { name, begin: (random) => begin(pick(random, parts)) };
}

export const restarting = async (server: ApiServerPart): Promise<() => Promise<void>> => {
  await server.kill();
  return () => server.restart();
};

const killing = async (part: Part): Promise<() => Promise<void>> => {
  await part.kill();
  return async () => {
    part.start();
    await eventually(`${part.name} runs`, () => part.isRunning);
  };
};
