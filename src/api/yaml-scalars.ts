/**
 * What plain YAML scalars mean to upstream, whose parser is one of YAML 1.1 with ways of its own: `yes` is true, `0644` is octal, `1_000` a
 * thousand, and a date is text. Imports nothing of this room, so that a thread aside has little to load.
 */
import type { ScalarTag, Tags } from 'yaml';

const maxInt64 = 2n ** 63n - 1n;
const maxUint64 = 2n ** 64n - 1n;
const integerPattern = /^([+-]?)(0[xX][\da-fA-F]+|0[bB][01]+|0[oO]?[0-7]+|0|[1-9]\d*)$/;
const floatPattern = /^[+-]?(?:\.\d+|\d+(?:\.\d*)?)(?:[eE][+-]?\d+)?$/;

/** An integer of 64 bits, with the prefixes that Go's own numbers have; undefined for what is none. */
function integerOf(plain: string): number | bigint | undefined {
  const [, sign = '', digits = ''] = integerPattern.exec(plain) ?? [];
  if (digits === '') return undefined;
  const size = BigInt(digits.replace(/^0[oO]?(?=[0-7])/, '0o'));
  const value = sign === '-' ? -size : size;
  if (value < -maxInt64 - 1n || value > (sign === '' ? maxUint64 : maxInt64)) return undefined;
  return value >= Number.MIN_SAFE_INTEGER && value <= Number.MAX_SAFE_INTEGER ? Number(value) : value;
}

/** A number; text that only looks like one stays text. */
function numberOf(text: string): bigint | number | string {
  const plain = text.replaceAll('_', '');
  const whole = integerOf(plain);
  if (whole !== undefined) return whole;
  // With a point in front, underscores stand between digits only.
  const float = floatPattern.test(/^\.\d*(?:_(?!\d)|__)/.test(text) ? text : plain) ? Number(plain) : Number.NaN;
  return Number.isFinite(float) ? float : text;
}

const endless = (text: string) =>
  /n$/i.test(text) ? Number.NaN : text.startsWith('-') ? Number.NEGATIVE_INFINITY : Number.POSITIVE_INFINITY;

const nulls = /^(?:~|null|Null|NULL)?$/;
const bools = /^(?:y|Y|yes|Yes|YES|true|True|TRUE|on|On|ON|n|N|no|No|NO|false|False|FALSE|off|Off|OFF)$/;
const endlessOnes = /^(?:[+-]?\.(?:inf|Inf|INF)|\.(?:nan|NaN|NAN))$/;
const numbers = /^[+-]?\d[\w.+-]*$|^[+-]?\.\d/;

/** Plain scalars, by what they look like. */
const found: readonly ScalarTag[] = [
  { tag: 'tag:yaml.org,2002:null', default: true, test: nulls, resolve: () => null },
  { tag: 'tag:yaml.org,2002:bool', default: true, test: bools, resolve: (text) => /^(?:y|t|on$)/i.test(text) },
  { tag: 'tag:yaml.org,2002:float', default: true, test: endlessOnes, resolve: endless },
  { tag: 'tag:yaml.org,2002:int', default: true, test: numbers, resolve: numberOf },
];

/** Whether plain text is something else than text. */
export const looksLikeScalar = (text: string): boolean =>
  found.some(({ test, resolve }) => test?.test(text) && typeof resolve(text, () => {}, {}) !== 'string');

/** The same where a document says so. */
const declared: readonly ScalarTag[] = ['null', 'bool', 'int', 'float'].map((name) => ({
  tag: `tag:yaml.org,2002:${name}`,
  resolve(text, onError) {
    const like = found.find(({ test }) => test?.test(text));
    if (!like || (name !== 'float' && like.tag !== this.tag)) onError(`cannot decode !!str \`${text}\` as a !!${name}`);
    const value = like?.resolve(text, onError, {});
    return name === 'float' && typeof value === 'bigint' ? Number(value) : value;
  },
}));

const binary: ScalarTag = {
  tag: 'tag:yaml.org,2002:binary',
  resolve(text, onError) {
    try {
      return new TextDecoder().decode(Uint8Array.from(atob(text), (char) => char.charCodeAt(0)));
    } catch {
      onError('!!binary value contains invalid base64 data');
      return '';
    }
  },
};

/** For the parser of the library `yaml`. */
export const yamlOptions = {
  schema: 'failsafe' as const,
  merge: true,
  resolveKnownTags: false,
  customTags: (tags: Tags): Tags => [...tags, ...found, ...declared, binary],
};
