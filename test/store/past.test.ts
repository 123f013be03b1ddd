import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { openEmbeddedStore } from '../../src/store/index.ts';
import { systemClock } from '../../src/time/index.ts';
import { startApiServer, type TestApiServer } from '../support/api-server.ts';

let api: TestApiServer;
let dir: string;
/** Wall time that moves when told. */
let offsetMs = -600_000;
const clock = { ...systemClock, now: () => systemClock.now() + offsetMs };

beforeAll(async () => {
  dir = mkdtempSync(join(tmpdir(), 'k8ts-past-'));
  api = await startApiServer({ store: await openEmbeddedStore({ dir, clock, retention: { historyMs: 3_600_000 } }) });
});
afterAll(async () => {
  await api.close();
  rmSync(dir, { recursive: true, force: true });
});

const path = '/api/v1/namespaces/default/configmaps';
const body = (name: string, value: string) => JSON.stringify({ apiVersion: 'v1', kind: 'ConfigMap', metadata: { name }, data: { value } });
const ok = async (method: string, at: string, content?: string) => {
  const reply = await api.http(method, at, content);
  expect(reply.status, reply.body).toBeLessThan(300);
  return JSON.parse(reply.body);
};

test('get and list answer what was: by resourceVersion, by time, by how long ago', async () => {
  const first = await ok('POST', path, body('a', 'one'));
  await ok('POST', path, body('b', 'one'));
  offsetMs = -300_000;
  const changed = await ok('PUT', `${path}/a`, body('a', 'two'));
  await ok('DELETE', `${path}/b`);
  offsetMs = 0;
  const last = await ok('PUT', `${path}/a`, body('a', 'three'));

  const { metadata, ...rest } = await ok('GET', `${path}/a?resourceVersion=${first.metadata.resourceVersion}&resourceVersionMatch=Exact`);
  expect({ metadata, ...rest }).toEqual(first);
  expect(await ok('GET', `${path}/a?resourceVersion=${first.metadata.resourceVersion}`)).toEqual(last);
  expect(await ok('GET', `${path}/a?at=-3m`)).toEqual(changed);
  expect((await ok('GET', `${path}/b?at=-8m`)).data).toEqual({ value: 'one' });
  expect((await api.http('GET', `${path}/b?at=-1m`)).status).toBe(404);
  const values = async (query: string) => {
    const list = await ok('GET', `${path}?${query}`);
    return list.items
      .filter((item: { data: { value?: string } }) => item.data.value)
      .map((item: { metadata: { name: string }; data: { value: string } }) => `${item.metadata.name}=${item.data.value}`);
  };
  expect(await values('at=-8m')).toEqual(['a=one', 'b=one']);
  expect(await values(`at=${new Date(Date.now() - 60_000).toISOString()}`)).toEqual(['a=two']);
  expect(await values('at=-1ms')).toEqual(['a=three']);
  const page = await ok('GET', `${path}?at=-8m&limit=1`);
  const next = await ok('GET', `${path}?limit=5&continue=${page.metadata.continue}`);
  expect([...page.items, ...next.items].filter((item) => item.data.value).map((item) => item.data.value)).toEqual(['one', 'one']);
  const table = await api.kubectl(['get', '--raw', `${path}?at=-8m`]);
  expect(table.stdout).toContain('"b"');
});

test('what cannot be answered is said in clear words', async () => {
  const problem = async (query: string) => {
    const reply = await api.http('GET', `${path}?${query}`);
    const single = await api.http('GET', `${path}/a?${query}`);
    expect(single.status).toBe(reply.status);
    return `${reply.status} ${JSON.parse(reply.body).reason}: ${JSON.parse(reply.body).message}`;
  };
  expect(await problem('at=-5h')).toMatch(
    /^410 Expired: the history of this cluster does not reach back to \S+Z: it goes back to \S+Z \(k8ts up --history keeps more\)$/,
  );
  expect(await problem('at=yesterday')).toBe(
    '400 BadRequest: at: Invalid value: "yesterday": must be a time such as 2006-01-02T15:04:05Z or how long ago, such as -5m',
  );
  expect(await problem('at=')).toMatch(/^400 BadRequest/);
  expect(await problem('at=-2000000h')).toMatch(/^410 Expired/);
  expect(await problem('at=2999-01-01T00:00:00Z')).toBe('400 BadRequest: at: Invalid value: "2999-01-01T00:00:00Z": is in the future');
  expect(await problem('at=-1m&resourceVersion=5')).toBe('400 BadRequest: at and resourceVersion exclude each other');
  expect((await api.http('GET', `${path}?watch=1&at=-1m`)).status).toBe(400);
});

test('a compacted revision is gone', async () => {
  const revision = await api.store.revision();
  await ok('PUT', `${path}/a`, body('a', 'four'));
  await api.store.compact(revision + 1);
  for (const target of [path, `${path}/a`]) {
    const reply = await api.http('GET', `${target}?resourceVersion=${revision}&resourceVersionMatch=Exact`);
    expect(JSON.parse(reply.body)).toMatchObject({
      code: 410,
      reason: 'Expired',
      message: 'The resourceVersion for the provided list is too old.',
    });
  }
});
