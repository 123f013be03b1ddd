import { deepEqual, type KubeObject, type OwnerReference, parseApiVersion } from '../../api/index.ts';
import type { ResourceTable } from '../registry/served-resource.ts';
import type { AdmissionPlugin, AdmissionRequest } from '../request.ts';
import { type AdmissionContext, isCreate, isUpdate, refuse } from './context.ts';

const ownersOf = (object: KubeObject | undefined): readonly OwnerReference[] => object?.metadata?.ownerReferences ?? [];

/**
 * Who gives an object an owner, with whom it will be deleted, must be allowed to delete it; who has it hold up its owner's deletion,
 * to change the owner's finalizers.
 */
export function ownerReferencesPermissionEnforcement(context: AdmissionContext & { table: ResourceTable }): AdmissionPlugin {
  const mayNot = async (
    request: AdmissionRequest,
    asked: { group: string; version: string; resource: string; name: string; verb: string; subresource: string; namespace: string },
  ) => {
    const { decision, reason } = await context.authorizer.authorize({
      user: request.user,
      isResourceRequest: true,
      apiGroup: asked.group,
      apiVersion: asked.version,
      path: '',
      ...asked,
    });
    return decision === 'allow' ? undefined : reason;
  };
  return {
    name: 'OwnerReferencesPermissionEnforcement',
    handles: (r) => (isCreate(r) || isUpdate(r)) && !(r.group === '' && r.resource === 'pods' && r.subresource === 'status'),
    async validate(request) {
      const { object, oldObject, group, version, resource, subresource, name, namespace } = request;
      const [next, before] = [ownersOf(object), ownersOf(oldObject)];
      if (deepEqual(next, before)) return;
      const undeletable = await mayNot(request, { group, version, resource, subresource, name, namespace, verb: 'delete' });
      if (undeletable !== undefined) throw refuse(request, `cannot set an ownerRef on a resource you can't delete: ${undeletable}, <nil>`);
      const blocked = new Set(before.filter((owner) => owner.blockOwnerDeletion).map(({ uid }) => uid));
      for (const owner of next.filter(({ uid, blockOwnerDeletion }) => blockOwnerDeletion && !blocked.has(uid))) {
        const of = parseApiVersion(owner.apiVersion);
        const served = context.table.findKind(of.group, of.version, owner.kind);
        if (!served)
          throw refuse(
            request,
            `cannot set blockOwnerDeletion in this case because cannot find RESTMapping for APIVersion ${owner.apiVersion} Kind ${owner.kind}: no matches for kind ${JSON.stringify(owner.kind)} in version ${JSON.stringify(owner.apiVersion)}`,
          );
        const why = await mayNot(request, {
          ...of,
          resource: served.resource.plural,
          subresource: 'finalizers',
          name: owner.name,
          namespace: served.resource.namespaced ? namespace : '',
          verb: 'update',
        });
        if (why !== undefined)
          throw refuse(
            request,
            `cannot set blockOwnerDeletion if an ownerReference refers to a resource you can't set finalizers on: ${why}, <nil>`,
          );
      }
    },
  };
}
