import { expect, test } from 'vitest';
import { type KindDefinition, kinds, Pod } from '../../api/index.ts';
import { afterDelete } from './delete.ts';

const kind = kinds.find(({ resource }) => resource.kind === Pod.kind && resource.group === '') as KindDefinition;
const now = Date.parse('2026-01-01T00:00:20Z');
/** A pod that was given 30 seconds of grace some time ago. */
const dying = (deletionTimestamp: string): Pod => ({
  apiVersion: 'v1',
  kind: 'Pod',
  metadata: { name: 'p', uid: 'u', resourceVersion: '1', creationTimestamp: '', deletionTimestamp, deletionGracePeriodSeconds: 30 },
  spec: { nodeName: 'n', containers: [] },
});
const left = (deletionTimestamp: string, gracePeriodSeconds: number) => {
  const metadata = afterDelete(kind, dying(deletionTimestamp), { gracePeriodSeconds }, now)?.metadata;
  return metadata && [metadata.deletionTimestamp, metadata.deletionGracePeriodSeconds];
};

test.each([
  ['a longer grace changes nothing', '2026-01-01T00:00:40Z', 60, ['2026-01-01T00:00:40Z', 30]],
  ['a shorter one counts from when the deletion began', '2026-01-01T00:00:40Z', 15, ['2026-01-01T00:00:25Z', 15]],
  ['one that is over by now leaves a second from now', '2026-01-01T00:00:40Z', 5, ['2026-01-01T00:00:20Z', 1]],
  ['a negative one is a second', '2026-01-01T00:00:50Z', -5, ['2026-01-01T00:00:21Z', 1]],
  ['none at all ends it', '2026-01-01T00:00:40Z', 0, undefined],
])('of the grace of a pod that is being deleted: %s', (_, deletionTimestamp, gracePeriodSeconds, expected) => {
  expect(left(deletionTimestamp, gracePeriodSeconds)).toEqual(expected);
});
