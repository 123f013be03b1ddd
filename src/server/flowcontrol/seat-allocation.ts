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
      upper: borrowing === undefined ? total : nominal + Math.round((nominal * borrowing) / 100),
    });
  }
  return limits;
}

export interface Demand {
  limits: SeatLimits;
  /** The highest demand of the last period, and the smoothed one. */
  highest: number;
  smoothed: number;
}

/**
 * What each level may use at the moment: at least its lower limit and at least what it needs of its nominal one; the rest is given
 * in proportion to demand, by one factor for all.
 */
export function allocateSeats(levels: ReadonlyMap<string, Demand>, total: number): Map<string, number> {
  const bounds = [...levels].map(([name, { limits, highest, smoothed }]) => {
    const floor = Math.max(limits.lower, Math.min(limits.nominal, highest));
    return { name, floor, ceiling: Math.max(floor, limits.upper), target: Math.max(floor, smoothed, Number.EPSILON) };
  });
  const given = (factor: number) => bounds.map(({ floor, ceiling, target }) => Math.min(ceiling, Math.max(floor, factor * target)));
  const sum = (seats: readonly number[]) => seats.reduce((a, b) => a + b, 0);
  let low = 0;
  let high = 1;
  // Beyond the total every level is at its ceiling or has all there is.
  while (sum(given(high)) < total && high < total * 1e6) high *= 2;
  for (let i = 0; i < 60; i++) {
    const middle = (low + high) / 2;
    if (sum(given(middle)) > total) high = middle;
    else low = middle;
  }
  const seats = given(low);
  return new Map(bounds.map(({ name }, i) => [name, Math.round(seats[i] ?? 0)]));
}
