/**
 * A network of a run's own: each part in a network namespace with one address, all on a bridge in a namespace between them, the host
 * with a leg in it. Parts can be cut off from each other.
 *
 *     host ── LINK ═ host │ hub namespace: bridge │ PORT ═ eth0 │ part's namespace
 */
import { execFile } from 'node:child_process';
import { existsSync, readdirSync } from 'node:fs';
import { promisify } from 'node:util';

const run = promisify(execFile);
const prefix = 'k8ts-cons-';

export interface PartNetwork {
  name: string;
  /** The network namespace. */
  namespace: string;
  address: string;
}

export interface Network {
  parts: PartNetwork[];
  /** Nothing gets from the one group to the other, nor back, until undone. What the host sends gets everywhere. */
  cut(some: readonly PartNetwork[], others: readonly PartNetwork[]): Promise<() => Promise<void>>;
  remove(): Promise<void>;
}

const inside = (namespace: string, file: string, ...args: string[]) =>
  run('nsenter', [`--net=/run/netns/${namespace}`, '--', file, ...args]);

const ip = (commands: readonly string[], namespace?: string): Promise<void> =>
  new Promise((resolve, reject) => {
    const args = [...(namespace ? ['-n', namespace] : []), '-batch', '-'];
    const child = execFile('ip', args, (error, _, stderr) => (error ? reject(new Error(`ip: ${stderr}`, { cause: error })) : resolve()));
    child.stdin?.end(`${commands.join('\n')}\n`);
  });

/** 198.18.0.0/15 is for tests of networks (RFC 2544): one of its networks that nobody has. */
async function freeSubnet(): Promise<string> {
  const { stdout } = await run('ip', ['-4', 'route', 'show']);
  for (let n = process.pid % 200; ; n = (n + 1) % 256) if (!stdout.includes(`198.19.${n}.`)) return `198.19.${n}`;
}

/** Takes away what killed runs have left: namespaces are named after the process that made them. */
async function removeLeftovers(): Promise<void> {
  if (!existsSync('/run/netns')) return;
  for (const name of readdirSync('/run/netns')) {
    const [, pid] = new RegExp(`^${prefix}(\\d+)-`).exec(name) ?? [];
    if (pid && !existsSync(`/proc/${pid}`)) await run('ip', ['netns', 'delete', name]);
  }
}

let count = 0;

export async function createNetwork(names: readonly string[]): Promise<Network> {
  await removeLeftovers();
  const tag = `${process.pid}-${count++}`;
  const subnet = await freeSubnet();
  const hub = `${prefix}${tag}-hub`;
  const link = `kc${tag}`;
  const parts = names.map((name, i) => ({ name, namespace: `${prefix}${tag}-${name}`, address: `${subnet}.${i + 2}` }));
  const remove = async () => {
    // The host's leg goes with the hub.
    for (const namespace of [hub, ...parts.map((part) => part.namespace)])
      if (existsSync(`/run/netns/${namespace}`)) await run('ip', ['netns', 'delete', namespace]);
  };
  try {
    await ip([hub, ...parts.map((part) => part.namespace)].map((namespace) => `netns add ${namespace}`));
    await ip(['link add bridge type bridge', 'link set bridge up'], hub);
    await ip([`link add ${link} type veth peer name host netns ${hub}`, `link set ${link} up`, `address add ${subnet}.1/24 dev ${link}`]);
    await ip(['link set host master bridge up'], hub);
    for (const [i, { namespace, address }] of parts.entries()) {
      await ip([`link add port${i} type veth peer name eth0 netns ${namespace}`, `link set port${i} master bridge up`], hub);
      await ip(['link set lo up', `address add ${address}/24 dev eth0`, 'link set eth0 up'], namespace);
    }
  } catch (error) {
    await remove();
    throw error;
  }
  const rules = (how: '-A' | '-D', some: readonly PartNetwork[], others: readonly PartNetwork[]) =>
    some.flatMap((one) =>
      others.flatMap((other) => [
        inside(one.namespace, 'iptables', '-w', how, 'INPUT', '-s', other.address, '-j', 'DROP'),
        inside(other.namespace, 'iptables', '-w', how, 'INPUT', '-s', one.address, '-j', 'DROP'),
      ]),
    );
  return {
    parts,
    async cut(some, others) {
      await Promise.all(rules('-A', some, others));
      return async () => {
        await Promise.all(rules('-D', some, others));
      };
    },
    remove,
  };
}
