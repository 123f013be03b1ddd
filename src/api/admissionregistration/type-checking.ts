/**
 * What is wrong with a policy's expressions given the types that its rules name: warnings only, as a policy may be for objects of
 * many types (KEP-3488, "Type Checking").
 */
import type { Environment } from '@marcbachmann/cel-js';
import { escapeName } from '../apiextensions/rule-types.ts';
import { CompileError } from '../cel/index.ts';
import type { ExpressionWarning, ValidatingAdmissionPolicy } from '../generated/admissionregistration.v1.ts';
import { kinds } from '../kinds.ts';
import { apiVersionOf, type Resource } from '../resource.ts';
import type { StructNode, TypeNode } from '../schema/node.ts';
import { kindNode } from '../schema/table.ts';
import { AdmissionCompiler, type ExpressionUse } from './admission-expressions.ts';

/** More types than these are not looked at. */
const maxTypes = 10;

/** Declares a type and those below it. */
function declare(environment: Environment, root: StructNode): string {
  const known = new Map<StructNode, string>();
  const typeOf = (node: TypeNode): string => {
    switch (node.kind) {
      case 'string':
      case 'bool':
      case 'int':
        return node.kind;
      case 'float':
        return 'double';
      case 'list':
        return `list<${typeOf(node.item)}>`;
      case 'map':
        return `map<string, ${typeOf(node.value)}>`;
      case 'struct':
        return structOf(node);
      default:
        // Written in more than one way.
        return 'dyn';
    }
  };
  const structOf = (node: StructNode): string => {
    const present = known.get(node);
    if (present !== undefined) return present;
    const type = `object.T${known.size}`;
    // One that holds itself is not followed.
    known.set(node, 'dyn');
    const fields = node.fields.flatMap(({ name, node: field }): [string, string][] => {
      const escaped = escapeName(name);
      return escaped === undefined ? [] : [[escaped, typeOf(field)]];
    });
    if (fields.length === 0) return 'dyn';
    environment
      .registerType(type, { ctor: class {}, fields: Object.fromEntries(fields) })
      // As an object that is not there is.
      .registerOperator(`${type} == null`, () => false);
    known.set(node, type);
    return type;
  };
  return structOf(root);
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
  for (const resource of kindsOf(policy)) {
    const node = kindNode(resource);
    if (!node) continue;
    const objectType = (environment: Environment) => declare(environment, node);
    const compiler = new AdmissionCompiler({ hasParams: spec.paramKind !== undefined, objectType });
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
