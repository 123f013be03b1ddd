import { allowOneOf } from '../core/checks.ts';
import { semanticEqual } from '../equality.ts';
import { type FieldErrors, FieldPath } from '../fields.ts';
import { CSIDriver, type TokenRequest } from '../generated/storage.v1.ts';
import * as v1beta1 from '../generated/storage.v1beta1.ts';
import { defineKind } from '../kind.ts';
import { validateImmutable } from '../object-meta.ts';
import { ageColumn, fieldDoc, nameColumn } from '../printing.ts';
import { sameShape } from '../served-version.ts';

const specPath = new FieldPath('spec');
const minTokenSeconds = 600;
const maxTokenSeconds = 2 ** 32;
const minUpdateSeconds = 10;

function validateTokenRequests(requests: readonly TokenRequest[], errors: FieldErrors): void {
  const audiences = new Set<string>();
  for (const [i, { audience = '', expirationSeconds }] of requests.entries()) {
    const path = specPath.child('tokenRequests').index(i);
    if (audiences.has(audience)) {
      errors.duplicate(path.child('audience'), audience);
      continue;
    }
    audiences.add(audience);
    if (expirationSeconds === undefined) continue;
    const at = path.child('expirationSeconds');
    if (expirationSeconds < minTokenSeconds) errors.invalid(at, expirationSeconds, 'may not specify a duration less than 10 minutes');
    if (expirationSeconds > maxTokenSeconds) errors.invalid(at, expirationSeconds, 'may not specify a duration larger than 2^32 seconds');
  }
}

/** A cell of a boolean that is shown as text, with true, false or nothing set. */
const flag = (name: string, description: string, field: 'attachRequired' | 'podInfoOnMount' | 'storageCapacity' | 'requiresRepublish') => ({
  name,
  type: 'boolean' as const,
  description,
  value: ({ spec }: CSIDriver) => spec?.[field] ?? field === 'attachRequired',
});

export const csiDriver = defineKind<CSIDriver>({
  resource: CSIDriver,
  answersDeleted: true,
  versions: [sameShape(v1beta1.CSIDriver, CSIDriver)],
  allowUnconditionalUpdate: false,
  defaults(driver) {
    driver.spec ??= {};
    const { spec } = driver;
    spec.attachRequired ??= true;
    spec.podInfoOnMount ??= false;
    spec.storageCapacity ??= false;
    spec.fsGroupPolicy ??= 'ReadWriteOnceWithFSType';
    if (!spec.volumeLifecycleModes?.length) spec.volumeLifecycleModes = ['Persistent'];
    spec.requiresRepublish ??= false;
    spec.seLinuxMount ??= false;
  },
  validate({ spec = {} }, errors) {
    if (spec.attachRequired === undefined) errors.required(specPath.child('attachedRequired'));
    allowOneOf(errors, specPath.child('fsGroupPolicy'), spec.fsGroupPolicy, ['File', 'None', 'ReadWriteOnceWithFSType']);
    validateTokenRequests(spec.tokenRequests ?? [], errors);
    for (const mode of spec.volumeLifecycleModes ?? [])
      allowOneOf(errors, specPath.child('volumeLifecycleModes'), mode, ['Persistent', 'Ephemeral']);
    const { nodeAllocatableUpdatePeriodSeconds: period, serviceAccountTokenInSecrets: inSecrets } = spec;
    if (period !== undefined && period < minUpdateSeconds)
      errors.invalid(
        specPath.child('nodeAllocatableUpdatePeriodSeconds'),
        period,
        `must be greater than or equal to ${minUpdateSeconds} seconds`,
      );
    if (inSecrets !== undefined && !spec.tokenRequests?.length)
      errors.invalid(
        specPath.child('serviceAccountTokenInSecrets'),
        inSecrets,
        'serviceAccountTokenInSecrets is set but no tokenRequests are specified',
      );
  },
  validateUpdate(next, prev, errors) {
    validateImmutable(next.spec.attachRequired, prev.spec.attachRequired, specPath.child('attachedRequired'), errors);
    validateImmutable(next.spec.volumeLifecycleModes, prev.spec.volumeLifecycleModes, specPath.child('volumeLifecycleModes'), errors);
  },
  warnings({ spec }, prev) {
    const isSilent = spec.serviceAccountTokenInSecrets === undefined && (spec.tokenRequests?.length ?? 0) > 0;
    if (!isSilent || (prev && semanticEqual(spec.tokenRequests, prev.spec.tokenRequests))) return [];
    return [
      'spec.serviceAccountTokenInSecrets is unset; if supported by this CSI driver, set to true to prevent possible logging of tokens in volume attributes',
    ];
  },
  generation: false,
  // Only updates count.
  update({ metadata, spec }, prev) {
    if (!semanticEqual(spec, prev.spec)) metadata.generation = (prev.metadata.generation ?? 0) + 1;
  },
  columns: [
    nameColumn,
    flag('AttachRequired', fieldDoc('storage.v1.CSIDriverSpec.attachRequired'), 'attachRequired'),
    flag('PodInfoOnMount', fieldDoc('storage.v1.CSIDriverSpec.podInfoOnMount'), 'podInfoOnMount'),
    flag('StorageCapacity', fieldDoc('storage.v1.CSIDriverSpec.storageCapacity'), 'storageCapacity'),
    {
      name: 'TokenRequests',
      description: fieldDoc('storage.v1.CSIDriverSpec.tokenRequests'),
      value: ({ spec }) => (spec?.tokenRequests?.length ? spec.tokenRequests.map((t) => t.audience).join(',') : '<unset>'),
    },
    flag('RequiresRepublish', fieldDoc('storage.v1.CSIDriverSpec.requiresRepublish'), 'requiresRepublish'),
    {
      name: 'Modes',
      description: fieldDoc('storage.v1.CSIDriverSpec.volumeLifecycleModes'),
      value: ({ spec }) => (spec?.volumeLifecycleModes?.length ? spec.volumeLifecycleModes.join(',') : '<none>'),
    },
    ageColumn,
  ],
});
