import { goQuote } from '../fields.ts';
import type {
  CustomResourceDefinitionCondition,
  CustomResourceDefinitionNames,
  CustomResourceDefinitionSpec,
} from '../generated/apiextensions.v1.ts';
import { CustomResourceDefinition } from '../generated/apiextensions.v1.ts';
import { defineKind } from '../kind.ts';
import { nameIsDnsSubdomain } from '../names.ts';
import { unknownFormats } from '../string-formats.ts';
import { validateApproval } from './definition-approval.ts';
import { definitionV1beta1 } from './definition-v1beta1.ts';
import {
  validateDefinition,
  validateDefinitionName,
  validateDefinitionRules,
  validateDefinitionUpdate,
  validateStatus,
  validateStoredVersions,
} from './definition-validation.ts';

/** Keeps a definition that is being deleted until its objects are gone. */
export const cleanupFinalizer = 'customresourcecleanup.apiextensions.k8s.io';

/** The names a definition gets where it does not say them. */
function defaultNames(names: CustomResourceDefinitionNames): void {
  if (!names.singular && names.kind) names.singular = names.kind.toLowerCase();
  if (!names.listKind && names.kind) names.listKind = `${names.kind}List`;
}

/** A copy of the conditions with one of them set; its transition time moves with its status only. */
export function withCondition(
  conditions: readonly CustomResourceDefinitionCondition[] | undefined,
  condition: CustomResourceDefinitionCondition,
  now: string,
): CustomResourceDefinitionCondition[] {
  const list = [...(conditions ?? [])];
  const at = list.findIndex((c) => c.type === condition.type);
  const before = list[at];
  const lastTransitionTime = before?.status === condition.status ? (before.lastTransitionTime ?? now) : now;
  const { type, status, reason, message } = condition;
  const next = {
    lastTransitionTime,
    ...(message === undefined ? {} : { message }),
    ...(reason === undefined ? {} : { reason }),
    status,
    type,
  };
  if (before === undefined) list.push(next);
  else list[at] = next;
  return list;
}

export function isConditionTrue({ status }: Pick<CustomResourceDefinition, 'status'>, type: string): boolean {
  return status?.conditions?.some((c) => c.type === type && c.status === 'True') ?? false;
}

export const storageVersionOf = (spec: CustomResourceDefinitionSpec) => spec.versions.find((v) => v.storage);

/** Once stored, a version stays among the stored ones until somebody has migrated its objects and says so. */
function noteStoredVersion(definition: CustomResourceDefinition): void {
  const storage = storageVersionOf(definition.spec);
  if (!storage) return;
  const status = definition.status ?? {};
  const stored = status.storedVersions ?? [];
  if (!stored.includes(storage.name)) definition.status = { ...status, storedVersions: [...stored, storage.name] };
}

export const customResourceDefinition = defineKind<CustomResourceDefinition>({
  resource: CustomResourceDefinition,
  versions: [definitionV1beta1],
  // Shorter (https://issue.k8s.io/82292).
  upstreamStorageVersion: 'v1beta1',
  shortNames: ['crd', 'crds'],
  categories: ['api-extensions'],
  storagePrefix: 'apiextensions.k8s.io/customresourcedefinitions',
  defaults({ spec }) {
    if (spec === undefined) return;
    if (spec.names) defaultNames(spec.names);
    spec.conversion ??= { strategy: 'None' };
    const { webhook } = spec.conversion;
    if (webhook?.clientConfig?.service && webhook.clientConfig.service.port === undefined) webhook.clientConfig.service.port = 443;
  },
  validateName: nameIsDnsSubdomain,
  create(definition) {
    definition.status = { conditions: [], acceptedNames: { plural: '', kind: '' } };
    noteStoredVersion(definition);
  },
  update(next) {
    noteStoredVersion(next);
  },
  beginDeletion(definition, now) {
    const { metadata, status = {} } = definition;
    const finalizers = metadata.finalizers ?? [];
    return {
      ...definition,
      metadata: { ...metadata, finalizers: finalizers.includes(cleanupFinalizer) ? finalizers : [...finalizers, cleanupFinalizer] },
      status: {
        ...status,
        conditions: withCondition(
          status.conditions,
          {
            type: 'Terminating',
            status: 'True',
            reason: 'InstanceDeletionPending',
            message: 'CustomResourceDefinition marked for deletion; CustomResource deletion will begin soon',
          },
          now,
        ),
      },
    };
  },
  validateFirst(definition, prev, errors) {
    if (!prev) validateDefinitionName(definition, errors);
  },
  validate: validateDefinition,
  validateCreate(definition, errors) {
    validateDefinitionRules(definition, undefined, errors);
    validateStoredVersions(definition, errors);
    validateApproval(definition, undefined, errors);
  },
  validateUpdate(next, prev, errors) {
    validateDefinitionUpdate(next, prev, isConditionTrue(prev, 'Established'), errors);
    validateDefinitionRules(next, prev, errors);
    validateStoredVersions(next, errors);
    validateApproval(next, prev, errors);
  },
  warnings(next, prev) {
    const of = ({ spec }: CustomResourceDefinition) =>
      spec.versions.flatMap(({ schema }) => (schema?.openAPIV3Schema ? unknownFormats(schema.openAPIV3Schema) : []));
    const before = new Set(prev ? of(prev) : []);
    return of(next).flatMap((format) => (before.has(format) ? [] : [`unrecognized format ${goQuote(format)}`]));
  },
  allowUnconditionalUpdate: false,
  subresources: {
    // Metadata goes in through it, unlike with most (https://issue.k8s.io/137681).
    status: { validate: (next, _prev, errors) => validateStatus(next, errors) },
  },
});
