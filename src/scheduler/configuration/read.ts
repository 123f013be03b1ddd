/** The file of --config: KubeSchedulerConfiguration of kubescheduler.config.k8s.io/v1, read strictly and validated, in upstream's words. */
import { parseAllDocuments } from 'yaml';
import { aggregateMessage, DecodeError, decodeValue, type schedulerconfigV1, structNode, yamlOptions } from '../../api/index.ts';
import { defaultSchedulerName } from '../framework/config.ts';
import { inTreePlugins } from '../plugins/index.ts';
import { validateConfiguration } from './validate.ts';

export type KubeSchedulerConfiguration = schedulerconfigV1.KubeSchedulerConfiguration;

const group = 'kubescheduler.config.k8s.io';
const version = `${group}/v1`;
const kind = 'KubeSchedulerConfiguration';

/** Plugins whose arguments have a type; those of others are theirs alone. */
const typedArgs: ReadonlySet<string> = new Set([
  'DefaultPreemption',
  'DynamicResources',
  'InterPodAffinity',
  'NodeAffinity',
  'NodeResourcesBalancedAllocation',
  'NodeResourcesFit',
  'PodTopologySpread',
  'VolumeBinding',
]);

function strictly(type: string, value: unknown): unknown {
  const unknown: string[] = [];
  const decoded = decodeValue(structNode(`schedulerconfig.v1.${type}`), value, unknown);
  if (unknown.length > 0)
    throw new Error(`strict decoding error: ${unknown.map((path) => `unknown field ${JSON.stringify(path)}`).join(', ')}`);
  return decoded;
}

/** @throws Error that says what is wrong. */
export function readConfiguration(text: string): KubeSchedulerConfiguration {
  const [document, ...more] = parseAllDocuments(text, yamlOptions);
  if (!document || !('errors' in document)) throw new Error("Object 'Kind' is missing in ''");
  const [broken] = document.errors;
  if (broken) throw new Error(`couldn't get version/kind; json parse error: ${broken.message}`);
  if (more.length > 0) throw new Error("couldn't get version/kind; json parse error: more than one document");
  const value: unknown = document.toJS();
  const given = (typeof value === 'object' && value !== null ? value : {}) as { apiVersion?: unknown; kind?: unknown };
  if (!given.kind) throw new Error(`Object 'Kind' is missing in ${JSON.stringify(text)}`);
  if (!given.apiVersion) throw new Error(`Object 'apiVersion' is missing in ${JSON.stringify(text)}`);
  if (given.kind !== kind || given.apiVersion !== version)
    throw new Error(
      `no kind ${JSON.stringify(given.kind)} is registered for version ${JSON.stringify(given.apiVersion)} in scheme "pkg/scheduler/apis/config/scheme/scheme.go"`,
    );
  let configuration: KubeSchedulerConfiguration;
  try {
    // The node is that of the type.
    configuration = strictly(kind, value) as KubeSchedulerConfiguration;
    for (const profile of configuration.profiles ?? [])
      for (const plugin of profile.pluginConfig ?? []) plugin.args = argsOf(plugin) as typeof plugin.args;
  } catch (error) {
    if (error instanceof DecodeError) throw new Error(error.message);
    throw error;
  }
  const problems = validateConfiguration(configuration);
  if (problems.length > 0) throw new Error(aggregateMessage(problems));
  for (const profile of configuration.profiles ?? []) checkPlugins(profile);
  return configuration;
}

/** A plugin that nobody has would keep the scheduler from starting: better to hear of it at once. */
function checkPlugins({ plugins = {}, schedulerName = defaultSchedulerName }: schedulerconfigV1.KubeSchedulerProfile): void {
  for (const [point, set] of Object.entries(plugins) as [string, schedulerconfigV1.PluginSet][]) {
    const unknown = set.enabled?.find(({ name }) => !Object.hasOwn(inTreePlugins, name));
    if (!unknown) continue;
    const type = point === 'multiPoint' ? 'MultiPointEnabled plugin' : `${point[0]?.toUpperCase()}${point.slice(1)}Plugin`;
    const why = `${type} ${JSON.stringify(unknown.name)} does not exist`;
    throw new Error(`initializing profiles: creating profile for scheduler name ${schedulerName}: ${why}`);
  }
}

function argsOf({ name, args }: schedulerconfigV1.PluginConfig): unknown {
  if (!typedArgs.has(name) || args === undefined) return args;
  const type = `${name}Args`;
  const { apiVersion = version, kind: argsKind = type } = args as { apiVersion?: string; kind?: string };
  const wrong = (why: string) => new Error(`decoding .profiles.pluginConfig: decoding args for plugin ${name}: ${why}`);
  if (apiVersion !== version || argsKind !== type)
    throw wrong(`args for plugin ${name} were not of type ${type}.${group}, got ${argsKind}.${apiVersion.split('/')[0]}`);
  try {
    return strictly(type, args);
  } catch (error) {
    throw wrong(error instanceof Error ? error.message : String(error));
  }
}
