import { expect, test } from 'vitest';
import {
  ConfigMap,
  CronJob,
  Endpoints,
  FieldErrors,
  fieldErrorMessage,
  Job,
  type KindDefinition,
  type KubeObject,
  kinds,
  Pod,
} from '../../api/index.ts';
import { afterDelete, warnOfOrphans } from './delete.ts';
import { prepareForUpdate, validateUpdate } from './strategy.ts';

const kindOf = (resource: object) => kinds.find((kind) => kind.resource === resource) as KindDefinition;
const kind = kindOf(Pod);
const now = Date.parse('2026-01-01T00:00:20Z');
/** A pod that was given 30 seconds of grace some time ago. */
const dying = (deletionTimestamp: string): Pod => ({
  apiVersion: 'v1',
  kind: 'Pod',
  metadata: { name: 'p', uid: 'u', resourceVersion: '1', creationTimestamp: '', deletionTimestamp, deletionGracePeriodSeconds: 30 },
  spec: { nodeName: 'n', containers: [] },
});
const left = (deletionTimestamp: string, gracePeriodSeconds: number) => {
  const { stays, last } = afterDelete(kind, dying(deletionTimestamp), { gracePeriodSeconds }, now);
  const metadata = (stays ?? last)?.metadata;
  return [stays ? 'stays' : 'goes', metadata?.deletionTimestamp, metadata?.deletionGracePeriodSeconds];
};

test.each([
  ['a longer grace changes nothing', '2026-01-01T00:00:40Z', 60, ['stays', '2026-01-01T00:00:40Z', 30]],
  ['a shorter one counts from when the deletion began', '2026-01-01T00:00:40Z', 15, ['stays', '2026-01-01T00:00:25Z', 15]],
  ['one that is over by now leaves a second from now', '2026-01-01T00:00:40Z', 5, ['stays', '2026-01-01T00:00:20Z', 1]],
  ['a negative one is a second', '2026-01-01T00:00:50Z', -5, ['stays', '2026-01-01T00:00:21Z', 1]],
  ['none at all ends it', '2026-01-01T00:00:40Z', 0, ['goes', '2026-01-01T00:00:20Z', 0]],
])('of the grace of a pod that is being deleted: %s', (_, deletionTimestamp, gracePeriodSeconds, expected) => {
  expect(left(deletionTimestamp, gracePeriodSeconds)).toEqual(expected);
});

/** What an update of metadata alone comes to: what is wrong with it, or what is kept. */
function updated(kind: KindDefinition, next: KubeObject, prev: KubeObject): string[] | KubeObject['metadata'] {
  prepareForUpdate(kind, next, prev, { now: '' });
  const problems = new FieldErrors();
  try {
    validateUpdate(kind, next, prev, { problems });
  } catch (error) {
    if (problems.ok) throw error;
  }
  return problems.ok ? next.metadata : problems.list.map(fieldErrorMessage);
}

test('an update can neither ask for a deletion nor take one back', () => {
  const configMap = kindOf(ConfigMap);
  const object = (metadata: object) =>
    ({
      apiVersion: 'v1',
      kind: 'ConfigMap',
      metadata: { name: 'c', namespace: 'n', uid: 'u', resourceVersion: '1', ...metadata },
    }) as KubeObject;
  const deleted = { deletionTimestamp: '2026-01-01T00:00:00Z', deletionGracePeriodSeconds: 0 };
  expect(updated(configMap, object(deleted), object({}))).toEqual([
    'metadata.deletionTimestamp: Invalid value: "2026-01-01T00:00:00Z": field is immutable',
    'metadata.deletionGracePeriodSeconds: Invalid value: 0: field is immutable',
  ]);
  expect(updated(configMap, object({}), object(deleted))).toMatchObject(deleted);
});

test('an update may leave the wrong addresses of endpoints as they are', () => {
  const object = (ip: string, labels = {}) =>
    ({
      apiVersion: 'v1',
      kind: 'Endpoints',
      metadata: { name: 'e', namespace: 'n', uid: 'u', resourceVersion: '1', labels },
      subsets: [{ addresses: [{ ip }], ports: [{ port: 1, protocol: 'TCP' }] }],
    }) as unknown as KubeObject;
  expect(updated(kindOf(Endpoints), object('127.0.0.1', { a: 'b' }), object('127.0.0.1'))).toMatchObject({ labels: { a: 'b' } });
  expect(updated(kindOf(Endpoints), object('127.0.0.1'), object('10.0.0.1'))).toEqual([
    'subsets[0].addresses[0].ip: Invalid value: "127.0.0.1": may not be in the loopback range (127.0.0.0/8, ::1/128)',
  ]);
});

test.each<[object, object, number]>([
  [Job, {}, 1],
  [Job, { propagationPolicy: 'Orphan' }, 0],
  [Job, { propagationPolicy: 'Background' }, 0],
  [Job, { orphanDependents: false }, 0],
  [CronJob, {}, 0],
])('who deletes %j with %j is warned of what stays behind %d times', (resource, options, times) => {
  const warnings: string[] = [];
  warnOfOrphans({ warn: (text) => warnings.push(text) }, kindOf(resource), options);
  expect(warnings).toEqual(Array(times).fill(expect.stringContaining('child pods are preserved by default when jobs are deleted; ')));
});
