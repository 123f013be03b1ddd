import { validateTemplateMeta } from '../core/claim-spec.ts';
import { semanticEqual } from '../equality.ts';
import { FieldPath } from '../fields.ts';
import { ResourceClaimTemplate } from '../generated/resource.v1.ts';
import * as v1beta1 from '../generated/resource.v1beta1.ts';
import * as v1beta2 from '../generated/resource.v1beta2.ts';
import { internalForm } from '../internal-form.ts';
import { defineKind } from '../kind.ts';
import { fieldImmutable } from '../object-meta.ts';
import { ageColumn, nameColumn } from '../printing.ts';
import { convertedVersion, sameShape } from '../served-version.ts';
import { defaultDeviceClaim, validateDeviceClaim } from './device-claim.ts';
import { defaultV1beta1Claim, fromClaimSpec, toClaimSpec } from './v1beta1.ts';

const specPath = new FieldPath('spec');

const templateV1beta1 = convertedVersion(v1beta1.ResourceClaimTemplate, ResourceClaimTemplate, {
  defaults: ({ spec }) => defaultV1beta1Claim(spec?.spec?.devices),
  toStorage: ({ spec, ...template }) => ({ ...template, spec: { ...spec, spec: toClaimSpec(spec.spec) } }),
  fromStorage: ({ spec, ...template }) => ({ ...template, spec: { ...spec, spec: fromClaimSpec(spec.spec) } }),
});

/** What claims are made from, one for each pod. */
export const resourceClaimTemplate = defineKind<ResourceClaimTemplate>({
  resource: ResourceClaimTemplate,
  answersDeleted: true,
  versions: [sameShape(v1beta2.ResourceClaimTemplate, ResourceClaimTemplate), templateV1beta1],
  defaults: ({ spec }) => defaultDeviceClaim(spec?.spec?.devices),
  validate({ spec }, errors) {
    validateTemplateMeta(spec?.metadata ?? {}, specPath.child('metadata'), errors);
    if (spec?.spec?.devices) validateDeviceClaim(spec.spec.devices, specPath.child('spec', 'devices'), errors);
  },
  validateUpdate(next, prev, errors) {
    // Upstream shows its internal type, where the metadata lie beside the rest.
    const shown = () => ({ ...next.spec.metadata, Spec: internalForm('resource.v1.ResourceClaimSpec', next.spec.spec) });
    if (!semanticEqual(next.spec, prev.spec)) errors.invalid(specPath, shown(), fieldImmutable);
  },
  columns: [nameColumn, ageColumn],
});
