/** How V8 and the C library are to deal with memory in our processes, all of which collect at rest (collect-at-rest.ts). */
import { readFileSync } from 'node:fs';

/** It gives memory back earlier with a small young generation; components hold mostly long-lived objects. */
export const leanV8Flags: readonly string[] = ['--max-semi-space-size=2', '--expose-gc'];

/**
 * The control plane makes garbage by the request: what is in flight must not be taken for long-lived, so the young generation is
 * larger, and the old one may a little more than double before it is looked through. Under load that is some 15 MB more than half of
 * each, for a fifth less processor time a write; at rest, when all is collected, nothing (docs/performance.md). V8 waits with its best
 * compiler until a function has been called 3,000 times; a server that answers a few thousand requests a second is sooner as fast as
 * it gets when that is half. A third would bring little more, and take 8 MB.
 */
export const controlPlaneV8Flags: readonly string[] = [
  '--max-semi-space-size=16',
  '--heap-growing-percent=120',
  '--invocation-count-for-turbofan=1500',
  '--expose-gc',
];

/**
 * glibc has up to eight heaps for each core, so that threads need not wait for each other, and gives back only what lies at the end of
 * each. Two are enough for the main thread, V8's helpers and LMDB's writer (docs/performance.md). What is set by hand wins.
 */
export const memoryEnvironment = (): NodeJS.ProcessEnv => ({ MALLOC_ARENA_MAX: '2', ...process.env });

/** What Linux gives a thread's stack unless told otherwise, in bytes. */
const usualStack = 8 * 1024 * 1024;

/**
 * Room for walks of objects that are nested as deep as upstream takes them (api/nesting.ts). V8's own limit, 984 kB, is far below what
 * the system gives; what it may not do is to go beyond that, so where the system gives less it stays.
 */
export function stackFlags(): readonly string[] {
  let limits: string;
  try {
    limits = readFileSync('/proc/self/limits', 'utf8');
  } catch {
    return []; // no Linux: nobody says
  }
  const [, soft = '0'] = /^Max stack size\s+(\S+)/m.exec(limits) ?? [];
  return soft === 'unlimited' || Number(soft) >= usualStack ? ['--stack-size=6500'] : [];
}
