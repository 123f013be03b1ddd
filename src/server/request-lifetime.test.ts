import { expect, test } from 'vitest';
import { RequestLifetime } from './request-lifetime.ts';

const gone = new Error('gone');

test('the signal tells the first reason of the end, whenever it is asked for', () => {
  const early = new RequestLifetime();
  const { signal } = early;
  expect(signal.aborted).toBe(false);
  early.end(gone);
  early.end(new Error('another'));
  expect([early.isOver, signal.aborted, signal.reason]).toEqual([true, true, gone]);
  const late = new RequestLifetime();
  late.end(gone);
  expect(late.signal.reason).toBe(gone);
});

test('work is bound by it', async () => {
  const life = new RequestLifetime();
  expect(await life.bound(Promise.resolve(1))).toBe(1);
  await expect(life.bound(Promise.reject(new Error('failed')))).rejects.toThrow('failed');
  const endless = life.bound(new Promise(() => {}));
  life.end(gone);
  await expect(endless).rejects.toBe(gone);
  await expect(life.bound(Promise.resolve(1))).rejects.toBe(gone);
});
