/**
 * What is wrong with a policy's expressions given the types that its rules name: warnings only, as a policy may be for objects of
 * many types (KEP-3488, "Type Checking").
 */
import { declareSchema } from '../apiextensions/rule-types.ts';
import { type CelType, CompileError, type Environment, escapeName, celTypes as t } from '../cel/index.ts';
import type { ExpressionWarning, NamedRuleWithOperations, ValidatingAdmissionPolicy } from '../generated/admissionregistration.v1.ts';
import type { JSONSchemaProps } from '../generated/apiextensions.v1.ts';
import { kinds } from '../kinds.ts';
import { apiVersionOf } from '../resource.ts';
import type { StructNode, TypeNode } from '../schema/node.ts';
import { kindNode } from '../schema/table.ts';
import { AdmissionCompiler } from './admission-expressions.ts';

/** More types than these of one rule are not looked at, nor the rules after it. */
const maxTypes = 10;

const scalars: Readonly<Record<string, CelType>> = {
  string: t.stringType,
  bool: t.boolType,
  int: t.intType,
  float: t.doubleType,
  bytes: t.bytesType,
  time: t.timestampType,
  microTime: t.timestampType,
};

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

/** A kind whose fields are known. */
interface KnownKind {
  group: string;
  version: string;
  kind: string;
  plural: string;
  /** Its type, under a name that tells it from others of the same expression. */
  declare(environment: Environment, name: string): CelType;
}

function* builtInKinds(): Iterable<KnownKind> {
  for (const { resource, versions = [] } of kinds)
    for (const { group, version, kind, plural } of [resource, ...versions.map((v) => v.resource)]) {
      const node = kindNode({ group, version, kind });
      if (node) yield { group, version, kind, plural, declare: (environment, name) => declare(environment, node, name) };
    }
}

/** A kind that is not built in, by the schema that its server publishes. */
export interface PublishedKind {
  group: string;
  version: string;
  kind: string;
  plural: string;
  /** Without references. */
  schema: JSONSchemaProps;
}

const published = ({ schema, ...kind }: PublishedKind): KnownKind => ({
  ...kind,
  declare: (environment, name) => declareSchema(environment, schema, true, name)?.type ?? t.dynType,
});

const compare = (a: string, b: string) => (a < b ? -1 : a > b ? 1 : 0);
const hasWildcard = (names: readonly string[] = []) => names.some((name) => name.includes('*'));

const sorted = (names: readonly string[] = []) => [...names].sort(compare);

/** The kinds that the rules name, without wildcards and subresources, by group, version and kind. */
function kindsOf({ spec }: ValidatingAdmissionPolicy, known: readonly KnownKind[]): KnownKind[] {
  const found = new Set<KnownKind>();
  const collect = ({ apiGroups, apiVersions, resources }: NamedRuleWithOperations): number => {
    let count = 0;
    for (const group of sorted(apiGroups))
      for (const version of sorted(apiVersions))
        for (const resource of sorted(resources))
          for (const kind of known) {
            // As upstream: no group is any group.
            if ((group !== '' && kind.group !== group) || kind.version !== version || kind.plural !== resource) continue;
            found.add(kind);
            count += 1;
            if (count === maxTypes) return count;
          }
    return count;
  };
  for (const rule of spec.matchConstraints?.resourceRules ?? []) {
    if (hasWildcard(rule.apiGroups) || hasWildcard(rule.apiVersions)) continue;
    // Rules after one that names too many are not looked at.
    if (collect(rule) === maxTypes) break;
  }
  return [...found].sort((a, b) => compare(a.group, b.group) || compare(a.version, b.version) || compare(a.kind, b.kind));
}

/** The API versions that a policy names and that are not built in. */
export function customApiVersions({ spec }: ValidatingAdmissionPolicy): string[] {
  const named = (spec.matchConstraints?.resourceRules ?? []).flatMap(({ apiGroups = [], apiVersions = [] }) =>
    hasWildcard(apiGroups) || hasWildcard(apiVersions)
      ? []
      : apiGroups.flatMap((group) => apiVersions.map((version) => apiVersionOf({ group, version }))),
  );
  if (spec.paramKind?.apiVersion) named.push(spec.paramKind.apiVersion);
  const builtIn = new Set([...builtInKinds()].map(apiVersionOf));
  return [...new Set(named)].filter((apiVersion) => !builtIn.has(apiVersion));
}

interface Checked {
  fieldRef: string;
  source: string;
}

function expressionsOf({ spec }: ValidatingAdmissionPolicy): Checked[] {
  return (spec.validations ?? []).flatMap(({ expression, messageExpression }, i) => [
    { fieldRef: `spec.validations[${i}].expression`, source: expression },
    ...(messageExpression ? [{ fieldRef: `spec.validations[${i}].messageExpression`, source: messageExpression }] : []),
  ]);
}

/** Why something does not compile; undefined if it does. */
function problemOf(compile: () => unknown): string | undefined {
  try {
    compile();
  } catch (error) {
    if (!(error instanceof CompileError)) throw error;
    return error.message.replace(/^compilation failed: /, '');
  }
  return undefined;
}

/** What is wrong with the expressions of a policy; `others` are the kinds that it may name and that are not built in. */
export function typeCheckPolicy(policy: ValidatingAdmissionPolicy, others: readonly PublishedKind[] = []): ExpressionWarning[] {
  const { paramKind, variables = [] } = policy.spec;
  const known = [...builtInKinds(), ...others.map(published)];
  const params = known.find((kind) => apiVersionOf(kind) === paramKind?.apiVersion && kind.kind === paramKind.kind);
  const checked = expressionsOf(policy);
  const warnings = new Map<string, string[]>(checked.map(({ fieldRef }) => [fieldRef, []]));
  for (const { group, version, kind, declare: declareObject } of kindsOf(policy, known)) {
    const compiler = new AdmissionCompiler({
      hasParams: paramKind !== undefined,
      declareTypes(environment) {
        const type = declareObject(environment, 'object');
        environment.variable('object', type).variable('oldObject', type);
        if (params) environment.variable('params', params.declare(environment, 'params'));
      },
    });
    // What is wrong with a variable has been said when the policy was written.
    for (const { name, expression } of variables) problemOf(() => compiler.addVariable(name, expression));
    for (const { fieldRef, source } of checked) {
      const problem = problemOf(() => compiler.compile(source));
      if (problem !== undefined) warnings.get(fieldRef)?.push(`${group}/${version}, Kind=${kind}: ${problem}\n`);
    }
  }
  return [...warnings].filter(([, texts]) => texts.length > 0).map(([fieldRef, texts]) => ({ fieldRef, warning: texts.join('\n') }));
}
