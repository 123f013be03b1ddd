/** What each authorizer has decided, and what asking webhooks took, with upstream's metric names. */
import type { Registry } from 'prom-client';
import { counters, histograms } from '../../observability/index.ts';
import { type Clock, systemClock } from '../../time/index.ts';
import type { Authorizer, Decision } from '../request.ts';

export interface WebhookAuthorizerMetrics {
  /** One round trip. */
  evaluated(result: string, seconds: number): void;
  /** It could not be asked, and others decided. */
  failedOpen(result: string): void;
  conditionsEvaluated(seconds: number): void;
  conditionFailed(): void;
  /** Its conditions kept it from being asked. */
  excluded(): void;
}

export interface AuthorizerMetrics {
  /** Does something to the node authorizer's graph, and notes what it took. */
  graphAction(operation: string, act: () => void): void;
  /** The authorizer, its decisions counted. */
  counted(authorizer: Authorizer, type: string, name: string): Authorizer;
  webhook(name: string): WebhookAuthorizerMetrics;
}

export function createAuthorizerMetrics(registry: Registry, clock: Clock = systemClock): AuthorizerMetrics {
  const prefix = 'apiserver_authorization_';
  const decisions = counters(registry, {
    name: `${prefix}decisions_total`,
    help: 'Total number of terminal decisions made by an authorizer split by authorizer type, name, and decision.',
  });
  const graphActions = histograms(registry, {
    name: 'node_authorizer_graph_actions_duration_seconds',
    help: 'Histogram of duration of graph actions in node authorizer.',
    buckets: Array.from({ length: 12 }, (_, i) => 0.0001 * 2 ** i),
  });
  const evaluations = counters(registry, { name: `${prefix}webhook_evaluations_total`, help: 'Round-trips to authorization webhooks.' });
  const durations = histograms(registry, {
    name: `${prefix}webhook_duration_seconds`,
    help: 'Request latency in seconds.',
    buckets: [0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10],
  });
  const openFailures = counters(registry, {
    name: `${prefix}webhook_evaluations_fail_open_total`,
    help: 'NoOpinion results due to webhook timeout or error.',
  });
  const conditionTimes = histograms(registry, {
    name: `${prefix}match_condition_evaluation_seconds`,
    help: 'Authorization match condition evaluation time in seconds, split by authorizer type and name.',
    buckets: [0.001, 0.005, 0.01, 0.025, 0.1, 0.2, 0.25],
  });
  const conditionErrors = counters(registry, {
    name: `${prefix}match_condition_evaluation_errors_total`,
    help: 'Total number of errors when an authorization webhook encounters a match condition error split by authorizer type and name.',
  });
  const exclusions = counters(registry, {
    name: `${prefix}match_condition_exclusions_total`,
    help: 'Total number of exclusions when an authorization webhook is skipped because match conditions exclude it.',
  });
  return {
    graphAction(operation, act) {
      const startedMs = clock.monotonic();
      act();
      graphActions.with({ operation }).observe((clock.monotonic() - startedMs) / 1000);
    },
    counted(authorizer, type, name) {
      const allowed = decisions.with({ type, name, decision: 'allowed' });
      const denied = decisions.with({ type, name, decision: 'denied' });
      const note = (decision: Decision) => {
        if (decision.decision !== 'noOpinion') (decision.decision === 'allow' ? allowed : denied).inc();
        return decision;
      };
      return {
        ...authorizer,
        authorize(attributes) {
          const answer = authorizer.authorize(attributes);
          return answer instanceof Promise ? answer.then(note) : note(answer);
        },
      };
    },
    webhook(name) {
      const labels = { type: 'Webhook', name };
      return {
        evaluated(result, seconds) {
          evaluations.with({ name, result }).inc();
          durations.with({ name, result }).observe(seconds);
        },
        failedOpen: (result) => openFailures.with({ name, result }).inc(),
        conditionsEvaluated: (seconds) => conditionTimes.with(labels).observe(seconds),
        conditionFailed: () => conditionErrors.with(labels).inc(),
        excluded: () => exclusions.with(labels).inc(),
      };
    },
  };
}
