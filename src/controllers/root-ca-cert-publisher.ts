import { ConfigMap, deepEqual, hasReason, Namespace } from '../api/index.ts';
import { defineController, isNamespaceTerminating } from './framework/index.ts';

const name = 'kube-root-ca.crt';
const descriptionAnnotation = 'kubernetes.io/description';
const description =
  'Contains a CA bundle that can be used to verify the kube-apiserver when using internal endpoints such as the internal service IP or kubernetes.default.svc. ' +
  'No other usage is guaranteed across distributions of Kubernetes clusters.';

/** Every active namespace has a config map `kube-root-ca.crt`, by which pods know the API server. */
export const rootCaCertPublisher = defineController('root-ca-certificate-publisher-controller', ({ client, informers, config }, queue) => {
  const namespaces = informers.for(Namespace);
  const configMaps = informers.for(ConfigMap, { fieldSelector: `metadata.name=${name}` });
  const enqueue = ({ metadata }: ConfigMap) => queue.add(metadata.namespace ?? '');
  namespaces.addHandler({ add: (n) => queue.add(n.metadata.name), update: (n) => queue.add(n.metadata.name) });
  configMaps.addHandler({ update: enqueue, delete: enqueue });
  const data = { 'ca.crt': config.rootCa ?? '' };
  return {
    informers: [namespaces, configMaps],
    workers: 1,
    async reconcile(namespace, signal) {
      if (!config.rootCa || namespaces.lister.get(namespace)?.status?.phase !== 'Active') return;
      const present = configMaps.lister.get(name, namespace);
      if (!present) {
        const metadata = { name, namespace, annotations: { [descriptionAnnotation]: description } };
        const draft = { apiVersion: 'v1', kind: 'ConfigMap', metadata, data };
        await client.create(ConfigMap, draft, { namespace, signal }).catch((error: unknown) => {
          if (!hasReason(error, 'AlreadyExists') && !isNamespaceTerminating(error)) throw error;
        });
        return;
      }
      const { annotations } = present.metadata;
      if (deepEqual(present.data, data) && annotations?.[descriptionAnnotation]) return;
      const metadata = { ...present.metadata, annotations: { ...annotations, [descriptionAnnotation]: description } };
      await client.update(ConfigMap, { ...present, metadata, data }, { signal });
    },
  };
});
