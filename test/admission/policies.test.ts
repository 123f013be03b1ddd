import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import {
  apiVersionOf,
  ClusterRole,
  ClusterRoleBinding,
  ConfigMap,
  CustomResourceDefinition,
  Deployment,
  type KubeObject,
  MutatingAdmissionPolicy,
  MutatingAdmissionPolicyBinding,
  MutatingWebhookConfiguration,
  Namespace,
  Pod,
  type Resource,
  ServiceAccount,
  type StatusError,
  ValidatingAdmissionPolicy,
  ValidatingAdmissionPolicyBinding,
} from '../../src/api/index.ts';
import { createClient } from '../../src/client/index.ts';
import { startApiServer, type TestApiServer } from '../support/api-server.ts';

let api: TestApiServer;
const create = <T extends KubeObject>(resource: Resource<T>, object: object, options?: { namespace: string }): Promise<T> =>
  api.admin.create(resource, { apiVersion: apiVersionOf(resource), kind: resource.kind, ...object } as never, options); // what is wrong with it is the server's to say
beforeEach(async () => {
  api = await startApiServer();
});
afterEach(() => api.close());

const namespace = 'default';
const deploymentRules = {
  resourceRules: [{ apiGroups: ['apps'], apiVersions: ['v1'], operations: ['CREATE', 'UPDATE'], resources: ['deployments'] }],
};
const mapRules = { resourceRules: [{ apiGroups: [''], apiVersions: ['v1'], operations: ['CREATE', 'UPDATE'], resources: ['configmaps'] }] };

const policy = (name: string, spec: object) => create(ValidatingAdmissionPolicy, { metadata: { name }, spec });
const bind = (name: string, spec: object = {}) =>
  create(ValidatingAdmissionPolicyBinding, {
    metadata: { name: `${name}-binding` },
    spec: { policyName: name, validationActions: ['Deny'], ...spec },
  });
const deployment = (name: string, replicas: number) => ({
  metadata: { name },
  spec: {
    replicas,
    selector: { matchLabels: { app: name } },
    template: { metadata: { labels: { app: name } }, spec: { containers: [{ name: 'c', image: 'nginx' }] } },
  },
});
const createMap = (name: string, more: object = {}) => create(ConfigMap, { metadata: { name }, data: { a: '1' }, ...more }, { namespace });
let drafts = 0;
/** What comes of creating something, asked until the policy is in effect. */
const outcome = (attempt: (name: string) => Promise<unknown>) =>
  expect.poll(() =>
    attempt(`probe-${drafts++}`).then(
      () => 'created',
      (error: Error) => error.message,
    ),
  );

describe('validating', () => {
  test('the first example of the documentation denies, and kubectl prints why', async () => {
    await create(Namespace, { metadata: { name: 'test', labels: { environment: 'test' } } });
    await policy('demo-policy.example.com', {
      failurePolicy: 'Fail',
      matchConstraints: deploymentRules,
      validations: [{ expression: 'object.spec.replicas <= 5' }],
    });
    await bind('demo-policy.example.com', { matchResources: { namespaceSelector: { matchLabels: { environment: 'test' } } } });
    await outcome((name) => create(Deployment, deployment(name, 6), { namespace: 'test' })).toContain('denied request');
    const metrics = (await api.http('GET', '/metrics')).body;
    expect(metrics).toMatch(/^# HELP apiserver_cel_compilation_duration_seconds \[BETA\] CEL compilation time in seconds\.$/m);
    expect(metrics).toMatch(/^apiserver_cel_compilation_duration_seconds_count [1-9]/m);
    expect(metrics).toMatch(/^apiserver_cel_evaluation_duration_seconds_count [1-9]/m);
    const { stderr } = await api.kubectl(['create', 'deployment', 'nginx', '--image=nginx', '--replicas=6', '-n', 'test']);
    expect(stderr).toBe(
      'error: failed to create deployment: deployments.apps "nginx" is forbidden: ' +
        "ValidatingAdmissionPolicy 'demo-policy.example.com' with binding 'demo-policy.example.com-binding' denied request: failed expression: object.spec.replicas <= 5\n",
    );
    await create(Deployment, deployment('few', 5), { namespace: 'test' });
    await create(Deployment, deployment('elsewhere', 9), { namespace });
  });

  test('parameters are custom resources by name or selector, of the namespace or another; without one, the binding says', async () => {
    await create(CustomResourceDefinition, {
      metadata: { name: 'replicalimits.rules.example.com' },
      spec: {
        group: 'rules.example.com',
        scope: 'Namespaced',
        names: { plural: 'replicalimits', kind: 'ReplicaLimit' },
        versions: [
          {
            name: 'v1',
            served: true,
            storage: true,
            schema: { openAPIV3Schema: { type: 'object', properties: { maxReplicas: { type: 'integer' } } } },
          },
        ],
      },
    });
    await policy('limit', {
      paramKind: { apiVersion: 'rules.example.com/v1', kind: 'ReplicaLimit' },
      matchConstraints: deploymentRules,
      validations: [
        {
          expression: 'object.spec.replicas <= params.maxReplicas',
          messageExpression: "'at most ' + string(params.maxReplicas) + ' in ' + namespaceObject.metadata.name",
          reason: 'Forbidden',
        },
      ],
    });
    await bind('limit', { paramRef: { name: 'limit', namespace, parameterNotFoundAction: 'Deny' } });
    const createOne = (name: string) => create(Deployment, deployment(name, 4), { namespace });
    await outcome(createOne).toContain(
      'failed to configure binding: no params found for policy binding with `Deny` parameterNotFoundAction',
    );
    await expect
      .poll(() =>
        api
          .http(
            'POST',
            `/apis/rules.example.com/v1/namespaces/${namespace}/replicalimits`,
            JSON.stringify({ apiVersion: 'rules.example.com/v1', kind: 'ReplicaLimit', metadata: { name: 'limit' }, maxReplicas: 3 }),
          )
          .then((r) => r.status),
      )
      .toBe(201);
    await outcome(createOne).toContain('denied request: at most 3 in default');
    await expect(createOne('x')).rejects.toMatchObject({ code: 403, reason: 'Forbidden' });
  });

  test('variables build on each other; warnings and audit annotations are given without denying', async () => {
    await policy('images', {
      matchConstraints: mapRules,
      variables: [
        { name: 'keys', expression: 'object.data.map(k, k)' },
        { name: 'many', expression: 'size(variables.keys) > 1' },
      ],
      validations: [{ expression: '!variables.many', message: 'too many keys' }],
      auditAnnotations: [{ key: 'keys', valueExpression: "variables.keys.join(',')" }],
    });
    await bind('images', { validationActions: ['Warn', 'Audit'] });
    const warned = () =>
      api.http(
        'POST',
        `/api/v1/namespaces/${namespace}/configmaps`,
        JSON.stringify({ metadata: { generateName: 'x-' }, data: { a: '', b: '' } }),
      );
    await expect
      .poll(async () => (await warned()).headers.warning)
      .toBe(`299 - "Validation failed for ValidatingAdmissionPolicy 'images' with binding 'images-binding': too many keys"`);
    expect((await warned()).status).toBe(201);
  });

  test('what configures webhooks is subject to policies, they themselves are not, nor is the deletion that an eviction ends in', async () => {
    const spec = { containers: [{ name: 'c', image: 'i' }] };
    await create(ServiceAccount, { metadata: { name: 'default' } }, { namespace });
    await create(Pod, { metadata: { name: 'evicted' }, spec }, { namespace });
    const resourceRules = [
      { apiGroups: ['admissionregistration.k8s.io'], apiVersions: ['*'], operations: ['CREATE'], resources: ['*'] },
      { apiGroups: [''], apiVersions: ['v1'], operations: ['DELETE'], resources: ['pods'] },
    ];
    await policy('no', { matchConstraints: { resourceRules }, validations: [{ expression: 'false', message: 'no' }] });
    await bind('no');
    const configuration = (name: string) => create(MutatingWebhookConfiguration, { metadata: { name } });
    await outcome(configuration).toContain("ValidatingAdmissionPolicy 'no' with binding 'no-binding' denied request: no");
    await expect(policy('other', { matchConstraints: mapRules, validations: [{ expression: 'true' }] })).resolves.toBeDefined();
    const pod = `/api/v1/namespaces/${namespace}/pods/evicted`;
    const eviction = { apiVersion: 'policy/v1', kind: 'Eviction', metadata: { name: 'evicted' } };
    const gone = [await api.http('DELETE', pod), await api.http('POST', `${pod}/eviction`, JSON.stringify(eviction))];
    expect(gone.map(({ status }) => status)).toEqual([422, 201]);
  });

  test('the authorizer answers for the user and for service accounts', async () => {
    await policy('break-glass', {
      matchConstraints: mapRules,
      validations: [
        {
          expression: "authorizer.group('').resource('configmaps').namespace('default').check('breakglass').allowed()",
          message: 'may not break the glass',
        },
        {
          expression: "authorizer.serviceAccount('default', 'nobody').group('').resource('secrets').check('list').allowed()",
          message: 'nobody may not list',
        },
      ],
    });
    await bind('break-glass');
    // The administrator may do everything, the account nothing.
    await outcome(createMap).toContain('denied request: nobody may not list');
  });

  test('an expression that fails denies or not by the failure policy; what costs too much is stopped', async () => {
    const created = await policy('broken', {
      matchConstraints: mapRules,
      validations: [{ expression: "object.data.missing == 'x'" }],
    });
    await bind('broken');
    await outcome(createMap).toContain("denied request: expression 'object.data.missing == 'x'' resulted in error: no such key: missing");
    const list = `[${Array.from({ length: 100 }, (_, i) => i).join(',')}]`;
    await api.admin.update(ValidatingAdmissionPolicy, {
      ...(await api.admin.get(ValidatingAdmissionPolicy, 'broken')),
      spec: {
        ...created.spec,
        validations: [{ expression: `${list}.all(a, ${list}.all(b, ${list}.all(c, ${list}.all(d, a + b + c + d >= 0))))` }],
      },
    });
    await outcome(createMap).toContain('cost limit exceeded');
    const current = await api.admin.get(ValidatingAdmissionPolicy, 'broken');
    await api.admin.update(ValidatingAdmissionPolicy, { ...current, spec: { ...current.spec, failurePolicy: 'Ignore' } });
    await outcome(createMap).toBe('created');
    expect((await api.admin.get(ValidatingAdmissionPolicy, 'broken')).metadata.generation).toBe(3);
  });

  test('what can not be evaluated is told as upstream has it', async () => {
    const paramKind = { apiVersion: 'v1', kind: 'ConfigMap' };
    const heavy = 'lists.range(300).all(i, lists.range(300).all(j, i + j >= 0))';
    const spent = 'validation failed due to running out of cost budget, no further validation rules will be run';
    const often = (validation: object) => Array.from({ length: 60 }, () => validation);
    const mayGet = "string(authorizer.path('/x').check('get').allowed())";
    const cases: [spec: object, expected: string][] = [
      [
        { paramKind, validations: [{ expression: 'params.metadata.name == object.metadata.name' }] },
        "expression 'params.metadata.name == object.metadata.name' resulted in error: no such key: metadata",
      ],
      [{ paramKind, validations: [{ expression: 'has(params.metadata)' }] }, 'failed expression: has(params.metadata)'],
      [
        { auditAnnotations: [{ key: 'k', valueExpression: mayGet }] },
        `expression '${mayGet}' resulted in error: no such attribute(s): authorizer`,
      ],
      [
        {
          variables: [{ name: 'may', expression: mayGet }],
          validations: [{ expression: 'variables.may == ""', messageExpression: 'variables.may', message: 'fixed' }],
        },
        'fixed',
      ],
      [{ validations: [{ expression: 'false' }, ...often({ expression: heavy })] }, spent],
      [{ validations: often({ expression: 'true', messageExpression: `string(${heavy})` }) }, `failed messageExpression: ${spent}`],
    ];
    for (const [i, [spec]] of cases.entries()) {
      const matchConstraints = { ...mapRules, objectSelector: { matchLabels: { case: `${i}` } } };
      await policy(`v${i}`, { matchConstraints, ...spec });
      await bind(`v${i}`);
    }
    for (const [i, [, expected]] of cases.entries())
      await outcome((name) => createMap(name, { metadata: { name, labels: { case: `${i}` } } })).toContain(
        `ValidatingAdmissionPolicy 'v${i}' with binding 'v${i}-binding' denied request: ${expected}`,
      );
  });

  test('nobody reads through a policy what they may not read', async () => {
    const rules = [
      { apiGroups: ['admissionregistration.k8s.io'], resources: ['*'], verbs: ['*'] },
      { apiGroups: [''], resources: ['configmaps'], resourceNames: ['p'], verbs: ['get'] },
    ];
    await create(ClusterRole, { metadata: { name: 'writer' }, rules });
    const subjects = [{ kind: 'User', apiGroup: 'rbac.authorization.k8s.io', name: 'joe' }];
    const roleRef = { kind: 'ClusterRole', apiGroup: 'rbac.authorization.k8s.io', name: 'writer' };
    await create(ClusterRoleBinding, { metadata: { name: 'writer' }, roleRef, subjects });
    const joe = createClient(api.server.localTransport({ name: 'joe', groups: ['system:authenticated'] }), { userAgent: 'joe' });
    const write = (resource: Resource, name: string, spec: object) =>
      joe.create(resource, { apiVersion: apiVersionOf(resource), kind: resource.kind, metadata: { name }, spec } as never).then(
        () => 'created',
        (error: Error) => error.message,
      );
    const paramKind = { apiVersion: 'v1', kind: 'ConfigMap' };
    const spec = { matchConstraints: mapRules, validations: [{ expression: 'true' }] };
    await expect.poll(() => write(ValidatingAdmissionPolicy, `without-${drafts++}`, spec)).toBe('created');
    expect(await write(ValidatingAdmissionPolicy, 'with', { ...spec, paramKind })).toBe(
      'ValidatingAdmissionPolicy.admissionregistration.k8s.io "with" is invalid: spec.paramKind: Forbidden: user &{joe  [system:authenticated] map[]} must have "get" permission on all objects of the referenced paramKind (kind=ConfigMap, apiVersion=v1)',
    );
    await policy('with', { ...spec, paramKind });
    const binding = (name: string) => ({
      policyName: 'with',
      validationActions: ['Deny'],
      paramRef: { name, namespace, parameterNotFoundAction: 'Deny' },
    });
    expect(await write(ValidatingAdmissionPolicyBinding, 'p', binding('p'))).toBe('created');
    expect(await write(ValidatingAdmissionPolicyBinding, 'q', binding('q'))).toContain(
      'spec.paramRef: Forbidden: user &{joe  [system:authenticated] map[]} does not have "get" permission on the object referenced by paramRef',
    );
  });

  test('policies are checked when they are written', async () => {
    const spec = {
      paramKind: { apiVersion: 'v1', kind: 'ConfigMap' },
      matchConstraints: { resourceRules: [] },
      variables: [{ name: 'for', expression: '1' }],
      validations: [
        { expression: 'object.x', messageExpression: '1', reason: 'Unauthorized' },
        { expression: '1' },
        { expression: 'request.nope' },
      ],
    };
    const reply = await api.http(
      'POST',
      '/apis/admissionregistration.k8s.io/v1/validatingadmissionpolicies',
      JSON.stringify({ metadata: { name: 'bad' }, spec }),
    );
    expect(reply.status).toBe(422);
    const { details } = JSON.parse(reply.body) as { details: { causes: { field: string; message: string }[] } };
    expect(details.causes.map((c) => `${c.field}: ${c.message}`).map((line) => line.split('\n')[0])).toEqual([
      'spec.matchConstraints.resourceRules: Required value',
      'spec.variables[0].name: Invalid value: "for": must be a valid CEL identifier',
      'spec.validations[0].expression: Invalid value: "object.x": must evaluate to bool but got dyn',
      'spec.validations[0].messageExpression: Invalid value: "1": must evaluate to string but got int',
      'spec.validations[0].reason: Unsupported value: "Unauthorized": supported values: "Forbidden", "Invalid", "RequestEntityTooLarge"',
      'spec.validations[1].expression: Invalid value: "1": must evaluate to bool but got int',
      'spec.validations[2].expression: Invalid value: "request.nope": compilation failed: ERROR: <input>:1:8: undefined field \'nope\'',
    ]);
  });
});

const widgetDefinition = {
  apiVersion: 'apiextensions.k8s.io/v1',
  kind: 'CustomResourceDefinition',
  metadata: { name: 'widgets.example.com' },
  spec: {
    group: 'example.com',
    scope: 'Namespaced',
    names: { plural: 'widgets', kind: 'Widget' },
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
};

test('expressions are checked by the types that the rules name', async () => {
  const withControllers = await startApiServer({ controllers: true });
  try {
    const spec = {
      matchConstraints: deploymentRules,
      validations: [{ expression: 'object.spec.replicas > 1' }, { expression: 'object.spec.replica > 1' }],
    };
    await withControllers.admin.create(ValidatingAdmissionPolicy, {
      apiVersion: 'admissionregistration.k8s.io/v1',
      kind: 'ValidatingAdmissionPolicy',
      metadata: { name: 'typed' },
      spec,
    } as never);
    const status = async () => (await withControllers.admin.get(ValidatingAdmissionPolicy, 'typed')).status;
    await expect.poll(async () => (await status())?.observedGeneration).toBe(1);
    expect((await status())?.typeChecking?.expressionWarnings).toEqual([
      {
        fieldRef: 'spec.validations[1].expression',
        warning: expect.stringMatching(/^apps\/v1, Kind=Deployment: ERROR: <input>:1:\d+: undefined field 'replica'/),
      },
    ]);
    await withControllers.admin.create(CustomResourceDefinition, widgetDefinition as never);
    await expect.poll(() => withControllers.http('GET', '/openapi/v3/apis/example.com/v1').then((reply) => reply.status)).toBe(200);
    await withControllers.admin.create(ValidatingAdmissionPolicy, {
      apiVersion: 'admissionregistration.k8s.io/v1',
      kind: 'ValidatingAdmissionPolicy',
      metadata: { name: 'custom' },
      spec: {
        matchConstraints: {
          resourceRules: [{ apiGroups: ['example.com'], apiVersions: ['v1'], operations: ['*'], resources: ['widgets'] }],
        },
        validations: [{ expression: 'object.spec.size > 1 && object.metadata.labels.size() > 0' }, { expression: 'object.spec.sizes > 1' }],
      },
    } as never);
    const warnings = async () =>
      (await withControllers.admin.get(ValidatingAdmissionPolicy, 'custom')).status?.typeChecking?.expressionWarnings;
    await expect.poll(warnings).toEqual([
      {
        fieldRef: 'spec.validations[1].expression',
        warning: expect.stringMatching(/^example.com\/v1, Kind=Widget: ERROR: <input>:1:\d+: undefined field 'sizes'/),
      },
    ]);
  } finally {
    await withControllers.close();
  }
});

describe('mutating', () => {
  // Pods need an account.
  beforeEach(async () => {
    await create(ServiceAccount, { metadata: { name: 'default' } }, { namespace });
  });
  const podRules = { resourceRules: [{ apiGroups: [''], apiVersions: ['v1'], operations: ['CREATE'], resources: ['pods'] }] };
  const mutate = async (name: string, mutations: object[], more: object = {}) => {
    await create(MutatingAdmissionPolicy, {
      metadata: { name },
      spec: { matchConstraints: podRules, failurePolicy: 'Fail', reinvocationPolicy: 'IfNeeded', mutations, ...more },
    });
    await create(MutatingAdmissionPolicyBinding, { metadata: { name }, spec: { policyName: name } });
  };
  const applied = (expression: string) => ({ patchType: 'ApplyConfiguration', applyConfiguration: { expression } });
  const jsonPatch = (expression: string) => ({ patchType: 'JSONPatch', jsonPatch: { expression } });
  const increment = applied('Object{metadata: Object.metadata{annotations: {"n": string(int(object.metadata.annotations["n"]) + 1)}}}');
  const unknownField = applied('Object{spec: Object.spec{none: "x"}}');
  const createPod = (name: string) =>
    create(Pod, { metadata: { name, labels: { app: 'x' } }, spec: { containers: [{ name: 'app', image: 'i' }] } }, { namespace });

  test('an apply configuration merges by the type: the sidecar of the documentation', async () => {
    await mutate(
      'sidecar-policy.example.com',
      [
        {
          patchType: 'ApplyConfiguration',
          applyConfiguration: {
            expression: `Object{
              spec: Object.spec{
                initContainers: [
                  Object.spec.initContainers{ name: "mesh-proxy", image: "mesh/proxy:v1.0.0", restartPolicy: "Always" }
                ]
              }
            }`,
          },
        },
      ],
      {
        matchConditions: [
          {
            name: 'does-not-already-have-sidecar',
            expression: '!object.spec.?initContainers.orValue([]).exists(c, c.name == "mesh-proxy")',
          },
        ],
      },
    );
    await expect
      .poll(() =>
        createPod(`p${drafts++}`).then((pod) =>
          pod.spec?.initContainers?.map(({ name, image, restartPolicy, terminationMessagePath }) => ({
            name,
            image,
            restartPolicy,
            terminationMessagePath,
          })),
        ),
      )
      .toEqual([
        {
          name: 'mesh-proxy',
          image: 'mesh/proxy:v1.0.0',
          restartPolicy: 'Always',
          terminationMessagePath: '/dev/termination-log',
        },
      ]);
  });

  test('a JSON patch sees variables and escapes keys', async () => {
    await mutate(
      'label',
      [
        {
          patchType: 'JSONPatch',
          jsonPatch: {
            expression: `[
              JSONPatch{op: "test", path: "/metadata/labels/app", value: "x"},
              JSONPatch{op: "add", path: "/metadata/labels/" + jsonpatch.escapeKey("example.com/env"), value: variables.env},
              JSONPatch{op: "add", path: "/spec/nodeSelector", value: {"disk": "ssd"}}
            ]`,
          },
        },
      ],
      { variables: [{ name: 'env', expression: "request.namespace + '-env'" }] },
    );
    await expect
      .poll(() => createPod(`p${drafts++}`).then(({ metadata, spec }) => [metadata.labels, spec?.nodeSelector]))
      .toEqual([{ app: 'x', 'example.com/env': 'default-env' }, { disk: 'ssd' }]);
  });

  test('a status is mutated by itself; a namespace that says no phase is active', async () => {
    await create(Namespace, { metadata: { name: 'other' } });
    const rule = { apiGroups: [''], apiVersions: ['v1'], operations: ['UPDATE'], resources: ['namespaces/status'] };
    const expression =
      'Object{status: Object.status{conditions: [Object.status.conditions{type: "NamespaceDeletionContentFailure", message: "mutated"}]}}';
    await create(MutatingAdmissionPolicy, {
      metadata: { name: 'status' },
      spec: {
        matchConstraints: { resourceRules: [rule] },
        reinvocationPolicy: 'Never',
        mutations: [{ patchType: 'ApplyConfiguration', applyConfiguration: { expression } }],
      },
    });
    await create(MutatingAdmissionPolicyBinding, { metadata: { name: 'status' }, spec: { policyName: 'status' } });
    const condition = { type: 'NamespaceDeletionContentFailure', status: 'Unknown' };
    const body = JSON.stringify({ apiVersion: 'v1', kind: 'Namespace', metadata: { name: 'other' }, status: { conditions: [condition] } });
    await expect
      .poll(async () => JSON.parse((await api.http('PUT', '/api/v1/namespaces/other/status?dryRun=All', body)).body).status)
      .toMatchObject({ phase: 'Active', conditions: [{ ...condition, message: 'mutated' }] });
  });

  test('mutations are applied and fail as upstream has it', async () => {
    const denial = (message: string, reason = 'Invalid') => ({ code: 403, reason, message });
    const cases: [what: string, spec: object, mutations: object[], expected: unknown][] = [
      ['a mutation that fails leaves the others be', { failurePolicy: 'Ignore' }, [increment, unknownField, increment], '2'],
      ['who asks for it is called again, whoever has changed the object', { reinvocationPolicy: 'IfNeeded' }, [increment], '2'],
      ['a test that does not hold', {}, [jsonPatch('[JSONPatch{op: "test", path: "/data/a", value: "2"}]'), increment], '1'],
      [
        'a value of a type within',
        {},
        [
          jsonPatch(
            '[JSONPatch{op: "add", path: "/metadata", value: Object.metadata{name: "x", namespace: "default", annotations: {"n": "5"}}}]',
          ),
        ],
        '5',
      ],
      [
        'the first failure is told',
        {},
        [unknownField, jsonPatch('[JSONPatch{op: "remove", path: "/data/none"}]')],
        denial(
          "policy 'm4' with binding 'm4' denied request: error applying patch: failed to convert patch object to typed object: .spec: field not declared in schema",
        ),
      ],
      [
        'fields that the kind does not have, whatever the failure policy',
        { failurePolicy: 'Ignore' },
        [jsonPatch('[JSONPatch{op: "add", path: "/bogus", value: "1"}]')],
        { code: 500, reason: 'InternalError', message: 'Internal error occurred: strict decoding error: unknown field "bogus"' },
      ],
      [
        'conditions see no namespace',
        { matchConditions: [{ name: 'n', expression: 'namespaceObject.metadata.name == "default"' }] },
        [increment],
        denial(
          "policy 'm6' with binding 'm6' denied request: expression 'namespaceObject.metadata.name == \"default\"' resulted in error: no such key: metadata",
        ),
      ],
      [
        'a kind of parameters that is not there',
        { paramKind: { apiVersion: 'example.com/v1', kind: 'Nope' } },
        [increment],
        denial(
          'policy "m7" denied request: failed to configure policy: failed to find resource referenced by paramKind: \'example.com/v1, Kind=Nope\'',
          'Forbidden',
        ),
      ],
      [
        'an object without fields is a zero value',
        {},
        [
          jsonPatch(
            '[JSONPatch{op: "add", path: "/metadata/annotations/n", value: optional.ofNonZeroValue(Object.metadata{}).hasValue() ? "set" : "zero"}]',
          ),
        ],
        'zero',
      ],
    ];
    for (const [i, [, more, mutations]] of cases.entries()) {
      const matchConstraints = { ...mapRules, objectSelector: { matchLabels: { case: `${i}` } } };
      const spec = { matchConstraints, failurePolicy: 'Fail', reinvocationPolicy: 'Never', mutations, ...more };
      await create(MutatingAdmissionPolicy, { metadata: { name: `m${i}` }, spec });
      const paramRef = { name: 'p', parameterNotFoundAction: 'Allow' };
      await create(MutatingAdmissionPolicyBinding, { metadata: { name: `m${i}` }, spec: { policyName: `m${i}`, paramRef } });
    }
    for (const [i, [what, , , expected]] of cases.entries())
      await expect
        .poll(
          () =>
            createMap('', { metadata: { generateName: 'm', labels: { case: `${i}` }, annotations: { n: '0' } } }).then(
              ({ metadata }) => metadata.annotations?.n,
              ({ code, reason, message }: StatusError) => ({ code, reason, message }),
            ),
          { message: what },
        )
        .toEqual(expected);
  });

  test('mutations that do not compile are refused; those that fail deny', async () => {
    const bad = await api.http(
      'POST',
      '/apis/admissionregistration.k8s.io/v1/mutatingadmissionpolicies',
      JSON.stringify({
        metadata: { name: 'bad' },
        spec: {
          matchConstraints: podRules,
          mutations: [
            { patchType: 'ApplyConfiguration', applyConfiguration: { expression: '1' } },
            { patchType: 'JSONPatch', jsonPatch: { expression: '[1]' } },
          ],
        },
      }),
    );
    expect(bad.body).toContain('spec.mutations[0].applyConfiguration.expression: Invalid value: \\"1\\": must evaluate to Object');
    expect(bad.body).toContain('spec.mutations[1].jsonPatch.expression: Invalid value: \\"[1]\\": must evaluate to list(JSONPatch)');
    expect(bad.body).toContain('spec.reinvocationPolicy: Required value');
    await mutate('wipes', [
      {
        patchType: 'ApplyConfiguration',
        applyConfiguration: { expression: 'Object{spec: Object.spec{tolerations: [Object.spec.tolerations{key: "x"}]}}' },
      },
    ]);
    await outcome(createPod).toContain(
      "policy 'wipes' with binding 'wipes' denied request: error applying patch: invalid ApplyConfiguration: may not mutate atomic arrays, maps or structs: .spec.tolerations",
    );
    await mutate('fails', [{ patchType: 'JSONPatch', jsonPatch: { expression: '[JSONPatch{op: "remove", path: "/spec/none"}]' } }]);
    await outcome(createPod).toMatch(/^policy 'fails' with binding 'fails' denied request: JSON Patch: /);
  });
});
