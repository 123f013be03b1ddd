import { describe, expect, it } from 'vitest';
import { mandatoryConfiguration, suggestedConfiguration } from '../../api/index.ts';
import { allocateSeats, seatLimits } from './seat-allocation.ts';
import { deal, flowHash } from './shuffle-sharding.ts';

const levels = new Map([...mandatoryConfiguration.priorityLevels, ...suggestedConfiguration.priorityLevels]);

describe('seats', () => {
  it('are divided by shares as upstream divides them', () => {
    const limits = seatLimits(levels, 600);
    // Of 245 shares.
    expect(Object.fromEntries([...limits].map(([name, { nominal, lower }]) => [name, [nominal, lower]]))).toEqual({
      exempt: [0, 0],
      'catch-all': [13, 13],
      system: [74, 50],
      'node-high': [98, 73],
      'leader-election': [25, 25],
      'workload-high': [98, 49],
      'workload-low': [245, 24],
      'global-default': [49, 24],
    });
  });

  it('go to who wants them, but never below what a level keeps', () => {
    const limits = seatLimits(levels, 600);
    const demands = new Map(
      [...limits].map(([name, given]) => [
        name,
        { limits: given, highest: name === 'global-default' ? 500 : 0, smoothed: name === 'global-default' ? 500 : 0 },
      ]),
    );
    const seats = allocateSeats(demands, 600);
    for (const [name, given] of limits) expect(seats.get(name)).toBeGreaterThanOrEqual(given.lower);
    expect(seats.get('global-default')).toBeGreaterThan(300);
    const all = [...seats.values()].reduce((a, b) => a + b, 0);
    expect(Math.abs(all - 600)).toBeLessThan(levels.size);
  });
});

describe('shuffle sharding', () => {
  it('deals every hand without a repetition, and spreads flows over all queues', () => {
    const used = new Set<number>();
    for (let flow = 0; flow < 500; flow++) {
      const hand = deal(flowHash('global-default', `user-${flow}`), 128, 6);
      expect(new Set(hand).size).toBe(6);
      for (const queue of hand) {
        expect(queue).toBeLessThan(128);
        used.add(queue);
      }
    }
    expect(used.size).toBe(128);
  });

  it('deals as upstream deals', () => {
    // k8s.io/apiserver/pkg/util/shufflesharding: the hand of hash 0 is the first cards in order.
    expect(deal(0n, 128, 4)).toEqual([0, 1, 2, 3]);
    expect(deal(128n * 127n * 126n - 1n, 128, 3)).toEqual([127, 126, 125]);
  });
});
