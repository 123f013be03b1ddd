import { mkdtemp, rm } from 'node:fs/promises';
import { request } from 'node:https';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { WebSocket } from 'ws';
import { ConfigMap, Namespace } from '../../api/index.ts';
import { ensurePki, type Pki } from '../../pki/index.ts';
import { systemClock } from '../../time/index.ts';
import { openTestServer, type TestServer } from '../testing/test-server.ts';

let under: TestServer;
let pki: Pki;
let dir: string;
let port: number;

const base = '/api/v1/namespaces/web/configmaps';
const headers = { authorization: 'Bearer admin' };
const put = (name: string, labels = {}) =>
  under.admin.create(ConfigMap, { apiVersion: 'v1', kind: 'ConfigMap', metadata: { name, labels } }, { namespace: 'web' });

beforeAll(async () => {
  dir = await mkdtemp(join(tmpdir(), 'k8ts-watch-'));
  pki = await ensurePki(dir, { now: systemClock.now() });
  under = await openTestServer({
    tls: { cert: pki.apiserver.certificate, key: pki.apiserver.key, clientCa: pki.ca.certificate },
    flowControl: {},
  });
  ({ port } = await under.server.listen());
  await under.admin.create(Namespace, { apiVersion: 'v1', kind: 'Namespace', metadata: { name: 'web' } } as never);
  await put('first', { app: 'a' });
});
afterAll(async () => {
  await under.close();
  await rm(dir, { recursive: true });
});

interface Event {
  type: string;
  object: { kind: string; code?: number; message?: string; metadata: { name?: string; resourceVersion: string; annotations?: object } };
}

function get(path: string, more: Record<string, string> = {}): Promise<{ status: number; text: string; headers: object }> {
  return new Promise((resolve, reject) => {
    request({ host: '127.0.0.1', port, path, headers: { ...headers, ...more }, ca: pki.ca.certificate, agent: false }, (response) => {
      const chunks: Buffer[] = [];
      response.on('data', (chunk: Buffer) => chunks.push(chunk));
      response.on('end', () =>
        resolve({ status: response.statusCode ?? 0, text: Buffer.concat(chunks).toString(), headers: response.headers }),
      );
    })
      .on('error', reject)
      .end();
  });
}
/** The first events of a watch; `then` is called with the first of them. */
function eventsOf(path: string, count: number, then?: () => Promise<unknown>): Promise<Event[]> {
  return new Promise((resolve, reject) => {
    const sent = request({ host: '127.0.0.1', port, path, headers, ca: pki.ca.certificate, agent: false }, (response) => {
      let text = '';
      let asked = false;
      response.setEncoding('utf8');
      response.on('data', (chunk: string) => {
        text += chunk;
        const lines = text.split('\n').slice(0, -1);
        if (lines.length > 0 && !asked) {
          asked = true;
          then?.().catch(reject);
        }
        if (lines.length < count) return;
        resolve(lines.slice(0, count).map((line) => JSON.parse(line)));
        sent.destroy();
      });
      // We have broken it off ourselves.
      response.on('error', () => {});
    });
    sent.on('error', reject);
    sent.end();
  });
}
const named = (events: readonly Event[]) => events.map(({ type, object }) => `${type} ${object.metadata.name}`);

describe('a watch over WebSocket', () => {
  const open = (path: string, more = {}, protocols: string[] = []) =>
    new WebSocket(`wss://127.0.0.1:${port}${path}`, protocols, { headers: { ...headers, ...more }, ca: pki.ca.certificate });

  test('sends a text message an event until the client leaves', async () => {
    const socket = open(`${base}?watch=true`);
    const events: Event[] = [];
    const texts: boolean[] = [];
    const { promise, resolve } = Promise.withResolvers<void>();
    socket.on('message', (data, isBinary) => {
      texts.push(!isBinary);
      events.push(JSON.parse(data.toString()));
      if (events.length === 1) void put('second');
      if (events.length === 2) resolve();
    });
    await promise;
    expect(named(events)).toEqual(['ADDED first', 'ADDED second']);
    expect(texts).toEqual([true, true]);
    socket.close();
    await new Promise((closed) => socket.once('close', closed));
  });

  test('in protobuf is binary, ends at its time, and takes its token as a subprotocol', async () => {
    const token = `base64url.bearer.authorization.k8s.io.${Buffer.from('admin').toString('base64url')}`;
    const socket = open(
      `${base}?watch=true&timeoutSeconds=1&fieldSelector=metadata.name%3Dfirst`,
      { accept: 'application/vnd.kubernetes.protobuf' },
      ['v1.watch', token],
    );
    const sizes: [number, boolean][] = [];
    socket.on('message', (data: Buffer, isBinary) => sizes.push([data.readUInt32BE(0) - (data.length - 4), isBinary]));
    await new Promise((closed) => socket.once('close', closed));
    expect(socket.protocol).toBe('v1.watch');
    expect(sizes).toEqual([[0, true]]);
  });

  test('is refused as any request is', async () => {
    const socket = open(`${base}?watch=true&resourceVersionMatch=Exact`);
    const status = await new Promise((resolve) => {
      socket.on('unexpected-response', (_, response) => resolve(response.statusCode));
    });
    expect(status).toBe(422);
    socket.on('error', () => {});
    socket.terminate();
  });
});

describe('a watch', () => {
  test('of one name, by the old path or by a field', async () => {
    expect(named(await eventsOf('/api/v1/watch/namespaces/web/configmaps/first', 1))).toEqual(['ADDED first']);
    expect(named(await eventsOf(`${base}?watch=1&fieldSelector=metadata.name%3Dfirst`, 1))).toEqual(['ADDED first']);
    expect(named(await eventsOf('/api/v1/watch/configmaps?labelSelector=app%3Da', 1))).toEqual(['ADDED first']);
    // The path of one object reads it, whatever else is asked.
    expect(JSON.parse((await get(`${base}/first?watch=1`)).text)).toMatchObject({ kind: 'ConfigMap' });
  });

  test('that begins with what there is says where that ends, to those who take bookmarks', async () => {
    const query = 'watch=1&fieldSelector=metadata.name%3Dfirst';
    for (const more of ['&resourceVersion=', '&resourceVersion=0', '&sendInitialEvents=true&resourceVersionMatch=NotOlderThan']) {
      const [added, mark] = await eventsOf(`${base}?${query}${more}&allowWatchBookmarks=true`, 2);
      expect(added).toMatchObject({ type: 'ADDED', object: { metadata: { name: 'first' } } });
      expect(mark).toMatchObject({ type: 'BOOKMARK', object: { metadata: { annotations: { 'k8s.io/initial-events-end': 'true' } } } });
      const change = () => under.admin.patch(ConfigMap, 'first', 'merge', { data: { more } }, { namespace: 'web' });
      expect(named(await eventsOf(`${base}?${query}${more}`, 2, change))).toEqual(['ADDED first', 'MODIFIED first']);
    }
  });

  test('sees what enters and leaves its selection, under the revision at which it did', async () => {
    const made = await put('mover', { app: 'b' });
    const moved = await under.admin.patch(ConfigMap, 'mover', 'merge', { metadata: { labels: { app: 'c' } } }, { namespace: 'web' });
    const back = await under.admin.patch(ConfigMap, 'mover', 'merge', { metadata: { labels: { app: 'b' } } }, { namespace: 'web' });
    const gone = await eventsOf(`${base}?watch=1&labelSelector=app%3Db&resourceVersion=${made.metadata.resourceVersion}`, 2);
    expect(gone).toMatchObject([
      { type: 'DELETED', object: { metadata: { labels: { app: 'b' }, resourceVersion: moved.metadata.resourceVersion } } },
      { type: 'ADDED', object: { metadata: { labels: { app: 'b' }, resourceVersion: back.metadata.resourceVersion } } },
    ]);
  });

  test('from a version that is not there yet is told so in the stream', async () => {
    const query = 'watch=1&resourceVersion=99999999&sendInitialEvents=true&resourceVersionMatch=NotOlderThan';
    const { status, text } = await get(`${base}?${query}`);
    expect(status).toBe(200);
    expect(JSON.parse(text)).toMatchObject({
      type: 'ERROR',
      object: {
        code: 504,
        reason: 'Timeout',
        message: expect.stringMatching(/^Timeout: Too large resource version: 99999999, current: \d+$/),
        details: { retryAfterSeconds: 1, causes: [{ reason: 'ResourceVersionTooLarge', message: 'Too large resource version' }] },
      },
    });
  });
});

describe('options of lists and watches', () => {
  const start = 'ListOptions.meta.k8s.io "" is invalid: ';
  test.each([
    ['resourceVersionMatch=Exact', 'resourceVersionMatch: Forbidden: resourceVersionMatch is forbidden unless resourceVersion is provided'],
    [
      'resourceVersionMatch=foo&resourceVersion=1',
      'resourceVersionMatch: Unsupported value: "foo": supported values: "Exact", "NotOlderThan", ""',
    ],
    [
      'resourceVersionMatch=Exact&resourceVersion=0',
      'resourceVersionMatch: Forbidden: resourceVersionMatch "exact" is forbidden for resourceVersion "0"',
    ],
    ['sendInitialEvents=true', 'sendInitialEvents: Forbidden: sendInitialEvents is forbidden for list'],
    [
      'watch=1&resourceVersionMatch=NotOlderThan',
      'resourceVersionMatch: Forbidden: resourceVersionMatch is forbidden for watch unless sendInitialEvents is provided',
    ],
    [
      'watch=1&sendInitialEvents=true&resourceVersionMatch=Exact',
      '[resourceVersionMatch: Forbidden: sendInitialEvents requires setting resourceVersionMatch to NotOlderThan, resourceVersionMatch: Unsupported value: "Exact": supported values: "NotOlderThan"]',
    ],
    [
      'watch=1&sendInitialEvents=true&resourceVersionMatch=NotOlderThan&continue=x',
      'resourceVersionMatch: Forbidden: resourceVersionMatch is forbidden when continue is provided',
    ],
  ])('%s', async (query, message) => {
    const { status, text } = await get(`${base}?${query}`);
    expect(status).toBe(422);
    expect(JSON.parse(text).message).toBe(start + message);
  });
});

describe('a request', () => {
  test('says how long it may take, and is told when that is no duration', async () => {
    expect(JSON.parse((await get(`${base}?timeout=invalid`)).text)).toMatchObject({
      code: 400,
      message: 'invalid timeout specified in the request URL - time: invalid duration "invalid"',
    });
    expect((await get(`${base}?timeout=0s`)).status).toBe(200);
    // Waits for a version that does not come, but no longer than it says.
    const late = await get(`${base}?resourceVersion=99999999&timeout=50ms`);
    expect(late).toMatchObject({ status: 504, headers: { 'content-type': 'text/plain; charset=utf-8' } });
    const said = 'Timeout: request did not complete within the allotted timeout';
    expect(late.text).toBe(`{"metadata":{},"status":"Failure","message":"${said}","reason":"Timeout","details":{},"code":504}\n`);
    expect((await get('/metrics')).text).toMatch(/^apiserver_request_terminations_total\{code="504",component="apiserver",/m);
  });

  test('learns which flow schema and priority level it had', async () => {
    expect((await get(base)).headers).toMatchObject({ 'x-kubernetes-pf-flowschema-uid': '', 'x-kubernetes-pf-prioritylevel-uid': '' });
  });
});
