import type { Field, StructNode, TypeNode } from '../schema/node.ts';

/** Numbers from 0 up to 1, the same for the same seed (mulberry32). */
export function seeded(seed: number): () => number {
  let state = seed >>> 0;
  return () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state);
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  };
}

const texts = [
  'a',
  '',
  'x y',
  'é😀',
  '\u2028',
  '<&>',
  '"\\',
  'true',
  '1',
  'null',
  '~',
  '2020-01-01',
  '0644',
  '1e3',
  ' a ',
  'a: b',
  '- x',
  '# c',
  'b\nc\n',
  '\t',
  'yes',
  '__proto__',
];
const integers = [0, 1, -1, 80, 2147483647, -2147483648, 2 ** 53 - 1, 9223372036854775807n, -9223372036854775808n];
const examples: { readonly [kind in TypeNode['kind']]?: readonly unknown[] } = {
  string: texts,
  bool: [true, false],
  float: [0, 1.5, -2, 1e21, 1e-7, 100_000],
  bytes: ['', 'AP8Q', 'YQ=='],
  time: ['2026-01-02T03:04:05Z', '1931-01-02T03:04:05+02:00', '0001-01-01T00:00:00Z', null],
  microTime: ['2026-01-02T03:04:05.000006Z', '1969-12-31T23:59:59.999999-07:00', null],
  duration: ['1m30s', '0s', '-5ms', '1.5h'],
  quantity: ['1', '1500m', '1Gi', '0.5', '1e3', 5, 1.25, '-1', '0', '123456789012345678901'],
  intOrString: [0, 5, -1, 'http', '50%', ''],
  raw: [{ a: 1 }, { kind: 'X', apiVersion: 'v1', n: [1, { b: null }, 'x'] }, {}],
};

/** Values of a type, odd ones among them; sparse, so that they stay small though their types are deep. */
export class RandomValues {
  readonly #next: () => number;

  constructor(seed: number) {
    this.#next = seeded(seed);
  }

  #pick<T>(of: readonly T[]): T {
    return of[Math.floor(this.#next() * of.length)] as T; // the index is below the length
  }

  #some<T>(make: (i: number) => T, depth: number): T[] {
    return Array.from({ length: Math.floor(this.#next() * (depth > 5 ? 1.2 : 3)) }, (_, i) => make(i));
  }

  value(node: TypeNode, depth = 0): unknown {
    switch (node.kind) {
      case 'int':
        return this.#pick(integers.filter((n) => n >= node.min && (n <= node.max || (typeof n === 'bigint' && node.max > 2 ** 53 - 2))));
      case 'union':
        return node.other === 'bool' && depth > 4 ? true : this.object(node.struct, depth + 1);
      case 'list':
        return this.#some(() => this.value(node.item, depth + 1), depth);
      case 'map':
        return Object.fromEntries(this.#some(() => [this.#pick(texts), this.value(node.value, depth + 1)], depth));
      case 'struct':
        return this.object(node, depth);
      default:
        return this.#pick(examples[node.kind] ?? []);
    }
  }

  object(node: StructNode, depth = 0): Record<string, unknown> {
    const chance = depth === 0 ? 0.8 : depth > 7 ? 0.1 : Math.min(0.6, 4 / node.fields.length + 0.05);
    // What embedded objects say of their own type has no place in protobuf.
    const isTypeMeta = ({ name }: Field) => (name === 'kind' || name === 'apiVersion') && !node.wireFields.some((f) => f.name === name);
    const given = node.fields.filter((field) => !isTypeMeta(field) && this.#next() < chance);
    return Object.fromEntries(given.map(({ name, node: type }) => [name, this.value(type, depth + 1)]));
  }
}
