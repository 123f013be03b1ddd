import { expect, it } from 'vitest';
import type { ConfigMap } from '../../api/index.ts';
import type { CachedObject } from './cached-object.ts';
import { Change } from './change.ts';
import { ChangeLog } from './change-log.ts';

const change = (revision: number, atMs: number, bytes = 0) => {
  const after = { key: `/${revision}`, bytes: { length: bytes } } as CachedObject<ConfigMap>; // all that a log looks at
  return new Change<ConfigMap>(revision, undefined, after, atMs);
};

it('keeps what is recent, and some more, without waiting for the next change', () => {
  const log = new ChangeLog<ConfigMap>(0);
  for (let i = 1; i <= 1000; i++) log.push(change(i, i));
  expect(log.after(0)).toHaveLength(1000);
  log.prune(75_000 + 500);
  expect([log.startRevision, log.after(0).length]).toEqual([500, 500]);
  log.prune(1_000_000);
  expect([log.startRevision, log.after(0).length, log.after(990).length]).toEqual([900, 100, 10]);
});

it('holds the objects of the newest changes only, up to some megabytes', () => {
  const log = new ChangeLog<ConfigMap>(0);
  const wholeOnes = () => log.after(0).map((each) => each instanceof Change);
  for (let i = 1; i <= 5; i++) log.push(change(i, i, 2 ** 20));
  expect(wholeOnes()).toEqual([false, true, true, true, true]);
  log.push(change(6, 6, 100 * 2 ** 20));
  expect(wholeOnes()).toEqual([false, false, false, false, false, true]);
  for (let i = 7; i <= 1000; i++) log.push(change(i, i, 1));
  expect(wholeOnes().indexOf(true)).toBe(6);
  log.prune(1_000_000);
  for (let i = 1001; i <= 1300; i++) log.push(change(i, 1_000_000 + i, 2 ** 20));
  expect([log.startRevision, wholeOnes().indexOf(true), wholeOnes().length]).toEqual([1000, 296, 300]);
});
