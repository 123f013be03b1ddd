/** Equality of plain JSON values, and the sharing of what two values have in common. */

const isObject = (value: unknown): value is Record<string, unknown> => typeof value === 'object' && value !== null;

/** Whether two JSON values are the same: own keys, order of keys ignored; a key whose value is undefined counts as absent. */
export function deepEqual(a: unknown, b: unknown): boolean {
  if (a === b) return true;
  if (!isObject(a) || !isObject(b)) return false;
  if (Array.isArray(a) || Array.isArray(b)) {
    if (!Array.isArray(a) || !Array.isArray(b) || a.length !== b.length) return false;
    for (let i = 0; i < a.length; i++) if (!deepEqual(a[i], b[i])) return false;
    return true;
  }
  let present = 0;
  for (const key in a) {
    const value = a[key];
    if (value === undefined) continue;
    if (!Object.hasOwn(b, key) || !deepEqual(value, b[key])) return false;
    present++;
  }
  for (const key in b) if (b[key] !== undefined) present--;
  return present === 0;
}

/** What Go can't tell from an unset field once it has been through JSON: null, an empty list, an empty map. */
function isEmptyValue(value: unknown): boolean {
  if (value === undefined || value === null) return true;
  if (Array.isArray(value)) return value.length === 0;
  if (!isObject(value)) return false;
  for (const key in value) if (value[key] !== undefined) return false;
  return true;
}

/** As upstream's `equality.Semantic.DeepEqual`: an unset field, null, an empty list and an empty map are the same. */
export function semanticEqual(a: unknown, b: unknown): boolean {
  if (a === b) return true;
  if (!isObject(a) || !isObject(b)) return isEmptyValue(a) && isEmptyValue(b);
  if (Array.isArray(a) && Array.isArray(b)) return a.length === b.length && a.every((item, i) => semanticEqual(item, b[i]));
  if (Array.isArray(a) || Array.isArray(b)) return isEmptyValue(a) && isEmptyValue(b);
  for (const key in a) if (!semanticEqual(a[key], Object.hasOwn(b, key) ? b[key] : undefined)) return false;
  for (const key in b) if (!Object.hasOwn(a, key) && !isEmptyValue(b[key])) return false;
  return true;
}

/**
 * A value equal to `next` that shares with `prev` every part that did not change: `prev` itself when nothing did. What compares by
 * reference afterwards (managed-field caches, informers) then sees at once what is new.
 */
export function shareUnchanged<T>(prev: unknown, next: T): T {
  // Where the parts are equal, prev's part is of next's type.
  if (prev === next) return prev as T;
  if (!isObject(prev) || !isObject(next)) return next;
  if (Array.isArray(next)) {
    if (!Array.isArray(prev)) return next;
    let same = prev.length === next.length;
    const out = next.map((item, i) => {
      const shared = i < prev.length ? shareUnchanged(prev[i], item) : item;
      if (shared !== prev[i]) same = false;
      return shared;
    });
    return (same ? prev : out) as T;
  }
  if (Array.isArray(prev)) return next;
  const out: Record<string, unknown> = {};
  let same = true;
  let count = 0;
  for (const key of Object.keys(next)) {
    const had = Object.hasOwn(prev, key);
    const shared = had ? shareUnchanged(prev[key], next[key]) : next[key];
    if (!had || shared !== prev[key]) same = false;
    if (key === '__proto__') Object.defineProperty(out, key, { value: shared, enumerable: true, writable: true, configurable: true });
    else out[key] = shared;
    count++;
  }
  return (same && count === Object.keys(prev).length ? prev : out) as T;
}

/** A private copy of a JSON value, to be changed in place. Faster than `structuredClone`. */
export function deepCopy<T>(value: T): T {
  if (!isObject(value)) return value;
  if (Array.isArray(value)) {
    const out = new Array(value.length);
    for (let i = 0; i < value.length; i++) out[i] = deepCopy(value[i]);
    // An element-wise copy has the original's type.
    return out as T;
  }
  const out: Record<string, unknown> = {};
  for (const key of Object.keys(value)) {
    if (key === '__proto__')
      Object.defineProperty(out, key, { value: deepCopy(value[key]), enumerable: true, writable: true, configurable: true });
    else out[key] = deepCopy(value[key]);
  }
  return out as T;
}
