/** How YAML is written: as upstream writes it (sigs.k8s.io/yaml), for the library `yaml`. */
import { isScalar, type Pair, type ScalarTag, type Tags } from 'yaml';
import { stringifyString } from 'yaml/util';
import { looksLikeScalar } from './yaml-scalars.ts';

/** What a reader of YAML 1.1 would take for something else than text: dates, numbers in bases of 60, merges. */
const mistaken = /^(?:<<|\d{4}-\d\d?-\d\d?(?:[Tt\s].*)?|[+-]?\d[\d_]*(?::[0-5]?\d)+(?:\.[\d_]*)?)$/;

/** What upstream's writer shows by its escape only: control characters, and what lies beyond the first plane. */
const escaped = /[\p{Cc}\uFEFF\u{10000}-\u{10FFFF}]/u;

function styleOf(value: string) {
  if (mistaken.test(value) || looksLikeScalar(value)) return 'QUOTE_DOUBLE';
  if (escaped.test(value.replaceAll('\n', '')) || / \n/.test(value)) return 'QUOTE_DOUBLE';
  if (value.includes('\n')) return 'BLOCK_LITERAL';
  return /^(?:---|\.\.\.)/.test(value) ? 'QUOTE_SINGLE' : 'PLAIN';
}

/** Text as upstream writes it: in double quotes what would be read as something else, in single ones what plain text can't be. */
const text: ScalarTag = {
  tag: 'tag:yaml.org,2002:str',
  default: true,
  identify: (value) => typeof value === 'string',
  resolve: (given) => given,
  stringify(item, context, onComment, onChompKeep) {
    const value = String(item.value);
    return stringifyString({ ...item, value, type: styleOf(value) }, context, onComment, onChompKeep);
  },
};

const isLetter = (char: string) => /\p{L}/u.test(char);
const numberAt = (chars: readonly string[], at: number) => /^\d*/.exec(chars.slice(at).join(''))?.[0] ?? '';

/** The order of upstream's keys: letters come after what is none, numbers by their size. */
export function compareYamlKeys(a: string, b: string): number {
  const [as, bs] = [[...a], [...b]];
  const at = as.findIndex((char, i) => char !== bs[i]);
  if (at < 0 || at >= bs.length) return as.length - bs.length;
  // Both are inside their texts.
  const [charA, charB] = [as[at] as string, bs[at] as string];
  if (isLetter(charA) !== isLetter(charB)) return isLetter(charA) ? 1 : -1;
  const [numberA, numberB] = [numberAt(as, at), numberAt(bs, at)];
  if (isLetter(charA) || Number(numberA) === Number(numberB)) return charA < charB ? -1 : 1;
  return Number(numberA) - Number(numberB);
}

/** For its writer, as upstream writes YAML (sigs.k8s.io/yaml). */
export const yamlOutput = {
  aliasDuplicateObjects: false,
  indentSeq: false,
  singleQuote: true,
  // Its line breaks are escapes, however long it is.
  doubleQuotedMinMultiLineLength: Number.MAX_SAFE_INTEGER,
  blockQuote: 'literal' as const,
  sortMapEntries: (a: Pair, b: Pair) => compareYamlKeys(keyOf(a), keyOf(b)),
  customTags: (tags: Tags): Tags => [text, ...tags],
};

const keyOf = ({ key }: Pair): string => String(isScalar(key) ? key.value : key);
