/** CEL over one device: what selects among those that drivers publish (KEP-4381). */
import { CompileError, celEnvironment, compileExpression } from '../cel/index.ts';
import type { FieldErrors, FieldPath } from '../fields.ts';
import type { DeviceSelector } from '../generated/resource.v1.ts';
import { byteLength } from '../names.ts';
import { compareSemver, parseSemver, type Semver } from '../semver.ts';
import { validateSlice } from './checks.ts';

const maxExpressionBytes = 10 * 1024;
export const maxSelectors = 32;

class Device {}

class SemverValue {
  readonly value: Semver;
  constructor(value: Semver) {
    this.value = value;
  }
}

function semverOf(text: string): SemverValue {
  const value = parseSemver(text);
  if (!value) throw new Error(`No Major.Minor.Patch elements found`);
  return new SemverValue(value);
}

function makeEnvironment(): ReturnType<typeof celEnvironment> {
  const environment = celEnvironment()
    .registerType('DRADevice', {
      ctor: Device,
      fields: {
        driver: 'string',
        attributes: 'map<string, map<string, dyn>>',
        capacity: 'map<string, map<string, kubernetes.Quantity>>',
        allowMultipleAllocations: 'bool',
      },
    })
    .registerType('kubernetes.Semver', SemverValue)
    .registerFunction('semver(string): kubernetes.Semver', semverOf)
    .registerFunction('isSemver(string): bool', (text: string) => parseSemver(text) !== undefined)
    .registerVariable('device', 'DRADevice');
  const compare = (a: SemverValue, b: SemverValue) => compareSemver(a.value, b.value);
  return environment
    .registerFunction('kubernetes.Semver.compareTo(kubernetes.Semver): int', (a: SemverValue, b: SemverValue) => BigInt(compare(a, b)))
    .registerFunction('kubernetes.Semver.isLessThan(kubernetes.Semver): bool', (a: SemverValue, b: SemverValue) => compare(a, b) < 0)
    .registerFunction('kubernetes.Semver.isGreaterThan(kubernetes.Semver): bool', (a: SemverValue, b: SemverValue) => compare(a, b) > 0)
    .registerFunction('kubernetes.Semver.major(): int', ({ value }: SemverValue) => value.numbers[0])
    .registerFunction('kubernetes.Semver.minor(): int', ({ value }: SemverValue) => value.numbers[1])
    .registerFunction('kubernetes.Semver.patch(): int', ({ value }: SemverValue) => value.numbers[2]);
}

let environment: ReturnType<typeof celEnvironment> | undefined;

function validateExpression(expression: string, path: FieldPath, errors: FieldErrors): void {
  if (byteLength(expression) > maxExpressionBytes) {
    errors.tooLong(path, maxExpressionBytes);
    return;
  }
  environment ??= makeEnvironment();
  try {
    const { type } = compileExpression(environment, expression);
    if (type !== 'bool' && type !== 'dyn') errors.invalid(path, expression, `must evaluate to bool or the unknown type, not ${type}`);
  } catch (error) {
    if (!(error instanceof CompileError)) throw error;
    errors.invalid(path, expression, error.message);
  }
}

/** `stored`: the expressions have been accepted before and are not looked at again. */
export function validateSelectors(
  selectors: readonly DeviceSelector[] | undefined,
  stored: boolean,
  path: FieldPath,
  errors: FieldErrors,
): void {
  validateSlice(
    selectors,
    maxSelectors,
    ({ cel }, at) => {
      if (!cel) errors.required(at.child('cel'));
      else if (!stored) validateExpression(cel.expression, at.child('cel', 'expression'), errors);
    },
    path,
    errors,
  );
}
