import { pino } from 'pino';
import { expect, it } from 'vitest';
import { klogLine, type LogFormat } from './klog.ts';

function lines(format: LogFormat, log: (logger: pino.Logger) => void): string[] {
  const out: string[] = [];
  const time = () => `,"time":${new Date(2026, 10, 21, 15, 4, 5, 7).getTime()}`;
  const options = { level: 'trace', base: { component: 'kube-apiserver' }, timestamp: time };
  log(pino(options, { write: (line: string) => void out.push(klogLine(line, format, 4711)) }));
  return out;
}

it('writes klog lines: header, quoted message, pairs', () => {
  expect(
    lines('text', (logger) => {
      logger.info({ verb: 'GET', resp: 200, hijacked: true }, 'HTTP');
      logger.error({ err: new Error('no "room"'), path: '/x' }, 'could not answer');
      logger.warn({ why: 'one\ntwo\n' }, 'said');
      logger.debug('quiet');
    }),
  ).toEqual([
    'I1121 15:04:05.007000    4711 kube-apiserver.ts:1] "HTTP" verb="GET" resp=200 hijacked=true\n',
    'E1121 15:04:05.007000    4711 kube-apiserver.ts:1] "could not answer" err="no \\"room\\"" path="/x"\n',
    'W1121 15:04:05.007000    4711 kube-apiserver.ts:1] "said" why=<\n\tone\n\ttwo\n >\n',
    'I1121 15:04:05.007000    4711 kube-apiserver.ts:1] "quiet"\n',
  ]);
});

it("writes upstream's JSON: verbosity of what informs, errors without", () => {
  const [debug = '', error = ''] = lines('json', (logger) => {
    logger.debug({ verb: 'LIST' }, 'HTTP');
    logger.error({ err: new Error('gone') }, 'failed');
  });
  const ts = new Date(2026, 10, 21, 15, 4, 5, 7).getTime();
  expect(debug).toBe(`{"ts":${ts},"caller":"kube-apiserver.ts:1","msg":"HTTP","v":3,"verb":"LIST"}\n`);
  expect(JSON.parse(error)).toEqual({ ts, caller: 'kube-apiserver.ts:1', msg: 'failed', err: 'gone' });
});

it('leaves alone what is no record', () => expect(klogLine('Killed\n', 'text', 1)).toBe('Killed\n'));
