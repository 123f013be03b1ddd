import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Registry } from 'prom-client';
import { expect, it, test } from 'vitest';
import { FieldErrors, fieldErrorMessage, kinds } from '../api/index.ts';
import { counters, exposition, histograms } from '../observability/index.ts';
import { storeFlags } from './cluster-store.ts';
import { controllerManagerFlags, schedulerFlags } from './control-plane-flags.ts';
import { checkEgressSelectors } from './egress-flags.ts';
import { checkFlags } from './flags.ts';
import { identityOptions } from './identity-flags.ts';
import { applyMetricFlags } from './metric-flags.ts';
import { withoutPrivilegedPods } from './privileged-pods.ts';
import { servingOptions } from './serving-flags.ts';
import { checkTakenFlags, takenFlags } from './taken-flags.ts';
import { tlsOptions } from './tls-flags.ts';

test('serving flags are read as kube-apiserver reads them', () => {
  expect(servingOptions({})).toEqual({
    flowControl: { priorityAndFairness: true, dumps: false },
    http: { goawayChance: 0 },
    shutdown: { delaySeconds: 0, sendRetryAfter: false },
  });
  expect(
    servingOptions({
      'enable-priority-and-fairness': 'false',
      profiling: 'true',
      'max-requests-inflight': '10',
      'max-mutating-requests-inflight': '0',
      'request-timeout': '1m30s',
      'min-request-timeout': '60',
      'goaway-chance': '.001',
      'shutdown-delay-duration': '5s',
      'shutdown-send-retry-after': 'true',
    }),
  ).toEqual({
    flowControl: { priorityAndFairness: false, dumps: true, maxRequestsInFlight: 10, maxMutatingRequestsInFlight: 0 },
    http: { goawayChance: 0.001 },
    requestTimeoutSeconds: 90,
    minRequestTimeoutSeconds: 60,
    shutdown: { delaySeconds: 5, sendRetryAfter: true },
  });
});

test.each([
  [{ 'max-requests-inflight': '-1' }, '--max-requests-inflight can not be negative value'],
  [{ 'max-requests-inflight': 'many' }, 'invalid argument "many" for "--max-requests-inflight"'],
  [{ 'request-timeout': '-1s' }, '--request-timeout can not be negative value'],
  [{ 'request-timeout': '60' }, 'time: missing unit in duration "60"'],
  [{ 'goaway-chance': '0.5' }, '--goaway-chance can not be less than 0 or greater than 0.02'],
  [{ 'livez-grace-period': '-1s' }, '--livez-grace-period can not be negative value'],
  [
    { 'cors-allowed-origins': 'example\\.com' },
    '--cors-allowed-origins has an invalid regular expression: regular expression does not pin to start/end of host in the origin header, help: ',
  ],
  [{ 'cors-allowed-origins': '^(://a$' }, '--cors-allowed-origins has an invalid regular expression: '],
  [{ 'cors-allowed-origins': '//a$,' }, 'empty value in --cors-allowed-origins'],
  [
    { 'strict-transport-security-directives': 'forever' },
    '--strict-transport-security-directives invalid, allowed values: max-age=expireTime',
  ],
  [{ 'strict-transport-security-directives': 'preload,' }, 'empty value in strict-transport-security-directives'],
  [{ 'goaway-chance': 'x' }, '--goaway-chance can not be less than 0 or greater than 0.02'],
])('%o is refused', (args, message) => {
  expect(() => servingOptions(args)).toThrow(message);
});

test('whose pages may ask is told by expressions of whole hosts', () => {
  const { http } = servingOptions({ 'cors-allowed-origins': '//example\\.com(:|$),^https://.*\\.test$' });
  const allows = (origin: string) => http?.browsers?.allowsOrigin?.(origin);
  expect(['https://example.com', 'http://example.com:8080', 'https://a.test'].map(allows)).toEqual([true, true, true]);
  expect(['https://example.com.evil', 'https://a.test.evil', 'null'].map(allows)).toEqual([false, false, false]);
});

test('flags of identities are read as kube-apiserver reads them', () => {
  expect(identityOptions({}, 'https://here')).toEqual({
    identity: { issuers: ['https://here'], bootstrapTokenAuth: true, serviceAccountLookup: true, extendTokenExpiration: true },
    requestHeader: {},
  });
  const args = {
    'service-account-issuer': 'https://new,https://old',
    'service-account-max-token-expiration': '2h',
    'service-account-extend-token-expiration': 'false',
    'requestheader-username-headers': 'X-User,X-Other',
  };
  expect(identityOptions(args, 'https://here')).toMatchObject({
    identity: { issuers: ['https://new', 'https://old'], maxTokenSeconds: 7200, extendTokenExpiration: false },
    requestHeader: { usernameHeaders: ['X-User', 'X-Other'] },
  });
  expect(() => identityOptions({ 'service-account-max-token-expiration': '10m' }, '')).toThrow(
    'the service-account-max-token-expiration must be between 1 hour and 2^32 seconds',
  );
  expect(() => identityOptions({ 'service-account-issuer': '://no' }, '')).toThrow(
    "service-account-issuer contained a ':' but was not a valid URL: ://no",
  );
});

test('versions and suites of TLS have Go’s names', () => {
  expect(tlsOptions({})).toEqual({});
  const suites = 'TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256,TLS_ECDHE_ECDSA_WITH_CHACHA20_POLY1305,TLS_RSA_WITH_AES_256_CBC_SHA';
  expect(tlsOptions({ 'tls-min-version': 'VersionTLS13', 'tls-cipher-suites': suites })).toEqual({
    minVersion: 'TLSv1.3',
    ciphers:
      'TLS_AES_128_GCM_SHA256:TLS_AES_256_GCM_SHA384:TLS_CHACHA20_POLY1305_SHA256:ECDHE-RSA-AES128-GCM-SHA256:ECDHE-ECDSA-CHACHA20-POLY1305:AES256-SHA',
  });
  expect(tlsOptions({ 'tls-curve-preferences': '23,29' })).toEqual({ ecdhCurve: 'X25519:P-256' });
  expect(() => tlsOptions({ 'tls-curve-preferences': '29,29' })).toThrow('duplicate curve preference 29');
  expect(() => tlsOptions({ 'tls-curve-preferences': '0' })).toThrow('curve preference 0 is out of range (must be 1-65535)');
  expect(() => tlsOptions({ 'tls-curve-preferences': '1' })).toThrow('curve preference 1 is not supported by the current Go version');
  expect(() => tlsOptions({ 'tls-min-version': 'VersionSSL3' })).toThrow('unknown tls version "VersionSSL3"');
  expect(() => tlsOptions({ 'tls-cipher-suites': 'TLS_NULL' })).toThrow("Cipher suite TLS_NULL not supported or doesn't exist");
});

test('what can only be as it is anyway is taken, and held to upstream’s rules', () => {
  const taken = {
    'watch-cache': 'true',
    'watch-cache-sizes': 'pods#100,deployments.apps#0',
    'default-watch-cache-size': '100',
    'etcd-count-metric-poll-period': '1m0s',
    'enable-garbage-collector': 'true',
    'apiserver-count': '2',
    'emulated-version': 'kube=1.36',
    'storage-initialization-timeout': '1m',
    vmodule: 'a=1',
    'peer-ca-file': 'ca.crt',
  };
  expect(() => checkTakenFlags(taken)).not.toThrow();
  for (const name of Object.keys(taken)) expect(takenFlags).toContain(name);
});

it('takes what control loops are told of how to ask the API server', () => {
  const args = { 'kube-api-content-type': '', 'kube-api-qps': '.5', 'kube-api-burst': '100', profiling: 'false' };
  for (const known of [controllerManagerFlags, schedulerFlags]) expect(() => checkFlags(args, known)).not.toThrow();
  expect(() => checkFlags({ 'kube-api-qps': 'many' }, schedulerFlags)).toThrow('strconv.ParseFloat: parsing "many": invalid syntax');
});

it('stores in the encoding that --storage-media-type names, JSON by default', () => {
  expect(storeFlags({}).storageMediaType).toBe('application/json');
  expect(storeFlags({ 'storage-media-type': '' }).storageMediaType).toBe('application/json');
  const protobuf = 'application/vnd.kubernetes.protobuf';
  expect(storeFlags({ 'storage-media-type': protobuf }).storageMediaType).toBe(protobuf);
  expect(() => storeFlags({ 'storage-media-type': 'text/plain' })).toThrow(
    `--storage-media-type "text/plain" invalid, allowed values: application/json, ${protobuf}`,
  );
});

test.each([
  ['watch-cache', 'maybe', 'invalid argument "maybe" for "--watch-cache" flag: strconv.ParseBool: parsing "maybe": invalid syntax'],
  ['watch-cache-sizes', 'pods=1', 'invalid value of watch cache size: pods=1'],
  ['watch-cache-sizes', 'pods#x', 'invalid size of watch cache size: pods#x'],
  ['watch-cache-sizes', 'pods#-1', 'watch cache size cannot be negative: pods#-1'],
  ['storage-initialization-timeout', '-1s', '--storage-initialization-timeout can not be negative value'],
  ['lease-reuse-duration-seconds', '1m', 'strconv.ParseInt: parsing "1m": invalid syntax'],
  ['kubelet-timeout', '5', 'invalid argument "5" for "--kubelet-timeout" flag: time: missing unit in duration "5"'],
  ['enable-garbage-collector', 'false', '--enable-garbage-collector invalid, allowed values: true.'],
  ['apiserver-count', '0', "--apiserver-count should be a positive number, but value '0' provided"],
  ['show-hidden-metrics-for-version', '1.36', "must be omitted or have the value '1.35'"],
  ['emulated-version', '1.30', 'emulation version 1.30 is not between [1.36, 1.36]'],
])('--%s=%s is refused', (name, text, why) => {
  expect(() => checkTakenFlags({ [name]: text })).toThrow(why);
});

test('which values metrics’ labels have', async () => {
  const dir = await mkdtemp(join(tmpdir(), 'metric-labels-'));
  const manifest = join(dir, 'labels.yaml');
  try {
    const told = async (args: Record<string, string>) => {
      const registry = new Registry();
      await applyMetricFlags(registry, args);
      const requests = counters(registry, { name: 'requests_total', help: 'Requests' });
      for (const [i, verb] of ['get', 'list', 'bad', 'worse'].entries()) requests.with({ verb }).inc(i + 1);
      histograms(registry, { name: 'sizes', help: 'Sizes', buckets: [1] })
        .with({ verb: 'bad' })
        .observe(2);
      return (await exposition(registry)).split('\n').filter((line) => /^(requests|sizes|cardinality)/.test(line));
    };
    const allowed = ['requests_total{verb="get"} 1', 'requests_total{verb="list"} 2', 'requests_total{verb="unexpected"} 7'];
    const sizes = [
      'sizes_bucket{verb="bad",le="1"} 0',
      'sizes_bucket{verb="bad",le="+Inf"} 1',
      'sizes_sum{verb="bad"} 2',
      'sizes_count{verb="bad"} 1',
    ];
    const enforced = (count: number) => `cardinality_enforcement_unexpected_categorizations_total ${count}`;
    expect(await told({ 'allow-metric-labels': '"requests_total,verb=get,list"' })).toEqual([enforced(7), ...allowed, ...sizes]);
    await writeFile(manifest, '"requests_total,verb": "get,list"\n"sizes,verb": ""\n');
    const unexpected = sizes.map((line) => line.replace('bad', 'unexpected'));
    expect(await told({ 'allow-metric-labels-manifest': manifest })).toEqual([enforced(8), ...allowed, ...unexpected]);
    await expect(told({ 'allow-metric-labels': 'foo' })).rejects.toThrow('foo must be formatted as key=value');
    await expect(told({ 'allow-metric-labels': 'foo=a' })).rejects.toThrow('must have keys with format `metricName,labelName`');
    await expect(told({ 'allow-metric-labels-manifest': dir })).rejects.toThrow('failed to read allow list manifest');
    const both = { 'allow-metric-labels': '"a,b=c"', 'allow-metric-labels-manifest': manifest };
    await expect(told(both)).rejects.toThrow('cannot specify both allowListMapping and allowListMappingManifest');
  } finally {
    await rm(dir, { recursive: true });
  }
});

test('how connections, clients outside and ends are dealt with', () => {
  expect(
    servingOptions({
      'disable-http2-serving': 'true',
      'http2-max-streams-per-connection': '50',
      'external-hostname': 'api.test',
      'delete-collection-workers': '4',
      'shutdown-watch-termination-grace-period': '10s',
    }),
  ).toMatchObject({
    deleteCollectionWorkers: 4,
    http: { withoutHttp2: true, maxStreams: 50 },
    externalHostname: 'api.test',
    shutdown: { watchGraceSeconds: 10 },
  });
  expect(() => servingOptions({ 'shutdown-watch-termination-grace-period': '-1s' })).toThrow(
    'shutdown-watch-termination-grace-period, if provided, can not be a negative value',
  );
});

test('without --allow-privileged no pod may have a privileged container, wherever pods are made of', () => {
  const strict = withoutPrivilegedPods(kinds);
  const wrong = (name: string, spec: object) => {
    const errors = new FieldErrors();
    const kind = strict.find(({ resource }) => resource.kind === name && resource.group !== 'extensions');
    kind?.validate?.({ metadata: { name: 'x' }, spec } as never, errors);
    return errors.list.map(fieldErrorMessage).filter((message) => message.includes('cluster policy'));
  };
  const container = { name: 'main', image: 'a', securityContext: { privileged: true } };
  expect(wrong('Pod', { containers: [{ ...container, securityContext: { privileged: false } }], initContainers: [container] })).toEqual([
    'spec.initContainers[0].securityContext.privileged: Forbidden: disallowed by cluster policy',
  ]);
  const template = { metadata: {}, spec: { containers: [container] } };
  expect(wrong('Deployment', { selector: {}, template })).toEqual([
    'spec.template.spec.containers[0].securityContext.privileged: Forbidden: disallowed by cluster policy',
  ]);
  expect(wrong('CronJob', { schedule: '', jobTemplate: { spec: { template } } })).toHaveLength(1);
});

test.each<[flag: string, text: string, why: string]>([
  ['request-timeout', 'x', 'time: invalid duration "x"'],
  ['event-ttl', '5', 'time: missing unit in duration "5"'],
  ['profiling', 'maybe', 'strconv.ParseBool: parsing "maybe": invalid syntax'],
  ['max-requests-inflight', '1.5', 'strconv.ParseInt: parsing "1.5": invalid syntax'],
  ['goaway-chance', 'often', 'strconv.ParseFloat: parsing "often": invalid syntax'],
])('--%s takes no %j', (flag, text, why) => {
  expect(() => checkFlags({ [flag]: text }, [flag])).toThrow(`invalid argument ${JSON.stringify(text)} for "--${flag}" flag: ${why}`);
});

test.each([
  ['cluster', 'Direct', '', undefined],
  ['Cluster', 'Direct', '{tcp: {}}', 'service.connection.transport: Invalid value: "direct": config must be absent for direct connect'],
  ['nodes', 'Direct', '', 'service.connection: Unsupported value: "nodes": supported values: "cluster", "controlplane", "etcd"'],
  ['etcd', 'SOCKS', '', 'service.connection.protocol: Unsupported value: "SOCKS": supported values: "Direct", "HTTPConnect", "GRPC"'],
  ['cluster', 'GRPC', '{uds: {udsName: /x}}', 'egress selections by GRPC can not be had here: only Direct'],
])('an egress selection of %s by %s', (name, protocol, transport, why) => {
  const text = `apiVersion: apiserver.config.k8s.io/v1beta1
kind: EgressSelectorConfiguration
egressSelections:
- name: ${name}
  connection: {proxyProtocol: ${protocol}, transport: ${transport}}
`;
  if (why === undefined) expect(() => checkEgressSelectors(text)).not.toThrow();
  else expect(() => checkEgressSelectors(text)).toThrow(why);
});
