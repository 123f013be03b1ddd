import { hasReason, Namespace, ServiceAccount } from '../api/index.ts';
import { defineController, isNamespaceTerminating } from './framework/index.ts';

const name = 'default';

/** Every active namespace has a service account `default`. */
export const serviceAccountController = defineController('serviceaccount-controller', ({ client, informers }, queue) => {
  const namespaces = informers.for(Namespace);
  const accounts = informers.for(ServiceAccount);
  namespaces.addHandler({ add: (n) => queue.add(n.metadata.name), update: (n) => queue.add(n.metadata.name) });
  accounts.addHandler({
    delete: ({ metadata }) => {
      if (metadata.name === name && metadata.namespace) queue.add(metadata.namespace);
    },
  });
  return {
    informers: [namespaces, accounts],
    workers: 1,
    async reconcile(namespace, signal) {
      if (namespaces.lister.get(namespace)?.status?.phase !== 'Active' || accounts.lister.get(name, namespace)) return;
      const draft = { apiVersion: 'v1', kind: 'ServiceAccount', metadata: { name, namespace } };
      await client.create(ServiceAccount, draft, { namespace, signal }).catch((error: unknown) => {
        if (!hasReason(error, 'AlreadyExists') && !isNamespaceTerminating(error)) throw error;
      });
    },
  };
});
