/** Which names a CustomResourceDefinition gets: none that another one of its group has (upstream's naming controller). */
import {
  type apiextensionsV1,
  approvalCondition,
  type CustomResourceDefinition,
  conversionBundleProblem,
  isConditionTrue,
  nonStructuralCondition,
  withCondition,
} from '../../api/index.ts';

type Names = apiextensionsV1.CustomResourceDefinitionNames;
type Status = apiextensionsV1.CustomResourceDefinitionStatus;

interface Taken {
  /** Plurals, singulars, short names: what a resource is asked for by. */
  resources: Set<string>;
  kinds: Set<string>;
}

function takenBy(others: Iterable<CustomResourceDefinition>, definition: CustomResourceDefinition): Taken {
  const taken: Taken = { resources: new Set(), kinds: new Set() };
  for (const { metadata, spec, status } of others) {
    if (spec.group !== definition.spec.group || metadata.name === definition.metadata.name) continue;
    const { plural, singular, shortNames, kind, listKind } = status?.acceptedNames ?? { plural: '', kind: '' };
    for (const name of [plural, singular, ...(shortNames ?? [])]) if (name) taken.resources.add(name);
    for (const name of [kind, listKind]) if (name) taken.kinds.add(name);
  }
  return taken;
}

/** What may be accepted of the wanted names, and why the rest may not. */
function accept(wanted: Names, accepted: Names, taken: Taken): { names: Names; reason: string; message: string } {
  const names: Names = { ...accepted };
  let reason = '';
  let message = '';
  const conflict = (why: string, ...clashes: string[]) => {
    reason = why;
    message = clashes.map((name) => `${JSON.stringify(name)} is already in use`).join(', ');
  };
  const free = (name: string, had: string | undefined, used: Set<string>) => name === had || !used.has(name);
  const set = (field: 'plural' | 'singular' | 'kind' | 'listKind', used: Set<string>, why: string) => {
    const name = wanted[field] ?? '';
    if (free(name, accepted[field], used)) names[field] = name;
    else conflict(why, name);
  };
  set('plural', taken.resources, 'PluralConflict');
  set('singular', taken.resources, 'SingularConflict');
  const had = new Set(accepted.shortNames ?? []);
  const clashes = (wanted.shortNames ?? []).filter((name) => !had.has(name) && taken.resources.has(name));
  if (clashes.length > 0) conflict('ShortNamesConflict', ...clashes);
  else if (wanted.shortNames) names.shortNames = wanted.shortNames;
  else delete names.shortNames;
  set('kind', taken.kinds, 'KindConflict');
  set('listKind', taken.kinds, 'ListKindConflict');
  if (wanted.categories) names.categories = wanted.categories;
  else delete names.categories;
  return { names, reason, message };
}

function establishment(definition: CustomResourceDefinition, accepted: boolean): apiextensionsV1.CustomResourceDefinitionCondition {
  const condition = (status: 'True' | 'False', reason: string, message: string) => ({ type: 'Established', status, reason, message });
  if (!accepted) return condition('False', 'NotAccepted', 'not all names are accepted');
  if (conversionBundleProblem(definition) !== undefined)
    return condition('False', 'InvalidCABundle', 'The conversion webhook CABundle is invalid');
  return condition('True', 'InitialNamesAccepted', 'the initial names have been accepted');
}

/** The status that a definition should have beside the others; the same object where it has it already. */
export function nextStatus(definition: CustomResourceDefinition, others: Iterable<CustomResourceDefinition>, now: string): Status {
  const status: Status = definition.status ?? {};
  const before = status.acceptedNames ?? { plural: '', kind: '' };
  const { names, reason, message } = accept(definition.spec.names, before, takenBy(others, definition));
  const accepted = reason === '';
  let conditions = withCondition(
    status.conditions,
    {
      type: 'NamesAccepted',
      status: accepted ? 'True' : 'False',
      reason: accepted ? 'NoConflicts' : reason,
      message: accepted ? 'no conflicts found' : message,
    },
    now,
  );
  // Once established, always: objects may exist, and keep the names that were accepted.
  if (!isConditionTrue(definition, 'Established')) conditions = withCondition(conditions, establishment(definition, accepted), now);
  const approval = approvalCondition(definition);
  if (approval !== undefined) conditions = withCondition(conditions, approval, now);
  const structure = nonStructuralCondition(definition);
  conditions =
    structure === undefined ? conditions.filter(({ type }) => type !== 'NonStructuralSchema') : withCondition(conditions, structure, now);
  return { ...status, acceptedNames: names, conditions };
}
