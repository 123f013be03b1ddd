import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { readAdmissionConfiguration } from './admission-configuration.ts';

let dir: string;
beforeEach(() => {
  dir = mkdtempSync(join(tmpdir(), 'k8ts-admission-'));
});
afterEach(() => rmSync(dir, { recursive: true, force: true }));

const head = 'apiVersion: apiserver.config.k8s.io/v1\nkind: AdmissionConfiguration\nplugins:\n';
const podSecurity = (defaults: string, exemptions = '{namespaces: [kube-system]}') => `- name: PodSecurity
  configuration:
    apiVersion: pod-security.admission.config.k8s.io/v1
    kind: PodSecurityConfiguration
    defaults: ${defaults}
    exemptions: ${exemptions}
`;
const events = (limits: string) => `- name: EventRateLimit
  configuration: {apiVersion: eventratelimit.admission.k8s.io/v1alpha1, kind: Configuration, limits: ${limits}}
`;
const read = (text: string) => {
  const file = join(dir, 'admission.yaml');
  writeFileSync(file, text);
  return readAdmissionConfiguration(file);
};

test('plugins are told what stands in the file, or in one beside it', async () => {
  writeFileSync(
    join(dir, 'events.yaml'),
    'apiVersion: eventratelimit.admission.k8s.io/v1alpha1\nkind: Configuration\nlimits: [{type: Server, qps: 10, burst: 20}]\n',
  );
  const text = `${head}${podSecurity('{enforce: baseline, warn: restricted, warn-version: v1.30}')}- {name: EventRateLimit, path: events.yaml}\n`;
  expect(await read(text)).toEqual({
    podSecurity: {
      defaults: {
        enforce: { level: 'baseline', version: 'latest' },
        audit: { level: 'privileged', version: 'latest' },
        warn: { level: 'restricted', version: 'v1.30' },
      },
      exemptions: { usernames: [], namespaces: ['kube-system'], runtimeClasses: [] },
    },
    eventLimits: [{ type: 'Server', qps: 10, burst: 20 }],
  });
  expect(await readAdmissionConfiguration(undefined)).toEqual({});
});

test('a file of before there were kinds is one of the plugins that have such', async () => {
  expect(await read('{"podNodeSelectorPluginConfig": {"clusterDefaultNodeSelector": "a=b"}}')).toEqual({
    podNodeSelectors: { clusterDefaultNodeSelector: 'a=b' },
  });
  await expect(read('{"imagePolicy": {"kubeConfigFile": "nowhere"}}')).rejects.toThrow('ImagePolicyWebhook: ');
});

test('what is limited by default', async () => {
  const text = `${head}- name: ResourceQuota
  configuration:
    apiVersion: apiserver.config.k8s.io/v1
    kind: ResourceQuotaConfiguration
    limitedResources: [{resource: pods, matchScopes: [{scopeName: PriorityClass, operator: In, values: [vip]}]}]
`;
  const scope = { scopeName: 'PriorityClass', operator: 'In', values: ['vip'] };
  expect(await read(text)).toEqual({ limitedResources: [{ group: '', resource: 'pods', matchContains: [], matchScopes: [scope] }] });
});

test('who says which images run, what pods tolerate and which nodes they select', async () => {
  writeFileSync(
    join(dir, 'images.kubeconfig'),
    `apiVersion: v1
kind: Config
current-context: c
clusters: [{name: k, cluster: {server: 'https://images.test/check'}}]
users: [{name: u, user: {token: t}}]
contexts: [{name: c, context: {cluster: k, user: u}}]
`,
  );
  const text = `${head}- name: ImagePolicyWebhook
  configuration: {imagePolicy: {kubeConfigFile: images.kubeconfig, allowTTL: 60, denyTTL: -1, retryBackoff: 250, defaultAllow: true}}
- name: PodTolerationRestriction
  configuration: {apiVersion: podtolerationrestriction.admission.k8s.io/v1alpha1, kind: Configuration, default: [{key: a, operator: Exists}]}
- name: PodNodeSelector
  configuration: {podNodeSelectorPluginConfig: {clusterDefaultNodeSelector: env=test}}
`;
  const { imagePolicy, ...others } = await read(text);
  expect(imagePolicy).toMatchObject({ allowTtlMs: 60_000, denyTtlMs: 0, retryBackoffMs: 250, defaultAllow: true });
  expect(imagePolicy?.webhook.url).toBe('https://images.test/check');
  expect(others).toEqual({
    podTolerations: { default: [{ key: 'a', operator: 'Exists' }], whitelist: [] },
    podNodeSelectors: { clusterDefaultNodeSelector: 'env=test' },
  });
});

test('who the server says it is to webhooks, by where they are', async () => {
  const file = join(dir, 'webhooks.kubeconfig');
  writeFileSync(join(dir, 'token'), 'from-file\n');
  const users = ['a.test:8443', 'b.test', '*.c.test', '*.svc:444'].map((name) => `{name: '${name}', user: {token: '${name}'}}`);
  const others = "{name: '*.test', user: {username: u, password: p}}, {name: file.org, user: {tokenFile: token}}";
  writeFileSync(file, `apiVersion: v1\nkind: Config\nusers: [${users}, ${others}]\n`);
  const configuration = `{apiVersion: apiserver.config.k8s.io/v1, kind: WebhookAdmissionConfiguration, kubeConfigFile: ${file}}`;
  const { webhookCredentials } = await read(`${head}- {name: MutatingAdmissionWebhook, configuration: ${configuration}}\n`);
  expect(Object.keys(webhookCredentials ?? {})).toEqual(['mutating']);
  const authorization = async (target: string) => (await webhookCredentials?.mutating?.(target))?.authorization;
  expect(await authorization('a.test:8443')).toBe('Bearer a.test:8443');
  expect(await authorization('a.test:443')).toBe('Basic dTpw');
  expect(await authorization('b.test:443')).toBe('Bearer b.test');
  expect(await authorization('b.test:8443')).toBeUndefined();
  expect(await authorization('x.y.c.test:443')).toBe('Bearer *.c.test');
  expect(await authorization('hook.ns.svc:444')).toBe('Bearer *.svc:444');
  expect(await authorization('file.org:443')).toBe('Bearer from-file');
  const old = `{apiVersion: apiserver.config.k8s.io/v1alpha1, kind: WebhookAdmission, kubeConfigFile: ${file}}`;
  const oldHead = head.replace('apiserver.config.k8s.io/v1', 'apiserver.k8s.io/v1alpha1');
  const ofOld = await read(`${oldHead}- {name: ValidatingAdmissionWebhook, configuration: ${old}}\n`);
  expect(Object.keys(ofOld.webhookCredentials ?? {})).toEqual(['validating']);
});

test.each([
  ['kind: Pod\napiVersion: v1\n', 'no kind "Pod" is registered for version "v1"'],
  [head + podSecurity('{enforce: strict}'), 'defaults.enforce: Invalid value: "strict": must be one of privileged, baseline, restricted'],
  [head + podSecurity('{audit-version: "1.30"}'), 'defaults.audit-version: Invalid value: "1.30": must be "latest" or "v1.x"'],
  [head + podSecurity('{}', '{namespaces: [ns, ns]}'), 'exemptions.namespaces[1]: Duplicate value: "ns"'],
  [head + podSecurity('{}', '{runtimeClasses: [A]}'), 'exemptions.runtimeClasses[0]: Invalid value: "A": a lowercase RFC 1123 subdomain'],
  [head + podSecurity('{}', '{usernames: [""]}'), 'exemptions.usernames[0]: Invalid value: "": username must not be empty'],
  [head + events('[]'), 'must provide at least one limit'],
  [head + events('[{type: Server, qps: 0, burst: 1}]'), 'limits[0].qps: Invalid value: 0: must be positive'],
  [
    head + events('[{type: Cluster, qps: 1, burst: 1}]'),
    'limits[0].type: Unsupported value: "Cluster": supported values: "Server", "Namespace", "User", "SourceAndObject"',
  ],
  [
    `${head}- name: PodTolerationRestriction
  configuration: {apiVersion: podtolerationrestriction.admission.k8s.io/v1alpha1, kind: Configuration, whitelist: [{operator: Equal}]}
`,
    'invalid config: whitelist[0].operator: Invalid value: "Equal": operator must be Exists when `key` is empty',
  ],
  [`${head}- {name: ImagePolicyWebhook, configuration: {imagePolicy: {kubeConfigFile: nowhere}}}\n`, 'ImagePolicyWebhook: '],
  [
    `${head}- {name: ValidatingAdmissionWebhook, configuration: {apiVersion: apiserver.config.k8s.io/v1, kind: WebhookAdmissionConfiguration, kubeConfigFile: a}}\n`,
    'kubeConfigFile: Invalid value: "a": must be an absolute file path',
  ],
  [`${head}- {name: PodSecurity, path: nowhere.yaml}\n`, 'unable to read admission control configuration from'],
  [`${head}- {name: LimitRanger, configuration: {}}\n`, 'admission plugin "LimitRanger" takes no configuration'],
])('what is wrong with it is said: %#', async (text, why) => {
  await expect(read(text)).rejects.toThrow(why);
});
