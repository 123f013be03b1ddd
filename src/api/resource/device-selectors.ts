/** CEL over one device: what selects among those that drivers publish (KEP-4381). */
import {
  type Bounds,
  type CelType,
  CompileError,
  celEnvironment,
  compileExpression,
  declareIncludes,
  type Environment,
  quantityType,
  celTypes as t,
} from '../cel/index.ts';
import type { FieldErrors, FieldPath } from '../fields.ts';
import type { DeviceSelector } from '../generated/resource.v1.ts';
import { byteLength } from '../names.ts';
import { validateSlice } from './checks.ts';

const maxExpressionBytes = 10 * 1024;
export const maxSelectors = 32;

const perDomain = (value: CelType) => t.mapOf(t.stringType, t.mapOf(t.stringType, value));
const fields: ReadonlyMap<string, CelType> = new Map([
  ['driver', t.stringType],
  ['attributes', perDomain(t.dynType)],
  ['capacity', perDomain(quantityType)],
  ['allowMultipleAllocations', t.boolType],
]);

const maxCost = 1_000_000;
const maxEntries = 32;
const domain: Bounds = { maxElements: 63 };
const identifier: Bounds = { maxElements: 32 };
const attribute: Bounds = { maxElements: 64 };
const bounded = (keys: Bounds, items: Bounds, fields?: Bounds['fields']): Bounds => ({
  maxElements: maxEntries,
  keys,
  items,
  ...(fields ? { fields } : {}),
});
const deviceBounds: Bounds = {
  maxElements: 0,
  fields: new Map([
    ['driver', domain],
    ['attributes', bounded(domain, bounded(identifier, attribute, { get: () => attribute }))],
    ['capacity', bounded(domain, bounded(identifier, { maxElements: 0 }))],
    ['allowMultipleAllocations', { maxElements: 0 }],
  ]),
};

function makeEnvironment(): Environment {
  const device = t.structType('kubernetes.DRADevice');
  const made = celEnvironment({ bindings: true })
    .struct(device.name, (field) => fields.get(field))
    .variable('device', device);
  declareIncludes(made);
  return made;
}

let environment: Environment | undefined;

function validateExpression(expression: string, path: FieldPath, errors: FieldErrors): void {
  if (byteLength(expression) > maxExpressionBytes) {
    errors.tooLong(path, maxExpressionBytes);
    return;
  }
  environment ??= makeEnvironment();
  try {
    const compiled = compileExpression(environment, expression);
    const { kind } = compiled.type;
    if (kind !== 'bool' && kind !== 'dyn')
      errors.invalid(path, expression, `must evaluate to bool or the unknown type, not ${t.formatType(compiled.type)}`);
    else if (compiled.maxCost(deviceBounds) > maxCost) errors.forbidden(path, 'too complex, exceeds cost limit');
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
