/** Endpoints, the older form of EndpointSlices, for services with a selector. */
import { deepEqual, Endpoints, hasReason, Pod, Service, semanticEqual } from '../../api/index.ts';
import { keyOf, splitKey } from '../../client/index.ts';
import { defineController, isNamespaceTerminating, messageOf } from '../framework/index.ts';
import { subsetsOf, truncate } from './endpoint-subsets.ts';
import { serviceSelector } from './service-endpoints.ts';
import { podsOf, watchServicePods } from './service-pods.ts';
import { headlessLabel } from './slice-writer.ts';
import { createTriggerTimes, triggerTimeAnnotation } from './trigger-time.ts';

const managedByLabel = 'endpoints.kubernetes.io/managed-by';
const manager = 'endpoint-controller';
const overCapacityAnnotation = 'endpoints.kubernetes.io/over-capacity';

export const endpointsController = defineController('endpoints-controller', ({ client, informers, recorder }, queue) => {
  const services = informers.for(Service);
  const pods = informers.for(Pod);
  const endpoints = informers.for(Endpoints);
  const events = recorder('endpoint-controller');
  const triggerTimes = createTriggerTimes();
  const enqueue = (object: { metadata: { name: string; namespace?: string } }) => queue.add(keyOf(object));
  services.addHandler({ add: enqueue, update: enqueue, delete: enqueue });
  watchServicePods(services, pods, (key) => queue.add(key));
  endpoints.addHandler({
    // Left over from services that went while nobody watched.
    add: (object) => {
      if (object.metadata.labels?.[managedByLabel] === manager) enqueue(object);
    },
    delete: enqueue,
  });

  return {
    informers: [services, pods, endpoints],
    async reconcile(key, signal) {
      const { namespace, name } = splitKey(key);
      const service = services.lister.getByKey(key);
      const present = endpoints.lister.getByKey(key);
      if (!service) {
        triggerTimes.forget(key);
        // Others' Endpoints, leader election's among them, stay.
        if (!present || present.metadata.labels?.[managedByLabel] !== manager) return;
        await client
          .delete(Endpoints, name, { namespace, preconditions: { uid: present.metadata.uid }, signal })
          .catch((error: unknown) => {
            if (!hasReason(error, 'NotFound')) throw error;
          });
        return;
      }
      if (!serviceSelector(service)) return;
      const selected = podsOf(service, pods);
      const triggerTime = triggerTimes.observe(key, service, selected);
      const { subsets, truncated } = truncate(subsetsOf(service, selected));
      const { [headlessLabel]: _, ...own } = service.metadata.labels ?? {};
      const labels = { ...own, ...(service.spec.clusterIP === 'None' ? { [headlessLabel]: '' } : {}), [managedByLabel]: manager };
      const { [triggerTimeAnnotation]: __, [overCapacityAnnotation]: capacity, ...others } = present?.metadata.annotations ?? {};
      if (
        present &&
        semanticEqual(present.subsets, subsets) &&
        deepEqual(present.metadata.labels, labels) &&
        capacity === (truncated ? 'truncated' : undefined)
      )
        return;
      const annotations = {
        ...others,
        ...(triggerTime ? { [triggerTimeAnnotation]: triggerTime } : {}),
        ...(truncated ? { [overCapacityAnnotation]: 'truncated' } : {}),
      };
      try {
        if (present)
          await client.update(Endpoints, { ...present, metadata: { ...present.metadata, labels, annotations }, subsets }, { signal });
        else {
          const metadata = { name, namespace, labels, annotations };
          await client.create(Endpoints, { apiVersion: 'v1', kind: 'Endpoints', metadata, subsets }, { namespace, signal });
        }
      } catch (error) {
        triggerTimes.forget(key);
        if (isNamespaceTerminating(error)) return;
        // The cache is behind this controller's own last write: the informer's next word settles it.
        if (hasReason(error, 'AlreadyExists') || hasReason(error, 'Conflict')) throw error;
        const message = `Failed to ${present ? 'update' : 'create'} endpoint for service ${key}: ${messageOf(error)}`;
        if (!signal.aborted)
          events.event(present ?? service, 'Warning', present ? 'FailedToUpdateEndpoint' : 'FailedToCreateEndpoint', message);
        throw error;
      }
    },
  };
});
