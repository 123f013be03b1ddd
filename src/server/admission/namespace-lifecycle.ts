import { errors, Namespace, StatusError } from '../../api/index.ts';
import type { AdmissionPlugin } from '../request.ts';
import { readObject } from '../storages.ts';
import { type AdmissionContext, refuse } from './context.ts';

const immortal = new Set(['default', 'kube-system', 'kube-public']);

/** Nothing is created in a namespace that is not there or is going; some namespaces can't be deleted. */
export function namespaceLifecycle(context: AdmissionContext): AdmissionPlugin {
  return {
    name: 'NamespaceLifecycle',
    handles: (r) =>
      r.operation === 'CREATE' || r.operation === 'UPDATE' || (r.operation === 'DELETE' && r.resource === 'namespaces' && r.group === ''),
    async admit(request) {
      if (request.operation === 'DELETE') {
        if (request.subresource === '' && immortal.has(request.name)) throw refuse(request, 'this namespace may not be deleted');
        return;
      }
      if (request.namespace === '' || (request.resource === 'namespaces' && request.group === '')) return;
      // Reviews are answered in any namespace, also one that is not there.
      if (request.group === 'authorization.k8s.io' && request.resource === 'localsubjectaccessreviews') return;
      const namespace = await readObject(context.storages, Namespace, '', request.namespace);
      if (namespace === undefined) throw errors.notFound(Namespace, request.namespace);
      if (request.operation !== 'CREATE' || namespace.status?.phase !== 'Terminating') return;
      const refusal = refuse(request, `unable to create new content in namespace ${request.namespace} because it is being terminated`);
      throw new StatusError(403, 'Forbidden', refusal.message, {
        ...refusal.status.details,
        causes: [
          { reason: 'NamespaceTerminating', message: `namespace ${request.namespace} is being terminated`, field: 'metadata.namespace' },
        ],
      });
    },
  };
}
