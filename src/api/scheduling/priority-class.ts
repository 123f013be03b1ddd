import { requireOneOf } from '../core/checks.ts';
import { FieldPath } from '../fields.ts';
import { PriorityClass } from '../generated/scheduling.v1.ts';
import * as v1beta1 from '../generated/scheduling.v1beta1.ts';
import { defineKind } from '../kind.ts';
import { validateImmutable } from '../object-meta.ts';
import { ageColumn, fieldDoc, nameColumn } from '../printing.ts';
import { sameShape } from '../served-version.ts';

const systemPrefix = 'system-';
/** User-defined priorities end here; above lie those of the system (SystemCriticalPriority is twice this). */
export const highestUserDefinablePriority = 1_000_000_000;

/** The classes that the API server makes and keeps as they are. */
export const systemPriorityClasses: readonly { name: string; value: number; description: string }[] = [
  {
    name: 'system-node-critical',
    value: 2_000_001_000,
    description: 'Used for system critical pods that must not be moved from their current node.',
  },
  {
    name: 'system-cluster-critical',
    value: 2_000_000_000,
    description: 'Used for system critical pods that must run in the cluster, but can be moved to another node if necessary.',
  },
];

function systemProblem(pc: PriorityClass): string | undefined {
  const known = systemPriorityClasses.find((c) => c.name === pc.metadata.name);
  if (!known) return `${pc.metadata.name} is not a known system priority class`;
  if (known.value !== pc.value) return `value of ${known.name} PriorityClass must be ${known.value}`;
  return pc.globalDefault ? `globalDefault of ${known.name} PriorityClass must be false` : undefined;
}

export const priorityClass = defineKind<PriorityClass>({
  resource: PriorityClass,
  shortNames: ['pc'],
  versions: [sameShape(v1beta1.PriorityClass, PriorityClass)],
  defaults(pc) {
    pc.preemptionPolicy ??= 'PreemptLowerPriority';
  },
  create: setGeneration,
  undeletable: (name) =>
    systemPriorityClasses.some((c) => c.name === name) ? 'this is a system priority class and cannot be deleted' : undefined,
  validateCreate(pc, errors) {
    if ((pc.metadata.name ?? '').startsWith(systemPrefix)) {
      const problem = systemProblem(pc);
      if (problem !== undefined)
        errors.forbidden(
          new FieldPath('metadata').child('name'),
          `priority class names with '${systemPrefix}' prefix are reserved for system use only. error: ${problem}`,
        );
    } else if ((pc.value ?? 0) > highestUserDefinablePriority)
      errors.forbidden(new FieldPath('value'), `maximum allowed value of a user defined priority is ${highestUserDefinablePriority}`);
    requireOneOf(errors, new FieldPath('preemptionPolicy'), pc.preemptionPolicy, ['PreemptLowerPriority', 'Never']);
  },
  validateUpdate(next, prev, errors) {
    if ((next.value ?? 0) !== (prev.value ?? 0)) errors.forbidden(new FieldPath('value'), 'may not be changed in an update.');
    validateImmutable(next.preemptionPolicy, prev.preemptionPolicy, new FieldPath('preemptionPolicy'), errors);
  },
  columns: [
    nameColumn,
    {
      name: 'Value',
      type: 'integer',
      description: fieldDoc('scheduling.v1.PriorityClass.value'),
      value: (pc) => pc.value ?? 0,
    },
    {
      name: 'Global-Default',
      type: 'boolean',
      description: fieldDoc('scheduling.v1.PriorityClass.globalDefault'),
      value: (pc) => pc.globalDefault ?? false,
    },
    ageColumn,
    {
      name: 'PreemptionPolicy',
      description: fieldDoc('scheduling.v1.PriorityClass.preemptionPolicy'),
      value: (pc) => pc.preemptionPolicy ?? '',
    },
  ],
});

/** Upstream's strategy counts generations of a class, which never change. */
function setGeneration(pc: PriorityClass): void {
  pc.metadata.generation = 1;
}
