/**
 * Routes to the pods of the other nodes (what flannel calls host-gw): each node's share of the pod network lies behind that node's
 * address. The kernel's table is compared with what Nodes say whenever they change.
 */
import type { Logger } from 'pino';
import { Node } from '../../api/index.ts';
import type { SharedInformerFactory } from '../../client/index.ts';
import type { Clock } from '../../time/index.ts';
import { ipBatch, ipJson } from './ip.ts';

/** The mark of our routes among others in the table (rtnetlink(7), rtm_protocol; numbers above 4 are free to use). */
const protocol = 107;

export interface NodeRoutesOptions {
  informers: SharedInformerFactory;
  clock: Clock;
  logger: Logger;
  nodeName: string;
  /** The neighbour through which an address of a node is reached; undefined where it can't be reached. */
  nextHop(address: string): string | undefined;
}

/** Pod range to neighbour, for all nodes but this one. Pure. */
export function wantedRoutes(nodes: readonly Node[], nodeName: string, nextHop: NodeRoutesOptions['nextHop']): ReadonlyMap<string, string> {
  const routes = new Map<string, string>();
  for (const node of nodes) {
    const range = node.spec.podCIDR;
    const address = node.status?.addresses?.find((a) => a.type === 'InternalIP')?.address;
    if (node.metadata.name === nodeName || !range || !address) continue;
    const via = nextHop(address);
    if (via) routes.set(range, via);
  }
  return routes;
}

/** The commands that lead from present routes to wanted ones. Pure. */
export function routeChanges(present: ReadonlyMap<string, string>, wanted: ReadonlyMap<string, string>): string[] {
  return [
    ...[...present.keys()].filter((range) => !wanted.has(range)).map((range) => `route delete ${range} proto ${protocol}`),
    ...[...wanted]
      .filter(([range, via]) => present.get(range) !== via)
      .map(([range, via]) => `route replace ${range} via ${via} proto ${protocol}`),
  ];
}

async function presentRoutes(): Promise<Map<string, string>> {
  // What `ip -json route` prints (ip-route(8)).
  const routes = (await ipJson(['route', 'show', 'proto', String(protocol)])) as { dst: string; gateway?: string }[];
  return new Map(routes.map(({ dst, gateway = '' }) => [dst.includes('/') ? dst : `${dst}/32`, gateway]));
}

/** Runs until the signal is aborted; routes stay, so that traffic goes on. */
export async function runNodeRoutes(options: NodeRoutesOptions, signal: AbortSignal): Promise<void> {
  const { informers, clock, logger, nodeName, nextHop } = options;
  const nodes = informers.for(Node);
  let applied = '';
  let wake = () => {};
  const removeHandler = nodes.addHandler({ add: () => wake(), update: () => wake(), delete: () => wake() });
  try {
    await nodes.whenSynced(signal);
    while (!signal.aborted) {
      const changed = new Promise<void>((resolve) => {
        wake = resolve;
      });
      const wanted = wantedRoutes(nodes.lister.list(), nodeName, nextHop);
      const text = [...wanted].sort().join(' ');
      if (text !== applied) {
        try {
          const commands = routeChanges(await presentRoutes(), wanted);
          if (commands.length > 0) await ipBatch(commands);
          applied = text;
        } catch (error) {
          logger.error({ err: error }, 'Could not set the routes to other nodes');
          await clock.sleep(1000, signal).catch(() => undefined);
          continue;
        }
      }
      await Promise.race([changed, aborted(signal)]);
    }
  } finally {
    removeHandler();
  }
}

function aborted(signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    if (signal.aborted) resolve();
    signal.addEventListener('abort', () => resolve(), { once: true });
  });
}

/** Takes our routes out of this namespace's table. */
export async function removeNodeRoutes(): Promise<void> {
  const commands = routeChanges(await presentRoutes(), new Map());
  if (commands.length > 0) await ipBatch(commands);
}
