/** Functions of strings (google/cel-go/ext/strings.go version 2, k8s.io/apiserver/pkg/cel/library/regex.go). */
import { compileRegularExpression, searchSteps } from '../regular-expression.ts';
import { type Environment, member, overload } from './declarations.ts';
import { work } from './metering.ts';
import { formatString } from './string-format.ts';
import { boolType, dynType, intType, listOf, stringType } from './types.ts';
import { CelError, characterCount, charactersOf, sliceCharacters } from './values.ts';

/** @throws CelError for what is no pattern */
export function compilePattern(pattern: string) {
  try {
    return compileRegularExpression(pattern);
  } catch (error) {
    throw new CelError(error instanceof Error ? error.message : String(error));
  }
}

/** Looks for a pattern, in linear time; paid for by text and pattern, counted by what searching takes. */
function searcher(text: string, pattern: string) {
  const expression = compilePattern(pattern);
  work(searchSteps(expression, text) / 2);
  return expression.matcher(text);
}

const matches = (text: string, pattern: string) => searcher(text, pattern).find();

function findAll(text: string, pattern: string, limit: bigint): string[] {
  const matcher = searcher(text, pattern);
  const out: string[] = [];
  while ((limit < 0n || BigInt(out.length) < limit) && matcher.find()) {
    work(1);
    out.push(matcher.group() ?? '');
  }
  return out;
}

const outOfRange = (at: bigint) => new CelError(`index out of range: ${at}`);

function charAt(text: string, at: bigint): string {
  if (at < 0n || at > BigInt(characterCount(text))) throw outOfRange(at);
  return sliceCharacters(text, Number(at), Number(at) + 1);
}

function substring(text: string, start: bigint, end?: bigint): string {
  const length = BigInt(characterCount(text));
  if (end !== undefined && start > end) throw new CelError(`invalid substring range. start: ${start}, end: ${end}`);
  if (start < 0n || start > length) throw outOfRange(start);
  if (end !== undefined && (end < 0n || end > length)) throw outOfRange(end);
  return sliceCharacters(text, Number(start), end === undefined ? undefined : Number(end));
}

/** A place in UTF-16 as one in characters. */
const inCharacters = (text: string, at: number): bigint => (at < 0 ? -1n : BigInt(characterCount(text.slice(0, at))));
const inUnits = (text: string, at: bigint): number => sliceCharacters(text, 0, Number(at)).length;

function indexOf(text: string, part: string, from = 0n): bigint {
  if (from < 0n) throw outOfRange(from);
  const length = BigInt(characterCount(text));
  if (part === '') return from > length ? length : from;
  return from >= length ? -1n : inCharacters(text, text.indexOf(part, inUnits(text, from)));
}

function lastIndexOf(text: string, part: string, from?: bigint): bigint {
  const length = BigInt(characterCount(text));
  if (from === undefined) return part === '' ? length : inCharacters(text, text.lastIndexOf(part));
  if (from < 0n) throw outOfRange(from);
  if (part === '') return from > length ? length : from;
  return from >= length ? -1n : inCharacters(text, text.lastIndexOf(part, inUnits(text, from)));
}

/** Text of this length is made: no evaluation needs more. */
function making(length: number): void {
  work(length);
}

function replace(text: string, from: string, to: string, limit = -1n): string {
  const parts = from === '' ? charactersOf(text) : text.split(from);
  // An empty text is found before every character and at the end.
  const places = from === '' ? parts.length + 1 : parts.length - 1;
  const count = limit < 0n || limit > BigInt(places) ? places : Number(limit);
  making(text.length + count * to.length);
  if (from !== '') return [parts.slice(0, count + 1).join(to), ...parts.slice(count + 1)].join(from);
  const out = parts.map((character, i) => (i < count ? to + character : character)).join('');
  return count > parts.length ? out + to : out;
}

function split(text: string, separator: string, limit = -1n): string[] {
  if (limit === 0n) return [];
  const parts = separator === '' ? [...charactersOf(text)] : text.split(separator);
  work(parts.length);
  if (limit < 0n || BigInt(parts.length) <= limit) return parts;
  const kept = Number(limit) - 1;
  return [...parts.slice(0, kept), parts.slice(kept).join(separator)];
}

function join(list: readonly string[], separator = ''): string {
  making(list.reduce((length, text) => length + text.length + separator.length, 0));
  return list.join(separator);
}

const escapes: Readonly<Record<string, string>> = {
  '\x07': '\\a',
  '\b': '\\b',
  '\f': '\\f',
  '\n': '\\n',
  '\r': '\\r',
  '\t': '\\t',
  '\v': '\\v',
  '\\': '\\\\',
  '"': '\\"',
};

const quote = (text: string) => `"${text.toWellFormed().replace(/[^ !#-[\]-~]/g, (character) => escapes[character] ?? character)}"`;

/** What Go takes for white space. */
const space = '[\\t\\n\\v\\f\\r \\u0085\\u00a0\\u1680\\u2000-\\u200a\\u2028\\u2029\\u202f\\u205f\\u3000]';
const leading = new RegExp(`^${space}+`);
const isSpace = new RegExp(space);

function trim(text: string): string {
  const start = leading.exec(text)?.[0].length ?? 0;
  let end = text.length;
  while (end > start && isSpace.test(text[end - 1] ?? '')) end -= 1;
  return text.slice(start, end);
}

const lowerAscii = (text: string) => text.replace(/[A-Z]+/g, (letters) => letters.toLowerCase());
const upperAscii = (text: string) => text.replace(/[a-z]+/g, (letters) => letters.toUpperCase());

function declareTests(environment: Environment): void {
  const test = (apply: (text: string, part: string) => boolean, id: string) => member([stringType, stringType], boolType, apply, { id });
  environment
    .function(
      'contains',
      test((text, part) => text.includes(part), 'contains_string'),
    )
    .function(
      'startsWith',
      test((text, part) => text.startsWith(part), 'starts_with_string'),
    )
    .function(
      'endsWith',
      test((text, part) => text.endsWith(part), 'ends_with_string'),
    )
    .function('matches', test(matches, 'matches_string'), overload([stringType, stringType], boolType, matches))
    .function(
      'find',
      member([stringType, stringType], stringType, (text: string, pattern: string) => findAll(text, pattern, 1n)[0] ?? ''),
    )
    .function(
      'findAll',
      member([stringType, stringType], listOf(stringType), (text: string, pattern: string) => findAll(text, pattern, -1n)),
      member([stringType, stringType, intType], listOf(stringType), findAll),
    );
}

export function declareStringFunctions(environment: Environment): void {
  declareTests(environment);
  environment
    .function('charAt', member([stringType, intType], stringType, charAt))
    .function('indexOf', member([stringType, stringType], intType, indexOf), member([stringType, stringType, intType], intType, indexOf))
    .function(
      'lastIndexOf',
      member([stringType, stringType], intType, lastIndexOf),
      member([stringType, stringType, intType], intType, lastIndexOf),
    )
    .function('lowerAscii', member([stringType], stringType, lowerAscii))
    .function('upperAscii', member([stringType], stringType, upperAscii))
    .function(
      'replace',
      member([stringType, stringType, stringType], stringType, replace),
      member([stringType, stringType, stringType, intType], stringType, replace),
    )
    .function(
      'split',
      member([stringType, stringType], listOf(stringType), split),
      member([stringType, stringType, intType], listOf(stringType), split),
    )
    .function(
      'substring',
      member([stringType, intType], stringType, substring),
      member([stringType, intType, intType], stringType, substring),
    )
    .function('trim', member([stringType], stringType, trim))
    .function('format', member([stringType, listOf(dynType)], stringType, formatString, { id: 'string_format' }))
    .function('strings.quote', overload([stringType], stringType, quote, { id: 'strings_quote' }))
    .function('join', member([listOf(stringType)], stringType, join), member([listOf(stringType), stringType], stringType, join));
}
