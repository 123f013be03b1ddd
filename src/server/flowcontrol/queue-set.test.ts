import { describe, expect, it } from 'vitest';
import { VirtualClock } from '../../time/index.ts';
import { QueueSet, type RejectReason, type Seat } from './queue-set.ts';

const one = { seats: 1, finalSeats: 0, additionalMs: 0 };
const waitLimitMs = 15_000;
const forever = () => new AbortController().signal;

function open(limit: number, queuing?: { queues: number; handSize: number; queueLengthLimit: number }) {
  const clock = new VirtualClock();
  return { clock, set: new QueueSet(clock, { exempt: false, ...(queuing ? { queuing } : {}) }, limit) };
}

describe('a priority level', () => {
  it('lets in as many as it has seats, and the next when one is given back', async () => {
    const { set } = open(2, { queues: 4, handSize: 1, queueLengthLimit: 10 });
    const first = set.begin([0], one, forever, waitLimitMs) as Seat;
    expect(set.begin([1], one, forever, waitLimitMs)).not.toBeInstanceOf(Promise);
    const waiting = set.begin([2], one, forever, waitLimitMs);
    expect(waiting).toBeInstanceOf(Promise);
    expect(set.waiting).toBe(1);
    first.release();
    first.release();
    expect(await waiting).toMatchObject({ queued: true });
    expect(set).toMatchObject({ executing: 2, seatsInUse: 2, waiting: 0 });
  });

  it('rejects at once where it does not queue, and when a queue is full', () => {
    const rejecting = open(1).set;
    void rejecting.begin([], one, forever, waitLimitMs);
    expect(rejecting.begin([], one, forever, waitLimitMs)).toBe('concurrency-limit');
    const queuing = open(1, { queues: 1, handSize: 1, queueLengthLimit: 1 }).set;
    void queuing.begin([0], one, forever, waitLimitMs);
    void queuing.begin([0], one, forever, waitLimitMs);
    expect(queuing.begin([0], one, forever, waitLimitMs)).toBe('queue-full');
  });

  it('gives up what has waited too long or whose client has gone', async () => {
    const { clock, set } = open(1, { queues: 2, handSize: 1, queueLengthLimit: 10 });
    void set.begin([0], one, forever, waitLimitMs);
    const gone = new AbortController();
    const cancelled = set.begin([0], one, () => gone.signal, waitLimitMs);
    const late = set.begin([1], one, forever, waitLimitMs);
    gone.abort();
    expect(await cancelled).toBe('time-out');
    await clock.advance(waitLimitMs);
    expect(await late).toBe('time-out');
    expect(set).toMatchObject({ waiting: 0, executing: 1 });
    expect(clock.pending).toBe(0);
  });

  it('serves a small flow soon beside one that floods its queue', async () => {
    const { clock, set } = open(1, { queues: 2, handSize: 1, queueLengthLimit: 100 });
    const order: string[] = [];
    let running = set.begin([0], one, forever, waitLimitMs) as Seat;
    const wait = (flow: string, hand: number[]) =>
      void (set.begin(hand, one, forever, waitLimitMs) as Promise<Seat | RejectReason>).then((seat) => {
        order.push(flow);
        running = seat as Seat;
      });
    for (let i = 0; i < 10; i++) wait('flood', [0]);
    for (let i = 0; i < 3; i++) wait('small', [1]);
    for (let i = 0; i < 13; i++) {
      await clock.advance(10);
      running.release();
      await clock.advance(0);
    }
    expect(order.slice(0, 7).filter((flow) => flow === 'small')).toHaveLength(3);
    expect(order).toHaveLength(13);
  });

  it('holds the seats of a change while its watchers are told', async () => {
    const { clock, set } = open(10, { queues: 1, handSize: 1, queueLengthLimit: 10 });
    const seat = set.begin([0], { seats: 1, finalSeats: 4, additionalMs: 5 }, forever, waitLimitMs) as Seat;
    expect(set.seatsInUse).toBe(4);
    seat.release();
    expect(set.seatsInUse).toBe(4);
    await clock.advance(5);
    expect(set.seatsInUse).toBe(0);
  });

  it('runs a request that is wider than the level alone', async () => {
    const { set } = open(2, { queues: 2, handSize: 1, queueLengthLimit: 10 });
    const narrow = set.begin([0], one, forever, waitLimitMs) as Seat;
    const wide = set.begin([1], { ...one, seats: 5 }, forever, waitLimitMs);
    expect(wide).toBeInstanceOf(Promise);
    narrow.release();
    expect(await wide).toMatchObject({ queued: true });
  });

  it('keeps who may queue out of a level without seats: a jail', async () => {
    const { clock, set } = open(0, { queues: 1, handSize: 1, queueLengthLimit: 1 });
    const jailed = set.begin([0], one, forever, waitLimitMs);
    expect(set.begin([0], one, forever, waitLimitMs)).toBe('queue-full');
    await clock.advance(waitLimitMs);
    expect(await jailed).toBe('time-out');
  });

  it('tells watchers by fewer seats for longer where it has no more', async () => {
    const { clock, set } = open(2, { queues: 1, handSize: 1, queueLengthLimit: 10 });
    const seat = set.begin([0], { seats: 1, finalSeats: 4, additionalMs: 5 }, forever, waitLimitMs) as Seat;
    expect(set).toMatchObject({ seatsInUse: 2, executing: 1 });
    seat.release();
    expect(set.executing).toBe(0);
    await clock.advance(9);
    expect(set.seatsInUse).toBe(2);
    await clock.advance(1);
    expect(set.seatsInUse).toBe(0);
  });

  it('lets a queue save up nothing of what it did not need', async () => {
    const { clock, set } = open(3, { queues: 1, handSize: 1, queueLengthLimit: 10 });
    const wide = { ...one, seats: 2 };
    let running = set.begin([0], wide, forever, waitLimitMs) as Seat;
    // One after the other, never idle: of three seats it uses two.
    for (let i = 0; i < 20; i++) {
      const next = set.begin([0], wide, forever, waitLimitMs) as Promise<Seat>;
      await clock.advance(100);
      running.release();
      running = await next;
    }
    const [queue] = set.queues;
    expect(set.virtualTime).toBeCloseTo(6, 6);
    const { next, discounted, begins } = set.dispatched ?? {};
    expect(next).toEqual([begins, begins]);
    expect(discounted).toEqual(next);
    expect(queue?.nextDispatch).toBeGreaterThan(5.5);
  });
});
