/**
 * Leader election on a Lease: of several candidates one holds the lease and renews it; another takes it when it has not been
 * renewed for its duration, as seen on the candidate's own clock (so that skewed clocks do no harm).
 */
import type { Logger } from 'pino';
import { Gauge, type Registry } from 'prom-client';
import type { Lease, LeaseSpec } from '../api/index.ts';
import { hasReason, Lease as LeaseResource } from '../api/index.ts';
import { type Clock, microTimestamp, type Random } from '../time/index.ts';
import type { Client } from './client.ts';

export interface LeaderElectionOptions {
  client: Client;
  clock: Clock;
  random: Random;
  /** The Lease. */
  name: string;
  namespace: string;
  /** Unique among the candidates. */
  identity: string;
  /** How long others wait for a silent leader; default 15 s. */
  leaseDurationMs?: number;
  /** How long the leader tries to renew before it gives up; default 10 s. */
  renewDeadlineMs?: number;
  /** Between tries; default 2 s. */
  retryPeriodMs?: number;
  /** Give the lease up when the signal is aborted, so that the next leader need not wait; default true. */
  releaseOnCancel?: boolean;
  onNewLeader?: (identity: string) => void;
  /** Gets upstream's leader_election_master_status. */
  registry?: Registry | undefined;
  logger?: Logger | undefined;
}

/** The lease was lost: another holds it, or it could not be renewed in time. */
export class LeadershipLostError extends Error {
  constructor(name: string) {
    super(`leader election lost: ${name}`);
    this.name = 'LeadershipLostError';
  }
}

function tellLeader(registry: Registry | undefined, name: string): (leads: boolean) => void {
  if (registry === undefined) return () => undefined;
  const metric = 'leader_election_master_status';
  registry.removeSingleMetric(metric);
  const gauge = new Gauge({
    name: metric,
    help: "Gauge of if the reporting system is master of the relevant lease, 0 indicates backup, 1 indicates master. 'name' is the string used to identify the lease. Please make sure to group by name.",
    labelNames: ['name'],
    registers: [registry],
  });
  const tell = (leads: boolean) => gauge.set({ name }, leads ? 1 : 0);
  tell(false);
  return tell;
}

/**
 * Waits for leadership, then calls `lead` with a signal that is aborted when leadership is lost or `signal` is. Returns when
 * `signal` is aborted or `lead` returns; throws LeadershipLostError when the lease was lost, for the process to start over.
 */
export async function runLeaderElection(
  options: LeaderElectionOptions,
  lead: (signal: AbortSignal) => Promise<void>,
  signal: AbortSignal,
): Promise<void> {
  const { clock, random, name, logger, retryPeriodMs = 2000, renewDeadlineMs = 10_000, releaseOnCancel = true } = options;
  const lease = createLeaseLock(options);
  const leads = tellLeader(options.registry, name);
  const tryOnce = async (): Promise<boolean> => {
    try {
      return await lease.acquireOrRenew(signal);
    } catch (error) {
      if (!signal.aborted) logger?.warn({ lease: name, error: String(error) }, 'error retrieving or updating the lease');
      return false;
    }
  };

  while (!(await tryOnce())) {
    if (signal.aborted) return;
    // Jittered by 1.2 as upstream, so that candidates do not try in step.
    await clock.sleep(retryPeriodMs * (1 + 1.2 * random.next()), signal).catch(() => undefined);
  }
  if (signal.aborted) return;
  logger?.info({ lease: name, identity: options.identity }, 'successfully acquired lease');
  leads(true);

  const leading = new AbortController();
  const onAbort = () => leading.abort(signal.reason);
  signal.addEventListener('abort', onAbort, { once: true });
  let lost = false;
  const renewing = (async () => {
    let renewedAt = clock.monotonic();
    while (!leading.signal.aborted) {
      await clock.sleep(retryPeriodMs, leading.signal).catch(() => undefined);
      if (leading.signal.aborted) return;
      if (await tryOnce()) renewedAt = clock.monotonic();
      else if (lease.heldByAnother() || clock.monotonic() - renewedAt >= renewDeadlineMs) {
        lost = true;
        logger?.error({ lease: name, identity: options.identity }, 'failed to renew lease: leader election lost');
        leading.abort(new LeadershipLostError(name));
      }
    }
  })();
  try {
    await lead(leading.signal);
  } catch (error) {
    if (!leading.signal.aborted) throw error;
  } finally {
    signal.removeEventListener('abort', onAbort);
    leading.abort(new Error('no longer leading'));
    leads(false);
    await renewing;
    if (!lost && releaseOnCancel)
      await lease.release().catch((error) => logger?.warn({ lease: name, error: String(error) }, 'failed to release lease'));
  }
  if (lost) throw new LeadershipLostError(name);
}

function createLeaseLock(options: LeaderElectionOptions) {
  const { client, clock, name, namespace, identity, leaseDurationMs = 15_000, renewDeadlineMs = 10_000, onNewLeader } = options;
  let observed: { lease: Lease; record: string; atMs: number } | undefined;
  let reported = '';

  const observe = (lease: Lease): void => {
    const record = JSON.stringify(lease.spec);
    if (observed?.record !== record) observed = { lease, record, atMs: clock.monotonic() };
    else observed.lease = lease;
    const holder = lease.spec.holderIdentity ?? '';
    if (holder !== reported && holder !== '') onNewLeader?.(holder);
    reported = holder;
  };

  const specFor = (previous: LeaseSpec | undefined): LeaseSpec => {
    const now = microTimestamp(clock);
    const mine = previous?.holderIdentity === identity;
    const transitions = previous?.leaseTransitions ?? 0;
    return {
      holderIdentity: identity,
      leaseDurationSeconds: Math.ceil(leaseDurationMs / 1000),
      acquireTime: mine ? (previous?.acquireTime ?? now) : now,
      renewTime: now,
      leaseTransitions: previous && !mine ? transitions + 1 : transitions,
    };
  };

  return {
    async acquireOrRenew(signal: AbortSignal): Promise<boolean> {
      let current: Lease;
      try {
        current = await client.get(LeaseResource, name, { namespace, signal });
      } catch (error) {
        if (!hasReason(error, 'NotFound')) throw error;
        const draft = { apiVersion: 'coordination.k8s.io/v1', kind: 'Lease', metadata: { name, namespace }, spec: specFor(undefined) };
        observe(await client.create(LeaseResource, draft, { namespace, signal }));
        return true;
      }
      observe(current);
      const holder = current.spec.holderIdentity ?? '';
      const fresh = observed !== undefined && clock.monotonic() - observed.atMs < (current.spec.leaseDurationSeconds ?? 0) * 1000;
      if (holder !== '' && holder !== identity && fresh) return false;
      observe(await client.update(LeaseResource, { ...current, spec: { ...current.spec, ...specFor(current.spec) } }, { signal }));
      return true;
    },

    heldByAnother(): boolean {
      const holder = observed?.lease.spec.holderIdentity ?? '';
      return holder !== '' && holder !== identity;
    },

    /** As it is now: a renewal whose answer was not waited for may have changed it. */
    async release(): Promise<void> {
      if (observed?.lease.spec.holderIdentity !== identity) return;
      const giveUp = new AbortController();
      const timer = clock.setTimer(renewDeadlineMs, () => giveUp.abort(new Error('the renew deadline has passed')));
      try {
        const { signal } = giveUp;
        const current = await client.get(LeaseResource, name, { namespace, signal });
        if (current.spec.holderIdentity !== identity) return;
        const now = microTimestamp(clock);
        const spec = { ...current.spec, holderIdentity: '', leaseDurationSeconds: 1, renewTime: now, acquireTime: now };
        await client.update(LeaseResource, { ...current, spec }, { signal });
      } finally {
        timer.cancel();
      }
    },
  };
}
