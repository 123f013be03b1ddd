/** --tracing-config-file: a TracingConfiguration of apiserver.config.k8s.io (KEP-647). */

import { readFile } from 'node:fs/promises';
import { hostname } from 'node:os';
import type { Logger } from 'pino';
import { isJsonObject } from '../api/index.ts';
import { createTracer, loadOtlp, type Tracer } from '../observability/index.ts';
import type { Clock, Random } from '../time/index.ts';
import { ClusterError } from './cluster-error.ts';
import type { ComponentArgs } from './config.ts';
import { checkConfiguration, type KnownFields, parseYaml } from './configuration-document.ts';

export interface TracingConfiguration {
  endpoint?: string;
  samplingRatePerMillion?: number;
}

const fields: KnownFields = { '': ['kind', 'apiVersion', 'metadata', 'endpoint', 'samplingRatePerMillion'] };
const schemes = ['dns', 'unix', 'unix-abstract'];

/** Throws ClusterError in upstream's words. */
export function parseTracingConfiguration(text: string): TracingConfiguration {
  const undecodable = (why: string) => new ClusterError(`unable to decode tracing configuration data: ${why}`);
  const value = parseYaml(text, undecodable);
  if (!isJsonObject(value)) throw undecodable(`Object 'Kind' is missing in ${JSON.stringify(text)}`);
  checkConfiguration(value, 'TracingConfiguration', fields, undecodable);
  const { endpoint, samplingRatePerMillion: rate } = value;
  if (endpoint !== undefined && endpoint !== null && typeof endpoint !== 'string')
    throw undecodable('json: cannot unmarshal into Go struct field TracingConfiguration.endpoint of type string');
  if (rate !== undefined && rate !== null && !Number.isInteger(rate))
    throw undecodable('json: cannot unmarshal into Go struct field TracingConfiguration.samplingRatePerMillion of type int32');
  return checked({
    ...(typeof endpoint === 'string' ? { endpoint } : {}),
    ...(typeof rate === 'number' ? { samplingRatePerMillion: rate } : {}),
  });
}

function checked(configuration: TracingConfiguration): TracingConfiguration {
  const { endpoint, samplingRatePerMillion: rate = 0 } = configuration;
  const invalid = (field: string, value: unknown, why: string) =>
    new ClusterError(`failed to validate tracing configuration: tracing.${field}: Invalid value: ${JSON.stringify(value)}: ${why}`);
  if (rate < 0) throw invalid('samplingRatePerMillion', rate, 'sampling rate must be positive');
  if (rate > 1_000_000)
    throw invalid('samplingRatePerMillion', rate, 'sampling rate per million must be less than or equal to one million');
  const scheme = endpoint?.includes('//') ? endpoint.slice(0, endpoint.indexOf(':')) : 'dns';
  if (!schemes.includes(scheme))
    throw invalid('endpoint', endpoint, `unsupported scheme: ${scheme}.  Options are none, dns, unix, or unix-abstract`);
  return configuration;
}

/** `a=b,c=d` of OpenTelemetry's environment variables. */
const pairs = (text = '') =>
  Object.fromEntries(
    text
      .split(',')
      .map((pair) => pair.split('='))
      .filter(([name]) => name?.trim())
      .map(([name = '', ...value]) => [name.trim(), decodeURIComponent(value.join('=').trim())]),
  );

/** The tracer that the flag asks for; undefined without it. */
export async function openTracer(
  args: ComponentArgs,
  { clock, random, logger, service }: { clock: Clock; random: Random; logger: Logger; service: string },
): Promise<Tracer | undefined> {
  const file = args['tracing-config-file'];
  if (!file) return undefined;
  const text = await readFile(file, 'utf8').catch((error: unknown) => {
    const why = error instanceof Error ? error.message : String(error);
    throw new ClusterError(`failed to read tracing configuration from ${JSON.stringify(file)}: ${why}`);
  });
  const { endpoint, samplingRatePerMillion } = parseTracingConfiguration(text);
  const { otlpExporter } = await loadOtlp();
  const resource = { 'service.name': service, 'host.name': hostname(), ...pairs(process.env.OTEL_RESOURCE_ATTRIBUTES) };
  const exporter = otlpExporter({ endpoint, resource, headers: pairs(process.env.OTEL_EXPORTER_OTLP_HEADERS) });
  const onError = (error: unknown) => logger.warn({ err: error }, 'a collector does not take spans');
  return createTracer({ clock, random, exporter, samplingRatePerMillion, onError });
}
