import { Registry } from 'prom-client';
import { expect, test } from 'vitest';
import { systemClock as clock } from '../../time/index.ts';
import { parseConfiguration } from './configuration.ts';
import { createEncryptionMetrics } from './metrics.ts';
import { openProviders } from './providers.ts';

const key32 = Buffer.alloc(32, 1).toString('base64');
const aes = { aescbc: { keys: [{ name: 'key1', secret: key32 }] } };
const kms = { kms: { apiVersion: 'v2', name: 'k', endpoint: 'unix:///k.sock' } };
const config = (...resources: object[]) => ({ kind: 'EncryptionConfiguration', apiVersion: 'apiserver.config.k8s.io/v1', resources });
const secrets = (...providers: object[]) => config({ resources: ['secrets'], providers });
const named = (...resources: string[]) => config({ resources, providers: [aes] });
const parse = (document: unknown, reload = false) =>
  parseConfiguration(typeof document === 'string' ? document : JSON.stringify(document), 'c.yaml', reload);

const undecodable = (why: string) => `error decoding encryption provider configuration file "c.yaml": ${why}`;

const wrong: Record<string, [document: unknown, message: string]> = {
  'a misspelt field': [{ ...config(), resourcs: [] }, undecodable('strict decoding error: unknown field "resourcs"')],
  'a misspelt provider': [secrets({ aescb: {} }), undecodable('strict decoding error: unknown field "resources[0].providers[0].aescb"')],
  'another kind': [
    { kind: 'Pod', apiVersion: 'v1' },
    undecodable(
      'no kind "Pod" is registered for version "v1" in scheme "k8s.io/apiserver/pkg/server/options/encryptionconfig/config.go:127"',
    ),
  ],
  'another type': [
    { ...config(), resources: 'x' },
    undecodable('json: cannot unmarshal string into Go struct field EncryptionConfiguration.resources of type []v1.ResourceConfiguration'),
  ],
  'no resources': [config(), 'resources: Required value: at least one resources is required'],
  'an entry of nothing': [
    config({}),
    '[resources[0].resources: Required value: at least one resources[0].resources is required, resources[0].providers: Required value: at least one resources[0].providers is required]',
  ],
  'two providers in one': [
    secrets({ ...aes, identity: {} }),
    'resources[0].providers[0]: Invalid value: {"AESGCM":null,"AESCBC":{"Keys":[{"Name":"key1","Secret":"REDACTED"}]},"Secretbox":null,"Identity":{},"KMS":null}: more than one provider specified in a single element, should split into different list elements',
  ],
  'no keys': [secrets({ aesgcm: {} }), 'resources[0].providers[0].aesgcm.keys: Required value: at least one keys is required'],
  'a key without name and secret': [
    secrets({ aesgcm: { keys: [{}] } }),
    '[resources[0].providers[0].aesgcm.keys[0].name: Required value: name is a mandatory field for a key, resources[0].providers[0].aesgcm.keys[0].secret: Required value: secret is a mandatory field for a key]',
  ],
  'a secret that is not base64': [
    secrets({ aesgcm: { keys: [{ name: 'a', secret: '!!' }] } }),
    'resources[0].providers[0].aesgcm.keys[0].secret: Invalid value: "REDACTED": secrets must be base64 encoded',
  ],
  'a short secret': [
    secrets({ aescbc: { keys: [{ name: 'a', secret: 'YWJj' }] } }),
    'resources[0].providers[0].aescbc.keys[0].secret: Invalid value: "REDACTED": secret is not of the expected length, got 3, expected one of [16 24 32]',
  ],
  'a secretbox with a short key': [
    secrets({ secretbox: { keys: [{ name: 'a', secret: Buffer.alloc(16).toString('base64') }] } }),
    'resources[0].providers[0].secretbox.keys[0].secret: Invalid value: "REDACTED": secret is not of the expected length, got 16, expected one of [32]',
  ],
  'KMS by TCP': [
    secrets({ kms: { ...kms.kms, endpoint: 'tcp://localhost:1' } }),
    'resources[0].providers[0].kms.endpoint: Invalid value: "tcp://localhost:1": unsupported scheme "tcp" for KMS provider, only unix is supported',
  ],
  'KMS without name and endpoint': [
    secrets({ kms: { apiVersion: 'v2' } }),
    '[resources[0].providers[0].kms.name: Required value: name is a mandatory field for a provider, resources[0].providers[0].kms.endpoint: Invalid value: "": endpoint is a mandatory field for a kms]',
  ],
  'a KMS name with a colon': [
    secrets({ kms: { ...kms.kms, name: 'a:b' } }),
    'resources[0].providers[0].kms.name: Invalid value: "a:b": invalid KMS provider name a:b, must not contain \':\'',
  ],
  'one KMS twice': [
    secrets(kms, kms),
    'resources[0].providers[1].kms.name: Invalid value: "k": duplicate KMS provider name k, names must be unique',
  ],
  'no time for KMS': [
    secrets({ kms: { ...kms.kms, timeout: '0s' } }),
    'resources[0].providers[0].kms.timeout: Invalid value: "0s": timeout should be a positive value',
  ],
  'a cache of KMS v2': [
    secrets({ kms: { ...kms.kms, cachesize: 5 } }),
    'resources[0].providers[0].kms.cachesize: Invalid value: 5: cachesize is not supported in v2',
  ],
  'KMS of another version': [
    secrets({ kms: { ...kms.kms, apiVersion: 'v3' } }),
    'resources[0].providers[0].kms.apiVersion: Invalid value: "v3": unsupported apiVersion apiVersion for KMS provider, only v1 and v2 are supported',
  ],
  'one resource twice': [
    named('secrets', 'secrets'),
    'resources[0].resources: Invalid value: ["secrets","secrets"]: the same resource cannot be specified multiple times',
  ],
  'a resource and its group': [
    named('secrets', '*.'),
    'resources[0].resources: Invalid value: ["secrets","*."]: using overlapping resources such as \'secrets\' and \'*.\' in the same resource list is not allowed as they will be masked',
  ],
  'a star': [
    named('*'),
    'resources[0].resources[0]: Invalid value: "*": use \'*.\' to encrypt all the resources from core API group or *.* to encrypt all resources',
  ],
  capitals: [named('Secrets'), 'resources[0].resources[0]: Invalid value: "Secrets": resource name should not contain capital letters'],
  'one name in all groups': [
    named('pods.*'),
    'resources[0].resources[0]: Invalid value: "pods.*": encrypting the same resource across groups is not supported',
  ],
  'events by their other name': [
    named('events.events.k8s.io'),
    "resources[0].resources[0]: Invalid value: \"events.events.k8s.io\": '*.events.k8s.io' objects are stored using the 'events' API group in etcd. Use 'events' instead in the config file",
  ],
  'a group that is gone': [
    named('*.extensions'),
    'resources[0].resources[0]: Invalid value: "*.extensions": \'extensions\' group has been removed and cannot be used for encryption',
  ],
  'what is no API': [
    named('serviceipallocations'),
    'resources[0].resources[0]: Invalid value: "serviceipallocations": resources which do not have REST API/s cannot be encrypted',
  ],
};

test.each(Object.entries(wrong))("is refused in upstream's words: %s", (_, [document, message]) => {
  expect(() => parse(document)).toThrow(expect.objectContaining({ message }));
});

test("a configuration is YAML or JSON, of today's kind or the one of old documentation", () => {
  const yaml = `kind: EncryptionConfig
apiVersion: v1
resources:
- resources: [secrets, '*.apps']
  providers:
  - kms: { apiVersion: v2, name: k, endpoint: 'unix:///k.sock', timeout: 1.5s }
  - identity: {}
`;
  expect(parse(yaml)).toEqual({
    resources: [
      {
        resources: ['secrets', '*.apps'],
        providers: [
          { kms: { apiVersion: 'v2', name: 'k', endpoint: 'unix:///k.sock', timeout: '1.5s', timeoutMs: 1500, cachesize: undefined } },
          { identity: {} },
        ],
      },
    ],
  });
});

const build = (document: object) =>
  openProviders(parse(document), { clock, logger: undefined, metrics: createEncryptionMetrics(new Registry(), clock, 'test') });
const entry = (...resources: string[]) => ({ resources, providers: [aes] });

test('what an earlier rule has taken already is refused', async () => {
  const masked = (name: string, rule: string) =>
    `error while building transformers: resource "${name}" is masked by earlier rule "${rule}"`;
  await expect(build(config(entry('*.'), entry('secrets')))).rejects.toThrow(masked('secrets', '*.'));
  await expect(build(config(entry('*.apps'), entry('deployments.apps')))).rejects.toThrow(masked('deployments.apps', '*.apps'));
  await expect(build(config(entry('*.*'), entry('*.apps')))).rejects.toThrow(masked('*.apps', '*.*'));
});

test('KMS v1 is refused', async () => {
  await expect(build(secrets({ kms: { ...kms.kms, apiVersion: 'v1' } }))).rejects.toThrow(
    'error while building transformers: KMSv1 is deprecated and will only receive security updates going forward. Use KMSv2 instead.  Set --feature-gates=KMSv1=true to use the deprecated KMSv1 feature.',
  );
});

test("the most particular rule is a resource's", async () => {
  const key = (name: string) => ({ aesgcm: { keys: [{ name, secret: key32 }] } });
  const providers = await build(
    config(
      { resources: ['secrets'], providers: [key('own')] },
      { resources: ['*.'], providers: [key('core')] },
      { resources: ['*.apps'], providers: [key('apps')] },
      { resources: ['pods.metrics.k8s.io'], providers: [{ identity: {} }] },
      { resources: ['*.*'], providers: [key('all')] },
    ),
  );
  const keyOf = (resource: string, group = '') =>
    /^k8s:enc:aesgcm:v1:(\w+):/.exec(providers.transformerOf({ group, resource }).seal(Buffer.from('x'), '/k').toString('latin1'))?.[1];
  expect(keyOf('secrets')).toBe('own');
  expect(keyOf('configmaps')).toBe('core');
  expect(keyOf('deployments', 'apps')).toBe('apps');
  expect(keyOf('crontabs', 'stable.example.com')).toBe('all');
  expect(keyOf('pods', 'metrics.k8s.io')).toBe(undefined);
});
