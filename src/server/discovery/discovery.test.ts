import { expect, it } from 'vitest';
import type { APIResourceList } from '../../api/index.ts';
import { encodeAnswer, hasProtobuf } from '../representation/encode.ts';
import { joined } from '../representation/pieces.ts';
import { admin } from '../testing/server-of-each-test.ts';

const resources = async (path: string) => {
  const { resources } = (await admin.raw('GET', path)) as APIResourceList;
  return new Map(resources.map(({ name, shortNames }) => [name, shortNames]));
};

it('leaves out of which version it is where groups are of the first days', async () => {
  for (const path of ['/api', '/api/v1', '/apis/extensions/v1beta1']) expect(await admin.raw('GET', path)).not.toHaveProperty('apiVersion');
  for (const path of ['/apis', '/apis/apps', '/apis/apps/v1']) expect(await admin.raw('GET', path)).toMatchObject({ apiVersion: 'v1' });
});

it('has a protobuf form without a version, too', () => {
  const answer = { type: 'object' as const, status: 200, item: { object: { kind: 'APIVersions', versions: ['v1'] } } };
  expect(hasProtobuf(answer)).toBe(true);
  // Magic bytes, then the envelope: its type (an empty version, the kind), then what it holds.
  expect(joined(encodeAnswer(answer, 'protobuf', false)).subarray(0, 21)).toEqual(Buffer.from('k8s\0\x0a\x0f\x0a\0\x12\x0bAPIVersions'));
});

it('gives a kind its short names in each group that has it today, and in no removed one', async () => {
  expect((await resources('/api/v1')).get('events')).toEqual(['ev']);
  expect((await resources('/apis/events.k8s.io/v1')).get('events')).toEqual(['ev']);
  expect((await resources('/apis/apps/v1')).get('deployments')).toEqual(['deploy']);
  expect((await resources('/apis/extensions/v1beta1')).get('deployments')).toBeUndefined();
});
