/** The defaults of a structural schema: they must be what the schema would take (`k8s.io/apiextensions-apiserver/pkg/apiserver/schema/defaulting`). */
import { aggregateMessage } from '../aggregate-error.ts';
import { FieldErrors, FieldPath, fieldErrorMessage } from '../fields.ts';
import type { JSONSchemaProps } from '../generated/apiextensions.v1.ts';
import { validateEmbedded } from './embedded-resources.ts';
import { applySchemaDefaults } from './schema-defaults.ts';
import { itemSchema, metaFields } from './schema-parts.ts';
import { EmbeddedObjectError, pruneToSchema } from './schema-pruning.ts';
import { validateValue } from './schema-validation.ts';
import { applyRulesToDefault, objectBudget } from './validation-rules.ts';

/** Where in a schema a default is. */
interface Place {
  isRoot: boolean;
  /** Within the type or metadata of a resource: its schema, and what makes such a resource of a value here. */
  resource?: { schema: JSONSchemaProps; around(value: unknown): unknown } | undefined;
  /** What the rules of all defaults may cost. */
  budget: ReturnType<typeof objectBudget>;
}

/** Adds what is wrong with the types and metadata of resources within a value. */
function validateResources(schema: JSONSchemaProps, value: unknown, path: FieldPath, errors: FieldErrors): void {
  try {
    validateEmbedded(schema, pruneToSchema(schema, value, []), errors, path);
  } catch (error) {
    if (!(error instanceof EmbeddedObjectError)) throw error;
    errors.invalid(path.child(error.path), error.value, error.detail);
  }
}

function validateDefault(schema: JSONSchemaProps, path: FieldPath, { resource, budget }: Place): FieldErrors {
  const errors = new FieldErrors();
  const { default: value } = schema;
  const unknown: string[] = [];
  const pruned = pruneToSchema(schema, value, unknown, { keepsMetadata: true });
  if (resource) {
    // What is unknown in metadata is dropped from the default.
    const problems = new FieldErrors();
    validateResources(resource.schema, resource.around(value), new FieldPath(), problems);
    const messages = problems.list.map(fieldErrorMessage);
    if (messages.length > 0) errors.invalid(path, value, `must result in valid metadata: ${aggregateMessage(messages)}`);
  } else {
    if (unknown.length > 0) errors.ratcheting(() => errors.invalid(path, value, 'must not have unknown fields'), 'pruned defaults');
    validateResources(schema, value, path, errors);
  }
  applySchemaDefaults(schema, pruned);
  if (errors.list.every(({ ratchets }) => ratchets)) validateValue(schema, pruned, path, errors);
  if (errors.ok) applyRulesToDefault(schema, path, budget, errors);
  return errors;
}

function placeOf(name: string, schema: JSONSchemaProps, place: Place): Place {
  const { resource } = place;
  if (resource) return { ...place, resource: { ...resource, around: (value) => resource.around({ [name]: value }) } };
  if (!schema['x-kubernetes-embedded-resource'] || !metaFields.has(name)) return place;
  return { ...place, resource: { schema, around: (value) => ({ apiVersion: 'validation/v1', kind: 'Validation', [name]: value }) } };
}

/** Adds what is wrong with the defaults of a schema that is otherwise structural. */
export function validateDefaults(
  schema: JSONSchemaProps,
  path: FieldPath,
  errors: FieldErrors,
  outer: Place = { isRoot: true, budget: objectBudget() },
): void {
  const place: Place = schema['x-kubernetes-embedded-resource'] ? { ...outer, resource: undefined } : outer;
  if (schema.default !== undefined) {
    const found = validateDefault(schema, path.child('default'), place);
    errors.list.push(...found.list);
  }
  const below = { ...place, isRoot: false };
  const items = itemSchema(schema);
  const { resource } = place;
  if (items) {
    const inList = resource && { ...resource, around: (value: unknown) => resource.around([value]) };
    validateDefaults(items, path.child('items'), errors, { ...below, resource: inList });
  }
  // Those of what every object has are forbidden.
  for (const [name, property] of Object.entries(schema.properties ?? {}))
    if (!place.isRoot || !metaFields.has(name))
      validateDefaults(property, path.child('properties').key(name), errors, placeOf(name, schema, below));
}
