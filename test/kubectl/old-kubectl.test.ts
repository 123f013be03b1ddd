/** Kubectls of earlier years, which know this API by OpenAPI version 2 in protobuf, older defaults and older versions of kinds. */
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { startApiServer, type TestApiServer } from '../support/api-server.ts';

const binaries = join(import.meta.dirname, '../../.cache/bin');
let server: TestApiServer;
beforeAll(async () => {
  server = await startApiServer({ controllers: true });
  await server.kubectl(['wait', '--for=create', 'sa/default', '--timeout=20s']);
  await server.kubectl(['apply', '-f', '-'], definition);
  await server.kubectl(['wait', '--for=condition=Established', 'crd/widgets.example.com', '--timeout=10s']);
  writeFileSync(join(server.dir, 'web.yaml'), web);
});
afterAll(() => server.close());

const web = `apiVersion: apps/v1
kind: Deployment
metadata: {name: web, labels: {app: web}}
spec:
  replicas: 2
  selector: {matchLabels: {app: web}}
  template:
    metadata: {labels: {app: web}}
    spec: {containers: [{name: web, image: "nginx:1.25", ports: [{containerPort: 80}]}]}
`;
/** With every kind of bound that a schema can have. */
const definition = `apiVersion: apiextensions.k8s.io/v1
kind: CustomResourceDefinition
metadata: {name: widgets.example.com}
spec:
  group: example.com
  scope: Namespaced
  names: {plural: widgets, kind: Widget}
  versions:
  - name: v1
    served: true
    storage: true
    schema:
      openAPIV3Schema:
        type: object
        properties:
          spec:
            type: object
            properties:
              size: {type: integer, minimum: 1, maximum: 10, multipleOf: 0.5, exclusiveMaximum: true, description: How big.}
              name: {type: string, minLength: 1, maxLength: 5, pattern: "^a", example: abc, externalDocs: {url: "https://x"}, title: Name}
              list: {type: array, minItems: 1, maxItems: 3, items: {type: string, enum: [a, b]}}
              map: {type: object, minProperties: 1, maxProperties: 2, additionalProperties: {type: number, format: double}}
`;

describe.each(['1.20', '1.29'])('kubectl %s', (version) => {
  const kubectl = async (...args: string[]) => {
    const { stdout, stderr } = await server.kubectl(args, undefined, join(binaries, `kubectl-${version}`));
    return `${stderr}${stdout}`.trimEnd();
  };
  const file = () => join(server.dir, 'web.yaml');

  test('validates, applies, edits and deletes', async () => {
    const bad = join(server.dir, 'bad.yaml');
    writeFileSync(bad, web.replace('image:', 'imagee:'));
    expect(await kubectl('apply', '-f', bad)).toMatch(/unknown field "(imagee|spec\.template\.spec\.containers\[0\]\.imagee)"/);
    expect(await kubectl('apply', '-f', file())).toBe('deployment.apps/web created');
    expect(await kubectl('apply', '-f', file())).toBe('deployment.apps/web unchanged');
    expect(await kubectl('scale', 'deploy', 'web', '--replicas=1')).toBe('deployment.apps/web scaled');
    expect(await kubectl('set', 'image', 'deploy/web', 'web=nginx:1.27')).toBe('deployment.apps/web image updated');
    expect(await kubectl('diff', '-f', file())).toMatch(/^-.*image: nginx:1\.27$/m);
    expect(await kubectl('apply', '--server-side', '--force-conflicts', '-f', file())).toMatch(
      /^deployment\.apps\/web serverside-applied$/m,
    );
    expect(await kubectl('get', 'deploy', 'web', '-o', 'jsonpath={.spec.replicas} {.spec.template.spec.containers[0].image}')).toBe(
      '2 nginx:1.25',
    );
    expect(await kubectl('rollout', 'history', 'deploy', 'web')).toMatch(/^deployment\.apps\/web/);
    expect(await kubectl('describe', 'deploy', 'web')).toMatch(/^StrategyType: +RollingUpdate$/m);
    expect(await kubectl('get', 'all')).toMatch(/^deployment\.apps\/web +0\/2 +\d +0 +\d+s$/m);
    expect(await kubectl('delete', 'deploy', 'web')).toMatch(/^deployment\.apps "web" deleted/);
  });

  test('makes objects in the versions of its day', async () => {
    expect(await kubectl('run', 'one', '--image=nginx')).toBe('pod/one created');
    expect(await kubectl('create', 'cronjob', 'tick', '--image=busybox', '--schedule=* * * * *')).toMatch(
      /^cronjob\.batch\/tick created$/m,
    );
    expect(await kubectl('create', 'poddisruptionbudget', 'few', '--selector=a=b', '--min-available=1')).toMatch(
      /^poddisruptionbudget\.policy\/few created$/m,
    );
    expect(await kubectl('create', 'ingress', 'door', '--rule=example.com/a=web:80')).toBe('ingress.networking.k8s.io/door created');
    expect(await kubectl('create', 'role', 'reader', '--verb=get', '--resource=pods')).toBe(
      'role.rbac.authorization.k8s.io/reader created',
    );
    expect(await kubectl('autoscale', 'rc', 'none', '--max=2')).toContain('replicationcontrollers "none" not found');
    await kubectl('delete', 'pod/one', 'cronjob/tick', 'pdb/few', 'ingress/door', 'role/reader', '--force', '--grace-period=0');
    expect(await kubectl('get', 'cronjobs,pdb,ingress,roles')).toMatch(/No resources found/);
  });

  test('explains what is served, custom resources with all their bounds too', async () => {
    expect(await kubectl('explain', 'widget.spec.size')).toContain('How big.');
    expect(await kubectl('explain', 'deployment', '--recursive')).toMatch(/\n +terminationGracePeriodSeconds\t<integer>/);
    expect(await kubectl('explain', 'ingress.spec.rules.http', '--api-version=networking.k8s.io/v1')).toMatch(
      /paths\t<\[\](Object|HTTPIngressPath)>/,
    );
  });
});

test('every kind of discovery is described in both OpenAPI versions', async () => {
  interface Documented {
    definitions?: Record<string, object>;
    components?: { schemas: Record<string, object> };
  }
  const get = async (path: string, accept = 'application/json') => JSON.parse((await server.http('GET', path, undefined, { accept })).body);
  const kindsOf = ({ definitions, components }: Documented): string[] =>
    Object.values(definitions ?? components?.schemas ?? {}).flatMap((schema) =>
      ((schema as { 'x-kubernetes-group-version-kind'?: Kind[] })['x-kubernetes-group-version-kind'] ?? []).map(label),
    );
  const aggregated = 'application/json;g=apidiscovery.k8s.io;v=v2;as=APIGroupDiscoveryList';
  const lists = await Promise.all(['/api', '/apis'].map((path) => get(path, aggregated)));
  const served: Kind[] = lists.flatMap(({ items }) =>
    items.flatMap((group: Group) => group.versions.flatMap(({ resources }) => resources.map(({ responseKind }) => responseKind))),
  );
  expect(served.length).toBeGreaterThan(100);
  const inV2 = new Set(kindsOf(await get('/openapi/v2')));
  expect(served.map(label).filter((kind) => !inV2.has(kind))).toEqual([]);
  const index = (await get('/openapi/v3')).paths as Record<string, { serverRelativeURL: string }>;
  const inV3 = new Set<string>();
  for (const { serverRelativeURL } of Object.values(index)) for (const kind of kindsOf(await get(serverRelativeURL))) inV3.add(kind);
  expect(served.map(label).filter((kind) => !inV3.has(kind))).toEqual([]);
});

interface Kind {
  group: string;
  version: string;
  kind: string;
}
interface Group {
  versions: { resources: { responseKind: Kind }[] }[];
}
const label = ({ group, version, kind }: Kind) => `${group}/${version} ${kind}`;

test('a document is cached by its hash and told apart by its tag', async () => {
  const { paths } = JSON.parse((await server.http('GET', '/openapi/v3')).body) as { paths: Record<string, { serverRelativeURL: string }> };
  const url = paths['apis/apps/v1']?.serverRelativeURL ?? '';
  expect(url).toMatch(/^\/openapi\/v3\/apis\/apps\/v1\?hash=[0-9A-F]+$/);
  const { headers } = await server.http('GET', url);
  expect(headers).toMatchObject({ 'cache-control': 'public, immutable', etag: expect.stringMatching(/^"[0-9A-F]+"$/) });
  expect((await server.http('GET', url, undefined, { 'if-none-match': String(headers.etag) })).status).toBe(304);
  // client-go before 1.27 asks for protobuf, which says the same in fewer bytes.
  const binary = await server.http('GET', url, undefined, { accept: 'application/com.github.proto-openapi.spec.v3@v1.0+protobuf' });
  expect(binary).toMatchObject({ status: 200, headers: { 'content-type': 'application/com.github.proto-openapi.spec.v3.v1.0+protobuf' } });
  expect(binary.headers.etag).not.toBe(headers.etag);
  expect(binary.body).toContain('replaceAppsV1NamespacedDeploymentScale');
});
