import { expect, it } from 'vitest';
import type { ConfigMap } from '../../api/index.ts';
import type { Change } from './change.ts';
import { ChangeLog } from './change-log.ts';

const change = (revision: number, atMs: number) => ({ revision, atMs }) as Change<ConfigMap>; // all that a log looks at

it('keeps what is recent, and some more, without waiting for the next change', () => {
  const log = new ChangeLog<ConfigMap>(0);
  for (let i = 1; i <= 1000; i++) log.push(change(i, i));
  expect(log.after(0)).toHaveLength(1000);
  log.prune(75_000 + 500);
  expect([log.startRevision, log.after(0).length]).toEqual([500, 500]);
  log.prune(1_000_000);
  expect([log.startRevision, log.after(0).length, log.after(990).length]).toEqual([900, 100, 10]);
});
