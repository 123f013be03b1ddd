/** EndpointSlices for services with a selector: one endpoint a pod, ready or not. */
import { EndpointSlice, Node, Pod, type Pod as PodType, Service, type Service as ServiceType } from '../../api/index.ts';
import { controllerRef, keyOf, splitKey } from '../../client/index.ts';
import { defineController, messageOf } from '../framework/index.ts';
import { belongsInEndpoints, podEndpoint, resolvePorts, serviceFamilies, serviceSelector } from './service-endpoints.ts';
import { podsOf, watchServiceNodes, watchServicePods } from './service-pods.ts';
import { type EndpointGroup, portsKey } from './slice-plan.ts';
import { createSliceWriter, headlessLabel, managedByLabel, serviceNameLabel } from './slice-writer.ts';
import { createTriggerTimes } from './trigger-time.ts';

const manager = 'endpointslice-controller.k8s.io';
const reservedLabels = new Set([serviceNameLabel, managedByLabel, headlessLabel]);

/** The labels of a service's slices: its own, and those by which slices are found. */
export function sliceLabels(service: ServiceType): Record<string, string> {
  const labels = Object.fromEntries(Object.entries(service.metadata.labels ?? {}).filter(([key]) => !reservedLabels.has(key)));
  if (service.spec.clusterIP === 'None') labels[headlessLabel] = '';
  labels[serviceNameLabel] = service.metadata.name;
  labels[managedByLabel] = manager;
  return labels;
}

export const endpointSliceController = defineController('endpointslice-controller', ({ client, informers, recorder, config }, queue) => {
  const services = informers.for(Service);
  const pods = informers.for(Pod);
  const nodes = informers.for(Node);
  const slices = informers.for(EndpointSlice);
  const events = recorder('endpoint-slice-controller');
  const triggerTimes = createTriggerTimes();
  const writer = createSliceWriter({ client, slices, manager, maxPerSlice: config.maxEndpointsPerSlice });
  const enqueue = (key: string) => queue.add(key);
  services.addHandler({ add: (s) => enqueue(keyOf(s)), update: (s) => enqueue(keyOf(s)), delete: (s) => enqueue(keyOf(s)) });
  watchServicePods(services, pods, enqueue);
  watchServiceNodes(services, pods, nodes, enqueue);
  // Slices that somebody else has changed or removed are put right.
  const mend = ({ metadata: { labels, namespace } }: EndpointSlice) => {
    const name = labels?.[serviceNameLabel];
    if (name && labels?.[managedByLabel] === manager) enqueue(keyOf({ metadata: { name, ...(namespace ? { namespace } : {}) } }));
  };
  slices.addHandler({ update: mend, delete: mend });

  const groupsOf = (service: ServiceType, selected: readonly PodType[]) => {
    const groups = new Map<EndpointSlice['addressType'], EndpointGroup[]>();
    const missing: string[] = [];
    const families = serviceFamilies(service);
    for (const family of families) groups.set(family, []);
    const byKey = new Map<string, EndpointGroup>();
    for (const pod of selected) {
      if (!belongsInEndpoints(pod, true)) continue;
      const node = pod.spec.nodeName ? nodes.lister.get(pod.spec.nodeName) : undefined;
      if (!node && !service.spec.publishNotReadyAddresses) {
        missing.push(`skipping Pod ${pod.metadata.name} for Service ${keyOf(service)}: Node ${pod.spec.nodeName ?? ''} Not Found`);
        continue;
      }
      const ports = resolvePorts(service, pod);
      for (const family of families) {
        const endpoint = podEndpoint(service, pod, node, family);
        if (!endpoint) continue;
        const key = `${family} ${portsKey(ports)}`;
        let group = byKey.get(key);
        if (!group) {
          group = { ports, endpoints: [] };
          byKey.set(key, group);
          groups.get(family)?.push(group);
        }
        group.endpoints.push(endpoint);
      }
    }
    // Families that a headless service without any has only because its pods might.
    if (!service.spec.ipFamilies?.length)
      for (const [family, ofFamily] of groups) if (family === 'IPv6' && ofFamily.length === 0 && groups.size > 1) groups.delete(family);
    return { groups, missing };
  };

  return {
    informers: [services, pods, nodes, slices],
    async reconcile(key, signal) {
      const service = services.lister.getByKey(key);
      if (!service) {
        // The garbage collector removes the slices with their owner.
        triggerTimes.forget(key);
        writer.forget(key);
        return;
      }
      if (!serviceSelector(service) || service.metadata.deletionTimestamp) return;
      const selected = podsOf(service, pods);
      const { groups, missing } = groupsOf(service, selected);
      const desired = {
        key,
        owner: service,
        ownerReference: controllerRef(service, Service),
        labels: sliceLabels(service),
        annotations: undefined,
        groups,
        placeholder: true,
        triggerTime: triggerTimes.observe(key, service, selected),
      };
      try {
        await writer.sync(desired, splitKey(key).name, signal);
      } catch (error) {
        triggerTimes.forget(key);
        const message = `Error updating Endpoint Slices for Service ${key}: ${messageOf(error)}`;
        if (!signal.aborted && queue.requeues(key) > 0) events.event(service, 'Warning', 'FailedToUpdateEndpointSlices', message);
        throw error;
      }
      if (missing.length > 0) throw new Error(missing.join(', '));
    },
  };
});
