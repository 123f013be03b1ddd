/** Who owns what, where clients speak different versions of a kind: each is recorded in its own. */
import { afterAll, beforeAll, expect, test } from 'vitest';
import type { ManagedFieldsEntry } from '../../src/api/index.ts';
import { startApiServer, type TestApiServer } from '../support/api-server.ts';

let api: TestApiServer;
beforeAll(async () => {
  api = await startApiServer();
});
afterAll(() => api?.close());

interface Answer {
  message?: string;
  metadata: { managedFields: ManagedFieldsEntry[] };
  spec: Record<string, unknown>;
}

async function send(method: string, path: string, body?: object, contentType = 'application/json'): Promise<Answer & { status: number }> {
  const answer = await api.http(method, path, body && JSON.stringify(body), { 'content-type': contentType });
  return { ...JSON.parse(answer.body), status: answer.status };
}
const apply = (path: string, manager: string, body: object, force = false) =>
  send('PATCH', `${path}?fieldManager=${manager}&force=${force}`, body, 'application/apply-patch+yaml');
const owners = ({ metadata }: Answer) => metadata.managedFields.map((m) => `${m.manager} ${m.operation} ${m.apiVersion}`);
const fields = ({ metadata }: Answer, manager: string) => metadata.managedFields.find((m) => m.manager === manager)?.fieldsV1;

const autoscaler = (version: string, spec: object) => ({
  apiVersion: `autoscaling/${version}`,
  kind: 'HorizontalPodAutoscaler',
  metadata: { name: 'a' },
  spec: { maxReplicas: 5, scaleTargetRef: { kind: 'Deployment', name: 'd', apiVersion: 'apps/v1' }, ...spec },
});
const at = (version: string) => `/apis/autoscaling/${version}/namespaces/default/horizontalpodautoscalers`;

test('an update is recorded in the version that the client speaks, and gives way in every version', async () => {
  const created = await send('POST', `${at('v1')}?fieldManager=old`, autoscaler('v1', { targetCPUUtilizationPercentage: 70 }));
  expect(owners(created)).toEqual(['old Update autoscaling/v1']);
  expect(fields(created, 'old')).toMatchObject({ 'f:spec': { 'f:maxReplicas': {}, 'f:targetCPUUtilizationPercentage': {} } });

  const metrics = [{ type: 'Resource', resource: { name: 'cpu', target: { type: 'Utilization', averageUtilization: 50 } } }];
  const patched = await send('PATCH', `${at('v2')}/a?fieldManager=new`, { spec: { metrics } }, 'application/merge-patch+json');
  expect(owners(patched).sort()).toEqual(['new Update autoscaling/v2', 'old Update autoscaling/v1']);
  expect(fields(patched, 'new')).toEqual({ 'f:spec': { 'f:metrics': {} } });
  // What v2 calls metrics is the field that v1's manager had set.
  expect(fields(patched, 'old')).toMatchObject({ 'f:spec': { 'f:maxReplicas': {} } });
  expect(fields(patched, 'old')).not.toMatchObject({ 'f:spec': { 'f:targetCPUUtilizationPercentage': {} } });
});

test('an apply conflicts with who owns the same in another version, and takes it over by force', async () => {
  await send('DELETE', `${at('v2')}/a`);
  await apply(`${at('v1')}/a`, 'one', autoscaler('v1', { minReplicas: 2 }));
  const refused = await apply(`${at('v2')}/a`, 'two', autoscaler('v2', { minReplicas: 3 }));
  expect(refused).toMatchObject({ status: 409, message: 'Apply failed with 1 conflict: conflict with "one": .spec.minReplicas' });
  const forced = await apply(`${at('v2')}/a`, 'two', autoscaler('v2', { minReplicas: 3 }), true);
  expect(owners(forced).sort()).toEqual(['one Apply autoscaling/v1', 'two Apply autoscaling/v2']);
  expect(fields(forced, 'one')).not.toMatchObject({ 'f:spec': { 'f:minReplicas': {} } });
});

test('what a manager applied in one version and leaves out in the next is gone', async () => {
  await send('DELETE', `${at('v2')}/a`);
  await apply(`${at('v1')}/a`, 'one', autoscaler('v1', { minReplicas: 2, targetCPUUtilizationPercentage: 70 }));
  const applied = await apply(`${at('v2')}/a`, 'one', autoscaler('v2', {}));
  expect(owners(applied)).toEqual(['one Apply autoscaling/v2']);
  // Defaulted again, and no more than that.
  expect(applied.spec).toMatchObject({ minReplicas: 1, maxReplicas: 5 });
  expect(JSON.stringify(applied.spec)).not.toContain('70');
});

test('whose version is served no more is forgotten', async () => {
  const entry = {
    manager: 'gone',
    operation: 'Update',
    apiVersion: 'autoscaling/v2beta9',
    time: '2020-01-01T00:00:00Z',
    fieldsType: 'FieldsV1',
    fieldsV1: { 'f:spec': { 'f:maxReplicas': {} } },
  };
  await send('DELETE', `${at('v2')}/a`);
  await apply(`${at('v2')}/a`, 'one', autoscaler('v2', {}));
  const managedFields = [entry, ...(await send('GET', `${at('v2')}/a`)).metadata.managedFields];
  await send('PATCH', `${at('v2')}/a`, { metadata: { managedFields } }, 'application/merge-patch+json');
  const scaled = await send('PATCH', `${at('v2')}/a?fieldManager=two`, { spec: { maxReplicas: 6 } }, 'application/merge-patch+json');
  expect(owners(scaled).sort()).toEqual(['one Apply autoscaling/v2', 'two Update autoscaling/v2']);
});

test('fields that the type does not have are refused, whatever fieldValidation says', async () => {
  const spec = { minReplicas: 1, bogus: 1, scaleTargetRef: { kind: 'Deployment', name: 'd', extra: 'x' }, maxReplicas: 'many' };
  const path = `${at('v2')}/b?fieldManager=m&fieldValidation=Ignore`;
  const refused = await send('PATCH', path, autoscaler('v2', spec), 'application/apply-patch+yaml');
  expect(refused).toMatchObject({
    status: 500,
    message: [
      'failed to create typed patch object (/a; autoscaling/v2, Kind=HorizontalPodAutoscaler): errors:',
      '  .spec.maxReplicas: expected numeric (int or float), got string',
      '  .spec.scaleTargetRef.extra: field not declared in schema',
      '  .spec.bogus: field not declared in schema',
    ].join('\n'),
  });
});
