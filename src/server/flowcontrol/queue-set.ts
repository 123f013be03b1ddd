/**
 * The queues of one priority level: fair queuing by virtual time, where every queue that has something to do gets an equal share
 * of the level's seats (KEP-1040; k8s.io/apiserver/pkg/util/flowcontrol/fairqueuing).
 */
import type { Clock } from '../../time/index.ts';
import type { RequestContext } from '../exchange.ts';
import { DemandStatistics } from './demand-statistics.ts';
import { Usage } from './usage.ts';
import type { WorkEstimate } from './work-estimate.ts';

/** How long a request is thought to take before it has run. */
const estimatedSeconds = 0.003;

/** `time-out`: it has waited too long, or its client has gone meanwhile. */
export type RejectReason = 'queue-full' | 'concurrency-limit' | 'time-out';

/** What of a request that waits is shown to who looks at the queues. */
export interface RequestDigest {
  schema: string;
  distinguisher: string;
  context: RequestContext;
}

export interface Queue {
  readonly index: number;
  waiting: Entry[];
  executing: number;
  seatsInUse: number;
  /** Seat-seconds of what waits. */
  waitingWork: number;
  /** The virtual time at which its next request begins. */
  nextDispatch: number;
}

/** A request that waits or runs. */
export interface Entry {
  /** Undefined: its level has no queues. */
  readonly queue: Queue | undefined;
  work: WorkEstimate;
  /** Seat-seconds. */
  readonly estimated: number;
  /** The virtual time of its coming. */
  readonly arrivedAt: number;
  readonly about: RequestDigest | undefined;
  readonly arrivedMs: number;
  startedMs: number;
  start?(): void;
}

/** A dispatch from a queue, in virtual time. */
export interface Dispatch {
  at: number;
  /** When what was dispatched began. */
  begins: number;
  /** The least and the most of when the queues' next requests begin; and of that without what is taken to run still. */
  next: readonly [number, number];
  discounted: readonly [number, number];
}

export interface QueueSetShape {
  /** Undefined: requests that find no room are rejected. */
  queuing?: { queues: number; handSize: number; queueLengthLimit: number };
  exempt: boolean;
}

/** A request that may run. */
export interface Seat {
  readonly waitedMs: number;
  /** Whether it had to wait at all. */
  readonly queued: boolean;
  /** Gives the seats back. */
  release(): void;
}

const workOf = ({ seats, finalSeats, additionalMs }: WorkEstimate) => seats * estimatedSeconds + (finalSeats * additionalMs) / 1000;
const most = ({ seats, finalSeats }: WorkEstimate) => Math.max(seats, finalSeats);

/** No request begins before it has come: a queue that does not need all of its share saves nothing up for later. */
function bound(queue: Queue): void {
  const [oldest] = queue.waiting;
  if (oldest !== undefined && queue.nextDispatch < oldest.arrivedAt) queue.nextDispatch = oldest.arrivedAt;
}

export class QueueSet {
  readonly #clock: Clock;
  shape: QueueSetShape;
  /** Seats that may be in use at once. */
  #limit: number;
  /** Those with something to do, by index. */
  readonly #active = new Map<number, Queue>();
  readonly demand: DemandStatistics;
  readonly #usage: Usage;
  /** By schema: how often the next in turn has found no room. */
  readonly noRoom = new Map<string, number>();
  /** Of the last dispatch from a queue. */
  dispatched: Dispatch | undefined;
  #virtual = 0;
  #virtualAtMs: number;
  seatsInUse = 0;
  readonly #running = new Set<Entry>();
  waiting = 0;
  #waitingSeats = 0;
  /** Called when a request finds no room: somebody might lend some. */
  onContention: () => void = () => {};

  constructor(clock: Clock, shape: QueueSetShape, limit: number) {
    this.#clock = clock;
    this.shape = shape;
    this.#limit = limit;
    this.#virtualAtMs = clock.monotonic();
    this.demand = new DemandStatistics(this.#virtualAtMs);
    this.#usage = new Usage(this.#virtualAtMs);
  }

  get limit(): number {
    return this.#limit;
  }

  get virtualTime(): number {
    return this.#virtual;
  }

  setLimit(limit: number): void {
    this.#advance(this.#clock.monotonic());
    this.#limit = limit;
    this.#dispatch();
  }

  /** How many requests run. */
  get executing(): number {
    return this.#running.size;
  }

  /** The requests that run, in the order of their beginning. */
  get running(): Iterable<Readonly<Entry>> {
    return this.#running;
  }

  get queues(): Iterable<Readonly<Queue>> {
    return this.#active.values();
  }

  /** Seats for the request now, or a promise of them, or the reason why there are none. */
  begin(
    hand: readonly number[],
    work: WorkEstimate,
    signal: () => AbortSignal,
    waitLimitMs: number,
    about?: RequestDigest,
  ): Seat | Promise<Seat | RejectReason> | RejectReason {
    const now = this.#clock.monotonic();
    const { queuing, exempt } = this.shape;
    if (!exempt) this.#advance(now);
    if (exempt || queuing === undefined) {
      const arrived = { queue: undefined, work, estimated: 0, about, arrivedMs: now, arrivedAt: this.#virtual, startedMs: now };
      if (exempt || this.#fits(work)) return this.#seat(this.#start(arrived, now), false);
      this.onContention();
      return 'concurrency-limit';
    }
    const queue = this.#queueFor(hand);
    if (queue.waiting.length === 0 && queue.executing === 0) queue.nextDispatch = this.#virtual;
    const entry: Entry = { queue, work, estimated: workOf(work), about, arrivedMs: now, arrivedAt: this.#virtual, startedMs: now };
    if (this.waiting === 0 && this.#mayRun(work)) return this.#seat(this.#start(entry, now), false);
    this.onContention();
    if (queue.waiting.length >= queuing.queueLengthLimit && this.seatsInUse >= this.#limit) return 'queue-full';
    return this.#enqueue(entry, queue, signal(), waitLimitMs);
  }

  #enqueue(entry: Entry, queue: Queue, signal: AbortSignal, waitLimitMs: number): Promise<Seat | RejectReason> {
    const { promise, resolve } = Promise.withResolvers<Seat | RejectReason>();
    queue.waiting.push(entry);
    bound(queue);
    queue.waitingWork += entry.estimated;
    this.waiting++;
    this.#waitingSeats += most(entry.work);
    this.#demandChanged(entry.arrivedMs);
    const leave = () => {
      const at = queue.waiting.indexOf(entry);
      if (at < 0) return;
      queue.waiting.splice(at, 1);
      this.#left(entry, queue);
      bound(queue);
      this.#forgetIdle(queue);
      settle();
      this.#demandChanged(this.#clock.monotonic());
      resolve('time-out');
      // Where it was the widest, those behind it may fit.
      this.#dispatch();
    };
    const timer = this.#clock.setTimer(waitLimitMs, leave, { background: true });
    const settle = () => {
      timer.cancel();
      signal.removeEventListener('abort', leave);
    };
    entry.start = () => {
      settle();
      resolve(this.#seat(entry, true));
    };
    if (signal.aborted) leave();
    else signal.addEventListener('abort', leave, { once: true });
    this.#dispatch();
    return promise;
  }

  #left(entry: Entry, queue: Queue): void {
    queue.waitingWork -= entry.estimated;
    this.waiting--;
    this.#waitingSeats -= most(entry.work);
  }

  #seat(entry: Entry, queued: boolean): Seat {
    let released = false;
    return {
      waitedMs: entry.startedMs - entry.arrivedMs,
      queued,
      release: () => {
        if (released) return;
        released = true;
        this.#finish(entry);
      },
    };
  }

  #fits(work: WorkEstimate): boolean {
    // A request wider than the level runs alone.
    const seats = most(work);
    return seats > this.#limit ? this.executing === 0 : this.seatsInUse + seats <= this.#limit;
  }

  /** Whether a request that is next in turn may run. */
  #mayRun(work: WorkEstimate): boolean {
    return this.seatsInUse < this.#limit && this.#fits(work);
  }

  /** What needs more seats in the end than there are has fewer for longer. */
  #narrowed(work: WorkEstimate): WorkEstimate {
    const { finalSeats, additionalMs } = work;
    if (finalSeats <= this.#limit) return work;
    return { ...work, finalSeats: this.#limit, additionalMs: (additionalMs * finalSeats) / this.#limit };
  }

  /** The queue of the hand with the least to do. */
  #queueFor(hand: readonly number[]): Queue {
    let best: Queue | undefined;
    let bestWork = Number.POSITIVE_INFINITY;
    for (const index of hand) {
      const queue = this.#active.get(index);
      if (queue === undefined) return this.#open(index);
      const work = queue.waitingWork + queue.seatsInUse * estimatedSeconds;
      if (work >= bestWork) continue;
      best = queue;
      bestWork = work;
    }
    return best ?? this.#open(0);
  }

  #open(index: number): Queue {
    const queue = { index, waiting: [], executing: 0, seatsInUse: 0, waitingWork: 0, nextDispatch: this.#virtual };
    this.#active.set(index, queue);
    return queue;
  }

  #forgetIdle(queue: Queue): void {
    if (queue.executing === 0 && queue.seatsInUse === 0 && queue.waiting.length === 0) this.#active.delete(queue.index);
  }

  #start(entry: Entry, now: number): Entry {
    const { queue } = entry;
    entry.startedMs = now;
    if (queue !== undefined) entry.work = this.#narrowed(entry.work);
    const seats = most(entry.work);
    this.#running.add(entry);
    this.seatsInUse += seats;
    if (queue !== undefined) {
      queue.executing++;
      queue.seatsInUse += seats;
      queue.nextDispatch += entry.estimated;
    }
    this.#demandChanged(now);
    return entry;
  }

  #finish(entry: Entry): void {
    const { queue, work, startedMs } = entry;
    const { additionalMs, finalSeats } = work;
    const now = this.#clock.monotonic();
    this.#advance(now);
    this.#running.delete(entry);
    if (queue !== undefined) {
      queue.executing--;
      // What it really took instead of what was thought.
      queue.nextDispatch += work.seats * ((now - startedMs) / 1000 - estimatedSeconds);
      bound(queue);
    }
    if (additionalMs <= 0 || finalSeats <= 0) this.#end(entry);
    // Its watchers are still being told.
    else this.#clock.setTimer(additionalMs, () => this.#end(entry), { background: true });
  }

  #end({ queue, work }: Entry): void {
    const now = this.#clock.monotonic();
    this.#advance(now);
    const seats = most(work);
    this.seatsInUse -= seats;
    if (queue !== undefined) {
      queue.seatsInUse -= seats;
      this.#forgetIdle(queue);
    }
    this.#demandChanged(now);
    if (this.waiting > 0) this.#dispatch();
  }

  #dispatch(): void {
    while (this.waiting > 0) {
      const queue = this.#next();
      const entry = queue?.waiting[0];
      if (queue === undefined || entry === undefined) return;
      if (this.seatsInUse >= this.#limit) return;
      if (!this.#fits(entry.work)) {
        const schema = entry.about?.schema ?? '';
        this.noRoom.set(schema, (this.noRoom.get(schema) ?? 0) + 1);
        return;
      }
      this.#noteDispatch(queue);
      queue.waiting.shift();
      this.#left(entry, queue);
      this.#start(entry, this.#clock.monotonic());
      bound(queue);
      entry.start?.();
    }
  }

  #noteDispatch({ nextDispatch }: Queue): void {
    let [least, most, leastDiscounted, mostDiscounted] = [Infinity, -Infinity, Infinity, -Infinity];
    for (const { waiting, nextDispatch: begins, seatsInUse } of this.#active.values()) {
      if (waiting.length === 0) continue;
      const discounted = begins - seatsInUse * estimatedSeconds;
      [least, most] = [Math.min(least, begins), Math.max(most, begins)];
      [leastDiscounted, mostDiscounted] = [Math.min(leastDiscounted, discounted), Math.max(mostDiscounted, discounted)];
    }
    this.dispatched = { at: this.#virtual, begins: nextDispatch, next: [least, most], discounted: [leastDiscounted, mostDiscounted] };
  }

  /** The queue whose first request would end first in virtual time; among equals, that which came first. */
  #next(): Queue | undefined {
    let best: Queue | undefined;
    let bestFinish = 0;
    for (const queue of this.#active.values()) {
      const [head] = queue.waiting;
      if (head === undefined) continue;
      const finish = queue.nextDispatch + head.estimated;
      const earlier = finish === bestFinish && head.arrivedMs < (best?.waiting[0]?.arrivedMs ?? 0);
      if (best !== undefined && finish >= bestFinish && !earlier) continue;
      best = queue;
      bestFinish = finish;
    }
    return best;
  }

  /** Virtual time goes as fast as each active queue is served. */
  #advance(now: number): void {
    const elapsed = (now - this.#virtualAtMs) / 1000;
    this.#virtualAtMs = now;
    if (this.#active.size === 0) return;
    this.#virtual += (elapsed * Math.min(this.seatsInUse + this.#waitingSeats, this.#limit)) / this.#active.size;
  }

  /** Up to this moment. */
  get usage(): Usage {
    this.#usage.settle(this.#clock.monotonic());
    return this.#usage;
  }

  #demandChanged(now: number): void {
    const { queuing } = this.shape;
    this.demand.record(this.seatsInUse + this.#waitingSeats, now);
    this.#usage.settle(now);
    this.#usage.change(this, this.#waitingSeats, this.#limit, queuing === undefined ? 0 : queuing.queues * queuing.queueLengthLimit);
  }
}
