/** What stands between the quotes of a literal (google/cel-go/parser/unescape.go). */

const simple: Readonly<Record<string, string>> = { a: '\x07', b: '\b', f: '\f', n: '\n', r: '\r', t: '\t', v: '\v' };
const sequence = /\\(?:[xX]([0-9a-fA-F]{2})|u([0-9a-fA-F]{4})|U([0-9a-fA-F]{8})|([0-3][0-7]{2})|([\s\S]))/g;

/** Without its quotes, and whether it is raw. */
function unquote(text: string): { body: string; isRaw: boolean } {
  const isRaw = /^r/i.test(text);
  const quoted = (isRaw ? text.slice(1) : text).replace(/\r\n?/g, '\n');
  const quotes = /^("""|''')/.test(quoted) ? 3 : 1;
  return { body: quoted.slice(quotes, -quotes), isRaw };
}

function characterOf(code: number): string {
  if (code > 0x10ffff || (code >= 0xd800 && code <= 0xdfff)) throw new RangeError('invalid unicode code point');
  return String.fromCodePoint(code);
}

/** @throws RangeError for what is no character */
export function stringLiteral(text: string): string {
  const { body, isRaw } = unquote(text);
  if (isRaw) return body;
  return body.replace(sequence, (_, hex?: string, short?: string, long?: string, octal?: string, letter?: string) => {
    if (octal !== undefined) return characterOf(Number.parseInt(octal, 8));
    const digits = hex ?? short ?? long;
    return digits === undefined ? (simple[letter ?? ''] ?? letter ?? '') : characterOf(Number.parseInt(digits, 16));
  });
}

/** @throws RangeError for a character that is no byte */
export function bytesLiteral(text: string): Uint8Array {
  const { body, isRaw } = unquote(text);
  const encoder = new TextEncoder();
  if (isRaw) return encoder.encode(body);
  const bytes: number[] = [];
  let at = 0;
  for (const match of body.matchAll(sequence)) {
    const [whole, hex, short, long, octal, letter] = match;
    bytes.push(...encoder.encode(body.slice(at, match.index)));
    if (short !== undefined || long !== undefined) throw new RangeError('unable to unescape string');
    if (hex !== undefined) bytes.push(Number.parseInt(hex, 16));
    else if (octal !== undefined) bytes.push(Number.parseInt(octal, 8));
    else bytes.push(...encoder.encode(simple[letter ?? ''] ?? letter ?? ''));
    at = match.index + whole.length;
  }
  bytes.push(...encoder.encode(body.slice(at)));
  return Uint8Array.from(bytes);
}
