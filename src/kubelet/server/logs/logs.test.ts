import { appendFileSync, mkdtempSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import type { ContainerStatus, Pod } from '../../../api/index.ts';
import { LogRequestError, loggedContainer, parseLogRequest } from './log-request.ts';
import { type LogOptions, readLog } from './read-log.ts';

let dir: string;
let path: string;
beforeEach(() => {
  dir = mkdtempSync(join(tmpdir(), 'k8ts-logs-'));
  path = join(dir, '0.log');
});
afterEach(() => rmSync(dir, { recursive: true }));

const defaults: LogOptions = {
  timestamps: false,
  sinceMs: undefined,
  stream: undefined,
  tailLines: undefined,
  limitBytes: undefined,
  follow: undefined,
};
const never = new AbortController().signal;

async function read(options: Partial<LogOptions> = {}): Promise<string> {
  const chunks: Buffer[] = [];
  for await (const chunk of await readLog(path, { ...defaults, ...options }, never)) chunks.push(chunk);
  return Buffer.concat(chunks).toString('utf8');
}

const log = [
  '2026-01-01T00:00:01.5Z stdout F one',
  '2026-01-01T00:00:02.123456789Z stderr F two',
  '2026-01-01T00:00:03Z stdout P thr',
  '2026-01-01T00:00:03.1Z stdout F ee',
  'not an entry',
  '2026-01-01T00:00:04+01:00 stdout F ',
  '2026-01-01T00:00:05.000000001Z stdout F five  with spaces ',
  '',
].join('\n');

describe('reading', () => {
  test.each<[string, Partial<LogOptions>, string]>([
    ['everything', {}, 'one\ntwo\nthree\n\nfive  with spaces \n'],
    ['one stream', { stream: 'stderr' }, 'two\n'],
    ['no tail', { tailLines: 0 }, ''],
    ['the last line', { tailLines: 1 }, 'five  with spaces \n'],
    ['a tail that begins with a line of two entries', { tailLines: 4 }, 'three\n\nfive  with spaces \n'],
    ['a tail longer than the log', { tailLines: 100 }, 'one\ntwo\nthree\n\nfive  with spaces \n'],
    ['what is new enough', { sinceMs: Date.UTC(2026, 0, 1, 0, 0, 2, 200) }, 'three\n\nfive  with spaces \n'],
    ['no more than the limit', { limitBytes: 5 }, 'one\nt'],
    ['a tail within a limit', { tailLines: 1, limitBytes: 4 }, 'five'],
    [
      'times, once a line, with nine digits',
      { timestamps: true, tailLines: 6 },
      '2026-01-01T00:00:01.500000000Z one\n2026-01-01T00:00:02.123456789Z two\n2026-01-01T00:00:03.000000000Z three\n' +
        '2026-01-01T00:00:04.000000000+01:00 \n2026-01-01T00:00:05.000000001Z five  with spaces \n',
    ],
  ])('%s', async (_, options, expected) => {
    writeFileSync(path, log);
    expect(await read(options)).toBe(expected);
  });

  test('an empty log, and one whose last entry is torn', async () => {
    writeFileSync(path, '');
    expect(await read({ tailLines: 3 })).toBe('');
    writeFileSync(path, '2026-01-01T00:00:01Z stdout F one\n2026-01-01T00:00:02Z stdout F tw');
    expect(await read()).toBe('one\ntw');
    expect(await read({ tailLines: 1 })).toBe('tw');
  });

  test('lines longer than what is read at once, and tails over many blocks', async () => {
    const lines = Array.from({ length: 5000 }, (_, i) => `${i}`.padEnd(i % 7 === 0 ? 300 : 20, '.'));
    const long = 'x'.repeat(200_000);
    writeFileSync(path, [...lines, long].map((line) => `2026-01-01T00:00:01Z stdout F ${line}\n`).join(''));
    expect(await read()).toBe([...lines, long].map((line) => `${line}\n`).join(''));
    for (const tailLines of [1, 2, 777, 4999, 5000, 5001])
      expect(await read({ tailLines })).toBe(
        [...lines, long]
          .slice(-tailLines)
          .map((line) => `${line}\n`)
          .join(''),
      );
  });

  test('a missing log fails at once', async () => {
    await expect(readLog(path, defaults, never)).rejects.toThrow('ENOENT');
  });
});

describe('following', () => {
  const entry = (text: string) => `2026-01-01T00:00:01Z stdout F ${text}\n`;

  test('goes on as the log grows, over a rotation, until the container has ended', async () => {
    writeFileSync(path, entry('one'));
    const end = Promise.withResolvers<void>();
    const lines = (await readLog(path, { ...defaults, follow: end.promise }, never))[Symbol.asyncIterator]();
    const next = async () => String((await lines.next()).value);
    expect(await next()).toBe('one\n');
    appendFileSync(path, entry('two'));
    expect(await next()).toBe('two\n');
    renameSync(path, `${path}.20260101-000001`);
    appendFileSync(`${path}.20260101-000001`, entry('three'));
    expect(await next()).toBe('three\n');
    writeFileSync(path, entry('four'));
    expect(await next()).toBe('four\n');
    // What was written before the end is read, even if nothing told of it.
    appendFileSync(path, entry('five'));
    end.resolve();
    expect(await next()).toBe('five\n');
    expect((await lines.next()).done).toBe(true);
  });

  test('stops when the reader has gone', async () => {
    writeFileSync(path, entry('one'));
    const abort = new AbortController();
    const lines = await readLog(path, { ...defaults, follow: new Promise(() => undefined) }, abort.signal);
    await lines.next();
    const rest = lines.next();
    abort.abort();
    expect((await rest).done).toBe(true);
  });

  test('stops at the limit', async () => {
    writeFileSync(path, entry('one'));
    expect(await read({ limitBytes: 2, follow: new Promise(() => undefined) })).toBe('on');
  });
});

describe('requests', () => {
  test('are read from the query', () => {
    const query = new URLSearchParams('follow=true&tailLines=5&sinceSeconds=10&timestamps=1&limitBytes=9&stream=Stderr&previous=false');
    expect(parseLogRequest(query, 60_000)).toEqual({
      follow: true,
      previous: false,
      timestamps: true,
      sinceMs: 50_000,
      tailLines: 5,
      limitBytes: 9,
      stream: 'stderr',
    });
    expect(parseLogRequest(new URLSearchParams('sinceTime=1970-01-01T00:00:07Z'), 0).sinceMs).toBe(7000);
  });

  test.each([
    ['tailLines=x', 400],
    ['tailLines=-1', 422],
    ['limitBytes=0', 422],
    ['sinceTime=yesterday', 400],
    ['sinceTime=1970-01-01T00:00:07Z&sinceSeconds=1', 422],
    ['stream=Both', 422],
  ])('%s is refused with %i', (query, status) => {
    expect(() => parseLogRequest(new URLSearchParams(query), 0)).toThrow(expect.objectContaining({ status }));
  });

  const podWith = (status?: Partial<ContainerStatus>): Pod => ({
    apiVersion: 'v1',
    kind: 'Pod',
    metadata: { name: 'p', namespace: 'n', uid: 'u', resourceVersion: '', creationTimestamp: '' },
    spec: { containers: [{ name: 'c' }] },
    status: {
      containerStatuses: status
        ? [{ name: 'c', image: '', imageID: '', ready: false, restartCount: 0, state: {}, lastState: {}, ...status }]
        : [],
    },
  });
  const terminated = (containerID?: string) => ({ terminated: { exitCode: 1, ...(containerID ? { containerID } : {}) } });

  test.each<[string, Partial<ContainerStatus>, boolean, string]>([
    [
      'the running one',
      { containerID: 'containerd://now', state: { running: {} }, lastState: terminated('containerd://old') },
      false,
      'now',
    ],
    [
      'the previous one',
      { containerID: 'containerd://now', state: { running: {} }, lastState: terminated('containerd://old') },
      true,
      'old',
    ],
    ['the one that ended', { state: terminated('containerd://dead') }, false, 'dead'],
    ['the last one, while the next waits', { state: { waiting: {} }, lastState: terminated('containerd://old') }, false, 'old'],
  ])('find %s', (_, status, previous, expected) => {
    expect(loggedContainer(podWith(status), 'c', previous)).toBe(expected);
  });

  test.each<[Partial<ContainerStatus> | undefined, boolean, string]>([
    [undefined, false, 'container "c" in pod "p" is not available'],
    [{ state: { running: {} } }, true, 'previous terminated container "c" in pod "p" not found'],
    [{ state: { waiting: { reason: 'ContainerCreating' } } }, false, 'container "c" in pod "p" is waiting to start: ContainerCreating'],
    [{ state: { waiting: { reason: 'ErrImagePull' } } }, false, 'container "c" in pod "p" is waiting to start: image can\'t be pulled'],
    [
      { state: { waiting: { reason: 'ImagePullBackOff' } } },
      false,
      'container "c" in pod "p" is waiting to start: trying and failing to pull image',
    ],
    [{ state: terminated() }, false, 'container "c" in pod "p" is terminated'],
    [{}, false, 'container "c" in pod "p" is waiting to start - no logs yet'],
  ])('without a log say why: %#', (status, previous, message) => {
    expect(() => loggedContainer(podWith(status), 'c', previous)).toThrow(new LogRequestError(400, message));
  });
});
