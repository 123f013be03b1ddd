import {
  type AllocatedDeviceStatus,
  errors,
  FieldErrors,
  FieldPath,
  isDns1123Subdomain,
  Namespace,
  type resourceV1,
  semanticEqual,
} from '../../api/index.ts';
import { forbiddenMessage } from '../pipeline/authorize.ts';
import type { AdmissionPlugin, AdmissionRequest, Attributes, Authorizer, UserInfo } from '../request.ts';
import { readObject, type Storages } from '../storages.ts';
import { adminAccessLabel, adminAccessMessage } from './device-admin-access.ts';

const group = 'resource.k8s.io';
const statusPath = new FieldPath('status');
const serviceAccount = /^system:serviceaccount:[^:]+:[^:]+$/;
const nodeNameKey = 'authentication.kubernetes.io/node-name';

type Status = NonNullable<resourceV1.ResourceClaim['status']>;

const keyOf = ({ driver, pool, device, shareID = '' }: Pick<AllocatedDeviceStatus, 'driver' | 'pool' | 'device' | 'shareID'>) =>
  JSON.stringify([driver, pool, device, shareID]);

/** The drivers of devices whose states have come, gone or changed, sorted; the server itself drops those that are allocated no more. */
function changedDrivers(next: Status, prev: Status): string[] {
  const before = new Map((prev.devices ?? []).map((device) => [keyOf(device), device]));
  const drivers = new Set<string>();
  for (const device of next.devices ?? []) {
    if (!semanticEqual(device, before.get(keyOf(device)))) drivers.add(device.driver);
    before.delete(keyOf(device));
  }
  const allocated = ({ allocation }: Status) => new Set((allocation?.devices?.results ?? []).map(keyOf));
  const [now, then] = [allocated(next), allocated(prev)];
  for (const [key, { driver }] of before) if (now.has(key) || !then.has(key)) drivers.add(driver);
  return [...drivers].sort();
}

/** The one node that an allocation is for. */
function nodeOf({ allocation }: Status): string | undefined {
  const [term, ...more] = allocation?.nodeSelector?.nodeSelectorTerms ?? [];
  if (!term || more.length > 0 || term.matchExpressions?.length || term.matchFields?.length !== 1) return undefined;
  const [field] = term.matchFields;
  return field?.key === 'metadata.name' && field.operator === 'In' && field.values?.length === 1 ? field.values[0] : undefined;
}

/** Whether a user is a service account that runs on this node. */
function runsOn({ name, extra }: UserInfo, node: string | undefined): boolean {
  const nodes = extra?.[nodeNameKey] ?? [];
  return (
    Boolean(node) && serviceAccount.test(name) && nodes.length === 1 && nodes[0] === node && isDns1123Subdomain(node ?? '').length === 0
  );
}

/** Who writes devices for administrators into a claim's status does so in namespaces that say so only. */
async function checkAdminAccess(storages: Storages, namespace: string, next: Status, prev: Status, problems: FieldErrors): Promise<void> {
  const asks = ({ allocation }: Status) => (allocation?.devices?.results ?? []).findIndex(({ adminAccess }) => adminAccess);
  const at = asks(next);
  if (at < 0 || asks(prev) >= 0) return;
  const labels = (await readObject(storages, Namespace, '', namespace))?.metadata.labels;
  const path = statusPath.child('allocation', 'devices', 'results').index(at).child('adminAccess');
  if (labels?.[adminAccessLabel] !== 'true') problems.forbidden(path, adminAccessMessage);
}

/**
 * Who writes what of a claim's status (KEP-4817): the scheduler what was allocated and for whom, and each driver the state of its own
 * devices, from the claim's node or, where it is allowed to, from any. Always on, as upstream's strategy does it.
 */
export function claimStatusAccess(context: { authorizer: Authorizer; storages: Storages; isGranular: boolean }): AdmissionPlugin {
  /** Why none of the questions is answered with yes: of the first, what is wrong. */
  const refusal = async (request: AdmissionRequest, questions: readonly Partial<Attributes>[]): Promise<string | undefined> => {
    let first: string | undefined;
    for (const question of questions) {
      const attributes: Attributes = {
        user: request.user,
        verb: request.verb,
        isResourceRequest: true,
        apiGroup: group,
        apiVersion: request.version,
        resource: request.resource,
        subresource: '',
        namespace: '',
        name: '',
        path: '',
        ...question,
      };
      const { decision, reason, error } = await context.authorizer.authorize(attributes);
      if (decision === 'allow') return undefined;
      const why = [forbiddenMessage(attributes), ...(error ? [error.message] : []), ...(reason === '' ? [] : [reason])].join(': ');
      first ??= errors.forbidden({ group, plural: request.resource }, attributes.name, why).message;
    }
    return first;
  };
  const checkBinding = async (request: AdmissionRequest, next: Status, prev: Status, problems: FieldErrors) => {
    if (semanticEqual(next.allocation, prev.allocation) && semanticEqual(next.reservedFor, prev.reservedFor)) return;
    const refused = await refusal(request, [{ subresource: 'binding' }]);
    if (refused !== undefined)
      problems.forbidden(
        statusPath,
        `changing status.allocation or status.reservedFor requires resource="resourceclaims/binding", verb="${request.verb}" permission: ${refused}`,
      );
  };
  const checkDrivers = async (request: AdmissionRequest, next: Status, prev: Status, problems: FieldErrors) => {
    const anywhere = `arbitrary-node:${request.verb}`;
    const verbs = runsOn(request.user, nodeOf(next)) ? [`associated-node:${request.verb}`, anywhere] : [anywhere];
    for (const name of changedDrivers(next, prev)) {
      const { namespace } = request;
      const refused = await refusal(
        request,
        verbs.map((verb) => ({ verb, subresource: 'driver', namespace, name })),
      );
      if (refused !== undefined)
        problems.forbidden(
          statusPath.child('devices'),
          `changing status.devices requires resource="resourceclaims/driver", verb="[${verbs.join(' ')}]" permission: ${refused}`,
        );
    }
  };
  return {
    name: 'ResourceClaimStatusAccess',
    handles: (r) => r.group === group && r.resource === 'resourceclaims' && r.subresource === 'status' && r.operation === 'UPDATE',
    async validate(request) {
      // The resource that this handles is of this kind.
      const { status: next = {} } = request.object as resourceV1.ResourceClaim;
      const { status: prev = {} } = request.oldObject as resourceV1.ResourceClaim;
      const problems = new FieldErrors();
      await checkAdminAccess(context.storages, request.namespace, next, prev, problems);
      if (context.isGranular) {
        await checkBinding(request, next, prev, problems);
        await checkDrivers(request, next, prev, problems);
      }
      if (!problems.ok) throw errors.invalid({ group, kind: 'ResourceClaim' }, request.name, problems.list);
    },
  };
}
