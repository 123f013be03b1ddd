import {
  deepEqual,
  errors,
  FieldErrors,
  FieldPath,
  MutatingAdmissionPolicy,
  type ParamKind,
  parseApiVersion,
  type Resource,
  ValidatingAdmissionPolicy,
} from '../../../api/index.ts';
import type { ResourceTable } from '../../registry/served-resource.ts';
import type { AdmissionPlugin, AdmissionRequest, Authorizer, UserInfo } from '../../request.ts';
import { readObject, type Storages } from '../../storages.ts';
import type { Binding, Policy } from './bound-policies.ts';

const group = 'admissionregistration.k8s.io';
/** What a binding's policies are. */
const policiesOf: Readonly<Record<string, Resource<Policy>>> = {
  validatingadmissionpolicybindings: ValidatingAdmissionPolicy as unknown as Resource<Policy>,
  mutatingadmissionpolicybindings: MutatingAdmissionPolicy as unknown as Resource<Policy>,
};
const policies = new Set(['validatingadmissionpolicies', 'mutatingadmissionpolicies']);

/** As Go prints who asks. */
const describe = ({ name, uid = '', groups, extra = {} }: UserInfo) =>
  `&{${name} ${uid} [${groups.join(' ')}] map[${Object.entries(extra)
    .map(([key, values]) => `${key}:[${values.join(' ')}]`)
    .sort()
    .join(' ')}]}`;

/**
 * Nobody reads through a policy what they may not read themselves: who writes one must be allowed to get all of its parameters, and
 * who binds one the parameter that the binding names. Always on, as upstream's strategies of these kinds do it.
 */
export function parameterAccess(context: { authorizer: Authorizer; table: ResourceTable; storages: Storages }): AdmissionPlugin {
  const mayGet = async (user: UserInfo, kind: ParamKind | undefined, { name, namespace }: { name: string; namespace: string }) => {
    const { group: apiGroup, version: apiVersion } = kind ? parseApiVersion(kind.apiVersion ?? '') : { group: '*', version: '*' };
    const resource = context.table.findKind(apiGroup, apiVersion, kind?.kind ?? '')?.resource.plural ?? '*';
    const attributes = {
      user,
      verb: 'get',
      isResourceRequest: true,
      apiGroup,
      apiVersion,
      resource,
      subresource: '',
      name,
      namespace,
      path: '',
    };
    return (await context.authorizer.authorize(attributes)).decision === 'allow';
  };
  const refuse = ({ resource, name }: AdmissionRequest, field: string, why: string): never => {
    const problems = new FieldErrors();
    problems.forbidden(new FieldPath('spec').child(field), why);
    const kind = resource.startsWith('validating') ? 'ValidatingAdmissionPolicy' : 'MutatingAdmissionPolicy';
    throw errors.invalid({ group, kind: policies.has(resource) ? kind : `${kind}Binding` }, name, problems.list);
  };
  return {
    name: 'AdmissionPolicyParameterAccess',
    handles: ({ group: of, operation, resource, subresource }) =>
      of === group &&
      subresource === '' &&
      (operation === 'CREATE' || operation === 'UPDATE') &&
      (policies.has(resource) || policiesOf[resource] !== undefined),
    async validate(request) {
      const { user, resource, object, oldObject } = request;
      if (user.groups.includes('system:masters')) return;
      if (policies.has(resource)) {
        const kind = (object as Policy).spec?.paramKind;
        if (!kind || deepEqual(kind, (oldObject as Policy | undefined)?.spec?.paramKind)) return;
        if (await mayGet(user, kind, { name: '*', namespace: '*' })) return;
        const wanted = `(kind=${kind.kind}, apiVersion=${kind.apiVersion})`;
        refuse(
          request,
          'paramKind',
          `user ${describe(user)} must have "get" permission on all objects of the referenced paramKind ${wanted}`,
        );
        return;
      }
      const { policyName = '', paramRef } = (object as Binding).spec ?? {};
      const before = (oldObject as Binding | undefined)?.spec;
      if (!paramRef || (deepEqual(paramRef, before?.paramRef) && policyName === before?.policyName)) return;
      const kind = policiesOf[resource];
      const policy = kind && (await readObject(context.storages, kind, '', policyName));
      if (await mayGet(user, policy?.spec?.paramKind, { name: paramRef.name ?? '', namespace: paramRef.namespace ?? '' })) return;
      refuse(request, 'paramRef', `user ${describe(user)} does not have "get" permission on the object referenced by paramRef`);
    },
  };
}
