/** How deep values may be nested. Objects are walked by recursion everywhere: what comes in is bounded by what the stack takes. */

/** What every stack has room for: V8's own limit on it lets the hungriest walk of an object go twice as deep. */
const sureDepth = 1000;
/** Go's limit. */
const goDepth = 10_000;
/** Calls that a stack must have room for, so that every walk of an object can go as deep as Go's limit. */
const roomyCalls = 50_000;

/** How many calls the stack takes, counted up to `most`. */
function callsLeft(most: number): number {
  try {
    return most === 0 ? 0 : 1 + callsLeft(most - 1);
  } catch {
    // A RangeError: here it ends.
    return 0;
  }
}

let deepest: number | undefined;

/**
 * How deep JSON may be nested: Go's limit in a process whose stack has room for it (`--stack-size`, as k8ts' own processes have it), a
 * tenth of it in any other. Looked at when first asked for, because looking takes the memory.
 */
function maxDepth(): number {
  deepest ??= callsLeft(roomyCalls) < roomyCalls ? sureDepth : goDepth;
  return deepest;
}

/** Whether Go would refuse what is nested so deep, or a walk of it could run out of stack. */
export const isTooDeep = (depth: number): boolean => depth > sureDepth && depth > maxDepth();

/** How many arrays and objects of plain JSON data lie within each other at most. */
export function nestingOf(value: unknown): number {
  let depth = 0;
  let level = [value];
  for (;;) {
    const below: unknown[] = [];
    let containers = 0;
    for (const item of level) {
      if (typeof item !== 'object' || item === null) continue;
      containers++;
      if (Array.isArray(item)) for (const inner of item) below.push(inner);
      else for (const key of Object.keys(item)) below.push((item as Record<string, unknown>)[key]); // any object's own keys
    }
    if (containers === 0) return depth;
    depth++;
    level = below;
  }
}
