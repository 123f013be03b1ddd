/** Label and field selectors of a list or watch, compiled to what storage takes. */
import { errors, type KindDefinition, type KubeObject, parseFieldSelector, parseSelector, SelectorError } from '../../api/index.ts';

export interface Selection {
  /** By fields. */
  matches?: (object: KubeObject) => boolean;
  matchesLabels?: (labels: Readonly<Record<string, string>> | undefined) => boolean;
  /** The one name asked for, where `metadata.name=` says so: lets storage read a single key. */
  name?: string;
  /** A field that storage may keep an index of. */
  exact: readonly { field: string; value: string }[];
}

function reading<T>(parse: () => T): T {
  try {
    return parse();
  } catch (error) {
    if (error instanceof SelectorError) throw errors.badRequest(error.message);
    throw error;
  }
}

/** Both selectors; nothing for an empty one. Throws BadRequest as upstream words it. */
export function readSelectors(labelSelector: string, fieldSelector: string) {
  return {
    labels: labelSelector === '' ? undefined : reading(() => parseSelector(labelSelector)),
    fields: fieldSelector === '' ? undefined : reading(() => parseFieldSelector(fieldSelector)),
  };
}

/** Compiles both selectors against the fields a kind offers. Throws BadRequest as upstream words it. */
export function compileSelection(labelSelector: string, fieldSelector: string, kind: KindDefinition): Selection {
  const selection: Selection = { exact: [] };
  const { labels, fields } = readSelectors(labelSelector, fieldSelector);
  for (const { field } of fields?.requirements ?? []) fieldReader(kind, field);
  const name = fields?.exactly('metadata.name');
  if (name !== undefined) selection.name = name;
  selection.exact = (fields?.requirements ?? []).filter((r) => r.operator === '=');
  if (labels !== undefined && !labels.everything) selection.matchesLabels = (given) => labels.matches(given);
  if (fields !== undefined && !fields.everything)
    selection.matches = (object) => fields.matches((field) => fieldReader(kind, field)(object));
  return selection;
}

function fieldReader(kind: KindDefinition, field: string): (object: KubeObject) => string {
  if (field === 'metadata.name') return (object) => object.metadata.name;
  if (field === 'metadata.namespace') return (object) => object.metadata.namespace ?? '';
  const { fieldSelectors = {} } = kind;
  const read = Object.hasOwn(fieldSelectors, field) ? fieldSelectors[field] : undefined;
  if (read === undefined) throw errors.badRequest(unknownField(kind, field));
  return read;
}

/** Upstream's kinds each word it themselves, and those without selectable fields have it worded for them. */
function unknownField({ resource, custom, fieldSelectors }: KindDefinition, field: string): string {
  if (resource.group === 'batch' && fieldSelectors) return `field label ${JSON.stringify(field)} not supported for ${resource.kind}`;
  if (custom || fieldSelectors) return `field label not supported: ${field}`;
  return `${JSON.stringify(field)} is not a known field selector: only "metadata.name", "metadata.namespace"`;
}
