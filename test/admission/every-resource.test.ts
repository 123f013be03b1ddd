/**
 * Webhooks see every write of every resource, with what upstream's integration tests expect of an API server: the kind, the name,
 * which of the objects, which options (test/integration/apiserver/admissionwebhook).
 */
import { Agent } from 'node:https';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { startApiServer, type TestApiServer } from '../support/api-server.ts';
import { eventually } from '../support/wait.ts';
import { type Asked, type HookServer, startHookServer } from './hook-server.ts';
import { stubs } from './stubs.ts';

const namespace = 'hooked';
let api: TestApiServer;
let hook: HookServer;
const agent = new Agent({ keepAlive: true });

beforeAll(async () => {
  // Nothing here comes as far as a kubelet.
  api = await startApiServer({ server: { kubelets: { cert: '', key: '' } } });
  hook = await startHookServer(api);
  const core = (kind: string, name: string) => ({ apiVersion: 'v1', kind, metadata: { name } });
  await must('POST', '/api/v1/namespaces', core('Namespace', namespace));
  await must('POST', `/api/v1/namespaces/${namespace}/serviceaccounts`, core('ServiceAccount', 'default'));
  for (const kind of ['ValidatingWebhookConfiguration', 'MutatingWebhookConfiguration'])
    await must('POST', `/apis/admissionregistration.k8s.io/v1/${kind.toLowerCase()}s`, {
      apiVersion: 'admissionregistration.k8s.io/v1',
      kind,
      metadata: { name: 'all' },
      webhooks: [
        {
          name: 'all.example.com',
          clientConfig: hook.clientConfig,
          rules: [{ operations: ['*'], apiGroups: ['*'], apiVersions: ['*'], resources: ['*/*'] }],
          matchPolicy: 'Exact',
          sideEffects: 'None',
          admissionReviewVersions: ['v1'],
        },
      ],
    });
  await eventually('both webhooks are asked', async () => {
    hook.asked.length = 0;
    await send('POST', `/api/v1/namespaces/${namespace}/configmaps?dryRun=All`, core('ConfigMap', 'probe'));
    return hook.asked.length === 2;
  });
});
afterAll(async () => {
  agent.destroy();
  await hook?.close();
  await api?.close();
});

type Sent = { kind?: string; metadata?: { name?: string; deletionTimestamp?: string } } & Record<string, unknown>;

async function send(
  method: string,
  path: string,
  body?: object,
  contentType = 'application/json',
): Promise<{ status: number; object: Sent }> {
  const text = body === undefined ? undefined : JSON.stringify(body);
  const answer = await api.http(method, path, text, { 'content-type': contentType }, { agent });
  return { status: answer.status, object: answer.body.startsWith('{') ? JSON.parse(answer.body) : {} };
}

async function must(method: string, path: string, body?: object, contentType?: string): Promise<Sent> {
  const { status, object } = await send(method, path, body, contentType);
  if (status >= 300) throw new Error(`${method} ${path}: ${status} ${JSON.stringify(object)}`);
  return object;
}

interface Discovered {
  /** `pods`, `pods/status` */
  name: string;
  namespaced: boolean;
  group?: string;
  version?: string;
  kind: string;
  verbs: string[];
}

/** Of the versions that discovery prefers. */
async function everyResource(): Promise<{ base: string; groupVersion: string; resource: Discovered; main: Discovered }[]> {
  const { groups } = (await must('GET', '/apis')) as unknown as { groups: { preferredVersion: { groupVersion: string } }[] };
  const found = [];
  for (const groupVersion of ['v1', ...groups.map((group) => group.preferredVersion.groupVersion)]) {
    const base = groupVersion === 'v1' ? '/api/v1' : `/apis/${groupVersion}`;
    const { resources } = (await must('GET', base)) as unknown as { resources: Discovered[] };
    for (const resource of resources) {
      const main = resources.find(({ name }) => name === resource.name.split('/')[0]);
      // extensions/v1beta1 has the scale of a resource that it does not serve itself.
      if (main) found.push({ base, groupVersion, resource, main });
    }
  }
  return found;
}

const kindOf = (object: unknown) => (object === null ? '-' : `${(object as Sent).apiVersion} ${(object as Sent).kind}`);
const line = ({ operation, namespace = '', name = '', object, oldObject, options }: Asked) =>
  `${operation} ${namespace}/${name}: ${kindOf(object)}, ${kindOf(oldObject)}, ${kindOf(options)}`;

/** What both webhooks are asked while something is done. */
async function askedFor(act: () => Promise<{ status: number; object: Sent }>, resource: string, subresource: string): Promise<string> {
  hook.asked.length = 0;
  const { status, object } = await act();
  const lines = hook.asked.filter((asked) => asked.resource.resource === resource && (asked.subResource ?? '') === subresource).map(line);
  const once = [...new Set(lines)];
  const failed = status >= 300 ? ` (${status} ${JSON.stringify(object)})` : '';
  return `${once.join(' and ')}${lines.length === 2 * once.length ? '' : ` ${lines.length} times`}${failed}`;
}

const background = { apiVersion: 'v1', kind: 'DeleteOptions', gracePeriodSeconds: 0, propagationPolicy: 'Background' };
const merge = 'application/merge-patch+json';
/** Of the options, whatever the client says they are. */
const meta = 'meta.k8s.io/v1 ';
const annotated = (object: Sent, by: string): Sent => ({
  ...object,
  metadata: { ...object.metadata, annotations: { by } } as Sent['metadata'],
});
const posted: Record<string, object> = {
  binding: { apiVersion: 'v1', kind: 'Binding', metadata: { name: 'stub' }, target: { kind: 'Node', name: 'n' } },
  eviction: { apiVersion: 'policy/v1', kind: 'Eviction', metadata: { name: 'stub' }, deleteOptions: background },
  rollback: { kind: 'DeploymentRollback', name: 'stub', rollbackTo: {} },
  token: { apiVersion: 'authentication.k8s.io/v1', kind: 'TokenRequest', metadata: { name: 'stub' }, spec: { audiences: ['api'] } },
};
/** What is connected to, which is admitted as such whatever the method. */
const connected = new Set(['attach', 'exec', 'portforward', 'proxy']);
/** What configures admission is exempt from it. */
const isExempt = (groupVersion: string) => groupVersion.startsWith('admissionregistration.k8s.io/');

test('every resource and verb', { timeout: 120_000 }, async () => {
  const wrong: string[] = [];
  for (const { base, groupVersion, resource, main } of await everyResource()) {
    const [plural = '', subresource = ''] = resource.name.split('/');
    const writes = ['create', 'update', 'patch', 'delete', 'deletecollection'].filter((verb) => resource.verbs.includes(verb));
    if (writes.length === 0 || connected.has(subresource)) continue;
    const sent: Sent = { apiVersion: groupVersion, kind: main.kind, ...stubs[plural] };
    const name = sent.metadata?.name ?? '';
    const place = plural === 'namespaces' ? name : resource.namespaced ? namespace : '';
    const collection = `${base}${resource.namespaced ? `/namespaces/${namespace}` : ''}/${plural}`;
    const path = `${collection}/${name}`;
    const at = subresource === '' ? path : `${path}/${subresource}`;
    /** What is deleted may wait for finalizers, which no controller removes here; definitions are finished by the server itself. */
    const gone = () =>
      eventually(`${path} is gone`, async () => {
        if (plural !== 'customresourcedefinitions') await send('PATCH', path, { metadata: { finalizers: null } }, merge);
        return (await send('GET', path)).status === 404;
      });
    const live = async () => {
      const { status, object } = await send('GET', path);
      // Without controllers a namespace never goes.
      if (status === 200 && (plural === 'namespaces' || object.metadata?.deletionTimestamp === undefined)) return;
      await gone();
      await must('POST', collection, sent);
    };
    const own = `${resource.version === undefined ? groupVersion : resource.group ? `${resource.group}/${resource.version}` : resource.version} ${resource.kind}`;
    const expected: Record<string, string> = {
      create: `CREATE ${place}/${name}: ${own}, -, ${meta}CreateOptions`,
      update: `UPDATE ${place}/${name}: ${own}, ${own}, ${meta}UpdateOptions`,
      patch: `UPDATE ${place}/${name}: ${own}, ${own}, ${meta}UpdateOptions`,
      delete: `DELETE ${place}/${name}: -, ${own}, ${meta}DeleteOptions`,
      deletecollection: `DELETE ${place}/: -, ${own}, ${meta}DeleteOptions`,
    };
    for (const verb of writes) {
      const act = async () => {
        if (verb === 'create')
          return subresource === ''
            ? send('POST', collection, sent)
            : send('POST', at, { apiVersion: groupVersion, ...posted[subresource] });
        if (verb === 'patch') return send('PATCH', at, { metadata: { annotations: { by: 'patch' } } }, merge);
        if (verb === 'delete') return send('DELETE', at, background);
        if (verb === 'deletecollection') return send('DELETE', `${collection}?labelSelector=collected%3Dtrue`, background);
        for (;;) {
          const object = resource.verbs.includes('get') && subresource !== '' ? await must('GET', at) : await must('GET', path);
          const answer = await send('PUT', at, annotated(object, 'update'));
          if (answer.status !== 409) return answer;
          hook.asked.length = 0;
        }
      };
      if (verb === 'create' && subresource === '') {
        if (main.verbs.includes('delete')) {
          await send('DELETE', path, background);
          await gone();
        }
        if (plural === 'bindings')
          await send('POST', `${base}/namespaces/${namespace}/pods`, { apiVersion: 'v1', kind: 'Pod', ...stubs.pods });
      } else await live();
      if (verb === 'deletecollection') await must('PATCH', path, { metadata: { labels: { collected: 'true' } } }, merge);
      const asked = await askedFor(act, plural, subresource);
      const should = isExempt(groupVersion) ? '' : expected[verb];
      if (asked !== should) wrong.push(`${verb} of ${groupVersion} ${resource.name}: ${asked}, should be ${should}`);
    }
  }
  expect(wrong).toEqual([]);
});

test('every connection', async () => {
  await send('POST', '/api/v1/nodes', { apiVersion: 'v1', kind: 'Node', ...stubs.nodes });
  for (const plural of ['pods', 'services'])
    await send('POST', `/api/v1/namespaces/${namespace}/${plural}`, {
      apiVersion: 'v1',
      kind: plural === 'pods' ? 'Pod' : 'Service',
      ...stubs[plural],
    });
  const pods = `/api/v1/namespaces/${namespace}/pods`;
  const cases: [methods: string[], path: string, object: object][] = [
    [
      ['GET', 'POST'],
      `${pods}/stub/exec?stdin=true&stdout=1&command=a&command=b`,
      { kind: 'PodExecOptions', stdin: true, stdout: true, command: ['a', 'b'] },
    ],
    [['GET', 'POST'], `${pods}/stub/attach?container=c&tty=true`, { kind: 'PodAttachOptions', tty: true, container: 'c' }],
    [['GET', 'POST'], `${pods}/stub/portforward?ports=80`, { kind: 'PodPortForwardOptions', ports: [80] }],
    // Of what is not there, too: whether it may be connected to is asked first.
    [['POST'], `${pods}/nobody/exec?command=a`, { kind: 'PodExecOptions', command: ['a'] }],
    ...['pods', 'services'].map((plural): [string[], string, object] => [
      ['GET', 'POST', 'PUT', 'PATCH', 'DELETE', 'HEAD', 'OPTIONS'],
      `/api/v1/namespaces/${namespace}/${plural}/stub/proxy/a/b`,
      { kind: plural === 'pods' ? 'PodProxyOptions' : 'ServiceProxyOptions', path: '/a/b' },
    ]),
    [['GET', 'PUT'], '/api/v1/nodes/stub/proxy/metrics', { kind: 'NodeProxyOptions', path: '/metrics' }],
  ];
  for (const [methods, path, object] of cases)
    for (const method of methods) {
      hook.asked.length = 0;
      await send(method, path);
      const [, plural, name, subresource] = /(pods|services|nodes)\/(\w+)\/(\w+)/.exec(path) ?? [];
      const asked = { operation: 'CONNECT', name, object: { apiVersion: 'v1', ...object }, oldObject: null, options: null };
      // Beside them the server gives back the address of a service that was there already.
      const connections = hook.asked.filter(({ operation }) => operation === 'CONNECT');
      expect(connections, `${method} ${path}`).toMatchObject([asked, asked]);
      for (const { resource, subResource } of connections) expect([resource.resource, subResource]).toEqual([plural, subresource]);
    }
  // And it can be refused.
  hook.answer = () => ({ allowed: false, status: { message: 'nobody enters', code: 403 } });
  const refused = await send('POST', `${pods}/stub/exec?command=a`);
  expect(refused).toMatchObject({
    status: 403,
    object: { message: 'admission webhook "all.example.com" denied the request: nobody enters' },
  });
});
