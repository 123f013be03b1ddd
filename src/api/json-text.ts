/** JSON text as Go's decoder sees it: nesting limited, duplicate keys noticed, syntax errors in Go's words. */

import { goQuote } from './fields.ts';
import { parseExactly } from './long-integers.ts';
import { isTooDeep } from './nesting.ts';

/** A body that is no JSON, or whose values do not fit their type; the message is Go's. */
export class DecodeError extends Error {
  override readonly name = 'DecodeError';
}

const utf8 = new TextEncoder();

const QUOTE = 0x22;
const BACKSLASH = 0x5c;
const COLON = 0x3a;

/** The index after the string that opens at `at`; the text is known to be valid JSON. */
function skipString(text: string, at: number): number {
  let end = text.indexOf('"', at + 1);
  for (;;) {
    let slashes = 0;
    while (text.charCodeAt(end - 1 - slashes) === BACKSLASH) slashes++;
    if (slashes % 2 === 0) return end + 1;
    end = text.indexOf('"', end + 1);
  }
}

/** Counts the keys of valid JSON text and its deepest nesting in one pass that skips over strings. */
function survey(text: string): { keys: number; depth: number } {
  let keys = 0;
  let depth = 0;
  let deepest = 0;
  for (let i = 0; i < text.length; ) {
    const code = text.charCodeAt(i);
    if (code === QUOTE) {
      i = skipString(text, i);
      continue;
    }
    if (code === COLON) keys++;
    // `[` and `{`, `]` and `}` differ in bit 5 only.
    else if ((code | 0x20) === 0x7b) {
      if (++depth > deepest) deepest = depth;
    } else if ((code | 0x20) === 0x7d) depth--;
    i++;
  }
  return { keys, depth: deepest };
}

function countKeys(value: unknown): number {
  if (typeof value !== 'object' || value === null) return 0;
  let count = 0;
  if (Array.isArray(value)) {
    for (const item of value) count += countKeys(item);
    return count;
  }
  // JSON.parse made the object: it has no inherited keys, and its values are plain.
  const object = value as Record<string, unknown>;
  for (const key in object) count += 1 + countKeys(object[key]);
  return count;
}

/** Visits the keys of valid JSON text in order, by path: `spec.replicas`, `spec.containers[0].name`. */
function visitKeys(text: string, visit: (path: string, at: number, isRepeated: boolean) => void): void {
  interface Frame {
    keys: Set<string> | undefined;
    index: number;
    path: string;
  }
  const stack: Frame[] = [];
  let pending = '';
  const open = (keys: Set<string> | undefined) => {
    const top = stack.at(-1);
    const path = !top ? '' : top.keys ? pending : `${top.path}[${top.index}]`;
    stack.push({ keys, index: 0, path });
  };
  for (let i = 0; i < text.length; ) {
    const char = text[i];
    const top = stack.at(-1);
    if (char === '"') {
      const end = skipString(text, i);
      let after = end;
      while (/\s/.test(text[after] ?? '')) after++;
      if (top?.keys && text.charCodeAt(after) === COLON) {
        // A slice that is one JSON string.
        const key = JSON.parse(text.slice(i, end)) as string;
        pending = top.path === '' ? key : `${top.path}.${key}`;
        visit(pending, i, top.keys.has(key));
        top.keys.add(key);
      }
      i = end;
      continue;
    }
    if (char === '{') open(new Set());
    else if (char === '[') open(undefined);
    else if (char === '}' || char === ']') stack.pop();
    else if (char === ',' && top && !top.keys) top.index++;
    i++;
  }
}

/** Upstream stops collecting what strict decoding refuses here. */
export const maxStrictErrors = 100;

/** Paths of the keys that valid JSON text repeats within one object: the first of them. */
function duplicatePaths(text: string): string[] {
  const found = new Set<string>();
  visitKeys(text, (path, _, isRepeated) => {
    if (isRepeated && found.size < maxStrictErrors) found.add(path);
  });
  return [...found];
}

/** Where valid JSON text has its keys, by path. */
export function keyPositions(text: string): Map<string, number[]> {
  const positions = new Map<string, number[]>();
  visitKeys(text, (path, at) => {
    const known = positions.get(path);
    if (known) known.push(at);
    else positions.set(path, [at]);
  });
  return positions;
}

/** What Go's scanner would say about text that is no JSON; `bytes`: about bytes, each of which is a character of the text. */
export function goSyntaxError(text: string, { bytes = false } = {}): string {
  const stack: ('{' | '[')[] = [];
  let i = 0;
  /** A byte, as Go's scanner sees text, taken for a character. */
  const show = (char: string) => {
    if (char === "'") return "'\\''";
    if (char === '"') return "'\"'";
    return goQuote(bytes ? char : String.fromCharCode(utf8.encode(char)[0] ?? 0)).replace(/^"|"$/g, "'");
  };
  const invalid = (where: string) => `invalid character ${show(String.fromCodePoint(text.codePointAt(i) ?? 0))} ${where}`;
  const ended = 'unexpected end of JSON input';
  /** The end counts as a space, which some places do not take. */
  const notSpace = (where: string) => (i < text.length ? invalid(where) : `invalid character ' ' ${where}`);
  const space = () => {
    while (i < text.length && ' \t\r\n'.includes(text[i] ?? '')) i++;
  };
  const string = (): string | undefined => {
    for (i++; i < text.length; i++) {
      const char = text[i] ?? '';
      if (char === '"') {
        i++;
        return undefined;
      }
      if (char < ' ') return invalid('in string literal');
      if (char !== '\\') continue;
      i++;
      if (text[i] === 'u') {
        for (let n = 0; n < 4; n++) {
          i++;
          if (!/[0-9a-fA-F]/.test(text[i] ?? '')) return notSpace('in \\u hexadecimal character escape');
        }
      } else if (!/["\\/bfnrt]/.test(text[i] ?? '')) return notSpace('in string escape code');
    }
    return ended;
  };
  const literal = (word: string): string | undefined => {
    for (let n = 1; n < word.length; n++) {
      if (text[i + n] !== word[n]) {
        i += n;
        return notSpace(`in literal ${word} (expecting '${word[n]}')`);
      }
    }
    i += word.length;
    return undefined;
  };
  const digits = (where: string): string | undefined => {
    if (!/\d/.test(text[i] ?? '')) return notSpace(where);
    while (/\d/.test(text[i] ?? '')) i++;
    return undefined;
  };
  const number = (): string | undefined => {
    if (text[i] === '-') i++;
    if (text[i] === '0') i++;
    else {
      const wrong = digits('in numeric literal');
      if (wrong) return wrong;
    }
    if (text[i] === '.') {
      i++;
      const wrong = digits('after decimal point in numeric literal');
      if (wrong) return wrong;
    }
    if (!/[eE]/.test(text[i] ?? '')) return undefined;
    i++;
    if (/[+-]/.test(text[i] ?? '')) i++;
    return digits('in exponent of numeric literal');
  };
  /** A value up to its end, or up to the start of its first part. */
  let expect: 'value' | 'valueOrEnd' | 'key' | 'keyOrEnd' | 'after' = 'value';
  for (;;) {
    space();
    const top = stack.at(-1);
    if (expect === 'after' && !top) return i < text.length ? invalid('after top-level value') : ended;
    if (i >= text.length) return ended;
    const char = text[i] ?? '';
    if (expect === 'after') {
      if (char === ',') expect = top === '{' ? 'key' : 'value';
      else if (char === (top === '{' ? '}' : ']')) stack.pop();
      else return invalid(top === '{' ? 'after object key:value pair' : 'after array element');
      i++;
    } else if (expect === 'key' || expect === 'keyOrEnd') {
      if (char === '}' && expect === 'keyOrEnd') {
        stack.pop();
        i++;
        expect = 'after';
        continue;
      }
      if (char !== '"') return invalid('looking for beginning of object key string');
      const wrong = string();
      if (wrong) return wrong;
      space();
      if (i >= text.length) return ended;
      if (text[i] !== ':') return invalid('after object key');
      i++;
      expect = 'value';
    } else if (char === '{' || char === '[') {
      stack.push(char);
      i++;
      expect = char === '{' ? 'keyOrEnd' : 'valueOrEnd';
    } else if (char === ']' && expect === 'valueOrEnd') {
      stack.pop();
      i++;
      expect = 'after';
    } else {
      let wrong: string | undefined;
      if (char === '"') wrong = string();
      else if (char === 't') wrong = literal('true');
      else if (char === 'f') wrong = literal('false');
      else if (char === 'n') wrong = literal('null');
      else if (/[-\d]/.test(char)) wrong = number();
      else wrong = invalid('looking for beginning of value');
      if (wrong) return wrong;
      expect = 'after';
    }
  }
}

/** An escaped half of a pair of surrogates, which may lack the other: Go puts a replacement character in its place. */
const escapedSurrogate = /\\u[dD][89a-fA-F]/;

function wellFormed(value: unknown): unknown {
  if (typeof value === 'string') return value.toWellFormed();
  if (typeof value !== 'object' || value === null) return value;
  if (Array.isArray(value)) return value.map(wellFormed);
  return Object.fromEntries(Object.entries(value).map(([key, item]) => [key.toWellFormed(), wellFormed(item)]));
}

export interface ParsedJson {
  value: unknown;
  /** Paths of repeated keys, of which the last has won; empty unless asked for. */
  duplicates: string[];
}

/**
 * Parses JSON text. Duplicate keys cost a second pass only where a cheap count of keys says that there are some.
 * @throws DecodeError with Go's message
 */
export function parseJson(text: string, options: { duplicates?: boolean } = {}): ParsedJson {
  let value: unknown;
  try {
    value = parseExactly(text);
  } catch {
    throw new DecodeError(goSyntaxError(text));
  }
  const { keys, depth } = survey(text);
  if (isTooDeep(depth)) throw new DecodeError('exceeded max depth');
  const duplicates = options.duplicates && countKeys(value) !== keys ? duplicatePaths(text) : [];
  return { value: escapedSurrogate.test(text) ? wellFormed(value) : value, duplicates };
}
