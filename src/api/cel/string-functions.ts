/** Kubernetes' functions of strings: regular expressions in linear time, replacement, formatting (library/regex.go, ext/strings.go). */
import type { Environment } from '@marcbachmann/cel-js';
import { compileRegularExpression } from '../regular-expression.ts';
import { spend } from './metering.ts';

/** What `matches` is called in checked trees: the library's own backtracks. */
export const linearMatches = 'matchesLinear';

/** As upstream prices it: by text and pattern. */
function search(text: string, pattern: string) {
  spend(Math.ceil(text.length / 10) * Math.ceil(pattern.length / 4));
  return compileRegularExpression(pattern).matcher(text);
}

const matches = (text: string, pattern: string) => search(text, pattern).find();

function findAll(text: string, pattern: string, limit: bigint): string[] {
  const matcher = search(text, pattern);
  const out: string[] = [];
  while ((limit < 0n || BigInt(out.length) < limit) && matcher.find()) out.push(matcher.group() ?? '');
  return out;
}

function show(value: unknown): string {
  if (Array.isArray(value)) return `[${value.map(show).join(', ')}]`;
  if (value instanceof Date) return value.toISOString().replace('.000Z', 'Z');
  if (value === null) return 'null';
  if (typeof value === 'object')
    return `{${Object.entries(value)
      .map(([key, item]) => `${key}: ${show(item)}`)
      .join(', ')}}`;
  return String(value);
}

/** `%s`, `%d`, `%f`, `%.2f`, `%e`, `%b`, `%x`, `%X`, `%o`, `%%`. */
function format(template: string, values: readonly unknown[]): string {
  let at = 0;
  return template.replace(/%(?:\.(\d+))?([a-zA-Z%])/g, (_, precision: string | undefined, verb: string) => {
    if (verb === '%') return '%';
    if (at >= values.length) throw new Error(`index ${at} out of range`);
    const value = values[at++];
    const digits = precision === undefined ? 6 : Math.min(100, Number(precision));
    const integer = () => {
      if (typeof value === 'bigint' || typeof value === 'boolean') return BigInt(value);
      throw new Error(`error during formatting: clause %${verb} can only be used on integers`);
    };
    switch (verb) {
      case 's':
        return show(value);
      case 'd':
        return typeof value === 'number' ? String(value) : String(integer());
      case 'f':
        return Number(value).toFixed(digits);
      case 'e':
        return Number(value)
          .toExponential(digits)
          .replace(/e([+-])(\d)$/, 'e$10$2');
      case 'b':
        return integer().toString(2);
      case 'o':
        return integer().toString(8);
      case 'x':
      case 'X': {
        const hex =
          typeof value === 'string'
            ? [...new TextEncoder().encode(value)].map((byte) => byte.toString(16).padStart(2, '0')).join('')
            : integer().toString(16);
        return verb === 'X' ? hex.toUpperCase() : hex;
      }
      default:
        throw new Error(`could not parse formatting clause: unrecognized formatting clause "${verb}"`);
    }
  });
}

function replace(text: string, from: string, to: string, limit: bigint): string {
  spend(text.length / 10);
  const parts = text.split(from);
  const count = limit < 0n ? parts.length - 1 : Math.min(Number(limit), parts.length - 1);
  // What comes of it is paid for before it is made.
  spend((count * to.length) / 10);
  return [parts.slice(0, count + 1).join(to), ...parts.slice(count + 1)].join(from);
}

export function registerStringFunctions(environment: Environment): void {
  environment
    .registerFunction(`string.${linearMatches}(string): bool`, matches)
    .registerFunction('matches(string, string): bool', matches)
    .registerFunction('string.find(string): string', (text: string, pattern: string) => findAll(text, pattern, 1n)[0] ?? '')
    .registerFunction('string.findAll(string): list<string>', (text: string, pattern: string) => findAll(text, pattern, -1n))
    .registerFunction('string.findAll(string, int): list<string>', findAll)
    .registerFunction('string.charAt(int): string', (text: string, at: bigint) => {
      if (at < 0n || at > BigInt(text.length)) throw new Error(`index out of range: ${at}`);
      return text[Number(at)] ?? '';
    })
    .registerFunction('string.replace(string, string): string', (text: string, from: string, to: string) => replace(text, from, to, -1n))
    .registerFunction('string.replace(string, string, int): string', replace)
    .registerFunction('string.reverse(): string', (text: string) => [...text].reverse().join(''))
    .registerFunction('string.format(list): string', format);
}
