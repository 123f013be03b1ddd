/**
 * What every component shows of itself, in upstream's words (k8s.io/component-base): metrics, health, logs, traces. It knows no
 * component and no transport; whoever listens asks it for text.
 */
export {
  createHealth,
  type Health,
  type HealthAnswer,
  type HealthCheck,
  type HealthEndpoint,
  type HealthRequest,
  healthMetricNames,
} from './health.ts';
export type { LogFormat } from './logs/klog.ts';
export { allowMetricLabels, disableMetrics, exposition, expositionType } from './metrics/exposition.ts';
export { Cell, counters, type Family, gauges, HistogramCell, histograms } from './metrics/family.ts';
export { type Feature, registerFeatures } from './metrics/feature-metrics.ts';
export { type BuildInfo, registerBuildInfo, registerProcessMetrics } from './metrics/process-metrics.ts';
export const klogFormatter = async () => (await import('./logs/klog.ts')).klogLine;
export { type Attributes, currentSpan, parseTraceParent, type Span, spanKind, traced, within } from './traces/span.ts';
export { createTracer, type SpanExporter, type Tracer } from './traces/tracer.ts';
/** gRPC is loaded by those who trace only. */
export const loadOtlp = () => import('./traces/otlp-exporter.ts');
export { versionInfo } from './version.ts';
