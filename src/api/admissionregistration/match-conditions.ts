/** Conditions in CEL beside the rules (KEP-3716). */
import { celTypes as t } from '../cel/index.ts';
import { requireQualifiedName, require as requireValue } from '../core/checks.ts';
import type { FieldErrors, FieldPath } from '../fields.ts';
import type { MatchCondition } from '../generated/admissionregistration.v1.ts';
import { AdmissionCompiler, validateExpression } from './admission-expressions.ts';

const maxConditions = 64;

export function validateMatchConditions(
  conditions: readonly MatchCondition[] | undefined,
  hasParams: boolean,
  path: FieldPath,
  errors: FieldErrors,
): void {
  if (!conditions?.length) return;
  if (conditions.length > maxConditions) errors.tooMany(path, conditions.length, maxConditions);
  const compiler = new AdmissionCompiler({ hasParams });
  const names = new Set<string>();
  for (const [i, { name = '', expression = '' }] of conditions.entries()) {
    const at = path.index(i);
    if (requireValue(errors, at.child('expression'), expression.trim()))
      validateExpression(compiler, expression.trim(), { returns: [t.boolType] }, at.child('expression'), errors);
    if (requireValue(errors, at.child('name'), name)) requireQualifiedName(errors, at.child('name'), name);
    if (name !== '' && names.has(name)) errors.duplicate(at.child('name'), name);
    names.add(name);
  }
}
