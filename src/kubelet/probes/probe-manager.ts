/** Runs the probes of running containers, each on its own timetable, and tells when a verdict changes. */
import type { Pod, Probe } from '../../api/index.ts';
import type { KubeletContext } from '../context.ts';
import type { ProbeAttempt } from '../metrics/kubelet-metrics.ts';
import type { AnyContainer } from '../pod/containers.ts';
import { uidOf } from '../pod/identity.ts';
import type { ObservedContainer } from '../pod/observed-pod.ts';
import type { ProbeFindings } from '../workers/actions.ts';
import { type ProbeOutcome, runProbe } from './run-probe.ts';

type Kind = 'startup' | 'liveness' | 'readiness';

export interface ProbeManager extends ProbeFindings {
  ready(containerId: string): boolean;
  /** Begins probing a running container; does nothing where it is probed already. `wasReady`: what the API last said of this container. */
  watch(pod: Pod, container: AnyContainer, observed: ObservedContainer, podIP: string, wasReady: boolean): void;
  /** The pod is ending: readiness is still looked at, as long as containers serve; nothing is restarted any more. */
  stopRestarts(uid: string): void;
  forgetContainer(containerId: string): void;
  forgetPod(uid: string): void;
}

interface Probed {
  uid: string;
  pod: Pod;
  container: string;
  stop: AbortController;
  stopRestarts: AbortController;
  started: boolean;
  ready: boolean;
  failed: 'LivenessProbe' | 'StartupProbe' | undefined;
}

const labels: Record<Kind, ProbeAttempt['kind']> = { startup: 'Startup', liveness: 'Liveness', readiness: 'Readiness' };

/** Before the first success a container is looked at more often than its period says, so that it need not wait a period for being a moment late. */
const eagerFirstMs = 100;

export function probeManager(
  context: Pick<KubeletContext, 'runtime' | 'clock' | 'events' | 'hollow' | 'logger' | 'metrics'>,
  onChange: (uid: string) => void,
  run: typeof runProbe = runProbe,
): ProbeManager {
  const { runtime, clock, events, hollow, logger, metrics } = context;
  const probed = new Map<string, Probed>();

  function begin(pod: Pod, container: AnyContainer, observed: ObservedContainer, podIP: string, state: Probed): void {
    const notify = () => onChange(state.uid);
    const loop = (kind: Kind, probe: Probe, signal: AbortSignal, verdict: (success: boolean) => boolean) => {
      probeLoop({ kind, probe, signal, verdict }).catch((error) => {
        if (!signal.aborted) logger.error({ err: error, container: container.name, kind }, 'probe ended');
      });
    };

    async function probeLoop({
      kind,
      probe,
      signal,
      verdict,
    }: {
      kind: Kind;
      probe: Probe;
      signal: AbortSignal;
      verdict: (success: boolean) => boolean;
    }) {
      const periodMs = (probe.periodSeconds ?? 10) * 1000;
      const delayMs = observed.startedAtMs + (probe.initialDelaySeconds ?? 0) * 1000 - clock.now();
      if (delayMs > 0) await clock.sleep(delayMs, signal);
      const target = { runtime, container, containerId: observed.id, podIP, hollow };
      const wanted = { success: probe.successThreshold ?? 1, failure: probe.failureThreshold ?? 3 };
      let streak = 0;
      let last: ProbeOutcome['result'] | undefined;
      let eagerMs = kind === 'liveness' ? periodMs : eagerFirstMs;
      let dueMs = clock.now();
      for (;;) {
        const startedMs = clock.monotonic();
        const outcome = await attempt(kind, probe, target, signal);
        signal.throwIfAborted();
        const counts = clock.now() >= dueMs;
        if (outcome.result !== 'unknown' && (counts || outcome.result === 'success')) {
          streak = outcome.result === last ? streak + 1 : 1;
          last = outcome.result;
          if (outcome.result === 'success') eagerMs = periodMs;
        }
        if (counts) {
          report(kind, outcome, (clock.monotonic() - startedMs) / 1000);
          while (dueMs <= clock.now()) dueMs += periodMs;
        }
        if (outcome.result === 'success' && streak >= wanted.success && verdict(true)) return;
        if (outcome.result === 'failure' && counts && streak >= wanted.failure && verdict(false)) return;
        const untilDue = dueMs - clock.now();
        const waitMs = Math.min(eagerMs, untilDue);
        if (eagerMs < periodMs) eagerMs = Math.min(periodMs, eagerMs * 2);
        await clock.sleep(waitMs, signal);
      }
    }

    async function attempt(kind: Kind, probe: Probe, target: Parameters<typeof runProbe>[1], signal: AbortSignal): Promise<ProbeOutcome> {
      try {
        return await run(probe, target, signal);
      } catch (error) {
        signal.throwIfAborted();
        logger.warn({ err: error, container: container.name, kind }, 'Probe errored');
        return { result: 'unknown', output: error instanceof Error ? error.message : String(error) };
      }
    }

    function report(kind: Kind, { result, output, isWarning }: ProbeOutcome, seconds: number): void {
      const verdict = isWarning ? 'warning' : result === 'success' ? 'successful' : result === 'failure' ? 'failed' : 'unknown';
      metrics.probed({ pod, container: container.name, kind: labels[kind], result: verdict, seconds });
      if (isWarning) events.pod(pod, 'Warning', 'ProbeWarning', `${labels[kind]} probe warning: ${output}`, container.name);
      if (result === 'success') return;
      const text = result === 'failure' ? 'failed' : 'errored and resulted in unknown state';
      const type = `${labels[kind]} probe ${text}: ${output.slice(0, 10_240)}`;
      events.pod(pod, 'Warning', 'Unhealthy', type, container.name);
    }

    const restarts = AbortSignal.any([state.stop.signal, state.stopRestarts.signal]);
    const afterStart = () => {
      state.started = true;
      const { livenessProbe, readinessProbe } = container;
      if (readinessProbe) {
        loop('readiness', readinessProbe, state.stop.signal, (ok) => {
          if (state.ready !== ok) {
            state.ready = ok;
            notify();
          }
          return false;
        });
      } else state.ready = true;
      if (livenessProbe) {
        loop('liveness', livenessProbe, restarts, (ok) => {
          if (!ok) {
            state.failed = 'LivenessProbe';
            notify();
          }
          return !ok;
        });
      }
    };
    if (!container.startupProbe) {
      afterStart();
      return;
    }
    loop('startup', container.startupProbe, restarts, (ok) => {
      if (ok) afterStart();
      else state.failed = 'StartupProbe';
      notify();
      return true;
    });
  }

  const end = (id: string, state: Probed) => {
    state.stop.abort();
    probed.delete(id);
    metrics.forgetProbes(state.pod, state.container);
  };

  return {
    // A container that nobody watches yet has had no chance to say that it started.
    started: (id) => probed.get(id)?.started ?? false,
    ready: (id) => probed.get(id)?.ready ?? false,
    failed: (id) => probed.get(id)?.failed,
    watch(pod, container, observed, podIP, wasReady) {
      if (probed.has(observed.id)) return;
      const state: Probed = {
        uid: uidOf(pod),
        pod,
        container: container.name,
        stop: new AbortController(),
        stopRestarts: new AbortController(),
        started: false,
        ready: wasReady,
        failed: undefined,
      };
      probed.set(observed.id, state);
      begin(pod, container, observed, podIP, state);
    },
    stopRestarts(uid) {
      for (const state of probed.values()) if (state.uid === uid) state.stopRestarts.abort();
    },
    forgetContainer(id) {
      const state = probed.get(id);
      if (state) end(id, state);
    },
    forgetPod(uid) {
      for (const [id, state] of probed) if (state.uid === uid) end(id, state);
    },
  };
}
