/** How V8 is to deal with memory in our processes, all of which collect at rest (collect-at-rest.ts). */

/** It gives memory back earlier with a small young generation; components hold mostly long-lived objects. */
export const leanV8Flags: readonly string[] = ['--max-semi-space-size=2', '--expose-gc'];

/**
 * The control plane makes garbage by the request: what is in flight must not be taken for long-lived, so the young generation is
 * larger, and the old one is looked through before it has doubled. 8 MB in the place of 4 take half of the collections, and 10 MB
 * more memory (docs/performance.md).
 */
export const controlPlaneV8Flags: readonly string[] = ['--max-semi-space-size=8', '--heap-growing-percent=40', '--expose-gc'];
