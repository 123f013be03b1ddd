/** What upstream's kubectl prints of our answers is what it prints of Kubernetes'. */
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { startApiServer, type TestApiServer } from '../support/api-server.ts';

let server: TestApiServer;
beforeAll(async () => {
  server = await startApiServer({ controllers: true });
  // Pods need their account, which the controllers make.
  expect(await kubectl('wait --for=create sa/default --timeout=20s')).toBe('serviceaccount/default condition met');
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
    spec:
      containers:
      - {name: web, image: "nginx:1.25", ports: [{containerPort: 80}]}
---
apiVersion: v1
kind: Service
metadata: {name: web}
spec: {selector: {app: web}, ports: [{port: 80}]}
`;

/** The words of a line, quoted as a shell would. */
const words = (line: string) => [...line.matchAll(/'([^']*)'|(\S+)/g)].map(([, quoted, plain]) => quoted ?? plain ?? '');

/** A command, and all that it prints to both streams. */
async function kubectl(line: string, input?: string): Promise<string> {
  const args = words(line.replaceAll('web.yaml', join(server.dir, 'web.yaml')));
  const { stdout, stderr } = await server.kubectl(args, input);
  return `${stderr}${stdout}`.trimEnd();
}

type Step = [command: string, printed: string | RegExp];
const follow = (steps: readonly Step[]) => async () => {
  for (const [command, printed] of steps) {
    const out = await kubectl(command);
    if (typeof printed === 'string') expect(`${command}\n${out}`).toBe(`${command}\n${printed}`);
    else expect(`${command}\n${out}`).toMatch(printed);
  }
};

test(
  'a deployment is made, changed, conflicted over and removed',
  follow([
    ['apply -f web.yaml', 'deployment.apps/web created\nservice/web created'],
    ['apply -f web.yaml', 'deployment.apps/web unchanged\nservice/web unchanged'],
    ['create -f web.yaml', /Error from server \(AlreadyExists\): error when creating ".*": deployments\.apps "web" already exists/],
    ['label deploy web tier=front', 'deployment.apps/web labeled'],
    ['label deploy web tier=back', "error: 'tier' already has a value (front), and --overwrite is false"],
    ['annotate deploy web a=b', 'deployment.apps/web annotated'],
    ['scale deploy web --replicas=5', 'deployment.apps/web scaled'],
    ['scale deploy web --replicas=1 --current-replicas=3', 'error: Expected replicas to be 3, was 5'],
    ['get deploy web --subresource=scale', /\nNAME +DESIRED +AVAILABLE +AGE\nweb +5 +\d /],
    ['set image deploy/web web=nginx:1.27', 'deployment.apps/web image updated'],
    ['rollout pause deploy web', 'deployment.apps/web paused'],
    ['rollout pause deploy web', 'error: deployments.apps "web" is already paused'],
    ['rollout resume deploy web', 'deployment.apps/web resumed'],
    ['rollout restart deploy web', 'deployment.apps/web restarted'],
    [
      `patch deploy web -p '{"spec":{"replicas":-1}}'`,
      'The Deployment "web" is invalid: spec.replicas: Invalid value: -1: must be greater than or equal to 0',
    ],
    [
      `patch deploy web -p '{"spec":{"replicas":"x"}}'`,
      'The request is invalid: patch: Invalid value: "map[spec:map[replicas:x]]": unrecognized type: int32',
    ],
    [
      `patch deploy web --type=json -p '[{"op":"replace","path":"/spec/no/x","value":2}]'`,
      'The request is invalid: the server rejected our request due to an error in our request',
    ],
    ['patch deploy none -p {}', 'Error from server (NotFound): deployments.apps "none" not found'],
    ['apply --server-side -f web.yaml', /Apply failed with \d conflicts?: conflicts? with "kubectl(-set)?"/],
    ['apply --server-side --force-conflicts -f web.yaml', 'deployment.apps/web serverside-applied\nservice/web serverside-applied'],
    ['replace -f web.yaml', 'deployment.apps/web replaced\nservice/web replaced'],
    ['wait --for=jsonpath={.spec.replicas}=2 deploy/web --timeout=5s', 'deployment.apps/web condition met'],
    ['get -f web.yaml -o name', 'deployment.apps/web\nservice/web'],
    ['delete -f web.yaml', 'deployment.apps "web" deleted from default namespace\nservice "web" deleted from default namespace'],
  ]),
);

test('fields remember which command set them', async () => {
  await kubectl('create deployment made --image=a');
  await kubectl('label deploy made a=b');
  await kubectl('scale deploy made --replicas=0');
  await kubectl('set image deploy/made a=b');
  const managers = await kubectl('get deploy made --show-managed-fields -o jsonpath={.metadata.managedFields[*].manager}');
  expect(managers.split(' ')).toEqual(expect.arrayContaining(['kubectl-create', 'kubectl-label', 'kubectl', 'kubectl-set']));
  await kubectl('delete deploy made');
});

test('an object applied by the client goes over to the server, which forgets what it is not told any more', async () => {
  const config = (metadata: object, data: object) =>
    JSON.stringify({ apiVersion: 'v1', kind: 'ConfigMap', metadata: { name: 'moved', ...metadata }, data });
  const apply = (how: string, ...of: Parameters<typeof config>) => kubectl(`apply ${how} --field-manager=me -f -`, config(...of));
  const present = async () => JSON.parse(await kubectl('get cm moved -o json'));
  expect(await apply('', {}, { a: '1', b: '2' })).toBe('configmap/moved created');
  expect((await present()).metadata.annotations).toEqual({ 'kubectl.kubernetes.io/last-applied-configuration': expect.any(String) });
  expect(await apply('--server-side', {}, { a: '1', b: '2' })).toBe('configmap/moved serverside-applied');
  expect((await present()).metadata.annotations).toBeUndefined();
  await apply('--server-side', { labels: { app: 'web' } }, { a: '2' });
  expect(await present()).toMatchObject({ metadata: { labels: { app: 'web' } }, data: { a: '2' } });
  expect(await apply('--server-side', {}, { a: '2' })).toBe('configmap/moved serverside-applied');
  expect((await present()).metadata.labels).toBeUndefined();
  await kubectl('delete cm moved');
});

test(
  'who may what is told',
  follow([
    [
      'auth whoami',
      /Username +kubernetes-admin\nGroups +\[system:masters system:authenticated\]\nExtra: authentication.kubernetes.io\/credential-id +\[X509SHA256=[0-9a-f]{64}\]$/,
    ],
    // What system:masters may do whatever the authorizers say is no rule: only the role's is told, once.
    ['auth can-i --list', /^auth.*\n.*\n\*\.\* +\[\] +\[\] +\[\*\]\n +\[\*\] +\[\] +\[\*\]\n\S/],
    ['auth can-i create pods --as=bob', /^auth.*\nno$/],
    ['auth can-i --list --as=bob', /^auth.*\nResources +Non-Resource URLs +Resource Names +Verbs\n/],
    [
      'get pods --as=bob',
      'Error from server (Forbidden): pods is forbidden: User "bob" cannot list resource "pods" in API group "" in the namespace "default"',
    ],
    [
      'get nodes --as=bob',
      'Error from server (Forbidden): nodes is forbidden: User "bob" cannot list resource "nodes" in API group "" at the cluster scope',
    ],
    ['create role r --verb=get --resource=pods', 'role.rbac.authorization.k8s.io/r created'],
    ['create rolebinding r --role=r --user=bob', 'rolebinding.rbac.authorization.k8s.io/r created'],
    ['create token default', /^create.*\neyJ/],
    ['delete ns default', 'Error from server (Forbidden): namespaces "default" is forbidden: this namespace may not be deleted'],
  ]),
);

test(
  'what is not there is said in the known words',
  follow([
    ['get pods nope', 'Error from server (NotFound): pods "nope" not found'],
    ['get foo', `error: the server doesn't have a resource type "foo"`],
    [
      'get pods --field-selector=foo=bar',
      'Error from server (BadRequest): Unable to find "/v1, Resource=pods" that match label selector "", field selector "foo=bar": field label not supported: foo',
    ],
    [
      `get pods -l 'a in (b'`,
      `Error from server (BadRequest): Unable to find "/v1, Resource=pods" that match label selector "a in (b", field selector "": unable to parse requirement: found '', expected: ',' or ')'`,
    ],
    ['top pods', 'error: Metrics API not available'],
    ['get --raw /foo', 'Error from server (NotFound): the server could not find the requested resource'],
    ['get ep kubernetes', /^get.*\nWarning: v1 Endpoints is deprecated in v1\.33\+; use discovery\.k8s\.io\/v1 EndpointSlice\nNAME /],
    ['get cs', /^get.*\nWarning: v1 ComponentStatus is deprecated in v1\.19\+\nNAME +STATUS +MESSAGE +ERROR\netcd-0 +Healthy +ok *$/],
    ['version', /Server Version: v1\.36\.\d+/],
    ['explain pod', /\n {2}spec\t<PodSpec>\n {4}Specification of the desired behavior of the pod. More info:\n/],
    ['explain hpa', /\n {2}spec\t<HorizontalPodAutoscalerSpec> -required-\n/],
    ['explain ingress.spec.rules.http.paths.pathType', /ENUM:\n {4}Exact\n {4}ImplementationSpecific\n {4}Prefix\n/],
    [
      'explain pod.spec.affinity',
      /\n {4}If specified, the pod's scheduling constraints\n {4}Affinity is a group of affinity scheduling rules.\n/,
    ],
    ['explain pod.spec.restartPolicy', /FIELD: restartPolicy <string>\n[\s\S]*\n {4}Possible enum values:\n {5}- `"Always"`\n/],
  ]),
);

test('nodes are cordoned, tainted and drained', async () => {
  const node = '{"apiVersion":"v1","kind":"Node","metadata":{"name":"n1"}}';
  const pod =
    '{"apiVersion":"v1","kind":"Pod","metadata":{"name":"bare"},"spec":{"nodeName":"n1","terminationGracePeriodSeconds":0,"containers":[{"name":"c","image":"x"}]}}';
  expect(await kubectl('create -f -', node)).toBe('node/n1 created');
  expect(await kubectl('create -f -', pod)).toBe('pod/bare created');
  await follow([
    ['taint node n1 a=b:NoSchedule', 'node/n1 tainted'],
    ['taint node n1 a=b:NoSchedule', 'error: node n1 already has a taint(s) with same effect(s) and --overwrite is false'],
    ['cordon n1', 'node/n1 cordoned'],
    ['get no', /n1 +\S*SchedulingDisabled +<none> /],
    [
      'drain n1 --force',
      'node/n1 already cordoned\nWarning: deleting Pods that declare no controller: default/bare\nevicting pod default/bare\npod/bare evicted\nnode/n1 drained'.replace(
        /^(node.*)\n(Warning.*)\n/,
        '$2\n$1\n',
      ),
    ],
    ['uncordon n1', 'node/n1 uncordoned'],
    ['delete node n1', 'node "n1" deleted'],
  ])();
});

describe('unknown fields', () => {
  const wrong = 'apiVersion: v1\nkind: ConfigMap\nmetadata: {name: fields, foo: bar}\ndatta: {}\n';
  test.each([
    [
      'strict',
      'Error from server (BadRequest): error when creating "STDIN": ConfigMap in version "v1" cannot be handled as a ConfigMap: strict decoding error: unknown field "datta", unknown field "metadata.foo"',
    ],
    ['warn', 'Warning: unknown field "datta"\nWarning: unknown field "metadata.foo"\nconfigmap/fields created (server dry run)'],
    ['ignore', 'configmap/fields created (server dry run)'],
  ])('with --validate=%s', async (mode, printed) => {
    expect(await kubectl(`create --dry-run=server --validate=${mode} -f -`, wrong)).toBe(printed);
  });
});

test('manifests of years ago are taken, with warnings', async () => {
  const old = `apiVersion: extensions/v1beta1
kind: Deployment
metadata: {name: old}
spec:
  replicas: 1
  template:
    metadata: {labels: {app: old}}
    spec: {containers: [{name: c, image: x}]}
`;
  expect(await kubectl('create --dry-run=server -f -', old)).toBe(
    'Warning: extensions/v1beta1 Deployment is deprecated in v1.8+, unavailable in v1.16+; use apps/v1 Deployment\ndeployment.extensions/old created (server dry run)',
  );
});

test(
  'what is deleted comes back where upstream gives it back, else a status does',
  follow([
    ['create service clusterip brief --tcp=80', 'service/brief created'],
    ['delete --raw /api/v1/namespaces/default/services/brief', /\n\{"kind":"Service","apiVersion":"v1",.*"name":"brief"/],
    ['create configmap brief', 'configmap/brief created'],
    ['delete --raw /api/v1/namespaces/default/configmaps/brief', /\n\{"kind":"Status","apiVersion":"v1",.*"status":"Success"/],
  ]),
);
