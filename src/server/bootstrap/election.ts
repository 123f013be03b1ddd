/** Whom coordinated leader election chooses, and when (upstream: pkg/controlplane/controller/leaderelection). */
import { compareSemver, type coordinationV1beta1, type Lease, type LeaseSpec, parseSemver, type Semver } from '../../api/index.ts';

type Candidate = coordinationV1beta1.LeaseCandidate;

/** How long candidates may take to answer that they are there. */
const electionMs = 5000;
/** A candidate that has been silent for this long is none; for half of it, it is asked. */
const validMs = 30 * 60_000;
export const leaseDurationSeconds = 5;
/** The strategy that is chosen by here; others are left to whoever knows them. */
const oldestEmulationVersion = 'OldestEmulationVersion';

const at = (time: string | undefined) => (time === undefined ? undefined : Date.parse(time));
const isBefore = (a: number | undefined, b: number | undefined) => (a ?? Number.NEGATIVE_INFINITY) < (b ?? Number.NEGATIVE_INFINITY);
const hasRenewed = ({ spec }: Candidate, nowMs: number) => spec.renewTime !== undefined && Date.parse(spec.renewTime) + electionMs > nowMs;

export const isCandidateExpired = ({ spec }: Candidate, nowMs: number): boolean =>
  spec.renewTime === undefined || Date.parse(spec.renewTime) + validMs < nowMs;

export function isLeaseExpired({ spec }: Lease, nowMs: number): boolean {
  const { renewTime, leaseDurationSeconds: seconds } = spec ?? {};
  return renewTime === undefined || seconds === undefined || Date.parse(renewTime) + seconds * 1000 < nowMs;
}

/** Whether it has been asked to answer, and has not. */
export const isAsked = ({ spec }: Candidate): boolean => spec.pingTime !== undefined && isBefore(at(spec.renewTime), at(spec.pingTime));

const zero: Semver = { numbers: [0n, 0n, 0n], prerelease: [] };
const emulated = ({ spec }: Candidate) => parseSemver(spec.emulationVersion ?? '') ?? zero;
const binary = ({ spec }: Candidate) => parseSemver(spec.binaryVersion) ?? zero;

/** The oldest version, of the same the first. */
export function bestOf(candidates: readonly Candidate[]): Candidate | undefined {
  const isReadable = ({ spec }: Candidate) =>
    parseSemver(spec.emulationVersion ?? '') !== undefined && parseSemver(spec.binaryVersion) !== undefined;
  const [best] = candidates
    .filter(isReadable)
    .sort(
      (a, b) =>
        compareSemver(emulated(a), emulated(b)) ||
        compareSemver(binary(a), binary(b)) ||
        Date.parse(a.metadata.creationTimestamp) - Date.parse(b.metadata.creationTimestamp),
    );
  return best;
}

/** The strategy of the newest binary. @throws where those of one version don't agree */
export function strategyOf(candidates: readonly Candidate[]): string {
  const [first, ...others] = candidates;
  if (!first) throw new Error('no candidates');
  let newest = first;
  for (const candidate of others) {
    const order = compareSemver(binary(newest), binary(candidate));
    if (order < 0) newest = candidate;
    else if (order === 0 && candidate.spec.strategy !== newest.spec.strategy) {
      const names = [newest, candidate].map(({ metadata }) => JSON.stringify(metadata.name)).join(', ');
      const strategies = [newest, candidate].map(({ spec }) => spec.strategy).join(', ');
      throw new Error(`candidates ${names} at same binary version but received differing strategies ${strategies}`);
    }
  }
  return newest.spec.strategy ?? '';
}

function isElectionNeeded(candidates: readonly Candidate[], lease: Lease | undefined, nowMs: number): boolean {
  if (!lease || isLeaseExpired(lease, nowMs) || !lease.spec?.holderIdentity) return true;
  if (candidates.some(({ spec }) => spec.renewTime !== undefined && Date.parse(spec.renewTime) + validMs / 2 < nowMs)) return true;
  if (strategyOf(candidates) !== oldestEmulationVersion) return false;
  const best = bestOf(candidates);
  return best !== undefined && best.metadata.name !== lease.spec.holderIdentity;
}

/** What is to be done now: look again, ask candidates whether they are there, or give the lease. */
export type Step =
  | { type: 'wait' }
  | { type: 'ask'; candidates: Candidate[] }
  | { type: 'elect'; strategy: string; holder: string | undefined };

/** @throws why nobody can be chosen */
export function nextStep(candidates: readonly Candidate[], lease: Lease | undefined, nowMs: number): Step {
  if (!isElectionNeeded(candidates, lease, nowMs)) return { type: 'wait' };
  const isAwaited = (candidate: Candidate) => isAsked(candidate) && (at(candidate.spec.pingTime) ?? 0) + electionMs > nowMs;
  const unasked = candidates.filter((candidate) => {
    if (isAwaited(candidate) || hasRenewed(candidate, nowMs)) return false;
    const { pingTime } = candidate.spec;
    return pingTime === undefined || (Date.parse(pingTime) + electionMs < nowMs && !isAsked(candidate));
  });
  if (unasked.length > 0) return { type: 'ask', candidates: unasked };
  if (candidates.some(isAwaited)) return { type: 'wait' };
  const present = candidates.filter((candidate) => hasRenewed(candidate, nowMs));
  if (present.length === 0) throw new Error('no available candidates');
  const strategy = strategyOf(present);
  if (strategy !== oldestEmulationVersion) return { type: 'elect', strategy, holder: undefined };
  const best = bestOf(present);
  if (!best) throw new Error('should not happen, could not find suitable electee');
  return { type: 'elect', strategy, holder: best.metadata.name };
}

/** A lease as the election leaves it: one that is free or has run out is given away, of another it is said who should have it. */
export function electedSpec(existing: Lease, strategy: string, holder: string | undefined, now: string, nowMs: number): LeaseSpec {
  const spec: LeaseSpec = { ...existing.spec, strategy };
  if (holder === undefined || holder === spec.holderIdentity) return spec;
  if (spec.holderIdentity && !isLeaseExpired(existing, nowMs)) return { ...spec, preferredHolder: holder };
  const { preferredHolder: _p, acquireTime: _a, ...free } = spec;
  return { ...free, holderIdentity: holder, renewTime: now, leaseDurationSeconds };
}
