import { Registry } from 'prom-client';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { ConfigMap, extensionsV1beta1 } from '../../api/index.ts';
import { openTestServer, type TestServer } from '../testing/test-server.ts';
import { createExtensionMetrics } from './extension-metrics.ts';

const registry = new Registry();
let testServer: TestServer;
let text = '';
beforeAll(async () => {
  testServer = await openTestServer({
    metrics: registry,
    admission: [{ name: 'Nothing', handles: () => true, admit: () => {}, validate: () => {} }],
    flowControl: { priorityAndFairness: true, dumps: false, maxRequestsInFlight: 1, maxMutatingRequestsInFlight: 1 },
  });
  const { server, admin } = testServer;
  const extensions = createExtensionMetrics(registry);
  extensions.validatingPolicy({ policy: 'p', binding: 'b', action: 'deny', errorType: 'no_error', seconds: 1 });
  extensions.webhook({ name: 'w', type: 'admit', operation: 'CREATE', seconds: 1, rejected: false, code: 200 });
  await admin.create(ConfigMap, { apiVersion: 'v1', kind: 'ConfigMap', metadata: { name: 'a', namespace: 'default' } });
  await admin.list(extensionsV1beta1.Deployment, { namespace: 'default' });
  const over = new AbortController();
  for await (const event of admin.watch(ConfigMap, { signal: over.signal })) {
    expect(event.type).toBe('ADDED');
    break;
  }
  const transport = server.localTransport({ name: 'admin', groups: ['system:masters'] });
  const get = async (path: string) => String((await transport.request({ method: 'GET', path, query: new URLSearchParams() })).body);
  await get('/healthz');
  text = (await get('/metrics')) + (await get('/metrics/slis'));
});
afterAll(() => testServer.close());

const latency = '0.005 0.025 0.05 0.1 0.2 0.4 0.6 0.8 1 1.25 1.5 2 3 4 5 6 8 10 15 20 30 45 60';
const admission = '0.005 0.025 0.1 0.5 1 2.5';
const usual = '0.005 0.01 0.025 0.05 0.1 0.25 0.5 1 2.5 5 10';
const of = 'component group resource scope subresource verb version';
const flow = 'flow_schema priority_level';

/** What upstream promises of an API server (test/instrumentation/testdata/stable-metrics-list.yaml of 1.36). */
test.each<[name: string, level: 'STABLE' | 'BETA', type: string, labels: string, buckets?: string]>([
  ['apiserver_admission_controller_admission_duration_seconds', 'STABLE', 'histogram', 'name operation rejected type', admission],
  ['apiserver_admission_step_admission_duration_seconds', 'STABLE', 'histogram', 'operation rejected type', admission],
  ['apiserver_admission_webhook_admission_duration_seconds', 'STABLE', 'histogram', 'name operation rejected type', `${admission} 10 25`],
  ['apiserver_current_inflight_requests', 'STABLE', 'gauge', 'request_kind'],
  ['apiserver_longrunning_requests', 'STABLE', 'gauge', of],
  ['apiserver_request_duration_seconds', 'STABLE', 'histogram', of.replace(' ', ' dry_run '), latency],
  ['apiserver_request_total', 'STABLE', 'counter', `code ${of.replace(' ', ' dry_run ')}`],
  ['apiserver_requested_deprecated_apis', 'STABLE', 'gauge', 'group removed_release resource subresource version'],
  ['apiserver_response_sizes', 'STABLE', 'histogram', of, '1000 10000 100000 1e+06 1e+07 1e+08 1e+09'],
  ['apiserver_storage_objects', 'STABLE', 'gauge', 'resource'],
  ['apiserver_storage_size_bytes', 'STABLE', 'gauge', 'storage_cluster_id'],
  ['kubernetes_healthcheck', 'STABLE', 'gauge', 'name type'],
  ['kubernetes_healthchecks_total', 'STABLE', 'counter', 'name status type'],
  ['apiserver_cel_compilation_duration_seconds', 'BETA', 'histogram', '', usual],
  ['apiserver_cel_evaluation_duration_seconds', 'BETA', 'histogram', '', usual],
  ['apiserver_flowcontrol_current_executing_requests', 'BETA', 'gauge', flow],
  ['apiserver_flowcontrol_current_executing_seats', 'BETA', 'gauge', flow],
  ['apiserver_flowcontrol_current_inqueue_requests', 'BETA', 'gauge', flow],
  ['apiserver_flowcontrol_dispatched_requests_total', 'BETA', 'counter', flow],
  ['apiserver_flowcontrol_nominal_limit_seats', 'BETA', 'gauge', 'priority_level'],
  [
    ...(['apiserver_flowcontrol_request_wait_duration_seconds', 'BETA', 'histogram', `execute ${flow}`] as const),
    '0 0.005 0.02 0.05 0.1 0.2 0.5 1 2 5 10 15 30',
  ],
  [
    ...(['apiserver_validating_admission_policy_check_duration_seconds', 'BETA', 'histogram'] as const),
    ...(['enforcement_action error_type policy policy_binding', '5e-07 0.001 0.01 0.1 1'] as const),
  ],
  ['apiserver_validating_admission_policy_check_total', 'BETA', 'counter', 'enforcement_action error_type policy policy_binding'],
  ['apiserver_validation_declarative_validation_mismatch_total', 'BETA', 'counter', ''],
  ['apiserver_validation_declarative_validation_panic_total', 'BETA', 'counter', ''],
  ['disabled_metrics_total', 'BETA', 'counter', ''],
  ['hidden_metrics_total', 'BETA', 'counter', ''],
  ['registered_metrics_total', 'BETA', 'counter', 'deprecated_version stability_level'],
  [
    ...(['kubernetes_build_info', 'BETA', 'gauge'] as const),
    'build_date compiler git_commit git_tree_state git_version go_version major minor platform',
  ],
])('%s is as promised', (name, level, type, labels, buckets) => {
  expect(text).toContain(`# HELP ${name} [${level}] `);
  expect(text).toContain(`# TYPE ${name} ${type}\n`);
  const suffix = type === 'histogram' ? '_count' : '';
  const [, sample = ''] = new RegExp(`^${name}${suffix}(?:\\{(.*)\\})? \\S+$`, 'm').exec(text) ?? [undefined, 'no sample'];
  expect([...sample.matchAll(/(\w+)="/g)].map(([, label]) => label).join(' ')).toBe(labels);
  if (buckets === undefined) return;
  const bounds = [...text.matchAll(new RegExp(`^${name}_bucket\\{(.*)le="(.*?)"\\} `, 'gm'))];
  const first = bounds[0]?.[1];
  expect(
    bounds
      .filter(([, before]) => before === first)
      .map(([, , bound]) => bound)
      .join(' '),
  ).toBe(`${buckets} +Inf`);
});
