import { Counter, Registry } from 'prom-client';
import { expect, it, test } from 'vitest';
import { disableMetrics, exposition } from './exposition.ts';
import { counters, gauges, histograms } from './family.ts';
import { goFloat } from './text-format.ts';

test.each([
  [0, '0'],
  [1.5, '1.5'],
  [0.0001, '0.0001'],
  [0.00001, '1e-05'],
  [999999, '999999'],
  [1e6, '1e+06'],
  [1234567, '1.234567e+06'],
  [-2.5e21, '-2.5e+21'],
  [Number.POSITIVE_INFINITY, '+Inf'],
  [Number.NaN, 'NaN'],
])('writes %d as Go does: %s', (value, text) => expect(goFloat(value)).toBe(text));

it('tells families and labels by name, leaves out what was never counted, and says how stable each is', async () => {
  const registry = new Registry();
  counters(registry, { name: 'workqueue_adds_total', help: 'Adds' }).with({ name: 'b', kind: 'x"y\\z\n' }).inc(2);
  counters(registry, { name: 'never', help: 'Never' });
  gauges(registry, { name: 'apiserver_storage_objects', help: 'Objects' }).with({ resource: 'pods' }).value = 1e6;
  const sizes = histograms(registry, { name: 'a_sizes', help: 'Sizes', buckets: [1, 1e6] }).with({ type: 't' });
  sizes.observe(1);
  sizes.observe(5, 2);
  new Counter({ name: 'process_things_total', help: 'Own\nlines', registers: [registry] }).inc(3);
  expect(await exposition(registry)).toBe(`# HELP a_sizes [ALPHA] Sizes
# TYPE a_sizes histogram
a_sizes_bucket{type="t",le="1"} 1
a_sizes_bucket{type="t",le="1e+06"} 3
a_sizes_bucket{type="t",le="+Inf"} 3
a_sizes_sum{type="t"} 11
a_sizes_count{type="t"} 3
# HELP apiserver_storage_objects [STABLE] (Deprecated since 1.34.0) Objects
# TYPE apiserver_storage_objects gauge
apiserver_storage_objects{resource="pods"} 1e+06
# HELP cardinality_enforcement_unexpected_categorizations_total [ALPHA] The count of unexpected categorizations during cardinality enforcement.
# TYPE cardinality_enforcement_unexpected_categorizations_total counter
cardinality_enforcement_unexpected_categorizations_total 0
# HELP disabled_metrics_total [BETA] The count of disabled metrics.
# TYPE disabled_metrics_total counter
disabled_metrics_total 0
# HELP hidden_metrics_total [BETA] The count of hidden metrics.
# TYPE hidden_metrics_total counter
hidden_metrics_total 0
# HELP process_things_total Own\\nlines
# TYPE process_things_total counter
process_things_total 3
# HELP registered_metrics_total [BETA] The count of registered metrics broken by stability level and deprecation version.
# TYPE registered_metrics_total counter
registered_metrics_total{deprecated_version="",stability_level="ALPHA"} 2
registered_metrics_total{deprecated_version="",stability_level="BETA"} 1
registered_metrics_total{deprecated_version="1.34.0",stability_level="STABLE"} 1
# HELP workqueue_adds_total [BETA] Adds
# TYPE workqueue_adds_total counter
workqueue_adds_total{kind="x\\"y\\\\z\\n",name="b"} 2
`);
  expect(await exposition(registry, new Set(['process_things_total']))).toBe(
    '# HELP process_things_total Own\\nlines\n# TYPE process_things_total counter\nprocess_things_total 3\n',
  );
  disableMetrics(registry, ['a_sizes']);
  const told = await exposition(registry);
  expect(told).not.toContain('a_sizes');
  expect(told).toContain('disabled_metrics_total 1\n');
});
