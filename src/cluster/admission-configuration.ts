/** --admission-control-config-file: an AdmissionConfiguration of apiserver.config.k8s.io, with what each plugin is told. */

import { readFile } from 'node:fs/promises';
import { dirname, resolve } from 'node:path';
import { parse } from 'yaml';
import { isJsonObject } from '../api/index.ts';
import { type EventLimit, isLevel, isVersion, type LimitedResource, type PodSecurityOptions, podSecurityModes } from '../server/index.ts';
import { ClusterError } from './cluster-error.ts';

export interface AdmissionConfiguration {
  eventLimits?: readonly EventLimit[];
  podSecurity?: PodSecurityOptions;
  limitedResources?: readonly LimitedResource[];
}

type Json = Record<string, unknown>;
const listOf = (value: unknown): readonly unknown[] => (Array.isArray(value) ? value : []);
const textsOf = (value: unknown) => listOf(value).map(String);

const eventLimitTypes = ['Server', 'Namespace', 'User', 'SourceAndObject'];

/** The document, which must be of a kind and one of its versions. */
function documentOf(value: unknown, kind: string, apiVersions: readonly string[], where: string): Json {
  if (isJsonObject(value) && value.kind === kind && apiVersions.includes(String(value.apiVersion))) return value;
  const { kind: given = '', apiVersion = '' } = isJsonObject(value) ? value : {};
  throw new ClusterError(`${where}: no kind ${JSON.stringify(given)} is registered for version ${JSON.stringify(apiVersion)}`);
}

function podSecurityOf(value: unknown): PodSecurityOptions {
  const versions = ['v1', 'v1beta1', 'v1alpha1'].map((version) => `pod-security.admission.config.k8s.io/${version}`);
  const { defaults, exemptions } = documentOf(value, 'PodSecurityConfiguration', versions, 'PodSecurity');
  const invalid = (field: string, given: unknown, why: string) =>
    new ClusterError(`PodSecurity: invalid configuration: ${field}: Invalid value: ${JSON.stringify(given)}: ${why}`);
  const given = isJsonObject(defaults) ? defaults : {};
  const modes = podSecurityModes.map((mode) => {
    const level = given[mode] || 'privileged';
    const version = given[`${mode}-version`] || 'latest';
    if (typeof level !== 'string' || !isLevel(level))
      throw invalid(`defaults.${mode}`, level, 'must be one of privileged, baseline, restricted');
    if (typeof version !== 'string' || !isVersion(version))
      throw invalid(`defaults.${mode}-version`, version, 'must be "latest" or "v1.x"');
    return [mode, { level, version }] as const;
  });
  const { usernames, namespaces, runtimeClasses } = isJsonObject(exemptions) ? exemptions : {};
  return {
    defaults: Object.fromEntries(modes),
    exemptions: { usernames: textsOf(usernames), namespaces: textsOf(namespaces), runtimeClasses: textsOf(runtimeClasses) },
  };
}

function eventLimitsOf(value: unknown): EventLimit[] {
  const { limits } = documentOf(value, 'Configuration', ['eventratelimit.admission.k8s.io/v1alpha1'], 'EventRateLimit');
  const invalid = (field: string, given: unknown, why: string) =>
    new ClusterError(`EventRateLimit: limits${field}: Invalid value: ${JSON.stringify(given ?? null)}: ${why}`);
  if (listOf(limits).length === 0) throw invalid('', limits, 'must provide at least one limit');
  return listOf(limits).map((limit, i) => {
    const { type, qps, burst, cacheSize } = isJsonObject(limit) ? limit : {};
    if (!eventLimitTypes.includes(String(type)))
      throw new ClusterError(
        `EventRateLimit: limits[${i}].type: Unsupported value: ${JSON.stringify(type ?? '')}: supported values: ${eventLimitTypes.map((t) => JSON.stringify(t)).join(', ')}`,
      );
    if (!Number.isInteger(qps) || Number(qps) <= 0) throw invalid(`[${i}].qps`, qps, 'must be positive');
    if (!Number.isInteger(burst) || Number(burst) <= 0) throw invalid(`[${i}].burst`, burst, 'must be positive');
    // Checked to be one of them just above.
    const known = type as EventLimit['type'];
    return { type: known, qps: Number(qps), burst: Number(burst), ...(Number(cacheSize) > 0 ? { cacheSize: Number(cacheSize) } : {}) };
  });
}

function limitedResourcesOf(value: unknown): LimitedResource[] {
  const versions = ['apiserver.config.k8s.io/v1', 'resourcequota.admission.k8s.io/v1beta1', 'resourcequota.admission.k8s.io/v1alpha1'];
  const kind = isJsonObject(value) && value.kind === 'Configuration' ? 'Configuration' : 'ResourceQuotaConfiguration';
  const { limitedResources } = documentOf(value, kind, versions, 'ResourceQuota');
  return listOf(limitedResources).map((limited, i) => {
    const { apiGroup, resource, matchContains, matchScopes } = isJsonObject(limited) ? limited : {};
    if (!resource) throw new ClusterError(`ResourceQuota: limitedResources[${i}].resource: Required value`);
    const scopes = listOf(matchScopes).map((scope) => {
      const { scopeName = '', operator = '', values } = isJsonObject(scope) ? scope : {};
      return { scopeName: String(scopeName), operator: String(operator), values: textsOf(values) };
    });
    return { group: String(apiGroup ?? ''), resource: String(resource), matchContains: textsOf(matchContains), matchScopes: scopes };
  });
}

async function readYaml(file: string): Promise<unknown> {
  try {
    return parse(await readFile(file, 'utf8'));
  } catch (error) {
    const why = error instanceof Error ? error.message : String(error);
    throw new ClusterError(`unable to read admission control configuration from ${JSON.stringify(file)} [${why}]`);
  }
}

/** What the file tells the plugins that can be told something; nothing without a file. */
export async function readAdmissionConfiguration(file: string | undefined): Promise<AdmissionConfiguration> {
  if (!file) return {};
  const versions = ['v1', 'v1alpha1'].map((version) => `apiserver.config.k8s.io/${version}`);
  const { plugins } = documentOf(await readYaml(file), 'AdmissionConfiguration', versions, file);
  let found: AdmissionConfiguration = {};
  for (const plugin of listOf(plugins)) {
    const { name, path, configuration } = isJsonObject(plugin) ? plugin : {};
    // A relative path is from the file's own place.
    const told = typeof path === 'string' && path !== '' ? await readYaml(resolve(dirname(file), path)) : configuration;
    if (told === undefined || told === null) continue;
    if (name === 'PodSecurity') found = { ...found, podSecurity: podSecurityOf(told) };
    else if (name === 'EventRateLimit') found = { ...found, eventLimits: eventLimitsOf(told) };
    else if (name === 'ResourceQuota') found = { ...found, limitedResources: limitedResourcesOf(told) };
    else throw new ClusterError(`admission plugin ${JSON.stringify(String(name ?? ''))} takes no configuration`);
  }
  return found;
}
