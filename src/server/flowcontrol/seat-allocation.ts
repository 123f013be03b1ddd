/** How the server's seats are divided among priority levels, and how levels lend to each other (KEP-1040). */
import type { PriorityLevelConfigurationSpec } from '../../api/index.ts';

export interface SeatLimits {
  nominal: number;
  /** What it keeps however much others want. */
  lower: number;
  /** What it may have at most. */
  upper: number;
}

const sharesOf = ({ limited, exempt }: PriorityLevelConfigurationSpec) =>
  limited?.nominalConcurrencyShares ?? exempt?.nominalConcurrencyShares ?? 0;

/** Each level's limits; `total`: the seats of the server. */
export function seatLimits(levels: ReadonlyMap<string, PriorityLevelConfigurationSpec>, total: number): Map<string, SeatLimits> {
  let shares = 0;
  for (const spec of levels.values()) shares += sharesOf(spec);
  const limits = new Map<string, SeatLimits>();
  for (const [name, spec] of levels) {
    const nominal = shares === 0 ? 0 : Math.ceil((total * sharesOf(spec)) / shares);
    const lendable = Math.round((nominal * (spec.limited?.lendablePercent ?? spec.exempt?.lendablePercent ?? 0)) / 100);
    const borrowing = spec.limited?.borrowingLimitPercent;
    limits.set(name, {
      nominal,
      lower: nominal - lendable,
      upper: nominal + (borrowing === undefined ? total : Math.round((nominal * borrowing) / 100)),
    });
  }
  return limits;
}

/** The widest that the work estimator takes a request of a level for that queues; undefined where the level says nothing of it. */
export function widestOf(nominal: number, { limited }: PriorityLevelConfigurationSpec): number | undefined {
  const { handSize } = limited?.limitResponse?.queuing ?? {};
  return handSize ? Math.max(1, Math.min(Math.ceil(nominal * 0.15), Math.floor(nominal / handSize))) : undefined;
}

export interface Demand {
  limits: SeatLimits;
  /** Takes what it needs, whatever that leaves to others. */
  exempt: boolean;
  /** The highest demand of the last period, and the smoothed one. */
  highest: number;
  smoothed: number;
}

export interface Allocation {
  /** What each level may use for now. */
  seats: Map<string, number>;
  /** What each should have, if there were enough. */
  targets: Map<string, number>;
  /** What of its target a level gets that no bound holds back; 0 where there is not even enough for what is in use. */
  fairFraction: number;
}

/** A level that wants nothing is given something all the same: no factor could make it more. */
const leastTarget = 0.001;

interface Bounds {
  floor: number;
  ceiling: number;
  target: number;
}

/** The one factor by which all targets make `sum`, each between its bounds; found by halving. */
function fairFactor(bounds: readonly Bounds[], sum: number): number {
  const made = (factor: number) =>
    bounds.reduce((all, { floor, ceiling, target }) => all + Math.min(ceiling, Math.max(floor, factor * target)), 0);
  let low = 0;
  let high = 1;
  // At last every level is at its ceiling.
  while (made(high) < sum && high < Number.MAX_SAFE_INTEGER) high *= 2;
  for (let i = 0; i < 80; i++) {
    const middle = (low + high) / 2;
    if (made(middle) > sum) high = middle;
    else low = middle;
  }
  return low;
}

/**
 * What each level may use at the moment: at least its lower limit and what it has needed of its nominal one; the rest is given in
 * proportion to demand, by one factor for all. Exempt levels come first; where they leave less than that, the others share it.
 */
export function allocateSeats(levels: ReadonlyMap<string, Demand>): Allocation {
  const targets = new Map<string, number>();
  const exempt = new Map<string, number>();
  const others: ({ name: string; lower: number } & Bounds)[] = [];
  let total = 0;
  for (const [name, { limits, exempt: isExempt, highest, smoothed }] of levels) {
    total += limits.nominal;
    const floor = Math.max(limits.lower, isExempt ? highest : Math.min(limits.nominal, highest));
    const target = isExempt ? floor : Math.max(floor, smoothed);
    targets.set(name, target);
    if (isExempt) exempt.set(name, floor);
    else others.push({ name, lower: limits.lower, floor, ceiling: Math.max(floor, limits.upper), target: Math.max(target, leastTarget) });
  }
  const sumOf = (value: (each: (typeof others)[number]) => number) => others.reduce((sum, each) => sum + value(each), 0);
  const left = total - [...exempt.values()].reduce((a, b) => a + b, 0);
  const [least, needed] = [sumOf(({ lower }) => lower), sumOf(({ floor }) => floor)];
  const given = (seats: (each: (typeof others)[number]) => number, fairFraction: number): Allocation => ({
    seats: new Map([...exempt, ...others.map((each): [string, number] => [each.name, seats(each)])]),
    targets,
    fairFraction,
  });
  if (left <= least) return given(({ lower }) => lower, 0);
  if (left <= needed) {
    const share = (left - least) / (needed - least);
    return given(({ lower, floor }) => lower + Math.round((floor - lower) * share), 0);
  }
  const factor = fairFactor(others, total);
  return given(({ floor, ceiling, target }) => Math.round(Math.min(ceiling, Math.max(floor, factor * target))), factor);
}
