/**
 * Shard selectors (KEP-5866): `shardRange(object.metadata.uid, '0x0000000000000000', '0x8000000000000000')`, joined by `||`, take of a
 * collection the objects whose field has a hash in a range (`k8s.io/apiserver/pkg/sharding`, `k8s.io/apimachinery/pkg/sharding`).
 */
import type { CelNode } from './cel/expression-tree.ts';
import { parseExpression } from './cel/parser.ts';
import { Uint } from './cel/values.ts';
import { goQuote } from './fields.ts';
import type { KubeObject } from './resource.ts';

/** A selector that is none; the message is upstream's. */
export class ShardSelectorError extends Error {
  override readonly name = 'ShardSelectorError';
}

export interface ShardSelector {
  matches(object: KubeObject): boolean;
  /** In the form that lists echo. */
  readonly text: string;
}

interface Range {
  field: string;
  /** Inclusive, `0x` and 16 digits. */
  start: string;
  /** Exclusive; 2^64 has 17 digits. */
  end: string;
}

const fields: Record<string, (object: KubeObject) => string> = {
  'object.metadata.uid': ({ metadata }) => metadata.uid,
  'object.metadata.namespace': ({ metadata }) => metadata.namespace ?? '',
};
const past = '0x10000000000000000';

const failed = (message: string) => new ShardSelectorError(message);

/** As cel-go numbers them. */
const kinds: Record<CelNode['kind'], number> = { call: 1, comprehension: 2, ident: 3, list: 4, literal: 5, map: 6, select: 7, struct: 8 };

/** The lower 32 bits of the 64-bit FNV-1a prime, 2^40 + 435. */
const prime = 435;
const twoTo32 = 2 ** 32;

/** The 64-bit FNV-1a hash of a text's UTF-8, as 16 hexadecimal digits. */
export function shardHash(text: string): string {
  let high = 0xcbf29ce4;
  let low = 0x84222325;
  for (const byte of new TextEncoder().encode(text)) {
    low = (low ^ byte) >>> 0;
    const product = low * prime;
    high = (high * prime + Math.floor(product / twoTo32) + (low & 0xffffff) * 256) % twoTo32;
    low = product % twoTo32;
  }
  return [high, low].map((half) => half.toString(16).padStart(8, '0')).join('');
}

/** Of numbers of 16 digits, and that one of 17. */
const isLess = (a: string, b: string) => (a.length === b.length ? a < b : a.length < b.length);

function goType(value: unknown): string {
  if (value instanceof Uint) return 'uint64';
  if (value === null) return 'structpb.NullValue';
  if (typeof value === 'bigint') return 'int64';
  return typeof value === 'number' ? 'float64' : typeof value === 'boolean' ? 'bool' : '[]uint8';
}

function fieldPath(node: CelNode): string {
  if (node.kind === 'ident') return node.name;
  if (node.kind === 'select') return `${fieldPath(node.operand)}.${node.field}`;
  throw failed(`expected field path (e.g. object.metadata.uid), got expression kind ${kinds[node.kind]}`);
}

function hexLiteral(node: CelNode, name: string): string {
  if (node.kind !== 'literal') throw failed(`${name} must be a string literal (e.g. '0xff'), got expression kind ${kinds[node.kind]}`);
  const { value } = node;
  if (typeof value !== 'string') throw failed(`${name} must be a string literal, got ${goType(value)}`);
  if (!value.startsWith('0x')) throw failed(`${name} must have '0x' prefix, got ${goQuote(value)}`);
  const hex = value.slice(2);
  const length = new TextEncoder().encode(hex).length;
  if (hex === '') throw failed(`${name}: hex value is required after '0x'`);
  if (length > 17) throw failed(`${name}: hex value too long (${length} chars, max 17): ${goQuote(hex)}`);
  for (const char of hex) if (!/[0-9a-f]/.test(char)) throw failed(`${name}: invalid hex character ${goQuote(char)} in ${goQuote(value)}`);
  if (length === 17 && value !== past) throw failed(`${name}: 17-digit hex value must be '${past}' (2^64), got ${goQuote(value)}`);
  if (length < 16) {
    const meant = goQuote(`0x${hex.padStart(16, '0')}`);
    throw failed(`${name} must be a 0x-prefixed 16-digit hex value, got ${goQuote(value)} (did you mean ${meant}?)`);
  }
  return value;
}

function rangeOf(args: readonly CelNode[]): Range {
  const [path, from, to] = args;
  if (!path || !from || !to || args.length !== 3) throw failed(`shardRange() requires exactly 3 arguments, got ${args.length}`);
  let field: string;
  try {
    field = fieldPath(path);
  } catch (error) {
    throw error instanceof ShardSelectorError ? failed(`shardRange() first argument: ${error.message}`) : error;
  }
  if (!Object.hasOwn(fields, field))
    throw failed(`unsupported field path ${goQuote(field)}; supported: object.metadata.uid, object.metadata.namespace`);
  const start = hexLiteral(from, 'hexStart');
  const end = hexLiteral(to, 'hexEnd');
  if (!isLess(start, end)) throw failed(`shard range start ${start} must be less than end ${end}`);
  return { field, start, end };
}

function rangesOf(node: CelNode): Range[] {
  if (node.kind !== 'call') throw failed(`unexpected expression kind ${kinds[node.kind]}; expected shardRange() call or || operator`);
  if (node.name === '_||_') return node.args.flatMap(rangesOf);
  if (node.name === 'shardRange') return [rangeOf(node.args)];
  throw failed(`unsupported function ${goQuote(node.name)}; only shardRange() and || are allowed`);
}

/** @throws ShardSelectorError */
export function parseShardSelector(expression: string): ShardSelector {
  const source = expression.trim();
  if (source === '') throw failed('empty shard selector is not allowed; omit the parameter for unfiltered lists');
  const { tree, problems } = parseExpression(source);
  if (!tree) throw failed(`CEL parse error: ${problems[0]?.message ?? ''}`);
  const ranges = rangesOf(tree);
  const key = ranges[0]?.field ?? '';
  const other = ranges.find(({ field }) => field !== key);
  if (other) throw failed(`all shard ranges must use the same field, got ${goQuote(key)} and ${goQuote(other.field)}`);
  const read = fields[key];
  return {
    text: ranges.map(({ field, start, end }) => `shardRange(${field}, '${start}', '${end}')`).join(' || '),
    matches(object) {
      const hash = `0x${shardHash(read?.(object) ?? '')}`;
      return ranges.some(({ start, end }) => !isLess(hash, start) && isLess(hash, end));
    },
  };
}
