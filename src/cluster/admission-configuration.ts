/** --admission-control-config-file: an AdmissionConfiguration of apiserver.config.k8s.io, with what each plugin is told. */

import { readFile } from 'node:fs/promises';
import { dirname, isAbsolute, resolve } from 'node:path';
import { parse } from 'yaml';
import { isDns1123Label, isDns1123Subdomain, isJsonObject, parseSelector, type Toleration, yamlOptions } from '../api/index.ts';
import {
  type CredentialsFor,
  type EventLimit,
  type ImagePolicyOptions,
  isLevel,
  isVersion,
  type LimitedResource,
  openKubeconfigWebhook,
  openWebhookCredentials,
  type PodNodeSelectors,
  type PodSecurityOptions,
  type PodTolerationOptions,
  podSecurityModes,
} from '../server/index.ts';
import { ClusterError } from './cluster-error.ts';

export interface AdmissionConfiguration {
  eventLimits?: readonly EventLimit[];
  podSecurity?: PodSecurityOptions;
  limitedResources?: readonly LimitedResource[];
  podTolerations?: PodTolerationOptions;
  podNodeSelectors?: PodNodeSelectors;
  imagePolicy?: ImagePolicyOptions;
  webhookCredentials?: { mutating?: CredentialsFor; validating?: CredentialsFor };
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
  const exempt = isJsonObject(exemptions) ? exemptions : {};
  const exemptionsOf = (field: string, problemsOf: (name: string) => readonly string[]) => {
    const texts = textsOf(exempt[field]);
    for (const [i, text] of texts.entries()) {
      const problems = problemsOf(text);
      if (problems.length > 0) throw invalid(`exemptions.${field}[${i}]`, text, problems.join(', '));
      if (texts.indexOf(text) < i)
        throw new ClusterError(`PodSecurity: invalid configuration: exemptions.${field}[${i}]: Duplicate value: ${JSON.stringify(text)}`);
    }
    return texts;
  };
  return {
    defaults: Object.fromEntries(modes),
    exemptions: {
      namespaces: exemptionsOf('namespaces', isDns1123Label),
      runtimeClasses: exemptionsOf('runtimeClasses', isDns1123Subdomain),
      usernames: exemptionsOf('usernames', (name) => (name === '' ? ['username must not be empty'] : [])),
    },
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

function podTolerationsOf(value: unknown): PodTolerationOptions {
  const versions = ['podtolerationrestriction.admission.k8s.io/v1alpha1'];
  const { default: given, whitelist } = documentOf(value, 'Configuration', versions, 'PodTolerationRestriction');
  const tolerations = (field: string, list: unknown): Toleration[] =>
    listOf(list).map((item, i) => {
      const toleration = isJsonObject(item) ? item : {};
      const { key = '', operator = '', value: text = '' } = toleration;
      const invalid = (member: string, what: unknown, why: string) =>
        new ClusterError(
          `PodTolerationRestriction: invalid config: ${field}[${i}].${member}: Invalid value: ${JSON.stringify(what)}: ${why}`,
        );
      if (key === '' && operator !== 'Exists')
        throw invalid('operator', operator, 'operator must be Exists when `key` is empty, which means "match all values and all keys"');
      if (operator === 'Exists' && text !== '') throw invalid('operator', toleration, "value must be empty when `operator` is 'Exists'");
      // As far as it is looked at here; what comes of it is validated with each pod.
      return toleration as Toleration;
    });
  return { default: tolerations('default', given), whitelist: tolerations('whitelist', whitelist) };
}

/** By namespace; this plugin's file has no kind. */
function podNodeSelectorsOf(value: unknown): PodNodeSelectors {
  const { podNodeSelectorPluginConfig: given } = isJsonObject(value) ? value : {};
  const selectors = Object.entries(isJsonObject(given) ? given : {}).map(([namespace, text]) => [namespace, String(text ?? '')] as const);
  for (const [namespace, text] of selectors) {
    try {
      parseSelector(text);
    } catch (error) {
      throw new ClusterError(`PodNodeSelector: ${namespace}: ${error instanceof Error ? error.message : String(error)}`);
    }
  }
  return Object.fromEntries(selectors);
}

/** ImagePolicyWebhook's durations: the bounds and the default, milliseconds, and what its numbers count. */
const imagePolicyTimes = {
  retryBackoff: { unitMs: 1, least: 1, most: 300_000, otherwise: 500, range: '1ns and 5m0s' },
  allowTTL: { unitMs: 1000, least: 1000, most: 1_800_000, otherwise: 300_000, range: '1s and 30m0s' },
  denyTTL: { unitMs: 1000, least: 1000, most: 1_800_000, otherwise: 30_000, range: '1s and 30m0s' },
};

async function imagePolicyOf(value: unknown, folder: string): Promise<ImagePolicyOptions> {
  const { imagePolicy } = isJsonObject(value) ? value : {};
  const given = isJsonObject(imagePolicy) ? imagePolicy : {};
  const time = (name: keyof typeof imagePolicyTimes): number => {
    const { unitMs, least, most, otherwise, range } = imagePolicyTimes[name];
    const count = Number(given[name] ?? 0);
    if (count === 0) return otherwise;
    if (count === -1) return 0; // turned off
    const ms = count * unitMs;
    if (!(ms >= least && ms <= most)) throw new ClusterError(`ImagePolicyWebhook: valid value is between ${range}, got ${ms / 1000}s`);
    return ms;
  };
  const file = resolve(folder, String(given.kubeConfigFile ?? ''));
  try {
    return {
      webhook: await openKubeconfigWebhook(file),
      retryBackoffMs: time('retryBackoff'),
      allowTtlMs: time('allowTTL'),
      denyTtlMs: time('denyTTL'),
      defaultAllow: given.defaultAllow === true,
    };
  } catch (error) {
    if (error instanceof ClusterError) throw error;
    throw new ClusterError(`ImagePolicyWebhook: ${error instanceof Error ? error.message : String(error)}`);
  }
}

async function webhookCredentialsOf(name: string, value: unknown): Promise<CredentialsFor | undefined> {
  // The removed version's kind has a shorter name.
  const isOld = isJsonObject(value) && value.kind === 'WebhookAdmission';
  const [kind, version] = isOld ? ['WebhookAdmission', 'v1alpha1'] : ['WebhookAdmissionConfiguration', 'v1'];
  const document = documentOf(value, kind, [`apiserver.config.k8s.io/${version}`], name);
  const { kubeConfigFile = '', staticManifestsDir = '' } = document;
  if (staticManifestsDir !== '')
    throw new ClusterError(
      `static webhook manifests dir ${JSON.stringify(staticManifestsDir)} configured but ManifestBasedAdmissionControlConfig feature gate is not enabled`,
    );
  if (kubeConfigFile === '') return undefined;
  if (typeof kubeConfigFile !== 'string' || !isAbsolute(kubeConfigFile))
    throw new ClusterError(`${name}: kubeConfigFile: Invalid value: ${JSON.stringify(kubeConfigFile)}: must be an absolute file path`);
  try {
    return await openWebhookCredentials(kubeConfigFile);
  } catch (error) {
    throw new ClusterError(`${name}: ${error instanceof Error ? error.message : String(error)}`);
  }
}

/** What is told of webhooks: by plugin, which of them it is about. */
const webhookPlugins: Readonly<Record<string, 'mutating' | 'validating'>> = {
  MutatingAdmissionWebhook: 'mutating',
  ValidatingAdmissionWebhook: 'validating',
};

async function readYaml(file: string): Promise<unknown> {
  try {
    return parse(await readFile(file, 'utf8'), yamlOptions);
  } catch (error) {
    const why = error instanceof Error ? error.message : String(error);
    throw new ClusterError(`unable to read admission control configuration from ${JSON.stringify(file)} [${why}]`);
  }
}

/** Files from before there was an AdmissionConfiguration are of these two plugins, by the member that is theirs. */
const withoutKind: Readonly<Record<string, string>> = { imagePolicy: 'ImagePolicyWebhook', podNodeSelectorPluginConfig: 'PodNodeSelector' };

function pluginsOf(value: unknown, file: string): unknown {
  const isOld = isJsonObject(value) && value.kind === undefined;
  const old = Object.entries(withoutKind).filter(([member]) => isOld && value[member] !== undefined);
  if (old.length > 0) return old.map(([, name]) => ({ name, configuration: value }));
  return documentOf(value, 'AdmissionConfiguration', ['apiserver.config.k8s.io/v1', 'apiserver.k8s.io/v1alpha1'], file).plugins;
}

/** What the file tells the plugins that can be told something; nothing without a file. */
export async function readAdmissionConfiguration(file: string | undefined): Promise<AdmissionConfiguration> {
  if (!file) return {};
  const plugins = pluginsOf(await readYaml(file), file);
  let found: AdmissionConfiguration = {};
  for (const plugin of listOf(plugins)) {
    const { name, path, configuration } = isJsonObject(plugin) ? plugin : {};
    // A relative path is from the file's own place.
    const told = typeof path === 'string' && path !== '' ? await readYaml(resolve(dirname(file), path)) : configuration;
    if (told === undefined || told === null) continue;
    if (name === 'PodSecurity') found = { ...found, podSecurity: podSecurityOf(told) };
    else if (name === 'EventRateLimit') found = { ...found, eventLimits: eventLimitsOf(told) };
    else if (name === 'ResourceQuota') found = { ...found, limitedResources: limitedResourcesOf(told) };
    else if (name === 'PodTolerationRestriction') found = { ...found, podTolerations: podTolerationsOf(told) };
    else if (name === 'PodNodeSelector') found = { ...found, podNodeSelectors: podNodeSelectorsOf(told) };
    else if (name === 'ImagePolicyWebhook') found = { ...found, imagePolicy: await imagePolicyOf(told, dirname(file)) };
    else if (typeof name === 'string' && Object.hasOwn(webhookPlugins, name)) {
      const credentials = await webhookCredentialsOf(name, told);
      if (credentials) found = { ...found, webhookCredentials: { ...found.webhookCredentials, [webhookPlugins[name] ?? '']: credentials } };
    } else throw new ClusterError(`admission plugin ${JSON.stringify(String(name ?? ''))} takes no configuration`);
  }
  return found;
}
