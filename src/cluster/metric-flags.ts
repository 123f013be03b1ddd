/** kube-apiserver's flags of what its metrics tell (k8s.io/component-base's metrics options). */
import { readFile } from 'node:fs/promises';
import type { Registry } from 'prom-client';
import { parse } from 'yaml';
import { allowMetricLabels, disableMetrics } from '../observability/index.ts';
import { ClusterError } from './cluster-error.ts';
import type { ComponentArgs } from './config.ts';
import { invalidArgument } from './flag-types.ts';
import { list } from './flags.ts';
import { messageOf } from './pem-files.ts';

export const metricFlags = ['disabled-metrics', 'allow-metric-labels', 'allow-metric-labels-manifest'] as const;

type Mapping = Readonly<Record<string, string>>;

const metricName = '[a-zA-Z_:][a-zA-Z0-9_:]*';
const labelName = '[a-zA-Z_][a-zA-Z0-9_]*';
const keyPattern = new RegExp(`^${metricName},${labelName}$`);

const invalid = (field: string, value: unknown, why: string) =>
  new ClusterError(`metrics.${field}: Invalid value: ${JSON.stringify(value)}: ${why}`);

/** `metric,label=value,value` with quotes around what has commas, as pflag's StringToString reads its CSV. */
function parseFlag(text: string): Mapping {
  const pairs = text.match(/(?:"(?:[^"]|"")*"|[^,"])+/g) ?? [];
  const mapping: Record<string, string> = {};
  for (const pair of pairs) {
    const bare = pair.startsWith('"') && pair.endsWith('"') ? pair.slice(1, -1).replaceAll('""', '"') : pair;
    const at = bare.indexOf('=');
    if (at < 0) throw invalidArgument(text, 'allow-metric-labels', `${bare} must be formatted as key=value`);
    mapping[bare.slice(0, at)] = bare.slice(at + 1);
  }
  return mapping;
}

const keysProblem = (mapping: Mapping) =>
  Object.keys(mapping).every((key) => keyPattern.test(key))
    ? undefined
    : `must have keys with format \`metricName,labelName\` where metricName matches ${JSON.stringify(metricName)} and labelName matches ${JSON.stringify(labelName)}`;

async function readManifest(path: string): Promise<Mapping> {
  const field = 'allowListMappingManifest';
  let text: string;
  try {
    text = await readFile(path, 'utf8');
  } catch (error) {
    throw invalid(field, path, `failed to read allow list manifest: ${messageOf(error)}`);
  }
  let mapping: unknown;
  try {
    mapping = parse(text) ?? {};
  } catch (error) {
    throw invalid(field, path, `failed to parse allow list manifest: ${messageOf(error)}`);
  }
  if (typeof mapping !== 'object' || Array.isArray(mapping) || Object.values(mapping as object).some((value) => typeof value === 'object'))
    throw invalid(field, path, 'failed to parse allow list manifest: it is no map of strings');
  const strings = Object.fromEntries(Object.entries(mapping as object).map(([key, value]) => [key, String(value ?? '')]));
  const why = keysProblem(strings);
  if (why !== undefined) throw invalid(field, path, `invalid allow list mapping in manifest: ${why}`);
  return strings;
}

/** Throws ClusterError for what upstream does not take either. */
export async function applyMetricFlags(registry: Registry, args: ComponentArgs): Promise<void> {
  disableMetrics(registry, list(args['disabled-metrics']));
  const { 'allow-metric-labels': text, 'allow-metric-labels-manifest': path } = args;
  const given = text === undefined ? undefined : parseFlag(text);
  const why = given && keysProblem(given);
  if (why !== undefined) throw invalid('allowListMapping', given, why);
  const manifest = path ? await readManifest(path) : undefined;
  if (given && manifest)
    throw new ClusterError('metrics: Invalid value: cannot specify both allowListMapping and allowListMappingManifest');
  const lists = new Map<string, Map<string, ReadonlySet<string>>>();
  for (const [key, values] of Object.entries(given ?? manifest ?? {})) {
    const [metric = '', label = ''] = key.split(',');
    const labels = lists.get(metric) ?? new Map<string, ReadonlySet<string>>();
    lists.set(metric, labels.set(label, new Set(values.split(','))));
  }
  if (lists.size > 0) allowMetricLabels(registry, lists);
}
