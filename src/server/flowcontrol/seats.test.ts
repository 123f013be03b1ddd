import { describe, expect, it } from 'vitest';
import { mandatoryConfiguration, suggestedConfiguration } from '../../api/index.ts';
import { VirtualClock } from '../../time/index.ts';
import { parseRequestInfo } from '../request-info.ts';
import { DroppedRequests } from './dropped-requests.ts';
import { allocateSeats, seatLimits, widestOf } from './seat-allocation.ts';
import { deal, flowHash } from './shuffle-sharding.ts';
import { WatchCounts } from './watch-counts.ts';

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

  /** `wanted`: by level, what it has needed at most, of late and for long. */
  const demandsOf = (wanted: Record<string, number> = {}) =>
    new Map(
      [...seatLimits(levels, 600)].map(([name, limits]) => {
        const demand = wanted[name] ?? 0;
        return [name, { limits, exempt: name === 'exempt', highest: demand, smoothed: demand }];
      }),
    );

  it('are lent at rest in proportion to what each level keeps', () => {
    const { seats, targets, fairFraction } = allocateSeats(demandsOf());
    // 602 of 258.
    expect(fairFraction).toBeCloseTo(602 / 258, 6);
    expect(Object.fromEntries(seats)).toEqual({
      exempt: 0,
      'catch-all': 30,
      system: 117,
      'node-high': 170,
      'leader-election': 58,
      'workload-high': 114,
      'workload-low': 56,
      'global-default': 56,
    });
    expect(targets.get('system')).toBe(50);
  });

  it('go to who wants them, but never below what a level keeps', () => {
    const demands = demandsOf({ 'global-default': 500 });
    const { seats } = allocateSeats(demands);
    for (const [name, { limits }] of demands) expect(seats.get(name)).toBeGreaterThanOrEqual(limits.lower);
    expect(seats.get('global-default')).toBeGreaterThan(300);
    const all = [...seats.values()].reduce((a, b) => a + b, 0);
    expect(Math.abs(all - 602)).toBeLessThan(levels.size);
  });

  it('are what exempt requests leave: the others go down to what they use, and to what they keep', () => {
    const busy = { system: 74, 'node-high': 98, 'workload-high': 98, 'workload-low': 245 };
    const some = allocateSeats(demandsOf({ ...busy, exempt: 100 }));
    expect(some.seats.get('exempt')).toBe(100);
    expect(some.fairFraction).toBe(0);
    // Of the 121 seats that they use beyond the 258 they keep.
    expect(some.seats.get('workload-low')).toBe(24 + Math.round((221 * (502 - 258)) / (577 - 258)));
    const all = allocateSeats(demandsOf({ ...busy, exempt: 400 }));
    expect(all.seats.get('workload-low')).toBe(24);
    expect(all.seats.get('exempt')).toBe(400);
  });
});

describe('a request', () => {
  it('is taken to be no wider than a part of its level, and than a hand leaves', () => {
    const queuing = (handSize: number) => ({
      type: 'Limited' as const,
      limited: { limitResponse: { type: 'Queue' as const, queuing: { queues: 64, handSize, queueLengthLimit: 50 } } },
    });
    // k8s.io/apiserver's max_seats_test: 15 %, or the level by the hand, at least one.
    expect([1, 4, 8, 30].map((hand) => widestOf(24, queuing(hand)))).toEqual([4, 4, 3, 1]);
    expect(widestOf(0, queuing(4))).toBe(1);
    expect(widestOf(24, { type: 'Limited', limited: { limitResponse: { type: 'Reject' } } })).toBeUndefined();
  });
});

describe('a change', () => {
  const ofNamespace = (namespace: string, group = '/api/v1') => `${group}/namespaces/${namespace}/pods`;
  const counts = new WatchCounts();
  const watch = (path: string, fieldSelector?: string) => {
    const query = new URLSearchParams({ watch: 'true', ...(fieldSelector === undefined ? {} : { fieldSelector }) });
    return counts.add(parseRequestInfo('GET', path, query), query);
  };
  for (const [path, selector] of [
    ['/api/v1/pods'],
    [ofNamespace('foo')],
    [ofNamespace('foo'), 'metadata.name=mypod'],
    [ofNamespace('bar'), 'metadata.name=mypod'],
    [ofNamespace('foo', '/apis/group/v1')],
    [ofNamespace('bar', '/apis/group/v1'), 'metadata.name=mypod'],
    // Found by what they select: a change is told to one of many.
    [ofNamespace('foo'), 'spec.nodeName=node1'],
    [ofNamespace('foo'), 'spec.nodeName=node2'],
  ] as const)
    watch(path, selector);

  // k8s.io/apiserver's watch_tracker_test.
  it.each([
    ['POST', ofNamespace('foo'), 2],
    ['PUT', `${ofNamespace('foo')}/mypod`, 3],
    ['PUT', `${ofNamespace('foo')}/otherpod`, 2],
    ['POST', ofNamespace('bar'), 1],
    ['PATCH', `${ofNamespace('bar')}/mypod`, 2],
    ['DELETE', `${ofNamespace('foo', '/apis/group/v1')}/otherpod`, 1],
    ['PUT', `${ofNamespace('bar', '/apis/group/v1')}/mypod`, 1],
    ['PUT', `${ofNamespace('bar', '/apis/group/v1')}/otherpod`, 0],
  ])('%s %s is told to %i watches', (method, path, count) => {
    expect(counts.interestedIn(parseRequestInfo(method, path, new URLSearchParams()))).toBe(count);
  });

  it('is told to those that are there still', () => {
    const unset = watch(ofNamespace('other'), 'spec.nodeName=');
    const asked = parseRequestInfo('POST', ofNamespace('other'), new URLSearchParams());
    expect(counts.interestedIn(asked)).toBe(2);
    unset();
    unset();
    expect(counts.interestedIn(asked)).toBe(1);
  });
});

describe('who is turned away', () => {
  it('comes back the later, the more there are', async () => {
    const clock = new VirtualClock();
    const dropped = new DroppedRequests(clock);
    const second = async (count: number) => {
      let after = 0;
      for (let i = 0; i < count; i++) after = dropped.record();
      await clock.advance(1000);
      return after;
    };
    expect(await second(5)).toBe(1);
    expect(await second(5)).toBe(2);
    // Raised again only after as long as it says.
    expect(await second(10)).toBe(2);
    expect(await second(1)).toBe(4);
    for (let i = 0; i < 40; i++) await second(100);
    expect(await second(1)).toBe(32);
    await clock.advance(60_000);
    await second(1);
    expect(await second(1)).toBeLessThan(32);
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
