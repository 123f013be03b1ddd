import { type FieldErrors, FieldPath } from '../fields.ts';
import type { Condition } from '../generated/meta.v1.ts';
import { StorageVersionMigration } from '../generated/storagemigration.v1beta1.ts';
import { defineKind } from '../kind.ts';
import { isDns1035Label, isDns1123Subdomain } from '../names.ts';
import { fieldImmutable, validateConditions } from '../object-meta.ts';
import { nameColumn } from '../printing.ts';

const resourcePath = new FieldPath('spec').child('resource');
const statusPath = new FieldPath('status');

const states = ['Running', 'Failed', 'Succeeded'];

const holds = (svm: StorageVersionMigration, type: string) =>
  svm.status?.conditions?.some((c: Condition) => c.type === type && c.status === 'True') ?? false;

function validateStatus(next: StorageVersionMigration, prev: StorageVersionMigration, errors: FieldErrors): void {
  const { resourceVersion = '', conditions } = next.status ?? {};
  const versionPath = statusPath.child('resourceVersion');
  const conditionsPath = statusPath.child('conditions');
  if (resourceVersion !== '' && !/^[+-]?\d+$/.test(resourceVersion))
    errors.invalid(
      versionPath,
      resourceVersion,
      `failed to parse resource version ${JSON.stringify(resourceVersion)}: strconv.ParseInt: parsing ${JSON.stringify(resourceVersion)}: invalid syntax`,
    );
  else if (resourceVersion.startsWith('-')) errors.invalid(versionPath, Number(resourceVersion), 'must be greater than or equal to 0');
  validateConditions(conditions, conditionsPath, errors);
  const before = prev.status?.resourceVersion ?? '';
  if (before !== '' && before !== resourceVersion) errors.invalid(versionPath, resourceVersion, fieldImmutable);
  const refuse = (why: string) => errors.invalid(conditionsPath, conditions, why);
  const [succeeded, failed, running] = ['Succeeded', 'Failed', 'Running'].map((type) => holds(next, type));
  if (succeeded && failed) refuse('Both success and failed conditions cannot be true at the same time');
  if (succeeded && running) refuse('Running condition cannot be true when success condition is true');
  if (failed && running) refuse('Running condition cannot be true when failed condition is true');
  if (holds(prev, 'Succeeded') && !succeeded) refuse('Success condition cannot be set to false once it is true');
  if (holds(prev, 'Failed') && !failed) refuse('Failed condition cannot be set to false once it is true');
}

/** What of it holds, if anything does. */
const statusCell = ({ status }: StorageVersionMigration): string =>
  status?.conditions?.findLast(({ type, status }) => status === 'True' && states.includes(type))?.type ?? 'Unknown';

/** Asks for all objects of a resource to be written anew, in the present storage version (KEP-4192). */
export const storageVersionMigration = defineKind<StorageVersionMigration>({
  resource: StorageVersionMigration,
  allowUnconditionalUpdate: false,
  generation: false,
  validate({ spec }, errors) {
    const { group = '', resource = '' } = spec?.resource ?? {};
    if (resource === '') errors.required(resourcePath.child('resource'), 'resource is required to be set');
    else {
      const wrong = isDns1035Label(resource);
      if (wrong.length > 0) errors.invalid(resourcePath.child('resource'), resource, wrong.join(','));
    }
    const wrong = group === '' ? [] : isDns1123Subdomain(group);
    if (wrong.length > 0) errors.invalid(resourcePath.child('group'), group, wrong.join(','));
  },
  validateUpdate(next, prev, errors) {
    for (const field of ['group', 'resource'] as const)
      if (next.spec?.resource?.[field] !== prev.spec?.resource?.[field])
        errors.invalid(new FieldPath(field), next.spec?.resource?.[field] ?? '', fieldImmutable);
  },
  subresources: { status: { keepsMetadata: true, validate: validateStatus } },
  columns: [
    { ...nameColumn, format: '' },
    {
      name: 'Resource',
      description: 'GroupResource to migrate',
      value({ spec }) {
        const { group = '', resource = '' } = spec?.resource ?? {};
        return group === '' ? resource : `${resource}.${group}`;
      },
    },
    { name: 'Status', description: 'Status of the migration', value: statusCell },
  ],
});
