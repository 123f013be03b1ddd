/**
 * Go's int64 holds integers that JavaScript's numbers do not. In objects such an integer is a bigint; every other number is a
 * number, so that one value has one form.
 */

const minInt64 = -(2n ** 63n);
const maxInt64 = 2n ** 63n - 1n;

// As JSON's own extension has it (proposal-json-parse-with-source), which TypeScript's library does not know yet.
const json = JSON as unknown as {
  rawJSON(text: string): unknown;
  parse(text: string, reviver: (key: string, value: unknown, context: { source?: string }) => unknown): unknown;
};

// Without it JSON.stringify throws; it is nobody's business but JSON's.
Object.defineProperty(BigInt.prototype, 'toJSON', {
  value(this: bigint) {
    return json.rawJSON(String(this));
  },
  configurable: true,
  writable: true,
});

/** An integer of up to 64 bits in its one form. */
export const integer = (value: bigint): number | bigint =>
  value >= Number.MIN_SAFE_INTEGER && value <= Number.MAX_SAFE_INTEGER ? Number(value) : value;

/** What no number holds has at least so many digits. */
const longDigits = 16;

const isDigit = (code: number) => code >= 0x30 && code <= 0x39;

/** Whether so many digits stand together anywhere. Every such run holds one of every so many places: few characters are looked at. */
function hasLongDigits(text: string): boolean {
  for (let at = longDigits - 1; at < text.length; at += longDigits) {
    if (!isDigit(text.charCodeAt(at))) continue;
    let first = at;
    let last = at;
    while (isDigit(text.charCodeAt(first - 1))) first--;
    while (isDigit(text.charCodeAt(last + 1))) last++;
    if (last - first >= longDigits - 1) return true;
  }
  return false;
}

const integral = /^-?\d+$/;

function exact(_key: string, value: unknown, { source = '' }: { source?: string }): unknown {
  if (typeof value !== 'number' || Number.isSafeInteger(value) || !integral.test(source)) return value;
  const whole = BigInt(source);
  // What is longer still is a float, as it is in Go.
  return whole >= minInt64 && whole <= maxInt64 ? whole : value;
}

/** JSON.parse that keeps all digits of integers of 64 bits. */
export function parseExactly(text: string): unknown {
  return hasLongDigits(text) ? json.parse(text, exact) : JSON.parse(text);
}
