/**
 * kube-proxy in iptables mode: rewrites the rules that changed when Services or EndpointSlices do. A burst of changes is one
 * rewrite; a lone change is written at once.
 */
import type { Logger } from 'pino';
import { EndpointSlice, Node, Service } from '../../api/index.ts';
import type { SharedInformerFactory } from '../../client/index.ts';
import type { Clock } from '../../time/index.ts';
import { deleteStaleConntrack } from './conntrack.ts';
import { healthCheckNodes } from './health-check-nodes.ts';
import { iptablesRestore, iptablesSave, missingJumps, removeChains } from './iptables.ts';
import { iptablesRules, type RuleSet, restoreInput } from './iptables-rules.ts';
import type { ProxyChange, ProxyObserver } from './proxy-metrics.ts';
import { type ServicePort, servicePorts } from './service-map.ts';

export interface ProxyOptions {
  informers: SharedInformerFactory;
  clock: Clock;
  logger: Logger;
  nodeName: string;
  podCidr: string;
  masqueradeAll?: boolean;
  /** At least this long between rewrites (--iptables-min-sync-period). */
  minSyncMs?: number;
  /** How often everything is compared with the kernel (--iptables-sync-period). */
  syncMs?: number;
  /** Called after each rewrite, e.g. for metrics and readiness. */
  onSynced?: (ports: number) => void;
  /** Is told of changes and writes. */
  observer?: ProxyObserver | undefined;
}

/** Runs until the signal is aborted; rules stay, so that traffic goes on without the proxy. */
export async function runProxy(options: ProxyOptions, signal: AbortSignal): Promise<void> {
  const { informers, clock, logger, nodeName, podCidr, masqueradeAll = false, minSyncMs = 200, syncMs = 30_000, observer } = options;
  const services = informers.for(Service);
  const nodes = informers.for(Node);
  let zone: string | undefined;
  const slices = informers.for(EndpointSlice);
  slices.addIndex('service', (slice) => {
    const name = slice.metadata.labels?.['kubernetes.io/service-name'];
    return name ? [`${slice.metadata.namespace}/${name}`] : [];
  });
  const portsOf = new Map<string, ServicePort[]>();
  const dirty = new Set<string>();
  let wake = () => {};
  const touch = (key: string | undefined, what: ProxyChange) => {
    if (!key) return;
    observer?.queued(what);
    dirty.add(key);
    wake();
  };
  const keyOfService = (s: Service) => `${s.metadata.namespace}/${s.metadata.name}`;
  const keyOfSlice = (s: EndpointSlice) => {
    const name = s.metadata.labels?.['kubernetes.io/service-name'];
    return name && `${s.metadata.namespace}/${name}`;
  };
  const removers = [
    services.addHandler({
      add: (s) => touch(keyOfService(s), 'service'),
      update: (s) => touch(keyOfService(s), 'service'),
      delete: (s) => touch(keyOfService(s), 'service'),
    }),
    slices.addHandler({
      add: (s) => touch(keyOfSlice(s), 'endpoint'),
      update: (s) => touch(keyOfSlice(s), 'endpoint'),
      delete: (s) => touch(keyOfSlice(s), 'endpoint'),
    }),
  ];
  /** Where this node is decides which endpoints are near. */
  const zoneOf = (node: Node) => {
    const next = node.metadata.labels?.['topology.kubernetes.io/zone'];
    if (node.metadata.name !== nodeName || next === zone) return;
    zone = next;
    for (const key of portsOf.keys()) dirty.add(key);
    wake();
  };
  removers.push(nodes.addHandler({ add: zoneOf, update: zoneOf }));
  await Promise.all([services.whenSynced(signal), slices.whenSynced(signal), nodes.whenSynced(signal)]);

  let applied: RuleSet | undefined;
  const healthChecks = healthCheckNodes({ logger, isHealthy: () => observer?.isHealthy() ?? true });
  const sync = async () => {
    const startedMs = clock.monotonic();
    const full = applied === undefined;
    const before: ServicePort[] = [];
    const after: ServicePort[] = [];
    for (const key of dirty) {
      before.push(...(portsOf.get(key) ?? []));
      const service = services.lister.getByKey(key);
      const ports = service ? servicePorts(service, slices.lister.byIndex('service', key), { nodeName, zone }) : [];
      if (ports.length > 0) portsOf.set(key, ports);
      else portsOf.delete(key);
      after.push(...ports);
    }
    dirty.clear();
    const rules = iptablesRules(
      [...portsOf.keys()].sort().flatMap((key) => portsOf.get(key) ?? []),
      { podCidr, masqueradeAll },
    );
    if (!applied) await adopt(rules);
    else {
      const input = restoreInput(applied, rules);
      if (input !== '') await iptablesRestore(input);
    }
    applied = rules;
    healthChecks.sync([...portsOf.values()].flat());
    if (!full) await deleteStaleConntrack(before, after);
    observer?.synced(startedMs, full);
    options.onSynced?.(portsOf.size);
  };

  try {
    for (let first = true; !signal.aborted; first = false) {
      try {
        if (first || dirty.size > 0) await sync();
        else if (!(await isIntact())) applied = undefined;
      } catch (error) {
        // Whatever the kernel holds now is unknown: the next round writes everything.
        applied = undefined;
        observer?.failed();
        logger.error({ err: error }, 'Failed to sync iptables rules');
      }
      await pause(applied === undefined ? 1000 : minSyncMs);
      if (applied !== undefined && dirty.size === 0) await untilDirty(syncMs);
    }
  } finally {
    for (const remove of removers) remove();
    await healthChecks.close();
  }

  /** Resolves after the time or on abort. */
  async function pause(ms: number): Promise<void> {
    await clock.sleep(ms, signal).catch(() => undefined);
  }

  function untilDirty(ms: number): Promise<void> {
    return new Promise((resolve) => {
      const done = () => {
        timer.cancel();
        signal.removeEventListener('abort', done);
        wake = () => {};
        resolve();
      };
      const timer = clock.setTimer(ms, done, { background: true });
      signal.addEventListener('abort', done, { once: true });
      wake = done;
      // An abort during the pause before this gives no further event.
      if (signal.aborted) done();
    });
  }
}

/** The first write: everything, also deleting chains that an earlier proxy left. */
async function adopt(rules: RuleSet): Promise<void> {
  const left: RuleSet = { nat: new Map(), filter: new Map() };
  for (const table of ['nat', 'filter'] as const) {
    for (const match of (await iptablesSave(table)).matchAll(/^:(KUBE-(?:SVC|SVL|SEP|EXT|FW)-\S+)/gm)) {
      // Rules that differ from any that could be wanted, so that the chain is written or deleted.
      left[table].set(match[1] ?? '', ['']);
    }
  }
  await iptablesRestore(restoreInput(left, rules));
  const jumpsInput = await missingJumps();
  if (jumpsInput !== '') await iptablesRestore(jumpsInput);
}

/** Whether nobody has flushed the rules: upstream's canary. */
async function isIntact(): Promise<boolean> {
  return (await iptablesSave('nat')).includes(':KUBE-PROXY-CANARY') && (await missingJumps()) === '';
}

/** Takes all of kube-proxy's rules away (`kube-proxy --cleanup`). */
export async function cleanupProxy(): Promise<void> {
  await removeChains(['KUBE-']);
}
