/** resourceVersions as clients write them, and what is wrong with them. */
import { errors, StatusError } from '../../api/index.ts';

const maxUint64 = 2n ** 64n - 1n;

/** undefined where unset (or empty). Throws 400 where it is not a number, with `prefix` before what is wrong. */
export function parseResourceVersion(text: string | undefined, prefix = ''): number | undefined {
  if (text === undefined || text === '') return undefined;
  const isNumber = /^\d+$/.test(text);
  // Beyond what can be told apart here there is nothing but versions that have not come yet.
  if (isNumber && (text.length < 16 || BigInt(text) <= maxUint64)) return Number(text);
  const quoted = JSON.stringify(text);
  const why = isNumber ? 'value out of range' : 'invalid syntax';
  throw errors.badRequest(`${prefix}resourceVersion: Invalid value: ${quoted}: strconv.ParseUint: parsing ${quoted}: ${why}`);
}

/** A version that the server has not reached (k8s.io/apiserver storage.NewTooLargeResourceVersionError). */
export function tooLargeResourceVersion(wanted: number, current: number): StatusError {
  return new StatusError(504, 'Timeout', `Timeout: Too large resource version: ${BigInt(wanted)}, current: ${current}`, {
    causes: [{ reason: 'ResourceVersionTooLarge', message: 'Too large resource version' }],
    retryAfterSeconds: 1,
  });
}
