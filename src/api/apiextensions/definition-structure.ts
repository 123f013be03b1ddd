/** Whether a definition's schemas are structural: those of earlier versions of the API need not be. */
import { aggregateMessage } from '../aggregate-error.ts';
import { FieldPath } from '../fields.ts';
import type { CustomResourceDefinition, CustomResourceDefinitionCondition, JSONSchemaProps } from '../generated/apiextensions.v1.ts';
import { structuralProblems } from './structural-schema.ts';

/** What is wrong with a schema, and where it is: definitions change more often than their schemas. */
const known = new WeakMap<JSONSchemaProps, { at: string; messages: readonly string[] }>();

function problemsOf(schema: JSONSchemaProps, path: FieldPath): readonly string[] {
  const at = path.toString();
  let problems = known.get(schema);
  if (problems?.at !== at) {
    problems = { at, messages: structuralProblems(schema, path) };
    known.set(schema, problems);
  }
  return problems.messages;
}

/** What the definition's status says of its schemas; undefined where all is well. */
export function nonStructuralCondition({ spec }: CustomResourceDefinition): CustomResourceDefinitionCondition | undefined {
  const messages = spec.preserveUnknownFields ? ['spec.preserveUnknownFields: Invalid value: true: must be false'] : [];
  for (const [i, { schema }] of spec.versions.entries()) {
    const path = new FieldPath('spec').child('versions').index(i).child('schema', 'openAPIV3Schema');
    if (schema?.openAPIV3Schema) messages.push(...problemsOf(schema.openAPIV3Schema, path));
  }
  if (messages.length === 0) return undefined;
  return { type: 'NonStructuralSchema', status: 'True', reason: 'Violations', message: aggregateMessage(messages) };
}
