/**
 * What is wrong with a policy's expressions given the types that its rules name: warnings only, as a policy may be for objects of
 * many types (KEP-3488, "Type Checking").
 */
import { escapeName } from '../apiextensions/rule-types.ts';
import { type CelType, CompileError, type Environment, celTypes as t } from '../cel/index.ts';
import type { ExpressionWarning, ValidatingAdmissionPolicy } from '../generated/admissionregistration.v1.ts';
import { kinds } from '../kinds.ts';
import { apiVersionOf, type Resource } from '../resource.ts';
import type { StructNode, TypeNode } from '../schema/node.ts';
import { kindNode } from '../schema/table.ts';
import { AdmissionCompiler, type ExpressionUse } from './admission-expressions.ts';

/** More types than these are not looked at. */
const maxTypes = 10;

const scalars: Readonly<Record<string, CelType>> = { string: t.stringType, bool: t.boolType, int: t.intType, float: t.doubleType };

/** Declares a type and those below it, named by where they are. */
function declare(environment: Environment, root: StructNode, rootName: string): CelType {
  // One that holds itself is not followed.
  const open = new Set<StructNode>();
  const typeOf = (node: TypeNode, name: string): CelType => {
    switch (node.kind) {
      case 'list':
        return t.listOf(typeOf(node.item, `${name}.@idx`));
      case 'map':
        return t.mapOf(t.stringType, typeOf(node.value, `${name}.@elem`));
      case 'struct':
        return structOf(node, name);
      default:
        // The rest is written in more than one way.
        return scalars[node.kind] ?? t.dynType;
    }
  };
  const structOf = (node: StructNode, name: string): CelType => {
    if (open.has(node) || node.fields.length === 0) return t.dynType;
    open.add(node);
    const fields = new Map<string, CelType>();
    for (const field of node.fields) {
      const escaped = escapeName(field.name);
      if (escaped !== undefined) fields.set(escaped, typeOf(field.node, `${name}.${escaped}`));
    }
    open.delete(node);
    environment.struct(name, (field) => fields.get(field));
    return t.structType(name);
  };
  return structOf(root, rootName);
}

/** The built-in kinds that the rules name, without wildcards. */
function kindsOf({ spec }: ValidatingAdmissionPolicy): Resource[] {
  const served = kinds.flatMap(({ resource, versions = [] }) => [resource, ...versions.map((v) => v.resource)]);
  const rules = spec.matchConstraints?.resourceRules ?? [];
  return served
    .filter(({ group, version, plural }) =>
      rules.some((rule) => rule.apiGroups?.includes(group) && rule.apiVersions?.includes(version) && rule.resources?.includes(plural)),
    )
    .slice(0, maxTypes);
}

/** The type of the policy's parameters, if it is a built-in one. */
function paramNode({ spec: { paramKind } }: ValidatingAdmissionPolicy): StructNode | undefined {
  const found = kinds
    .flatMap(({ resource, versions = [] }) => [resource, ...versions.map((v) => v.resource)])
    .find((resource) => apiVersionOf(resource) === paramKind?.apiVersion && resource.kind === paramKind.kind);
  return found && kindNode(found);
}

interface Checked {
  fieldRef: string;
  source: string;
  use: ExpressionUse;
}

function expressionsOf({ spec }: ValidatingAdmissionPolicy): Checked[] {
  return (spec.validations ?? []).flatMap(({ expression, messageExpression }, i) => [
    { fieldRef: `spec.validations[${i}].expression`, source: expression, use: {} },
    ...(messageExpression
      ? [{ fieldRef: `spec.validations[${i}].messageExpression`, source: messageExpression, use: { hasAuthorizer: false } }]
      : []),
  ]);
}

export function typeCheckPolicy(policy: ValidatingAdmissionPolicy): ExpressionWarning[] {
  const { spec } = policy;
  const warnings = new Map<string, string[]>();
  const params = paramNode(policy);
  for (const resource of kindsOf(policy)) {
    const node = kindNode(resource);
    if (!node) continue;
    const declareTypes = (environment: Environment) => {
      const type = declare(environment, node, `${apiVersionOf(resource)}.${resource.kind}`);
      environment.variable('object', type).variable('oldObject', type);
      if (params) environment.variable('params', declare(environment, params, 'params'));
    };
    const compiler = new AdmissionCompiler({ hasParams: spec.paramKind !== undefined, declareTypes });
    const check = (fieldRef: string, compile: () => void) => {
      try {
        compile();
      } catch (error) {
        if (!(error instanceof CompileError)) throw error;
        const text = `${apiVersionOf(resource)}, Kind=${resource.kind}: ${error.message.replace(/^compilation failed: /, '')}\n`;
        warnings.set(fieldRef, [...(warnings.get(fieldRef) ?? []), text]);
      }
    };
    for (const [i, { name, expression }] of (spec.variables ?? []).entries())
      check(`spec.variables[${i}].expression`, () => compiler.addVariable(name, expression));
    for (const { fieldRef, source, use } of expressionsOf(policy)) check(fieldRef, () => compiler.compile(source, use));
  }
  return [...warnings].map(([fieldRef, texts]) => ({ fieldRef, warning: texts.join('\n') }));
}
