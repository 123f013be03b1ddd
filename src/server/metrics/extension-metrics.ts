/** What admission webhooks and policies do and how long they take, with upstream's names, labels and buckets. */
import type { Registry } from 'prom-client';
import { counters, histograms } from '../../observability/index.ts';

/** What a webhook has made of a request. */
export interface WebhookOutcome {
  name: string;
  type: 'admit' | 'validating';
  operation: string;
  seconds: number;
  rejected: boolean;
  /** 200 where it allowed; 0 where it did not answer. */
  code: number;
  /** Why the request was rejected or, with failurePolicy Ignore, let through. */
  failure?: 'calling_webhook_error' | 'apiserver_internal_error' | 'no_error';
  failedOpen?: boolean;
}

export interface PolicyOutcome {
  policy: string;
  binding: string;
  /** `allow`, or what its binding asks for: `deny`, `audit`, `warn`. Undefined for a policy that mutates. */
  action?: string;
  errorType: 'no_error' | 'compile_error' | 'invalid_error' | 'out_of_budget';
  seconds: number;
}

/** What came of match conditions that do not all hold. */
export interface ConditionsOutcome {
  /** Of the webhook or policy. */
  name: string;
  kind: 'webhook' | 'policy';
  type: 'admit' | 'validating' | 'validate';
  operation: string;
  seconds: number;
  /** How many could not be evaluated. */
  failures: number;
  /** A webhook is not called because of them. */
  excluded: boolean;
}

export interface ExtensionMetrics {
  expressionCompiled(seconds: number): void;
  expressionEvaluated(seconds: number): void;
  webhook(outcome: WebhookOutcome): void;
  validatingPolicy(outcome: PolicyOutcome): void;
  mutatingPolicy(outcome: PolicyOutcome): void;
  matchConditions(outcome: ConditionsOutcome): void;
}

/** Codes above tell no more than that they are. */
const highestCode = 600;
const expressionBuckets = [0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10];
const policyBuckets = [0.0000005, 0.001, 0.01, 0.1, 1.0];

export function createExtensionMetrics(registry: Registry): ExtensionMetrics {
  const durations = histograms(registry, {
    name: 'apiserver_admission_webhook_admission_duration_seconds',
    help: 'Admission webhook latency histogram in seconds, identified by name and broken out for each operation and API resource and type (validate or admit).',
    buckets: [0.005, 0.025, 0.1, 0.5, 1, 2.5, 10, 25],
  });
  const requests = counters(registry, {
    name: 'apiserver_admission_webhook_request_total',
    help: 'Admission webhook request total, identified by name and broken out for each admission type (validating or mutating) and operation. Additional labels specify whether the request was rejected or not and an HTTP status code. Codes greater than 600 are truncated to 600, to keep the metrics cardinality bounded.',
  });
  const rejections = counters(registry, {
    name: 'apiserver_admission_webhook_rejection_count',
    help: 'Admission webhook rejection count, identified by name and broken out for each admission type (validating or admit) and operation. Additional labels specify an error type (calling_webhook_error or apiserver_internal_error if an error occurred; no_error otherwise) and optionally a non-zero rejection code if the webhook rejects the request with an HTTP status code (honored by the apiserver when the code is greater or equal to 400). Codes greater than 600 are truncated to 600, to keep the metrics cardinality bounded.',
  });
  const failOpen = counters(registry, {
    name: 'apiserver_admission_webhook_fail_open_count',
    help: 'Admission webhook fail open count, identified by name and broken out for each admission type (validating or admit).',
  });
  const conditionErrors = counters(registry, {
    name: 'apiserver_admission_match_condition_evaluation_errors_total',
    help: 'Admission match condition evaluation errors count, identified by name of resource containing the match condition and broken out for each kind containing matchConditions (webhook or policy), operation and admission type (validate or admit).',
  });
  const conditionExclusions = counters(registry, {
    name: 'apiserver_admission_match_condition_exclusions_total',
    help: 'Admission match condition evaluation exclusions count, identified by name of resource containing the match condition and broken out for each kind containing matchConditions (webhook or policy), operation and admission type (validate or admit).',
  });
  const conditionDurations = histograms(registry, {
    name: 'apiserver_admission_match_condition_evaluation_seconds',
    help: 'Admission match condition evaluation time in seconds, identified by name and broken out for each kind containing matchConditions (webhook or policy), operation and type (validate or admit).',
    buckets: [0.001, 0.005, 0.01, 0.025, 0.1, 0.2, 0.25],
  });
  const expressions = (what: string, help: string) =>
    histograms(registry, { name: `apiserver_cel_${what}_duration_seconds`, help, buckets: expressionBuckets }).with({});
  const compilations = expressions('compilation', 'CEL compilation time in seconds.');
  const evaluations = expressions('evaluation', 'CEL evaluation time in seconds.');
  const policyKind = (kind: 'validating' | 'mutating') => ({
    checks: counters(registry, {
      name: `apiserver_${kind}_admission_policy_check_total`,
      help:
        kind === 'validating'
          ? 'Validation admission policy check total, labeled by policy and further identified by binding and enforcement action taken.'
          : 'Mutation admission policy check total, labeled by policy and further identified by binding.',
    }),
    durations: histograms(registry, {
      name: `apiserver_${kind}_admission_policy_check_duration_seconds`,
      help:
        kind === 'validating'
          ? 'Validation admission latency for individual validation expressions in seconds, labeled by policy and further including binding and enforcement action taken.'
          : 'Mutation admission latency for individual mutation expressions in seconds, labeled by policy and binding.',
      buckets: policyBuckets,
    }),
  });
  const policies = { validating: policyKind('validating'), mutating: policyKind('mutating') };
  const policy = (kind: 'validating' | 'mutating', { policy, binding, action, errorType, seconds }: PolicyOutcome) => {
    const labels = {
      policy,
      policy_binding: binding,
      ...(action === undefined ? {} : { enforcement_action: action }),
      error_type: errorType,
    };
    policies[kind].checks.with(labels).inc();
    policies[kind].durations.with(labels).observe(seconds);
  };
  return {
    expressionCompiled: (seconds) => compilations.observe(seconds),
    expressionEvaluated: (seconds) => evaluations.observe(seconds),
    webhook({ name, type, operation, seconds, rejected, code, failure, failedOpen }) {
      const labels = { name, type, operation, rejected: String(rejected) };
      durations.with(labels).observe(seconds);
      const shown = String(Math.min(code, highestCode));
      requests.with({ name, type, operation, code: shown, rejected: String(rejected) }).inc();
      if (rejected) rejections.with({ name, type, operation, error_type: failure ?? 'no_error', rejection_code: shown }).inc();
      if (failedOpen) failOpen.with({ name, type }).inc();
    },
    validatingPolicy: (outcome) => policy('validating', outcome),
    mutatingPolicy: (outcome) => policy('mutating', outcome),
    matchConditions({ name, kind, type, operation, seconds, failures, excluded }) {
      const labels = { name, kind, type, operation };
      conditionDurations.with(labels).observe(seconds);
      if (failures > 0) conditionErrors.with(labels).inc(failures);
      if (excluded) conditionExclusions.with(labels).inc();
    },
  };
}

/** Counts servers that are called by the API server and whose certificates rely on their common name. */
export function missingSanCounter(registry: Registry, what: 'webhooks' | 'kube_aggregator'): () => void {
  const cell = counters(registry, {
    name: `apiserver_${what}_x509_missing_san_total`,
    help: 'Counts the number of requests to servers missing SAN extension in their serving certificate OR the number of connection failures due to the lack of x509 certificate SAN extension missing (either/or, based on the runtime environment)',
  }).with({});
  return () => cell.inc();
}
