/** `math.` and `semver()` (google/cel-go/ext/math.go, k8s.io/apiserver/pkg/cel/library/semverlib.go). */
import type { Environment } from '@marcbachmann/cel-js';
import { compareSemver, parseSemver, type Semver } from '../semver.ts';

class MathFunctions {}
class SemverValue {
  readonly value: Semver;
  constructor(value: Semver) {
    this.value = value;
  }
}

type Numeric = bigint | number;

function extreme(values: readonly Numeric[], isBetter: (a: Numeric, b: Numeric) => boolean, name: string): Numeric {
  const [first, ...rest] = values;
  if (first === undefined) throw new Error(`math.@${name}(list) argument must not be empty`);
  return rest.reduce((best, value) => (isBetter(value, best) ? value : best), first);
}

const minInt = -(2n ** 63n);

function checked(value: bigint): bigint {
  if (value < minInt || value >= -minInt) throw new Error('integer overflow');
  return value;
}

function shift(value: bigint, by: bigint, left: boolean): bigint {
  if (by < 0n) throw new Error(`math.bitShift${left ? 'Left' : 'Right'}() negative offset: ${by}`);
  if (by >= 64n) return 0n;
  // Shifting right fills with zeros, as of unsigned numbers.
  return BigInt.asIntN(64, left ? value << by : BigInt.asUintN(64, value) >> by);
}

/** Halves go away from zero. */
const round = (x: number) => Math.sign(x) * Math.round(Math.abs(x));

function registerMath(environment: Environment): void {
  const type = 'cel.MathFunctions';
  environment.registerType(type, MathFunctions).registerConstant('math', type, new MathFunctions());
  const add = (signature: string, apply: (...args: never[]) => unknown) =>
    environment.registerFunction(`${type}.${signature}`, (_: MathFunctions, ...args: unknown[]) => apply(...(args as never[]))); // checked by signature
  for (const [name, isBetter] of [
    ['greatest', (a: Numeric, b: Numeric) => a > b],
    ['least', (a: Numeric, b: Numeric) => a < b],
  ] as const) {
    const internal = name === 'greatest' ? 'max' : 'min';
    add(`${name}(list): dyn`, (list: readonly Numeric[]) => extreme(list, isBetter, internal));
    for (let count = 1; count <= 6; count++) {
      const all = (item: string) => Array.from({ length: count }, () => item).join(', ');
      if (count <= 2)
        for (const item of ['int', 'double'])
          add(`${name}(${all(item)}): ${item}`, (...values: Numeric[]) => extreme(values, isBetter, internal));
      else add(`${name}(${all('dyn')}): dyn`, (...values: Numeric[]) => extreme(values, isBetter, internal));
    }
  }
  const ofDouble = { ceil: Math.ceil, floor: Math.floor, round, trunc: Math.trunc };
  for (const [name, apply] of Object.entries(ofDouble)) add(`${name}(double): double`, apply);
  add('abs(int): int', (x: bigint) => checked(x < 0n ? -x : x));
  add('abs(double): double', Math.abs);
  add('sign(int): int', (x: bigint) => (x > 0n ? 1n : x < 0n ? -1n : 0n));
  add('sign(double): double', Math.sign);
  add('sqrt(int): double', (x: bigint) => Math.sqrt(Number(x)));
  add('sqrt(double): double', Math.sqrt);
  add('isNaN(double): bool', Number.isNaN);
  add('isInf(double): bool', (x: number) => Math.abs(x) === Number.POSITIVE_INFINITY);
  add('isFinite(double): bool', Number.isFinite);
  add('bitAnd(int, int): int', (a: bigint, b: bigint) => a & b);
  add('bitOr(int, int): int', (a: bigint, b: bigint) => a | b);
  add('bitXor(int, int): int', (a: bigint, b: bigint) => a ^ b);
  add('bitNot(int): int', (a: bigint) => ~a);
  add('bitShiftLeft(int, int): int', (a: bigint, by: bigint) => shift(a, by, true));
  add('bitShiftRight(int, int): int', (a: bigint, by: bigint) => shift(a, by, false));
}

/** With `normalize`, `v1.2`, `1` and `01.02.03` are versions, too. */
function readSemver(text: string, normalize: boolean): Semver | undefined {
  if (!normalize) return parseSemver(text);
  const [, core = '', rest = ''] = /^v?([0-9.]*)(.*)$/s.exec(text) ?? [];
  const numbers = core.split('.').map((part) => part.replace(/^0+(?=\d)/, ''));
  if (rest === '') while (numbers.length < 3) numbers.push('0');
  return parseSemver(numbers.join('.') + rest);
}

function registerSemver(environment: Environment): void {
  const type = 'kubernetes.Semver';
  const semver = (text: string, normalize = false) => {
    const value = readSemver(text, normalize);
    if (!value) throw new Error(`semver parse error: ${JSON.stringify(text)} is no semantic version`);
    return new SemverValue(value);
  };
  const compare = (a: SemverValue, b: SemverValue) => compareSemver(a.value, b.value);
  environment
    .registerType(type, SemverValue)
    .registerFunction(`semver(string): ${type}`, (text: string) => semver(text))
    .registerFunction(`semver(string, bool): ${type}`, semver)
    .registerFunction('isSemver(string): bool', (text: string) => parseSemver(text) !== undefined)
    .registerFunction('isSemver(string, bool): bool', (text: string, normalize: boolean) => readSemver(text, normalize) !== undefined)
    .registerFunction(`${type}.isGreaterThan(${type}): bool`, (a: SemverValue, b: SemverValue) => compare(a, b) > 0)
    .registerFunction(`${type}.isLessThan(${type}): bool`, (a: SemverValue, b: SemverValue) => compare(a, b) < 0)
    .registerFunction(`${type}.compareTo(${type}): int`, (a: SemverValue, b: SemverValue) => BigInt(Math.sign(compare(a, b))))
    .registerOperator(`${type} == ${type}`, (a: SemverValue, b: SemverValue) => compare(a, b) === 0);
  for (const [i, name] of (['major', 'minor', 'patch'] as const).entries())
    environment.registerFunction(`${type}.${name}(): int`, ({ value }: SemverValue) => value.numbers[i] ?? 0n);
}

export function registerMathFunctions(environment: Environment): void {
  registerMath(environment);
  registerSemver(environment);
}
