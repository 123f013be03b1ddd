/** Who serves a group version: this server (no `service`), or another one behind a Service. */
import { reject, require } from '../core/checks.ts';
import { type FieldErrors, FieldPath } from '../fields.ts';
import { APIService } from '../generated/apiregistration.v1.ts';
import * as v1beta1 from '../generated/apiregistration.v1beta1.ts';
import { defineKind } from '../kind.ts';
import { isDns1035Label, isDns1123Subdomain, isPathSegmentName, isPortNumber } from '../names.ts';
import { ageColumn, nameColumn } from '../printing.ts';
import { sameShape } from '../served-version.ts';

const specPath = new FieldPath('spec');
const statuses = ['True', 'False', 'Unknown'];

/** The name that the APIService of a group version must have: `v1.apps`, and `v1.` for the core group. */
export const apiServiceName = ({ group, version }: { group: string; version: string }) => `${version}.${group}`;

const defaultPort = 443;

/** Of the group versions that this server serves itself. */
export const localAvailability = { status: 'True', reason: 'Local', message: 'Local APIServices are always available' } as const;

function validateSpec(spec: APIService['spec'], errors: FieldErrors): void {
  const { group = '', version = '', groupPriorityMinimum = 0, versionPriority = 0, service, caBundle, insecureSkipTLSVerify } = spec ?? {};
  const groupPath = specPath.child('group');
  if (group === '' && version !== 'v1') errors.required(groupPath, 'only v1 may have an empty group and it better be legacy kube');
  if (group !== '') reject(errors, groupPath, group, isDns1123Subdomain(group));
  reject(errors, specPath.child('version'), version, isDns1035Label(version));
  if (groupPriorityMinimum <= 0 || groupPriorityMinimum > 20_000)
    errors.invalid(specPath.child('groupPriorityMinimum'), groupPriorityMinimum, 'must be positive and less than 20000');
  if (versionPriority <= 0 || versionPriority > 1000)
    errors.invalid(specPath.child('versionPriority'), versionPriority, 'must be positive and less than 1000');
  const skipPath = specPath.child('insecureSkipTLSVerify');
  if (!service) {
    if (caBundle)
      errors.invalid(specPath.child('caBundle'), `${decodedLength(caBundle)} bytes`, 'local APIServices may not have a caBundle');
    if (insecureSkipTLSVerify) errors.invalid(skipPath, true, 'local APIServices may not have insecureSkipTLSVerify');
    return;
  }
  const servicePath = specPath.child('service');
  require(errors, servicePath.child('namespace'), service.namespace);
  require(errors, servicePath.child('name'), service.name);
  const wrongPort = isPortNumber(service.port ?? 0);
  if (wrongPort.length > 0) errors.invalid(servicePath.child('port'), service.port ?? 0, `port is not valid: ${wrongPort.join(', ')}`);
  if (insecureSkipTLSVerify && caBundle) errors.invalid(skipPath, true, 'may not be true if caBundle is present');
}

const decodedLength = (base64: string) => Math.floor((base64.replace(/=+$/, '').length * 3) / 4);

function validateStatus({ status }: APIService, errors: FieldErrors): void {
  const path = new FieldPath('status').child('conditions');
  for (const [i, condition] of (status?.conditions ?? []).entries())
    if (!statuses.includes(condition.status)) errors.notSupported(path.index(i).child('status'), condition.status, statuses);
}

export const apiService = defineKind<APIService>({
  resource: APIService,
  versions: [sameShape(v1beta1.APIService, APIService)],
  storagePrefix: 'apiregistration.k8s.io/apiservices',
  categories: ['api-extensions'],
  generation: false,
  allowUnconditionalUpdate: false,
  validateName: isPathSegmentName,
  defaults({ spec }) {
    if (spec?.service) spec.service.port ??= defaultPort;
  },
  // What this server serves itself is there at once.
  create(obj, { now }) {
    if (!obj.spec?.service) obj.status = { conditions: [{ type: 'Available', lastTransitionTime: now, ...localAvailability }] };
  },
  subresources: { status: { keepsMetadata: true, validate: (next, _, errors) => validateStatus(next, errors) } },
  validate(obj, errors) {
    const name = apiServiceName({ group: obj.spec?.group ?? '', version: obj.spec?.version ?? '' });
    if (obj.metadata.name !== name && isPathSegmentName(obj.metadata.name).length === 0)
      errors.invalid(
        new FieldPath('metadata').child('name'),
        obj.metadata.name,
        `must be \`spec.version+"."+spec.group\`: ${JSON.stringify(name)}`,
      );
    validateSpec(obj.spec, errors);
  },
  columns: [
    nameColumn,
    {
      name: 'Service',
      description: 'The reference to the service that hosts this API endpoint.',
      value: ({ spec }) => (spec?.service ? `${spec.service.namespace}/${spec.service.name}` : 'Local'),
    },
    {
      name: 'Available',
      description: 'Whether this service is available.',
      value({ status }) {
        const condition = status?.conditions?.find(({ type }) => type === 'Available');
        if (!condition) return 'Unknown';
        return condition.status === 'True' ? 'True' : `${condition.status} (${condition.reason})`;
      },
    },
    ageColumn,
  ],
});
