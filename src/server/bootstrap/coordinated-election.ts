/**
 * Coordinated leader election (KEP-4355): who would lead says so in a LeaseCandidate; the API server chooses, so that of several versions
 * the oldest leads, and writes the Lease. One API server does so at a time.
 */
import { randomUUID } from 'node:crypto';
import { coordinationV1beta1, deepEqual, hasReason, Lease } from '../../api/index.ts';
import {
  type Client,
  createControllerQueue,
  createInformerFactory,
  keyOf,
  LeadershipLostError,
  runController,
  runLeaderElection,
  splitKey,
} from '../../client/index.ts';
import { type Clock, microTimestamp, type Random } from '../../time/index.ts';
import { electedSpec, isAsked, isCandidateExpired, leaseDurationSeconds, nextStep } from './election.ts';

const { LeaseCandidate } = coordinationV1beta1;
type LeaseCandidate = coordinationV1beta1.LeaseCandidate;

export interface CoordinatedElectionOptions {
  client: Client;
  clock: Clock;
  random: Random;
  /** This machine's name. */
  hostname: string;
  signal: AbortSignal;
  onError(error: unknown): void;
}

const name = 'leader-election-controller';
/** How soon a lease is looked at again though nothing has happened. */
const requeueAfterMs = 5000;
/** Upstream's LeaseCandidateGCPeriod. */
const collectMs = 30 * 60_000;

/** Runs until the signal is aborted. */
export async function runCoordinatedElection(options: CoordinatedElectionOptions): Promise<void> {
  const { client, clock, random, hostname, signal, onError } = options;
  const identity = `${hostname}_${randomUUID()}`;
  while (!signal.aborted)
    try {
      await runLeaderElection(
        { client, clock, random, name, namespace: 'kube-system', identity },
        (leading) => elect(options, leading),
        signal,
      );
    } catch (error) {
      if (signal.aborted) return;
      // It stands for election again.
      if (!(error instanceof LeadershipLostError)) onError(error);
      await clock.sleep(requeueAfterMs, signal).catch(() => {});
    }
}

async function elect({ client, clock, random, onError }: CoordinatedElectionOptions, signal: AbortSignal): Promise<void> {
  const factory = createInformerFactory({ client, clock, random });
  const candidates = factory.for(LeaseCandidate);
  const leases = factory.for(Lease);
  const queue = createControllerQueue({ name, clock });
  const leaseOf = ({ metadata, spec }: LeaseCandidate) => `${metadata.namespace}/${spec.leaseName}`;
  const enqueueCandidate = (candidate: LeaseCandidate) => {
    // One that is asked now has yet to answer.
    if (!isAsked(candidate)) queue.add(leaseOf(candidate));
  };
  const enqueueLease = (lease: Lease) => queue.add(keyOf(lease));
  candidates.addHandler({ add: enqueueCandidate, update: enqueueCandidate, delete: enqueueCandidate });
  leases.addHandler({ add: enqueueLease, update: enqueueLease, delete: enqueueLease });

  const give = async (key: string, strategy: string, holder: string | undefined): Promise<void> => {
    const { namespace, name } = splitKey(key);
    const now = microTimestamp(clock);
    const spec = { strategy, leaseDurationSeconds, renewTime: now, ...(holder === undefined ? {} : { holderIdentity: holder }) };
    const draft = { apiVersion: 'coordination.k8s.io/v1', kind: 'Lease', metadata: { name, namespace }, spec };
    try {
      await client.create(Lease, draft, { namespace, signal });
      return;
    } catch (error) {
      if (!hasReason(error, 'AlreadyExists')) throw error;
    }
    const existing = await client.get(Lease, name, { namespace, signal });
    const next = electedSpec(existing, strategy, holder, now, clock.now());
    if (!deepEqual(next, existing.spec)) await client.update(Lease, { ...existing, spec: next }, { namespace, signal });
  };

  const reconcile = async (key: string) => {
    const nowMs = clock.now();
    const standing = candidates.lister.list().filter((candidate) => leaseOf(candidate) === key && !isCandidateExpired(candidate, nowMs));
    if (standing.length === 0) return {};
    let step: ReturnType<typeof nextStep>;
    try {
      step = nextStep(standing, leases.lister.getByKey(key), nowMs);
    } catch (error) {
      // Until one of them says otherwise of itself.
      onError(error);
      return {};
    }
    if (step.type === 'elect') await give(key, step.strategy, step.holder);
    if (step.type === 'ask')
      for (const candidate of step.candidates) {
        const { namespace } = candidate.metadata;
        const asked = { ...candidate, spec: { ...candidate.spec, pingTime: microTimestamp(clock) } };
        await client.update(LeaseCandidate, asked, { namespace, signal });
      }
    return { requeueAfterMs };
  };

  const collect = async (): Promise<void> => {
    for (const { metadata } of candidates.lister.list().filter((candidate) => isCandidateExpired(candidate, clock.now())))
      try {
        const { namespace } = metadata;
        const fresh = await client.get(LeaseCandidate, metadata.name, { namespace, signal });
        const preconditions = { uid: fresh.metadata.uid, resourceVersion: fresh.metadata.resourceVersion };
        if (isCandidateExpired(fresh, clock.now()))
          await client.delete(LeaseCandidate, metadata.name, { namespace, preconditions, signal });
      } catch (error) {
        if (signal.aborted) return;
        if (!hasReason(error, 'NotFound') && !hasReason(error, 'Conflict')) onError(error);
      }
  };
  const collecting = async () => {
    await factory.whenSynced(signal).catch(() => {});
    while (!signal.aborted) {
      await collect();
      await clock.sleep(collectMs, signal).catch(() => {});
    }
  };
  await Promise.all([
    factory.run(signal),
    runController({ name, clock, queue, reconcile, informers: [candidates, leases] }, signal),
    collecting(),
  ]);
}
