/** CEL over one device: what selects among those that drivers publish (KEP-4381). */
import { CompileError, celEnvironment, compileExpression } from '../cel/index.ts';
import type { FieldErrors, FieldPath } from '../fields.ts';
import type { DeviceSelector } from '../generated/resource.v1.ts';
import { byteLength } from '../names.ts';
import { validateSlice } from './checks.ts';

const maxExpressionBytes = 10 * 1024;
export const maxSelectors = 32;

class Device {}

function makeEnvironment(): ReturnType<typeof celEnvironment> {
  return celEnvironment()
    .registerType('DRADevice', {
      ctor: Device,
      fields: {
        driver: 'string',
        attributes: 'map<string, map<string, dyn>>',
        capacity: 'map<string, map<string, kubernetes.Quantity>>',
        allowMultipleAllocations: 'bool',
      },
    })
    .registerVariable('device', 'DRADevice');
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
