/** Where the next page of a list begins (k8s.io/apiserver/pkg/storage's continue token, byte for byte). */
import { errors } from '../../api/index.ts';

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
  if (!/^[A-Za-z0-9_-]+$/.test(token)) throw invalid('illegal base64 data');
  let decoded: unknown;
  try {
    decoded = JSON.parse(Buffer.from(token, 'base64url').toString());
  } catch {
    throw invalid('invalid character looking for beginning of value');
  }
  const { v, rv, start } = (decoded ?? {}) as { v?: unknown; rv?: unknown; start?: unknown };
  if (v !== 'meta.k8s.io/v1') throw invalid(`server does not recognize this encoded version ${JSON.stringify(v ?? '')}`);
  if (typeof rv !== 'number' || !Number.isSafeInteger(rv) || rv === 0) {
    throw invalid('incorrect encoded start resourceVersion (version meta.k8s.io/v1)');
  }
  if (typeof start !== 'string' || start === '') throw invalid('encoded start key empty (version meta.k8s.io/v1)');
  // As upstream: the key must stay below the prefix it is relative to.
  if (start.split('/').some((part) => part === '..' || part === '.')) throw invalid(start);
  return { revision: rv, start };
}
