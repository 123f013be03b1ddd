/** What lies where a custom resource's scale subresource reads it must be what a Scale can say. */
import { type FieldErrors, FieldPath } from '../fields.ts';
import { isJsonObject } from '../json-object.ts';
import type { ScalePaths } from '../kind.ts';

const maxReplicas = 2_147_483_647;

/** A value's type as Go calls it once it is decoded from JSON. */
function goType(value: unknown): string {
  if (value === null) return '<nil>';
  if (Array.isArray(value)) return '[]interface {}';
  if (typeof value === 'object') return 'map[string]interface {}';
  if (typeof value === 'boolean') return 'bool';
  if (typeof value === 'string') return 'string';
  return Number.isInteger(value) || typeof value === 'bigint' ? 'int64' : 'float64';
}

/** The value at a path, or why it can't be reached or is of another type. */
function read(object: object, path: string, type: 'int64' | 'string'): { value?: unknown; problem?: string } {
  const fail = (value: unknown, at: string, expected: string) => ({
    problem: `${at} accessor error: ${isJsonObject(value) || Array.isArray(value) ? JSON.stringify(value) : String(value)} is of the type ${goType(value)}, expected ${expected}`,
  });
  let value: unknown = object;
  let at = '';
  for (const field of path.slice(1).split('.')) {
    if (!isJsonObject(value)) return value === null ? {} : fail(value, at, 'map[string]interface{}');
    if (!Object.hasOwn(value, field)) return {};
    value = value[field];
    at += `.${field}`;
  }
  return goType(value) === type ? { value } : fail(value, path, type);
}

function validateReplicas(object: object, path: string, errors: FieldErrors): void {
  const { value = 0, problem } = read(object, path, 'int64');
  const refuse = (why: string) => errors.invalid(new FieldPath(path), value, why);
  if (problem !== undefined) refuse(problem);
  // Integers only are of the type.
  else if ((value as number) < 0) refuse('should be a non-negative integer');
  else if ((value as number) > maxReplicas) refuse(`should be less than or equal to ${maxReplicas}`);
}

export function validateScaleSpec(object: object, { specReplicas }: ScalePaths, errors: FieldErrors): void {
  validateReplicas(object, specReplicas, errors);
}

export function validateScaleStatus(object: object, { statusReplicas, selector }: ScalePaths, errors: FieldErrors): void {
  validateReplicas(object, statusReplicas, errors);
  if (selector === '') return;
  const { problem } = read(object, selector, 'string');
  if (problem !== undefined) errors.invalid(new FieldPath(selector), '', problem);
}
