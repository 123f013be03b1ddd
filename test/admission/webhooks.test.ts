import type { ServerResponse } from 'node:http';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import {
  apiVersionOf,
  ConfigMap,
  CustomResourceDefinition,
  Deployment,
  type KubeObject,
  MutatingWebhookConfiguration,
  Namespace,
  type Resource,
  ValidatingWebhookConfiguration,
} from '../../src/api/index.ts';
import { startApiServer, type TestApiServer } from '../support/api-server.ts';
import { type HookServer, jsonPatch, startHookServer } from './hook-server.ts';

let api: TestApiServer;
const create = <T extends KubeObject>(resource: Resource<T>, object: object, options?: { namespace: string }): Promise<T> =>
  api.admin.create(resource, { apiVersion: apiVersionOf(resource), kind: resource.kind, ...object } as never, options); // what is wrong with it is the server's to say
let hook: HookServer;
/** What is noted for the audit log of requests that write. */
let notes: Record<string, string>;
const trail = {
  annotate(key: string, value: string) {
    notes[key] ??= value;
  },
  request() {},
  received: async () => true,
  answered() {},
  finished() {},
  refused() {},
  panicked() {},
};
const auditor = { begin: () => trail, refused() {}, rejected() {}, close: async () => {} };
beforeEach(async () => {
  notes = {};
  api = await startApiServer({
    server: { auditor, admissionPlugins: { webhookCredentials: { validating: async (target) => ({ authorization: `for ${target}` }) } } },
  });
  hook = await startHookServer(api);
});
afterEach(async () => {
  await hook.close();
  await api.close();
});

const namespace = 'default';
const rule = { operations: ['*'], apiGroups: [''], apiVersions: ['v1'], resources: ['configmaps'] };
const webhookOf = (more: object = {}) => ({
  name: 'check.example.com',
  clientConfig: hook.clientConfig,
  rules: [rule],
  sideEffects: 'None',
  admissionReviewVersions: ['v1'],
  timeoutSeconds: 5,
  ...more,
});
const validating = (...webhooks: object[]) => create(ValidatingWebhookConfiguration, { metadata: { name: 'v' }, webhooks });
const mutating = (...webhooks: object[]) => create(MutatingWebhookConfiguration, { metadata: { name: 'm' }, webhooks });
const configMap = (name: string, more: object = {}) => ({ metadata: { name }, data: { a: '1' }, ...more });
const createMap = (name: string, more: object = {}) => create(ConfigMap, configMap(name, more), { namespace });
/** Configurations are followed: what is created takes effect when the server has read it. */
const effective = () =>
  expect
    .poll(() =>
      createMap(`probe-${hook.asked.length}`).then(
        () => hook.asked.length,
        () => hook.asked.length,
      ),
    )
    .toBeGreaterThan(0);

describe('validating', () => {
  test('a webhook sees the request and refuses it in its own words, as kubectl shows them', async () => {
    await validating(webhookOf());
    await effective();
    hook.answer = () => ({ allowed: false, status: { message: 'no maps today', code: 403 }, warnings: ['think twice'] });
    const { code, stderr } = await api.kubectl(['create', 'configmap', 'x', '--from-literal=a=b']);
    expect(code).toBe(1);
    expect(stderr).toContain('Warning: think twice');
    expect(stderr).toContain('error: failed to create configmap: admission webhook "check.example.com" denied the request: no maps today');
    const asked = hook.asked.at(-1);
    expect(asked).toMatchObject({
      operation: 'CREATE',
      name: 'x',
      namespace,
      kind: { group: '', version: 'v1', kind: 'ConfigMap' },
      resource: { group: '', version: 'v1', resource: 'configmaps' },
      dryRun: false,
      options: { kind: 'CreateOptions' },
      oldObject: null,
    });
    expect(asked?.object).toMatchObject({ data: { a: 'b' } });
  });

  test('deletes and updates carry the old object; a refused delete deletes nothing', async () => {
    await createMap('x');
    await validating(webhookOf());
    await effective();
    hook.answer = ({ operation }) => ({ allowed: operation !== 'DELETE' });
    await api.admin.update(ConfigMap, { ...(await api.admin.get(ConfigMap, 'x', { namespace })), data: { a: '2' } });
    expect(hook.asked.at(-1)).toMatchObject({ operation: 'UPDATE', object: { data: { a: '2' } }, oldObject: { data: { a: '1' } } });
    await expect(api.admin.delete(ConfigMap, 'x', { namespace })).rejects.toThrow(
      'admission webhook "check.example.com" denied the request without explanation',
    );
    const options = { kind: 'DeleteOptions', apiVersion: 'meta.k8s.io/v1' };
    expect(hook.asked.at(-1)).toMatchObject({ operation: 'DELETE', object: null, oldObject: { data: { a: '2' } }, options });
    expect((await api.admin.get(ConfigMap, 'x', { namespace })).data).toEqual({ a: '2' });
  });

  test('selectors and match conditions decide who is asked', async () => {
    await create(Namespace, { metadata: { name: 'free', labels: { admission: 'off' } } });
    await validating(
      webhookOf({
        namespaceSelector: { matchExpressions: [{ key: 'admission', operator: 'NotIn', values: ['off'] }] },
        objectSelector: { matchLabels: { check: 'yes' } },
        matchConditions: [{ name: 'not-exempt', expression: "!('exempt' in object.metadata.?annotations.orValue({}))" }],
      }),
    );
    const labels = { check: 'yes' };
    await expect
      .poll(() => createMap(`p${Math.random()}`, { metadata: { generateName: 'p-', labels } }).then(() => hook.asked.length))
      .toBe(1);
    await createMap('unlabelled');
    await createMap('x', { metadata: { name: 'exempt', labels, annotations: { exempt: '' } } });
    await create(ConfigMap, { metadata: { name: 'x', labels } }, { namespace: 'free' });
    expect(hook.asked).toHaveLength(1);
    await createMap('y', { metadata: { name: 'y', labels } });
    expect(hook.asked).toHaveLength(2);
  });

  test('a condition that fails refuses the request, or lets the webhook be, as the failure policy says', async () => {
    const matchConditions = [{ name: 'broken', expression: "object.data.missing == 'x'" }];
    const counted = async (name: string) => {
      const of = 'kind="webhook",name="[^"]+",operation="CREATE",type="validating"';
      const { body } = await api.http('GET', '/metrics');
      return Number(new RegExp(`^apiserver_admission_match_condition_${name}{${of}} (\\d+)$`, 'm').exec(body)?.[1] ?? 0);
    };
    const [excluded, failed] = [await counted('exclusions_total'), await counted('evaluation_errors_total')];
    const created = await validating(webhookOf({ matchConditions }));
    await expect
      .poll(() => createMap(`p${Math.random()}`.replace('0.', '')).then(String, String))
      .toContain("expression 'object.data.missing == 'x'' resulted in error: no such key: missing");
    expect(await counted('exclusions_total')).toBe(excluded);
    expect(await counted('evaluation_errors_total')).toBe(failed + 1);
    expect(await counted('evaluation_seconds_count')).toBeGreaterThan(0);
    await api.admin.update(ValidatingWebhookConfiguration, {
      ...created,
      webhooks: created.webhooks?.map((w) => ({ ...w, failurePolicy: 'Ignore' as const })),
    });
    await expect.poll(() => createMap('fine').then(() => 'created', String)).toBe('created');
    expect(hook.asked).toHaveLength(0);
    expect(await counted('exclusions_total')).toBe(excluded + 1);
  });

  test('matchPolicy Equivalent shows the object in the version that the rule names', async () => {
    await validating(
      webhookOf({
        rules: [
          {
            operations: ['CREATE'],
            apiGroups: ['extensions'],
            apiVersions: ['v1beta1'],
            resources: ['deployments', 'deployments/rollback'],
          },
        ],
      }),
    );
    const deployment = (name: string) => ({
      metadata: { name },
      spec: {
        selector: { matchLabels: { a: 'b' } },
        template: { metadata: { labels: { a: 'b' } }, spec: { containers: [{ name: 'c', image: 'i' }] } },
      },
    });
    let n = 0;
    await expect
      .poll(async () => {
        await create(Deployment, deployment(`d${n++}`), { namespace });
        return hook.asked.length;
      })
      .toBeGreaterThan(0);
    expect(hook.asked[0]).toMatchObject({
      kind: { group: 'extensions', version: 'v1beta1', kind: 'Deployment' },
      requestKind: { group: 'apps', version: 'v1', kind: 'Deployment' },
      object: { apiVersion: 'extensions/v1beta1' },
    });
    // The kind of its own that a subresource has comes along.
    const apiVersion = 'apps/v1beta1';
    const rollback = { apiVersion, kind: 'DeploymentRollback', name: 'd0', rollbackTo: {} };
    await api.http('POST', `/apis/${apiVersion}/namespaces/${namespace}/deployments/d0/rollback`, JSON.stringify(rollback));
    expect(hook.asked.at(-1)).toMatchObject({
      kind: { group: 'extensions', version: 'v1beta1', kind: 'DeploymentRollback' },
      requestKind: { group: 'apps', version: 'v1beta1', kind: 'DeploymentRollback' },
      object: { apiVersion: 'extensions/v1beta1', name: 'd0' },
    });
  });

  test('a dry run asks no webhook that has side effects', async () => {
    const { status } = await api.http(
      'POST',
      '/apis/admissionregistration.k8s.io/v1beta1/validatingwebhookconfigurations',
      JSON.stringify({
        metadata: { name: 'old' },
        webhooks: [{ name: 'old.example.com', clientConfig: hook.clientConfig, rules: [rule] }],
      }),
    );
    expect(status).toBe(201);
    await expect.poll(() => createMap(`p${Math.random()}`.replace('0.', '')).then(() => hook.asked.length)).toBeGreaterThan(0);
    const dry = await api.http('POST', `/api/v1/namespaces/${namespace}/configmaps?dryRun=All`, JSON.stringify(configMap('dry')));
    expect(dry.status).toBe(400);
    expect(dry.body).toContain('admission webhook \\"old.example.com\\" does not support dry run');
  });
});

describe('mutating', () => {
  test('patches in order; who asks for it is called again when a later one changes the object', async () => {
    const seen: string[] = [];
    hook.answer = ({ object }) => {
      const data = (object as { data?: Record<string, string> } | null)?.data ?? {};
      seen.push(Object.keys(data).join());
      if (!data.first) return jsonPatch({ op: 'add', path: '/data/first', value: 'x' });
      return data.second ? { allowed: true } : jsonPatch({ op: 'add', path: '/data/second', value: 'y' });
    };
    await mutating(webhookOf({ name: 'a.example.com', reinvocationPolicy: 'IfNeeded' }), webhookOf({ name: 'b.example.com' }));
    let n = 0;
    await expect.poll(() => createMap(`m${n++}`).then((c) => c.data)).toEqual({ a: '1', first: 'x', second: 'y' });
    expect(seen.slice(-3)).toEqual(['a', 'a,first', 'a,first,second']);
  });

  test('what is done is noted for the audit and counted, also where a webhook fails open', async () => {
    await mutating(webhookOf({ name: 'a.example.com', failurePolicy: 'Ignore' }), webhookOf({ name: 'b.example.com' }));
    await effective();
    let isFirst = true;
    hook.misbehave = ({ uid }, response) => {
      if (isFirst) response.writeHead(404).end();
      else {
        const answer = { uid, ...jsonPatch({ value: 'x', path: '/data/b', op: 'add' }) };
        response.end(JSON.stringify({ apiVersion: 'admission.k8s.io/v1', kind: 'AdmissionReview', response: answer }));
      }
      isFirst = false;
    };
    notes = {};
    await createMap('noted');
    const place = 'webhook.admission.k8s.io/round_0_index_';
    const by = (webhook: string, more: string) => `{"configuration":"m","webhook":"${webhook}.example.com",${more}}`;
    expect(notes).toMatchObject({
      [`failed-open.mutation.${place}0`]: 'a.example.com',
      [`mutation.${place}0`]: by('a', '"mutated":false'),
      [`mutation.${place}1`]: by('b', '"mutated":true'),
      [`patch.${place}1`]: by('b', '"patch":[{"op":"add","path":"/data/b","value":"x"}],"patchType":"JSONPatch"'),
    });
    hook.misbehave = ({ uid }, response) => {
      const answer = { uid, ...jsonPatch(), patch: Buffer.from('{}').toString('base64') };
      response.end(JSON.stringify({ apiVersion: 'admission.k8s.io/v1', kind: 'AdmissionReview', response: answer }));
    };
    await expect(createMap('undecodable')).rejects.toThrow(
      'failed calling webhook "b.example.com": received undecodable patch in webhook response: json: cannot unmarshal object into Go value of type jsonpatch.Patch',
    );
    hook.misbehave = undefined;
    hook.answer = () => jsonPatch({ op: 'add', path: '/data', value: 1 });
    await expect(createMap('misfit')).rejects.toThrow(
      'json: cannot unmarshal number into Go struct field ConfigMap.data of type map[string]string',
    );
    const metrics = (await api.http('GET', '/metrics')).body;
    const counted = (name: string, labels: string) =>
      expect(metrics).toMatch(new RegExp(`^apiserver_admission_webhook_${name}{${labels}} 1$`, 'm'));
    counted('request_total', 'code="404",name="a.example.com",operation="CREATE",rejected="false",type="admit"');
    counted(
      'rejection_count',
      'error_type="calling_webhook_error",name="b.example.com",operation="CREATE",rejection_code="503",type="admit"',
    );
    counted(
      'rejection_count',
      'error_type="apiserver_internal_error",name="a.example.com",operation="CREATE",rejection_code="0",type="admit"',
    );
  });

  test('webhooks have no more time than the request has left', async () => {
    const first = webhookOf({ name: 'a.example.com', failurePolicy: 'Ignore', timeoutSeconds: 9 });
    await mutating(first, webhookOf({ name: 'b.example.com', failurePolicy: 'Ignore', timeoutSeconds: 2 }));
    await effective();
    const urls: (string | undefined)[] = [];
    const answer = ({ uid }: { uid: string }, response: ServerResponse) =>
      response.end(JSON.stringify({ apiVersion: 'admission.k8s.io/v1', kind: 'AdmissionReview', response: { uid, allowed: true } }));
    hook.misbehave = (asked, response, { url }) => {
      urls.push(url);
      answer(asked, response);
    };
    const post = (name: string, timeout: string) =>
      api.http('POST', `/api/v1/namespaces/${namespace}/configmaps?timeout=${timeout}`, JSON.stringify(configMap(name)));
    expect((await post('in-time', '5s')).status).toBe(201);
    expect(urls).toEqual(['/hook?timeout=5s', '/hook?timeout=2s']);
    hook.misbehave = (_, _response, { url }) => void urls.push(url);
    expect((await post('late', '1s')).status).toBe(504);
    await expect.poll(() => notes['failed-open.mutation.webhook.admission.k8s.io/round_0_index_0']).toBe('a.example.com');
    expect(urls.slice(2)).toEqual(['/hook?timeout=1s']);
  });

  test('what a patch makes is validated like any object', async () => {
    await mutating(webhookOf());
    await effective();
    hook.answer = () => jsonPatch({ op: 'add', path: '/data/not a key', value: 'x' });
    await expect(createMap('bad')).rejects.toThrow('data[not a key]: Invalid value');
    hook.answer = () => jsonPatch({ op: 'remove', path: '/nothing/here' });
    await expect(createMap('bad')).rejects.toThrow(/^Internal error occurred: /);
  });

  test('owners of fields that can not be read are as they were, and a warning says so', async () => {
    await mutating(webhookOf());
    await effective();
    hook.answer = () => jsonPatch({ op: 'remove', path: '/metadata/managedFields/0/fieldsType' });
    const reply = await api.http('POST', `/api/v1/namespaces/${namespace}/configmaps`, JSON.stringify(configMap('owned')));
    expect(JSON.parse(reply.body).metadata.managedFields).toMatchObject([{ operation: 'Update', fieldsType: 'FieldsV1' }]);
    expect(reply.headers.warning).toContain('.metadata.managedFields was in an invalid state after admission; this could be caused by');
    expect(reply.headers.warning).toContain('please fix your requests: missing fieldsType in managed fields entry 0');
  });
});

test('custom resources are shown in the requested version; what is patched in is pruned by the schema', async () => {
  await create(CustomResourceDefinition, {
    metadata: { name: 'things.example.com' },
    spec: {
      group: 'example.com',
      scope: 'Namespaced',
      names: { plural: 'things', kind: 'Thing' },
      versions: [
        {
          name: 'v1',
          served: true,
          storage: true,
          schema: {
            openAPIV3Schema: { type: 'object', properties: { spec: { type: 'object', properties: { size: { type: 'integer' } } } } },
          },
        },
      ],
    },
  });
  await mutating(webhookOf({ rules: [{ operations: ['CREATE'], apiGroups: ['example.com'], apiVersions: ['*'], resources: ['*'] }] }));
  hook.answer = () => jsonPatch({ op: 'add', path: '/spec/size', value: 3 }, { op: 'add', path: '/spec/unknown', value: 1 });
  const post = async () => {
    const body = { apiVersion: 'example.com/v1', kind: 'Thing', metadata: { generateName: 'x-' }, spec: { size: 1 } };
    const reply = await api.http('POST', `/apis/example.com/v1/namespaces/${namespace}/things`, JSON.stringify(body));
    return reply.status === 201 ? (JSON.parse(reply.body) as { spec: object }).spec : reply.status;
  };
  await expect.poll(post).toEqual({ size: 3 });
  expect(hook.asked.at(-1)).toMatchObject({ kind: { group: 'example.com', version: 'v1', kind: 'Thing' }, object: { spec: { size: 1 } } });
});

describe('hostile', () => {
  const misbehaviours: [string, NonNullable<HookServer['misbehave']>, RegExp][] = [
    ['an empty answer', (_, response) => response.end(), /0-length response with status code: 200 and content type: $/],
    ['garbage', (_, response) => response.end('<html>'), /failed to call webhook: couldn't get version\/kind; json parse error/],
    ['nothing', (_, response) => response.end('{}'), /received invalid webhook response: webhook response was absent/],
    [
      'a redirect',
      (_, response) => response.writeHead(302, { location: '/elsewhere' }).end(),
      /the server responded with the status code 302/,
    ],
    [
      'an error',
      (_, response) => response.writeHead(500).end('boom'),
      /an error on the server \("boom"\) has prevented the request from succeeding/,
    ],
    ['a closed connection', (_, response) => response.socket?.destroy(), /Post "https:\/\/127\.0\.0\.1:\d+\/hook\?timeout=1s": EOF/],
    ['silence', () => {}, /Post "https:\/\/127\.0\.0\.1:\d+\/hook\?timeout=1s": context deadline exceeded/],
    ['too much', (_, response) => response.end('x'.repeat(4 << 20)), /the webhook response is too large/],
    [
      'another uid',
      (_, response) =>
        response.end(
          JSON.stringify({ apiVersion: 'admission.k8s.io/v1', kind: 'AdmissionReview', response: { uid: 'other', allowed: true } }),
        ),
      /expected response.uid="[0-9a-f-]+", got "other"/,
    ],
    [
      'another kind',
      ({ uid }, response) => response.end(JSON.stringify({ apiVersion: 'v1', kind: 'Pod', response: { uid, allowed: true } })),
      /expected webhook response of admission.k8s.io\/v1, Kind=AdmissionReview, got \/v1, Kind=Pod/,
    ],
  ];

  test('the server says who it is as it was told for the kind of webhook', async () => {
    await validating(webhookOf());
    await mutating(webhookOf());
    await effective();
    const seen = new Set<string | undefined>();
    hook.misbehave = ({ uid }, response, { headers }) => {
      seen.add(headers.authorization);
      response.end(JSON.stringify({ apiVersion: 'admission.k8s.io/v1', kind: 'AdmissionReview', response: { uid, allowed: true } }));
    };
    await expect.poll(() => createMap(`c${Math.random()}`.replace('0.', '')).then(() => seen.size)).toBe(2);
    expect([...seen]).toEqual([undefined, `for ${new URL(hook.clientConfig.url).host}`]);
  });

  test('whatever a webhook answers, it costs its request only', async () => {
    const created = await validating(webhookOf({ timeoutSeconds: 1 }));
    await effective();
    for (const [, misbehave, expected] of misbehaviours) {
      hook.misbehave = misbehave;
      const refused = await createMap('x').then(
        () => 'created',
        (error: Error) => error.message,
      );
      expect(refused).toMatch(/^Internal error occurred: failed calling webhook "check.example.com": /);
      expect(refused).toMatch(expected);
    }
    await api.admin.update(ValidatingWebhookConfiguration, {
      ...created,
      webhooks: created.webhooks?.map((w) => ({ ...w, failurePolicy: 'Ignore' as const })),
    });
    hook.misbehave = misbehaviours[0]?.[1];
    await expect.poll(() => createMap('open').then(() => 'created', String)).toBe('created');
  }, 30_000);

  test('a certificate of another authority is refused', async () => {
    const { caBundle: _, ...clientConfig } = hook.clientConfig;
    await validating(webhookOf({ clientConfig }));
    await expect
      .poll(() => createMap(`p${Math.random()}`.replace('0.', '')).then(String, String))
      .toContain('tls: failed to verify certificate: x509: certificate signed by unknown authority');
  });
});

test('configurations are validated in upstream words', async () => {
  const reply = await api.http(
    'POST',
    '/apis/admissionregistration.k8s.io/v1/validatingwebhookconfigurations',
    JSON.stringify({
      metadata: { name: 'bad' },
      webhooks: [
        {
          name: 'short',
          clientConfig: {},
          rules: [{ operations: ['*', 'CREATE'], apiGroups: [''], apiVersions: ['v1'], resources: ['pods/*', 'pods/log'] }],
          sideEffects: 'Some',
          timeoutSeconds: 31,
          admissionReviewVersions: ['v2'],
          matchConditions: [
            { name: 'x', expression: 'object.metadata.name' },
            { name: 'y', expression: 'nope' },
          ],
        },
      ],
    }),
  );
  expect(reply.status).toBe(422);
  const { details } = JSON.parse(reply.body) as { details: { causes: { field: string; message: string }[] } };
  expect(details.causes.map((c) => `${c.field}: ${c.message}`).map((line) => line.split('\n')[0])).toEqual([
    'webhooks[0].name: Invalid value: "short": should be a domain with at least three segments separated by dots',
    'webhooks[0].rules[0].operations: Invalid value: ["*","CREATE"]: if \'*\' is present, must not specify other operations',
    'webhooks[0].rules[0].resources[1]: Invalid value: "pods/log": if \'pods/*\' is present, must not specify pods/log',
    'webhooks[0].sideEffects: Unsupported value: "Some": supported values: "None", "NoneOnDryRun"',
    'webhooks[0].timeoutSeconds: Invalid value: 31: the timeout value must be between 1 and 30 seconds',
    'webhooks[0].clientConfig: Required value: exactly one of url or service is required',
    'webhooks[0].matchConditions[0].expression: Invalid value: "object.metadata.name": must evaluate to bool but got dyn',
    "webhooks[0].matchConditions[1].expression: Invalid value: \"nope\": compilation failed: ERROR: <input>:1:1: undeclared reference to 'nope' (in container '')",
    'webhooks[0].admissionReviewVersions: Invalid value: ["v2"]: must include at least one of v1, v1beta1',
  ]);
});
