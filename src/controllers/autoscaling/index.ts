/** HorizontalPodAutoscalers: as many replicas as the metrics call for, within limits of number and pace. */
import {
  HorizontalPodAutoscaler,
  type HorizontalPodAutoscalerCondition,
  type HorizontalPodAutoscaler as HpaType,
  hasReason,
  type KubeObject,
  type MetricStatus,
  Pod,
  parseSelector,
  semanticEqual,
} from '../../api/index.ts';
import { keyOf } from '../../client/index.ts';
import { timestamp } from '../../time/index.ts';
import { type DiscoveredResource, defineController, discover, kindKey, messageOf } from '../framework/index.ts';
import { evaluateMetric, MetricError, type Situation } from './evaluate.ts';
import { limitReplicas, type Memory, newMemory, remember } from './limits.ts';
import { createMetricsClient } from './metrics.ts';

/** --horizontal-pod-autoscaler-sync-period. */
const syncPeriodMs = 15_000;
const conflictRetryMs = 1000;

interface Scale extends KubeObject {
  spec?: { replicas?: number };
  status?: { replicas: number; selector?: string };
}

/** What one pass makes of the status. */
interface Pass {
  conditions: HorizontalPodAutoscalerCondition[];
  current: number;
  desired: number;
  metrics: MetricStatus[];
  rescaled: boolean;
}

export const horizontalPodAutoscalerController = defineController(
  'horizontal-pod-autoscaler-controller',
  ({ client, clock, informers, recorder }, queue) => {
    const autoscalers = informers.for(HorizontalPodAutoscaler);
    const pods = informers.for(Pod);
    const events = recorder('horizontal-pod-autoscaler');
    const metrics = createMetricsClient(client);
    const memories = new Map<string, Memory>();
    const resources = new Map<string, DiscoveredResource>();
    /** By key of the autoscaler, the selector of its target's pods: two that mean the same pods would fight over them. */
    const selectors = new Map<string, string>();
    autoscalers.addHandler({
      add: (hpa) => queue.add(keyOf(hpa)),
      update: (hpa, previous) => {
        if (!semanticEqual(hpa.spec, previous.spec)) queue.add(keyOf(hpa));
      },
      delete: (hpa) => {
        memories.delete(keyOf(hpa));
        selectors.delete(keyOf(hpa));
      },
    });

    const resourceOf = async (apiVersion: string, kind: string, signal: AbortSignal): Promise<DiscoveredResource> => {
      const key = kindKey(apiVersion, kind);
      if (!resources.has(key))
        for (const r of (await discover(client, signal)).resources)
          resources.set(kindKey(r.group ? `${r.group}/${r.version}` : r.version, r.kind), r);
      const found = resources.get(key);
      if (!found)
        throw new Error(
          `unable to determine resource for scale target reference: no matches for kind ${JSON.stringify(kind)} in group ${JSON.stringify(key.split('/')[0])}`,
        );
      return found;
    };

    const setCondition = (pass: Pass, type: string, status: 'True' | 'False', reason: string, message: string): void => {
      const at = pass.conditions.findIndex((c) => c.type === type);
      const present = pass.conditions[at];
      const lastTransitionTime = present?.status === status && present.lastTransitionTime ? present.lastTransitionTime : timestamp(clock);
      const next = { type, status, reason, message, lastTransitionTime };
      if (present) pass.conditions[at] = next;
      else pass.conditions.push(next);
    };

    const writeStatus = async (hpa: HpaType, pass: Pass, signal: AbortSignal): Promise<void> => {
      const { lastScaleTime: before } = hpa.status ?? {};
      const lastScaleTime = pass.rescaled ? timestamp(clock) : before;
      const status = {
        ...(lastScaleTime ? { lastScaleTime } : {}),
        ...(pass.current ? { currentReplicas: pass.current } : {}),
        desiredReplicas: pass.desired,
        ...(pass.metrics.length > 0 ? { currentMetrics: pass.metrics } : {}),
        conditions: pass.conditions,
      };
      if (!semanticEqual(status, hpa.status)) await client.updateStatus(HorizontalPodAutoscaler, { ...hpa, status }, { signal });
    };

    /** The size that the metrics call for, and the metric that calls loudest; undefined where they do not say. */
    const computeReplicas = async (
      hpa: HpaType,
      scale: Scale,
      pass: Pass,
      signal: AbortSignal,
    ): Promise<{ replicas: number; metric: string } | Error> => {
      const inactive = (reason: string, message: string, said: string, event = reason): Error => {
        events.event(hpa, 'Warning', event, said);
        setCondition(pass, 'ScalingActive', 'False', reason, message);
        return new Error(said);
      };
      const text = scale.status?.selector ?? '';
      if (text === '')
        return inactive('InvalidSelector', "the HPA target's scale is missing a selector", 'selector is required', 'SelectorRequired');
      const namespace = hpa.metadata.namespace ?? '';
      let selected: readonly Pod[];
      try {
        const selector = parseSelector(text);
        selected = pods.lister.list(namespace).filter((pod) => selector.matches(pod.metadata.labels));
      } catch (error) {
        const said = `couldn't convert selector into a corresponding internal selector object: ${messageOf(error)}`;
        return inactive('InvalidSelector', said, said);
      }
      selectors.set(keyOf(hpa), text);
      const rivals = [...selectors].filter(
        ([key, other]) => other === text && key.split('/')[0] === namespace && autoscalers.lister.getByKey(key),
      );
      if (rivals.length > 1) {
        const names = rivals.map(([key]) => key).sort();
        const said = `pods by selector ${text} are controlled by multiple HPAs: [${names.join(' ')}]`;
        return inactive('AmbiguousSelector', said, said);
      }
      const situation: Situation = {
        autoscaler: hpa,
        specReplicas: scale.spec?.replicas ?? 0,
        statusReplicas: scale.status?.replicas ?? 0,
        pods: selected,
        selector: text,
        nowMs: clock.now(),
      };
      const specs = hpa.spec.metrics ?? [];
      const pluralOf = async (apiVersion: string, kind: string) => (await resourceOf(apiVersion, kind, signal)).plural;
      const failures: MetricError[] = [];
      let best: { replicas: number; metric: string } | undefined;
      for (const spec of specs) {
        try {
          const { replicas, name, status } = await evaluateMetric(metrics, situation, spec, pluralOf, signal);
          pass.metrics.push(status);
          if (!best || replicas > best.replicas) best = { replicas, metric: name };
        } catch (error) {
          if (!(error instanceof MetricError)) throw error;
          events.event(hpa, 'Warning', error.reason, error.detail);
          failures.push(error);
        }
      }
      const [first] = failures;
      // A metric that is missing might call for more than those that are there.
      if (first && (!best || best.replicas < situation.specReplicas)) {
        setCondition(pass, 'ScalingActive', 'False', first.reason, `the HPA was unable to compute the replica count: ${first.detail}`);
        return new Error(`invalid metrics (${failures.length} invalid out of ${specs.length}), first error is: ${first.message}`);
      }
      const { replicas, metric } = best ?? { replicas: 0, metric: '' };
      const message = `the HPA was able to successfully calculate a replica count from ${metric}`;
      setCondition(pass, 'ScalingActive', 'True', 'ValidMetricFound', message);
      return { replicas, metric };
    };

    const reconcile = async (key: string, signal: AbortSignal) => {
      const hpa = autoscalers.lister.getByKey(key);
      if (!hpa || hpa.metadata.deletionTimestamp) return {};
      const again = { requeueAfterMs: syncPeriodMs };
      const { scaleTargetRef: target, minReplicas = 1, maxReplicas } = hpa.spec;
      const { namespace } = hpa.metadata;
      const pass: Pass = {
        conditions: [...(hpa.status?.conditions ?? [])],
        current: hpa.status?.currentReplicas ?? 0,
        desired: hpa.status?.desiredReplicas ?? 0,
        metrics: [],
        rescaled: false,
      };
      let resource: DiscoveredResource;
      let scale: Scale;
      try {
        resource = await resourceOf(target.apiVersion ?? 'v1', target.kind, signal);
        scale = await client.get<Scale>(resource, target.name, { namespace, subresource: 'scale', signal });
      } catch (error) {
        if (signal.aborted) throw error;
        events.event(hpa, 'Warning', 'FailedGetScale', messageOf(error));
        const message = `the HPA controller was unable to get the target's current scale: ${messageOf(error)}`;
        setCondition(pass, 'AbleToScale', 'False', 'FailedGetScale', message);
        await writeStatus(hpa, pass, signal);
        return again;
      }
      setCondition(pass, 'AbleToScale', 'True', 'SucceededGetScale', "the HPA controller was able to get the target's current scale");
      const now = clock.now();
      const current = scale.spec?.replicas ?? 0;
      pass.current = current;
      let memory = memories.get(key);
      if (!memory) {
        memory = newMemory();
        memory.recommendations.push({ replicas: current, atMs: now });
        memories.set(key, memory);
      }
      let desired = current;
      let reason = '';
      if (current === 0 && minReplicas !== 0) {
        const message = 'scaling is disabled since the replica count of the target is zero';
        setCondition(pass, 'ScalingActive', 'False', 'ScalingDisabled', message);
      } else if (current > maxReplicas) {
        [desired, reason] = [maxReplicas, 'Current number of replicas above Spec.MaxReplicas'];
      } else if (current < minReplicas) {
        [desired, reason] = [minReplicas, 'Current number of replicas below Spec.MinReplicas'];
      } else {
        const computed = await computeReplicas(hpa, scale, pass, signal);
        if (computed instanceof Error) {
          events.event(hpa, 'Warning', 'FailedComputeMetricsReplicas', computed.message);
          await writeStatus(hpa, { ...pass, desired: hpa.status?.desiredReplicas ?? 0 }, signal);
          return again;
        }
        if (computed.replicas > current) reason = `${computed.metric} above target`;
        if (computed.replicas < current) reason = 'All metrics below target';
        const { replicas, able, limit } = limitReplicas(hpa, memory, current, computed.replicas, now);
        setCondition(pass, 'AbleToScale', 'True', able.reason, able.message);
        setCondition(pass, 'ScalingLimited', limit.limited ? 'True' : 'False', limit.reason, limit.message);
        desired = replicas;
      }
      if (desired !== current) {
        try {
          const next = { ...scale, spec: { ...scale.spec, replicas: desired } };
          await client.update<Scale>(resource, next, { subresource: 'scale', signal });
        } catch (error) {
          if (signal.aborted) throw error;
          // Somebody has written it since it was read.
          if (hasReason(error, 'Conflict')) return { requeueAfterMs: conflictRetryMs };
          events.event(hpa, 'Warning', 'FailedRescale', `New size: ${desired}; reason: ${reason}; error: ${messageOf(error)}`);
          const message = `the HPA controller was unable to update the target scale: ${messageOf(error)}`;
          setCondition(pass, 'AbleToScale', 'False', 'FailedUpdateScale', message);
          await writeStatus(hpa, pass, signal);
          return again;
        }
        const message = `the HPA controller was able to update the target scale to ${desired}`;
        setCondition(pass, 'AbleToScale', 'True', 'SucceededRescale', message);
        events.event(hpa, 'Normal', 'SuccessfulRescale', `New size: ${desired}; reason: ${reason}`);
        remember(memory, hpa.spec.behavior, current, desired, now);
        pass.rescaled = true;
      }
      await writeStatus(hpa, { ...pass, desired }, signal);
      return again;
    };

    return { informers: [autoscalers, pods], reconcile };
  },
  { queueName: 'horizontalpodautoscaler' },
);
