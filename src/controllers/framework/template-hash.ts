const safeAlphabet = 'bcdfghjklmnpqrstvwxz2456789';

/**
 * The value of pod-template-hash and of controller-revision-hash: FNV-1a (32 bit) over the template's canonical JSON, in
 * letters that spell nothing. Upstream hashes a dump of Go structures, which nothing but Go can make; any stable hash will do,
 * since an existing one is found by comparing templates.
 */
export function templateHash(template: unknown, collisionCount = 0): string {
  let hash = 0x811c9dc5;
  for (const byte of Buffer.from(canonical(template) + (collisionCount > 0 ? `#${collisionCount}` : ''))) {
    hash = Math.imul(hash ^ byte, 0x01000193) >>> 0;
  }
  return [...String(hash)].map((c) => safeAlphabet[c.charCodeAt(0) % safeAlphabet.length]).join('');
}

/** JSON with its keys in order. */
function canonical(value: unknown): string {
  if (Array.isArray(value)) return `[${value.map(canonical).join(',')}]`;
  if (typeof value !== 'object' || value === null) return JSON.stringify(value) ?? 'null';
  const members = Object.entries(value).filter(([, v]) => v !== undefined);
  members.sort(([a], [b]) => (a < b ? -1 : 1));
  return `{${members.map(([k, v]) => `${JSON.stringify(k)}:${canonical(v)}`).join(',')}}`;
}
