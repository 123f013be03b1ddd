/** Where the next page of a list begins (k8s.io/apiserver/pkg/storage's continue token, byte for byte). */
import { errors, goSyntaxError } from '../../api/index.ts';

export interface ContinueToken {
  /** The revision of the list; -1 continues at the newest, inconsistently. */
  revision: number;
  /** The first key of the page, relative to the list's key prefix. */
  start: string;
}

export function encodeContinueToken({ revision, start }: ContinueToken): string {
  return Buffer.from(JSON.stringify({ v: 'meta.k8s.io/v1', rv: revision, start })).toString('base64url');
}

/** Throws 400 for what is not a token of ours. */
export function decodeContinueToken(token: string): ContinueToken {
  const invalid = (why: string) => errors.badRequest(`invalid continue token: continue key is not valid: ${why}`);
  const wrong = base64Error(token);
  if (wrong !== undefined) throw invalid(`illegal base64 data at input byte ${wrong}`);
  const bytes = Buffer.from(token, 'base64url');
  let decoded: unknown;
  try {
    decoded = JSON.parse(bytes.toString());
  } catch {
    // Go reads bytes.
    throw invalid(goSyntaxError(bytes.toString('latin1'), { bytes: true }));
  }
  const { v = '', rv, start } = (decoded ?? {}) as { v?: unknown; rv?: unknown; start?: unknown };
  // Upstream's words; the colon is missing there.
  if (v !== 'meta.k8s.io/v1')
    throw errors.badRequest(`invalid continue token: continue key is not valid: server does not recognize this encoded version ${v}`);
  if (typeof rv !== 'number' || !Number.isSafeInteger(rv) || rv === 0) {
    throw invalid('incorrect encoded start resourceVersion (version meta.k8s.io/v1)');
  }
  if (typeof start !== 'string' || start === '') throw invalid('encoded start key empty (version meta.k8s.io/v1)');
  // As upstream: the key must stay below the prefix it is relative to, and be written in the one way that there is.
  const parts = (start.startsWith('/') ? start.slice(1) : start).split('/');
  if (parts.some((part) => part === '..' || part === '.' || part === '')) throw invalid(start);
  return { revision: rv, start };
}

/** Where unpadded base64url is wrong (Go's CorruptInputError). */
function base64Error(text: string): number | undefined {
  const wrong = text.search(/[^A-Za-z0-9_-]/);
  if (wrong >= 0) return wrong;
  return text.length % 4 === 1 ? text.length - 1 : undefined;
}
