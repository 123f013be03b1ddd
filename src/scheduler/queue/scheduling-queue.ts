/**
 * Pods that want a node. Those to be tried now are in the active queue, in the order of QueueSort; those that failed wait until
 * an event makes another try worth while, and then for as long as their back-off says. A pod in the back-off of "does not fit" is
 * tried sooner when there is nothing else to do (KEP-5142); one in the back-off of an error is not.
 */
import type { KubeObject, Pod } from '../../api/index.ts';
import type { Clock, Timer } from '../../time/index.ts';
import { podInfoOf, podKey } from '../cache/pod-info.ts';
import { type ClusterEvent, clusterEvent, type EventRegistration, registrationCovers } from '../framework/cluster-event.ts';
import type { Status } from '../framework/status.ts';
import { Heap } from './heap.ts';
import { newQueuedPod, type QueuedPod } from './queued-pod.ts';

export type QueueName = 'active' | 'backoff' | 'unschedulable' | 'gated';

export interface SchedulingQueueOptions {
  clock: Clock;
  /** Whether `a` goes before `b`. */
  before: (a: QueuedPod, b: QueuedPod) => boolean;
  /** The first PreEnqueue plugin that holds the pod back. */
  gate?: (pod: Pod) => Status | undefined;
  /** What events each plugin waits for, by plugin. */
  registrations?: ReadonlyMap<string, readonly EventRegistration[]>;
  initialBackoffMs?: number;
  maxBackoffMs?: number;
  /** How long a pod may wait for an event before it is tried without one. */
  flushAfterMs?: number;
  onIncoming?: (queue: QueueName, event: string) => void;
}

type Hint = 'skip' | 'after-backoff' | 'at-once';

interface PastEvent {
  readonly sequence: number;
  readonly event: ClusterEvent;
  readonly previous: KubeObject | undefined;
  readonly current: KubeObject | undefined;
}

const flushed = clusterEvent('Wildcard', 'Update', 'UnschedulableTimeout');

export class SchedulingQueue {
  readonly #options: Required<Omit<SchedulingQueueOptions, 'gate' | 'onIncoming'>> & Pick<SchedulingQueueOptions, 'gate' | 'onIncoming'>;
  readonly #pods = new Map<string, QueuedPod>();
  readonly #active: Heap<QueuedPod>;
  readonly #backoff: Heap<QueuedPod>;
  readonly #errorBackoff: Heap<QueuedPod>;
  /** In the order of their timestamps. */
  readonly #unschedulable = new Map<string, QueuedPod>();
  /** Of these, who waits for which plugin. */
  readonly #waitingFor = new Map<string, Set<QueuedPod>>();
  /** Pods being scheduled, by uid, with the number of the last event before. */
  readonly #inFlight = new Map<string, number>();
  #events: PastEvent[] = [];
  #sequence = 0;
  #taker: PromiseWithResolvers<void> | undefined;
  #backoffTimer: { timer: Timer; dueMs: number } | undefined;
  #flushTimer: Timer | undefined;
  #closed = false;

  constructor(options: SchedulingQueueOptions) {
    this.#options = { registrations: new Map(), initialBackoffMs: 1000, maxBackoffMs: 10_000, flushAfterMs: 300_000, ...options };
    this.#active = new Heap(options.before);
    const sooner = (a: QueuedPod, b: QueuedPod) => this.#backoffEndsMs(a) < this.#backoffEndsMs(b);
    this.#backoff = new Heap(sooner);
    this.#errorBackoff = new Heap(sooner);
  }

  get sizes(): Record<QueueName, number> {
    let gated = 0;
    for (const queued of this.#unschedulable.values()) if (queued.gatedBy) gated++;
    return {
      active: this.#active.size,
      backoff: this.#backoff.size + this.#errorBackoff.size,
      unschedulable: this.#unschedulable.size - gated,
      gated,
    };
  }

  /** Which queue holds the pod; undefined when none does (any more, or while it is being scheduled). */
  whereIs(key: string): QueueName | undefined {
    const queued = this.#pods.get(key);
    if (!queued) return undefined;
    if (this.#active.has(queued)) return 'active';
    if (this.#backoff.has(queued) || this.#errorBackoff.has(queued)) return 'backoff';
    return queued.gatedBy ? 'gated' : 'unschedulable';
  }

  /** A pod that has come. */
  add(pod: Pod): void {
    this.#remove(podKey(pod));
    this.#activate(newQueuedPod(podInfoOf(pod), this.#now()), 'UnscheduledPodAdd');
  }

  /** A waiting pod has changed, in the ways that `events` name. */
  update(pod: Pod, previous: Pod, events: readonly ClusterEvent[]): void {
    const key = podKey(pod);
    const queued = this.#pods.get(key);
    if (!queued) {
      // While it is being scheduled, what happens to it is remembered for when it comes back.
      if (this.#inFlight.has(pod.metadata.uid)) for (const event of events) this.#remember(event, previous, pod);
      else this.add(pod);
      return;
    }
    const where = this.whereIs(key);
    const info = podInfoOf(pod);
    if (where !== 'gated' && where !== 'unschedulable') {
      // The order may have changed with it.
      const heap = where === 'active' ? this.#active : this.#backoff.has(queued) ? this.#backoff : this.#errorBackoff;
      heap.delete(queued);
      queued.info = info;
      heap.push(queued);
      return;
    }
    queued.info = info;
    for (const event of events) {
      const hint = this.#worthRequeuing(queued, event, previous, pod);
      if (hint === 'skip') continue;
      this.#requeue(queued, hint, event.label);
      return;
    }
  }

  delete(pod: Pod): void {
    this.#remove(podKey(pod));
  }

  /** The next pod to schedule, once there is one; undefined when the queue is closed. It is in flight until `done` or `returnUnschedulable`. */
  async pop(): Promise<QueuedPod | undefined> {
    for (;;) {
      const queued = this.tryPop();
      if (queued || this.#closed) return queued;
      this.#taker ??= Promise.withResolvers<void>();
      await this.#taker.promise;
    }
  }

  /** As `pop`, without waiting. */
  tryPop(): QueuedPod | undefined {
    if (this.#closed) return undefined;
    const queued = this.#active.pop() ?? this.#popBackoff();
    if (!queued) return undefined;
    this.#pods.delete(queued.info.key);
    queued.attempts++;
    queued.initialAttemptMs ??= this.#now();
    queued.unschedulablePlugins = new Set();
    queued.pendingPlugins = new Set();
    this.#inFlight.set(queued.info.pod.metadata.uid, this.#sequence);
    return queued;
  }

  /** The pod has been placed, or is gone. */
  done(uid: string): void {
    this.#inFlight.delete(uid);
    if (this.#inFlight.size === 0) this.#events = [];
  }

  /** Takes back a pod that could not be scheduled, with what happened in the meantime in mind. */
  returnUnschedulable(queued: QueuedPod): void {
    const uid = queued.info.pod.metadata.uid;
    const since = this.#inFlight.get(uid) ?? this.#sequence;
    const events = this.#events.filter((e) => e.sequence > since);
    this.done(uid);
    if (this.#pods.has(queued.info.key)) return;
    queued.timestampMs = this.#now();
    const rejected = queued.unschedulablePlugins.size + queued.pendingPlugins.size > 0;
    if (!rejected) {
      queued.errorCount++;
      this.#requeue(queued, 'after-backoff', 'ScheduleAttemptFailure');
      return;
    }
    queued.errorCount = 0;
    queued.unschedulableCount++;
    let best: Hint = 'skip';
    for (const { event, previous, current } of events) {
      const hint = this.#worthRequeuing(queued, event, previous, current);
      if (hint === 'skip') continue;
      best = hint;
      if (hint === 'at-once') break;
    }
    if (best === 'skip') this.#park(queued, 'ScheduleAttemptFailure');
    else this.#requeue(queued, best, 'ScheduleAttemptFailure');
  }

  /** Something has happened that pods may have waited for. */
  move(event: ClusterEvent, previous: KubeObject | undefined, current: KubeObject | undefined): void {
    this.#remember(event, previous, current);
    if (this.#unschedulable.size === 0) return;
    for (const queued of this.#candidates(event)) {
      const hint = this.#worthRequeuing(queued, event, previous, current);
      if (hint !== 'skip') this.#requeue(queued, hint, event.label);
    }
  }

  /** Asks the PreEnqueue plugins again about a pod that one of them holds back. */
  release(pod: Pod): void {
    const queued = this.#pods.get(podKey(pod));
    if (queued?.gatedBy) this.#activate(queued, 'ForceActivate');
  }

  /** Pods that wait, in no order. */
  *waiting(): Iterable<QueuedPod> {
    yield* this.#pods.values();
  }

  close(): void {
    this.#closed = true;
    this.#backoffTimer?.timer.cancel();
    this.#flushTimer?.cancel();
    this.#wake();
  }

  #now(): number {
    return this.#options.clock.monotonic();
  }

  #wake(): void {
    this.#taker?.resolve();
    this.#taker = undefined;
  }

  #remember(event: ClusterEvent, previous: KubeObject | undefined, current: KubeObject | undefined): void {
    if (this.#inFlight.size === 0) return;
    this.#events.push({ sequence: ++this.#sequence, event, previous, current });
    if (this.#events.length % 1024 !== 0) return;
    // The map is in the order of popping, so its first holds the oldest number.
    const oldest = this.#inFlight.values().next();
    if (!oldest.done) this.#events = this.#events.filter((e) => e.sequence > oldest.value);
  }

  /** Waiting pods that an event may concern, found by the plugins that asked for it. */
  #candidates(event: ClusterEvent): QueuedPod[] {
    if (event.resource === 'Wildcard') return [...this.#unschedulable.values()];
    const found = new Set<QueuedPod>();
    for (const [plugin, pods] of this.#waitingFor) {
      const registrations = this.#options.registrations.get(plugin);
      if (registrations?.some((r) => registrationCovers(r, event))) for (const queued of pods) found.add(queued);
    }
    return [...found];
  }

  #worthRequeuing(queued: QueuedPod, event: ClusterEvent, previous: KubeObject | undefined, current: KubeObject | undefined): Hint {
    if (event.resource === 'Wildcard') return queued.gatedBy ? 'skip' : 'after-backoff';
    let best: Hint = 'skip';
    const ask = (plugins: Iterable<string>, answer: Hint) => {
      for (const plugin of plugins) {
        for (const registration of this.#options.registrations.get(plugin) ?? []) {
          if (!registrationCovers(registration, event)) continue;
          if (registration.hint && !registration.hint(queued.info.pod, previous, current)) continue;
          best = answer;
          return;
        }
      }
    };
    if (queued.gatedBy) {
      ask([queued.gatedBy], 'at-once');
      return best;
    }
    ask(queued.pendingPlugins, 'at-once');
    if (best === 'skip') ask(queued.unschedulablePlugins, 'after-backoff');
    return best;
  }

  #requeue(queued: QueuedPod, hint: Hint, event: string): void {
    if (hint === 'after-backoff' && this.#backoffEndsMs(queued) > this.#now()) {
      this.#unpark(queued);
      const failing = queued.errorCount > 0;
      (failing ? this.#errorBackoff : this.#backoff).push(queued);
      this.#pods.set(queued.info.key, queued);
      this.#options.onIncoming?.('backoff', event);
      this.#armBackoff();
      if (!failing) this.#wake();
      return;
    }
    this.#activate(queued, event);
  }

  #activate(queued: QueuedPod, event: string): void {
    const gate = this.#options.gate?.(queued.info.pod);
    this.#unpark(queued);
    this.#backoff.delete(queued);
    this.#errorBackoff.delete(queued);
    if (gate) {
      queued.gatedBy = gate.plugin;
      queued.unschedulablePlugins.add(gate.plugin);
      this.#park(queued, event);
      return;
    }
    queued.gatedBy = undefined;
    this.#pods.set(queued.info.key, queued);
    this.#active.push(queued);
    this.#options.onIncoming?.('active', event);
    this.#wake();
  }

  #park(queued: QueuedPod, event: string): void {
    this.#pods.set(queued.info.key, queued);
    this.#unschedulable.set(queued.info.key, queued);
    for (const plugin of [...queued.unschedulablePlugins, ...queued.pendingPlugins]) {
      const pods = this.#waitingFor.get(plugin) ?? new Set();
      pods.add(queued);
      this.#waitingFor.set(plugin, pods);
    }
    this.#options.onIncoming?.(queued.gatedBy ? 'gated' : 'unschedulable', event);
    if (!queued.gatedBy) this.#armFlush();
  }

  #unpark(queued: QueuedPod): void {
    if (!this.#unschedulable.delete(queued.info.key)) return;
    for (const plugin of [...queued.unschedulablePlugins, ...queued.pendingPlugins]) {
      const pods = this.#waitingFor.get(plugin);
      pods?.delete(queued);
      if (pods?.size === 0) this.#waitingFor.delete(plugin);
    }
  }

  #remove(key: string): void {
    const queued = this.#pods.get(key);
    if (!queued) return;
    this.#pods.delete(key);
    this.#unpark(queued);
    this.#active.delete(queued);
    this.#backoff.delete(queued);
    this.#errorBackoff.delete(queued);
  }

  /** Early out of the back-off, while there is nothing else to do. */
  #popBackoff(): QueuedPod | undefined {
    for (let queued = this.#backoff.pop(); queued; queued = this.#backoff.pop()) {
      const gate = this.#options.gate?.(queued.info.pod);
      if (!gate) return queued;
      queued.gatedBy = gate.plugin;
      queued.unschedulablePlugins.add(gate.plugin);
      this.#park(queued, 'BackoffComplete');
    }
    return undefined;
  }

  #backoffEndsMs({ timestampMs, unschedulableCount, errorCount }: QueuedPod): number {
    const count = errorCount > 0 ? errorCount : unschedulableCount;
    if (count === 0) return timestampMs;
    const { initialBackoffMs, maxBackoffMs } = this.#options;
    return timestampMs + Math.min(maxBackoffMs, initialBackoffMs * 2 ** (count - 1));
  }

  #armBackoff(): void {
    const next = [this.#backoff.peek(), this.#errorBackoff.peek()].flatMap((q) => (q ? [this.#backoffEndsMs(q)] : []));
    if (next.length === 0 || this.#closed) return;
    const dueMs = Math.min(...next);
    if (this.#backoffTimer && this.#backoffTimer.dueMs <= dueMs) return;
    this.#backoffTimer?.timer.cancel();
    const timer = this.#options.clock.setTimer(dueMs - this.#now(), () => {
      this.#backoffTimer = undefined;
      for (const heap of [this.#backoff, this.#errorBackoff]) {
        for (let queued = heap.peek(); queued && this.#backoffEndsMs(queued) <= this.#now(); queued = heap.peek()) {
          heap.delete(queued);
          this.#activate(queued, 'BackoffComplete');
        }
      }
      this.#armBackoff();
    });
    this.#backoffTimer = { timer, dueMs };
  }

  #armFlush(): void {
    if (this.#flushTimer || this.#closed) return;
    let oldest: QueuedPod | undefined;
    for (const queued of this.#unschedulable.values()) {
      if (queued.gatedBy) continue;
      oldest = queued;
      break;
    }
    if (!oldest) return;
    const { clock, flushAfterMs } = this.#options;
    this.#flushTimer = clock.setTimer(oldest.timestampMs + flushAfterMs - this.#now(), () => {
      this.#flushTimer = undefined;
      const due = [...this.#unschedulable.values()].filter((q) => !q.gatedBy && q.timestampMs + flushAfterMs <= this.#now());
      for (const queued of due) this.#requeue(queued, 'after-backoff', flushed.label);
      this.#armFlush();
    });
  }
}
