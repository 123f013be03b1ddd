/** resourceVersions as clients write them, and what is wrong with them. */
import { errors, StatusError } from '../../api/index.ts';

const maxUint64 = 2n ** 64n - 1n;

/** undefined where unset (or empty). Throws 500 in Go's words for what is no number, as upstream: its gets, watches and updates do not expect it. */
export function parseUint(
  text: string | undefined,
  refused = (why: string): StatusError => new StatusError(500, '', why),
): number | undefined {
  if (text === undefined || text === '') return undefined;
  const isNumber = /^\d+$/.test(text);
  // Beyond what can be told apart here there is nothing but versions that have not come yet.
  if (isNumber && (text.length < 16 || BigInt(text) <= maxUint64)) return Number(text);
  throw refused(`strconv.ParseUint: parsing ${JSON.stringify(text)}: ${isNumber ? 'value out of range' : 'invalid syntax'}`);
}

/** The parameter of a get or a watch. */
export function parseResourceVersion(text: string | undefined): number | undefined {
  return parseUint(text, (why) => new StatusError(500, '', invalidVersion(text, why)));
}

/** The parameter of a list, for which it is a bad request. */
export function parseListVersion(text: string | undefined): number | undefined {
  return parseUint(text, (why) => errors.badRequest(`invalid resource version: ${invalidVersion(text, why)}`));
}

const invalidVersion = (text: string | undefined, why: string) => `resourceVersion: Invalid value: ${JSON.stringify(text)}: ${why}`;

/** A version that the server has not reached (k8s.io/apiserver storage.NewTooLargeResourceVersionError). */
export function tooLargeResourceVersion(wanted: number, current: number): StatusError {
  return new StatusError(504, 'Timeout', `Timeout: Too large resource version: ${BigInt(wanted)}, current: ${current}`, {
    causes: [{ reason: 'ResourceVersionTooLarge', message: 'Too large resource version' }],
    retryAfterSeconds: 1,
  });
}
