import { pino } from 'pino';
import { Registry as MetricsRegistry } from 'prom-client';
import { afterEach, beforeEach, expect, test } from 'vitest';
import {
  APIService,
  type authenticationV1,
  CertificateSigningRequest,
  ClusterRole,
  ClusterRoleBinding,
  type Draft,
  EndpointSlice,
  Event,
  IPAddress,
  kinds,
  Namespace,
  Pod,
  Role,
  resourceV1,
  SelfSubjectAccessReview,
  SelfSubjectReview,
  Service,
  ServiceAccount,
  ServiceCIDR,
  TokenReview,
  ValidatingWebhookConfiguration,
} from '../api/index.ts';
import { type Client, createClient } from '../client/index.ts';
import { createCertificateAuthority, createSigningRequest, generateKeyPair, signRequest } from '../pki/index.ts';
import { openMemoryStore, type Store } from '../store/index.ts';
import { seededRandom, systemClock } from '../time/index.ts';
import { parseIpRange, parsePortRange } from './allocation/index.ts';
import { type ClusterApiServer, type ClusterApiServerOptions, createClusterApiServer } from './cluster-api-server.ts';

let server: ClusterApiServer;
let admin: Client;
let metrics: MetricsRegistry;
const as = (name: string, ...groups: string[]) =>
  createClient(server.localTransport({ name, groups: [...groups, 'system:authenticated'] }));

const serverOn = async (store: Store, options: Partial<ClusterApiServerOptions> = {}) => {
  const key = await generateKeyPair();
  metrics = new MetricsRegistry();
  return createClusterApiServer({
    store,
    clock: systemClock,
    random: seededRandom(1),
    logger: pino({ level: 'silent' }),
    metrics,
    kinds,
    authentication: { issuers: ['https://kubernetes.default.svc.cluster.local'], signingKey: key.privateKey, publicKey: key.publicKey },
    services: { ranges: [parseIpRange('10.96.0.0/16')], ports: parsePortRange('30000-32767') },
    advertise: { address: '192.168.0.1', port: 6443 },
    ...options,
  });
};

beforeEach(async () => {
  server = await serverOn(openMemoryStore());
  await server.bootstrap();
  admin = as('admin', 'system:masters');
});
afterEach(() => server.close());

test('a new cluster has its namespaces, roles and the Service kubernetes; a second start changes nothing', async () => {
  expect((await admin.list(Namespace)).items.map((n) => n.metadata.name)).toEqual([
    'default',
    'kube-node-lease',
    'kube-public',
    'kube-system',
  ]);
  expect((await admin.get(Service, 'kubernetes', { namespace: 'default' })).spec).toMatchObject({
    clusterIP: '10.96.0.1',
    type: 'ClusterIP',
  });
  expect((await admin.get(EndpointSlice, 'kubernetes', { namespace: 'default' })).endpoints?.[0]?.addresses).toEqual(['192.168.0.1']);
  expect(await admin.raw('GET', '/api')).toMatchObject({ serverAddressByClientCIDRs: [{ serverAddress: '192.168.0.1:6443' }] });
  const before = await admin.list(ClusterRole);
  expect(before.items.length).toBeGreaterThan(60);
  await server.bootstrap();
  expect((await admin.list(ClusterRole)).items.map((r) => r.metadata.resourceVersion)).toEqual(
    before.items.map((r) => r.metadata.resourceVersion),
  );
  expect((await admin.list(ClusterRoleBinding)).items.length).toBeGreaterThan(40);
});

test('nobody is told addresses of API servers where they are left to somebody else', async () => {
  await server.close();
  server = await serverOn(openMemoryStore(), { reconcilesEndpoints: false });
  await server.bootstrap();
  admin = as('admin', 'system:masters');
  expect((await admin.get(Service, 'kubernetes', { namespace: 'default' })).spec).toMatchObject({ clusterIP: '10.96.0.1' });
  expect((await admin.list(EndpointSlice, { namespace: 'default' })).items).toEqual([]);
});

test('a definition that can not be read keeps away what is defined, until it can', async () => {
  await server.close();
  const store = openMemoryStore();
  const prefix = '/registry';
  const bogus = `${prefix}/apiextensions.k8s.io/customresourcedefinitions/bogus`;
  const apiService = (group: string) => ({
    apiVersion: 'apiregistration.k8s.io/v1',
    kind: 'APIService',
    metadata: { name: `v1.${group}`, uid: group, labels: { 'kube-aggregator.kubernetes.io/automanaged': 'true' } },
    spec: { group, version: 'v1', groupPriorityMinimum: 100, versionPriority: 10 },
  });
  const names = { kind: 'Widget', listKind: 'WidgetList', plural: 'widgets', singular: 'widget' };
  const conditions = ['NamesAccepted', 'Established'].map((type) => ({ type, status: 'True' }));
  const definition = {
    apiVersion: 'apiextensions.k8s.io/v1',
    kind: 'CustomResourceDefinition',
    metadata: { name: 'widgets.example.com', uid: 'u' },
    spec: {
      ...{ scope: 'Namespaced', group: 'example.com', names },
      versions: [{ name: 'v1', served: true, storage: true, schema: { openAPIV3Schema: { type: 'object' } } }],
    },
    status: { acceptedNames: names, storedVersions: ['v1'], conditions },
  };
  const put = (key: string, value: object | string) =>
    store.commit([], [{ put: key, value: Buffer.from(typeof value === 'string' ? value : JSON.stringify(value)) }]);
  await put(bogus, 'bogus data');
  await put(`${prefix}/apiextensions.k8s.io/customresourcedefinitions/widgets.example.com`, definition);
  for (const group of ['example.com', 'stale.example.com'])
    await put(`${prefix}/apiregistration.k8s.io/apiservices/v1.${group}`, apiService(group));
  server = await serverOn(store);
  await server.bootstrap();
  admin = as('admin', 'system:masters');

  const early = {
    code: 503,
    message: 'the request has been made before all known HTTP paths have been installed, please try again',
    retryAfterSeconds: 5,
  };
  const groups = async () => ((await admin.raw('GET', '/apis')) as { groups: { name: string }[] }).groups.map(({ name }) => name);
  const widgets = '/apis/example.com/v1/namespaces/default/widgets';
  for (const path of [widgets, '/apis/example.com/v1', '/apis/other.example.com/v1/things'])
    await expect(admin.raw('GET', path)).rejects.toMatchObject(early);
  await expect(admin.raw('GET', '/apis/apps/v1/things')).rejects.toMatchObject({ code: 404 });
  expect(await groups()).toEqual(expect.arrayContaining(['example.com', 'stale.example.com']));
  await expect(admin.raw('GET', '/readyz')).rejects.toThrow('[-]poststarthook/crd-informer-synced failed');
  // A namespace must not go while nobody can tell what is in it.
  const namespace = await admin.create(Namespace, { apiVersion: 'v1', kind: 'Namespace', metadata: { name: 'n' }, spec: {} });
  await expect(admin.update(Namespace, namespace, { subresource: 'finalize' })).rejects.toMatchObject(early);

  await store.commit([], [{ delete: bogus }]);
  await server.definitionsServed;
  expect(await admin.raw('GET', widgets)).toMatchObject({ kind: 'WidgetList' });
  await expect(admin.raw('GET', '/apis/other.example.com/v1/things')).rejects.toMatchObject({ code: 404 });
  await admin.update(Namespace, namespace, { subresource: 'finalize' });
  await expect.poll(groups).not.toContain('stale.example.com');
  expect(await groups()).toContain('example.com');
  await expect(admin.get(APIService, 'v1.stale.example.com')).rejects.toMatchObject({ code: 404 });
  await admin.get(APIService, 'v1.example.com');
});

test('a webhook that refuses everything does not keep a server from starting', async () => {
  await admin.delete(EndpointSlice, 'kubernetes', { namespace: 'default' });
  await admin.create(ValidatingWebhookConfiguration, {
    apiVersion: 'admissionregistration.k8s.io/v1',
    kind: 'ValidatingWebhookConfiguration',
    metadata: { name: 'broken' },
    webhooks: [
      {
        name: 'broken.example.com',
        rules: [{ operations: ['*'], apiGroups: ['*'], apiVersions: ['*'], resources: ['*/*'] }],
        clientConfig: { service: { namespace: 'default', name: 'nowhere' } },
        sideEffects: 'None',
        admissionReviewVersions: ['v1'],
      },
    ],
  });
  const trial = { apiVersion: 'v1', kind: 'Namespace', metadata: { name: 'n' }, spec: {} };
  const answer = () => admin.create(Namespace, trial, { dryRun: true }).catch((error: Error) => error.message);
  await expect.poll(answer).toContain('failed calling webhook "broken.example.com"');
  await server.bootstrap();
  await expect(admin.get(EndpointSlice, 'kubernetes', { namespace: 'default' })).rejects.toThrow('not found');
});

test('each cluster IP has its IPAddress from the start, and what others keep no Service gets', async () => {
  const namespace = 'default';
  const serviceAt = (name: string, clusterIP?: string) =>
    admin.create(
      Service,
      {
        apiVersion: 'v1',
        kind: 'Service',
        metadata: { name, namespace },
        spec: { ports: [{ port: 80 }], ...(clusterIP ? { clusterIP } : {}) },
      },
      { namespace },
    );
  const keep = (name: string, more: object) =>
    admin.create(IPAddress, { apiVersion: 'networking.k8s.io/v1', kind: 'IPAddress', metadata: { name, ...more }, spec: { parentRef } });
  const parentRef = { group: 'gateway.networking.k8s.io', resource: 'gateways', namespace, name: 'g' };
  const ownerOf = async (ip: string) => {
    const found = await admin.get(IPAddress, ip).catch(() => undefined);
    return found?.spec?.parentRef?.name;
  };
  expect(await admin.get(ServiceCIDR, 'kubernetes')).toMatchObject({
    spec: { cidrs: ['10.96.0.0/16'] },
    status: { conditions: [{ type: 'Ready', status: 'True', reason: '', message: 'Kubernetes default Service CIDR is ready' }] },
  });
  expect(await ownerOf('10.96.0.1')).toBe('kubernetes');
  const web = (await serviceAt('web')).spec.clusterIP ?? '';
  expect(await admin.get(IPAddress, web)).toMatchObject({
    metadata: { labels: { 'ipaddress.kubernetes.io/ip-family': 'IPv4', 'ipaddress.kubernetes.io/managed-by': 'ipallocator.k8s.io' } },
    spec: { parentRef: { resource: 'services', namespace, name: 'web' } },
  });

  await keep('10.96.0.9', {});
  await expect(serviceAt('late', '10.96.0.9')).rejects.toThrow('failed to allocate IP 10.96.0.9: provided IP is already allocated');
  expect(await ownerOf('10.96.0.9')).toBe('g');

  await expect(serviceAt('')).rejects.toMatchObject({
    code: 422,
    message: expect.stringContaining('spec.clusterIPs: Invalid value: null: failed to allocate IP: IPAddress.networking.k8s.io "10.96'),
  });

  await admin.delete(IPAddress, web);
  await expect.poll(() => ownerOf(web)).toBe('web');
  await expect
    .poll(async () => (await admin.list(Event, { namespace })).items.map(({ reason, message }) => `${reason}: ${message}`))
    .toContain(`ClusterIPNotAllocated: Cluster IP [IPv4]: ${web} is not allocated; repairing`);

  await admin.delete(Service, 'web', { namespace });
  await serviceAt('next', web);
  expect(await ownerOf(web)).toBe('next');
  await admin.delete(Service, 'next', { namespace });
  await expect.poll(() => ownerOf(web)).toBe(undefined);
});

test('a user may what bindings say, and learns why not', async () => {
  const alice = as('alice');
  await expect(alice.list(Pod, { namespace: 'default' })).rejects.toThrow(
    'pods is forbidden: User "alice" cannot list resource "pods" in API group "" in the namespace "default"',
  );
  const ask = {
    apiVersion: 'authorization.k8s.io/v1',
    kind: 'SelfSubjectAccessReview',
    metadata: {},
    spec: { resourceAttributes: { verb: 'list', resource: 'pods' } },
  };
  expect((await alice.create(SelfSubjectAccessReview, ask)).status?.allowed).toBe(false);
  const selecting = (fieldSelector: object, labelSelector: object) =>
    alice.create(SelfSubjectAccessReview, {
      ...ask,
      spec: { resourceAttributes: { ...ask.spec.resourceAttributes, fieldSelector, labelSelector } },
    });
  const several = { key: 'b', operator: 'In', values: ['1', '2'] };
  const partly = await selecting({ requirements: [{ key: 'a', operator: 'In', values: ['1,2'] }, several] }, { rawSelector: 'a=b,!' });
  expect(partly.status).toEqual({
    allowed: false,
    evaluationError:
      'spec.resourceAttributes.fieldSelector partially ignored due to parse error; spec.resourceAttributes.labelSelector ignored due to parse error',
  });
  const whole = await selecting({ rawSelector: 'a=b' }, { requirements: [several, { key: 'c', operator: 'Exists' }] });
  expect(whole.status).toEqual({ allowed: false });
  await expect(alice.create(SelfSubjectAccessReview, { ...ask, metadata: { name: 'x' }, spec: {} })).rejects.toThrow(
    '.authorization.k8s.io "" is invalid: [spec.resourceAttributes: Invalid value: null: exactly one of nonResourceAttributes or resourceAttributes must be specified, metadata: Invalid value: {"name":"x"}: must be empty]',
  );
  const role = {
    apiVersion: 'rbac.authorization.k8s.io/v1',
    kind: 'Role',
    metadata: { name: 'r' },
    rules: [{ verbs: ['get'], apiGroups: [''], resources: ['secrets'] }],
  };
  await admin.create(ClusterRoleBinding, {
    apiVersion: 'rbac.authorization.k8s.io/v1',
    kind: 'ClusterRoleBinding',
    metadata: { name: 'alice' },
    roleRef: { apiGroup: 'rbac.authorization.k8s.io', kind: 'ClusterRole', name: 'system:aggregate-to-admin' },
    subjects: [{ apiGroup: 'rbac.authorization.k8s.io', kind: 'User', name: 'alice' }],
  });
  await expect
    .poll(() => alice.create(Role, role, { namespace: 'default' }).catch((e: Error) => e.message))
    .toContain('is attempting to grant RBAC permissions not currently held:\n{APIGroups:[""], Resources:["secrets"], Verbs:["get"]}');
});

test('devices are shared with administrators in namespaces that say so', async () => {
  const claim = (name: string) => ({
    apiVersion: 'resource.k8s.io/v1',
    kind: 'ResourceClaim',
    metadata: { name },
    spec: { devices: { requests: [{ name: 'all', exactly: { deviceClassName: 'gpu', adminAccess: true } }] } },
  });
  const inDefault = { namespace: 'default' };
  await expect(admin.create(resourceV1.ResourceClaim, claim('early'), inDefault)).rejects.toThrow(
    'ResourceClaim.resource.k8s.io "early" is invalid: []: Forbidden: admin access to devices requires the `resource.kubernetes.io/admin-access: true` label on the containing namespace',
  );
  const labels = { 'resource.kubernetes.io/admin-access': 'true' };
  await admin.patch(Namespace, 'default', 'merge', { metadata: { labels } });
  await admin.create(resourceV1.ResourceClaim, claim('late'), inDefault);
});

test('service-account tokens are issued and reviewed', async () => {
  await admin.create(ServiceAccount, { apiVersion: 'v1', kind: 'ServiceAccount', metadata: { name: 'sa' } }, { namespace: 'default' });
  const request = { apiVersion: 'authentication.k8s.io/v1', kind: 'TokenRequest', metadata: {}, spec: { expirationSeconds: 600 } };
  const { status } = await admin.createSubresource<authenticationV1.TokenRequest>(ServiceAccount, 'sa', 'token', request, {
    namespace: 'default',
  });
  const review = await admin.create(TokenReview, {
    apiVersion: 'authentication.k8s.io/v1',
    kind: 'TokenReview',
    metadata: {},
    spec: { token: status?.token ?? '' },
  });
  expect(review.status).toMatchObject({ authenticated: true, user: { username: 'system:serviceaccount:default:sa' } });
  const refusalOf = async (spec: TokenReview['spec']) => (await admin.create(TokenReview, { ...review, spec })).status?.error;
  expect(await refusalOf({ token: 'unknown' })).toBe('invalid bearer token');
  expect(await refusalOf({ token: status?.token ?? '', audiences: ['x'] })).toMatch(
    /^\[invalid bearer token, token audiences .* is invalid/,
  );
  await expect(
    admin.createSubresource(ServiceAccount, 'sa', 'token', { ...request, metadata: { namespace: 'other' } }, { namespace: 'default' }),
  ).rejects.toThrow('the namespace of the provided object does not match the namespace sent on the request');
  const self = await as('bob', 'dev').create(SelfSubjectReview, {
    apiVersion: 'authentication.k8s.io/v1',
    kind: 'SelfSubjectReview',
    metadata: {},
  });
  expect(self.status?.userInfo).toEqual({ username: 'bob', groups: ['dev', 'system:authenticated'] });
  expect(await admin.raw('GET', '/openid/v1/jwks')).toMatchObject(expect.anything());
});

test('Services get addresses and ports through the API, kept over updates', async () => {
  const draft = {
    apiVersion: 'v1',
    kind: 'Service',
    metadata: { name: 's' },
    spec: { type: 'NodePort', selector: { a: 'b' }, ports: [{ port: 80 }] },
  } as Draft<Service>;
  const made = await admin.create(Service, draft, { namespace: 'default' });
  expect(made.spec?.clusterIP).toMatch(/^10\.96\./);
  const nodePort = made.spec?.ports?.[0]?.nodePort ?? 0;
  expect(nodePort).toBeGreaterThanOrEqual(30000);
  const patched = await admin.patch(Service, 's', 'merge', { spec: { selector: { a: 'c' } } }, { namespace: 'default' });
  expect(patched.spec).toMatchObject({ clusterIP: made.spec?.clusterIP, ports: [{ nodePort }] });
  const thief = { ...draft, metadata: { name: 't' }, spec: { ...draft.spec, ports: [{ port: 80, nodePort }] } } as Draft<Service>;
  await expect(admin.create(Service, thief, { namespace: 'default' })).rejects.toThrow(
    `Service "t" is invalid: spec.ports[0].nodePort: Invalid value: ${nodePort}: provided port is already allocated`,
  );
});

test('a signing request carries who made it, and whether its certificate lives as long as was asked is counted', async () => {
  const { request } = await createSigningRequest({ commonName: 'x' });
  const spec = {
    request: Buffer.from(request).toString('base64'),
    signerName: 'kubernetes.io/kube-apiserver-client',
    usages: ['client auth'],
    expirationSeconds: 3600,
    username: 'forged',
  };
  const csr = await admin.create(CertificateSigningRequest, {
    apiVersion: 'certificates.k8s.io/v1',
    kind: 'CertificateSigningRequest',
    metadata: { name: 'c' },
    spec,
  } as Draft<CertificateSigningRequest>);
  expect(csr.spec).toMatchObject({ username: 'admin', groups: ['system:masters', 'system:authenticated'] });
  const validity = (seconds: number) => ({ notBefore: new Date(0), notAfter: new Date(seconds * 1000) });
  const authority = await createCertificateAuthority({ commonName: 'a', ...validity(86_400) });
  const certificate = await signRequest(authority, request, { usages: spec.usages, ...validity(3900) });
  const issued = { ...csr, status: { certificate: Buffer.from(certificate).toString('base64') } };
  for (const dryRun of [true, false]) await admin.updateStatus(CertificateSigningRequest, issued, { dryRun });
  for (const which of ['requested', 'honored'])
    expect(await metrics.metrics()).toContain(
      `apiserver_certificates_registry_csr_${which}_duration_total{signerName="kubernetes.io/kube-apiserver-client"} 1`,
    );
});
