/** What makes a policy valid: its parts, and that its expressions compile (pkg/apis/admissionregistration/validation). */
import { CompileError, celTypes as t } from '../cel/index.ts';
import { allowOneOf, reject, requireOneOf } from '../core/checks.ts';
import type { FieldErrors, FieldPath } from '../fields.ts';
import type {
  MatchResources,
  MutatingAdmissionPolicy,
  Mutation,
  ParamKind,
  ParamRef,
  ValidatingAdmissionPolicy,
  Validation,
  Variable,
} from '../generated/admissionregistration.v1.ts';
import { internalForm } from '../internal-form.ts';
import { byteLength, isDns1035Label, isDns1123Subdomain, isPathSegmentName, isQualifiedName } from '../names.ts';
import { validateLabelSelector } from '../object-meta.ts';
import { AdmissionCompiler, validateExpression } from './admission-expressions.ts';
import { validateMatchConditions } from './match-conditions.ts';
import { failurePolicies, reinvocationPolicies, validateMatchResources } from './match-rules.ts';
import { mutationTypes } from './mutation-types.ts';

const mutableOperations = ['*', 'CONNECT', 'CREATE', 'UPDATE'];
const reasons = ['Forbidden', 'Invalid', 'RequestEntityTooLarge'];
const maxAuditAnnotations = 20;
const maxValueExpressionBytes = 5 * 1024;
const atLeastOne = 'validations or auditAnnotations must contain at least one item';
const reserved = new Set(
  'true false null in as break const continue else for function if import let loop package namespace return var void while'.split(' '),
);

function validateParamKind({ apiVersion = '', kind = '' }: ParamKind, path: FieldPath, errors: FieldErrors): void {
  const versionPath = path.child('apiVersion');
  const parts = apiVersion.split('/');
  const [group, version] = parts.length === 1 ? ['', apiVersion] : parts;
  if (apiVersion === '') errors.required(versionPath);
  else if (parts.length > 2) errors.invalid(versionPath, apiVersion, `unexpected GroupVersion string: ${apiVersion}`);
  else {
    const wrongGroup = group ? isDns1123Subdomain(group) : [];
    if (wrongGroup.length > 0) errors.invalid(versionPath, group, wrongGroup.join(','));
    const wrongVersion = version ? isDns1035Label(version) : [];
    if (!version) errors.invalid(versionPath, apiVersion, 'version must be specified');
    else if (wrongVersion.length > 0) errors.invalid(versionPath, version, wrongVersion.join(','));
  }
  const wrongKind = isDns1035Label(kind.toLowerCase());
  if (kind === '') errors.required(path.child('kind'));
  else if (wrongKind.length > 0)
    errors.invalid(path.child('kind'), kind, `may have mixed case, but should otherwise match: ${wrongKind.join(',')}`);
}

export function validateParamRef(ref: ParamRef | undefined, path: FieldPath, errors: FieldErrors): void {
  if (!ref) return;
  const exclusive = 'name and selector are mutually exclusive';
  if (ref.name) reject(errors, path.child('name'), ref.name, isPathSegmentName(ref.name));
  if (ref.name && ref.selector) errors.forbidden(path.child('name'), exclusive);
  validateLabelSelector(ref.selector, path.child('selector'), errors);
  if (ref.name && ref.selector) errors.forbidden(path.child('selector'), exclusive);
  if (!ref.name && !ref.selector) errors.required(path, 'one of name or selector must be specified');
  requireOneOf(errors, path.child('parameterNotFoundAction'), ref.parameterNotFoundAction, ['Deny', 'Allow']);
}

function validateConstraints(match: MatchResources | undefined, path: FieldPath, errors: FieldErrors): void {
  if (!match) {
    errors.required(path);
    return;
  }
  validateMatchResources(match, path, errors);
  // Without a rule nothing would be known of the types.
  if (!match.resourceRules?.length) errors.required(path.child('resourceRules'));
}

function validateVariables(variables: readonly Variable[] | undefined, compiler: AdmissionCompiler, path: FieldPath, errors: FieldErrors) {
  for (const [i, { name = '', expression = '' }] of (variables ?? []).entries()) {
    const at = path.index(i);
    if (name.trim() === '') errors.required(at.child('name'), 'name is not specified');
    else if (!/^[_a-zA-Z][_a-zA-Z0-9]*$/.test(name) || reserved.has(name))
      errors.invalid(at.child('name'), name, 'must be a valid CEL identifier');
    if (expression.trim() === '') {
      errors.required(at.child('expression'), 'expression is not specified');
      continue;
    }
    try {
      compiler.addVariable(name, expression);
    } catch (error) {
      if (!(error instanceof CompileError)) throw error;
      errors.invalid(at.child('expression'), expression, error.message);
    }
  }
}

function validateValidation(validation: Validation, compiler: AdmissionCompiler, path: FieldPath, errors: FieldErrors): void {
  const { expression = '', message = '', messageExpression = '', reason } = validation;
  if (expression.trim() === '') errors.required(path.child('expression'), 'expression is not specified');
  else validateExpression(compiler, expression, { returns: [t.boolType] }, path.child('expression'), errors);
  if (messageExpression !== '' && messageExpression.trim() === '')
    errors.invalid(path.child('messageExpression'), messageExpression, 'must be non-empty if specified');
  else if (messageExpression !== '')
    validateExpression(
      compiler,
      messageExpression,
      { returns: [t.stringType], hasAuthorizer: false },
      path.child('messageExpression'),
      errors,
    );
  if (message !== '' && message.trim() === '') errors.invalid(path.child('message'), message, 'message must be non-empty if specified');
  else if (/[\n\r]/.test(message.trim())) errors.invalid(path.child('message'), message, 'message must not contain line breaks');
  allowOneOf(errors, path.child('reason'), reason, reasons);
}

function validateAuditAnnotations(policy: ValidatingAdmissionPolicy, compiler: AdmissionCompiler, path: FieldPath, errors: FieldErrors) {
  const annotations = policy.spec.auditAnnotations ?? [];
  if (annotations.length > maxAuditAnnotations)
    errors.invalid(
      path,
      annotations.map((annotation) => internalForm('admissionregistration.v1.AuditAnnotation', annotation)),
      `must not have more than ${maxAuditAnnotations} auditAnnotations`,
    );
  const keys = new Set<string>();
  for (const [i, { key = '', valueExpression = '' }] of annotations.entries()) {
    const at = path.index(i);
    const name = policy.metadata.name ?? '';
    if (name === '') errors.invalid(at.child('key'), key, 'requires metadata.name be non-empty');
    else reject(errors, at.child('key'), `${name}/${key}`, isQualifiedName(`${name}/${key}`));
    const expression = valueExpression.trim();
    const expressionPath = at.child('valueExpression');
    if (expression === '') errors.required(expressionPath, 'valueExpression is not specified');
    else if (byteLength(expression) > maxValueExpressionBytes)
      errors.required(expressionPath, `must not exceed ${maxValueExpressionBytes} bytes in length`);
    else validateExpression(compiler, expression, { returns: [t.stringType, t.nullType] }, expressionPath, errors);
    if (keys.has(key)) errors.duplicate(at.child('key'), key);
    keys.add(key);
  }
}

export function validateValidatingPolicy(policy: ValidatingAdmissionPolicy, path: FieldPath, errors: FieldErrors): void {
  const { spec = {} } = policy;
  const hasParams = spec.paramKind !== undefined;
  requireOneOf(errors, path.child('failurePolicy'), spec.failurePolicy, failurePolicies);
  if (spec.paramKind) validateParamKind(spec.paramKind, path.child('paramKind'), errors);
  validateConstraints(spec.matchConstraints, path.child('matchConstraints'), errors);
  validateMatchConditions(spec.matchConditions, hasParams, path.child('matchConditions'), errors);
  const compiler = new AdmissionCompiler({ hasParams });
  validateVariables(spec.variables, compiler, path.child('variables'), errors);
  if (!spec.validations?.length && !spec.auditAnnotations?.length) {
    errors.required(path.child('validations'), atLeastOne);
    errors.required(path.child('auditAnnotations'), atLeastOne);
    return;
  }
  for (const [i, validation] of (spec.validations ?? []).entries())
    validateValidation(validation, compiler, path.child('validations').index(i), errors);
  validateAuditAnnotations(policy, compiler, path.child('auditAnnotations'), errors);
}

function validateMutation(mutation: Mutation, compiler: AdmissionCompiler, path: FieldPath, errors: FieldErrors): void {
  const { patchType, jsonPatch, applyConfiguration } = mutation;
  const forms = { ApplyConfiguration: 'applyConfiguration', JSONPatch: 'jsonPatch' } as const;
  if (patchType !== 'ApplyConfiguration' && patchType !== 'JSONPatch') {
    if (!patchType) errors.required(path.child('patchType'));
    else errors.notSupported(path.child('patchType'), patchType, Object.keys(forms));
    return;
  }
  const own = path.child(forms[patchType]);
  const given = patchType === 'JSONPatch' ? jsonPatch : applyConfiguration;
  const expression = given?.expression?.trim();
  if (given === undefined) errors.required(own, `must be specified when patchType is ${patchType}`);
  else if (!expression) errors.required(own.child('expression'));
  else validateExpression(compiler, expression, { returns: [mutationTypes[patchType]] }, own.child('expression'), errors);
  const other = forms[patchType === 'JSONPatch' ? 'ApplyConfiguration' : 'JSONPatch'];
  if (mutation[other] !== undefined)
    errors.invalid(path.child(other), `{${other}}`, `must not be specified when patchType is ${patchType}`);
}

/** What is deleted can't be changed; upstream does not say in which rule it was. */
export function validateMutableOperations(match: MatchResources | undefined, path: FieldPath, errors: FieldErrors): void {
  for (const operation of (match?.resourceRules ?? []).flatMap(({ operations = [] }) => operations))
    if (!mutableOperations.includes(operation))
      errors.notSupported(path.child('resourceRules', 'operations'), operation, mutableOperations);
}

export function validateMutatingPolicy({ spec = {} }: MutatingAdmissionPolicy, path: FieldPath, errors: FieldErrors): void {
  const hasParams = spec.paramKind !== undefined;
  requireOneOf(errors, path.child('failurePolicy'), spec.failurePolicy, failurePolicies);
  if (spec.paramKind) validateParamKind(spec.paramKind, path.child('paramKind'), errors);
  validateConstraints(spec.matchConstraints, path.child('matchConstraints'), errors);
  validateMutableOperations(spec.matchConstraints, path.child('matchConstraints'), errors);
  validateMatchConditions(spec.matchConditions, hasParams, path.child('matchConditions'), errors);
  const compiler = new AdmissionCompiler({ hasParams, mutation: true });
  validateVariables(spec.variables, compiler, path.child('variables'), errors);
  if (!spec.mutations?.length) errors.required(path.child('mutations'), 'mutations must contain at least one item');
  for (const [i, mutation] of (spec.mutations ?? []).entries())
    validateMutation(mutation, compiler, path.child('mutations').index(i), errors);
  requireOneOf(errors, path.child('reinvocationPolicy'), spec.reinvocationPolicy, reinvocationPolicies);
}
