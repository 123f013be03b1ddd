import { deepEqual, isPodReady, isPodTerminal, type Node, type Pod, type Service } from '../../api/index.ts';
import { type Informer, keyOf } from '../../client/index.ts';
import { indexByNode, podsOnNode } from '../framework/index.ts';
import { podAddresses, serviceSelector } from './service-endpoints.ts';

/** The part of a pod that its endpoints show. */
function differs(a: Pod, b: Pod): boolean {
  return (
    isPodReady(a) !== isPodReady(b) ||
    isPodTerminal(a) !== isPodTerminal(b) ||
    a.metadata.deletionTimestamp !== b.metadata.deletionTimestamp ||
    a.spec.nodeName !== b.spec.nodeName ||
    a.spec.hostname !== b.spec.hostname ||
    a.spec.subdomain !== b.spec.subdomain ||
    a.metadata.uid !== b.metadata.uid ||
    !deepEqual(podAddresses(a), podAddresses(b)) ||
    !deepEqual(a.metadata.labels, b.metadata.labels)
  );
}

/** Calls `enqueue` with the key of each service that a change of a pod concerns. */
export function watchServicePods(services: Informer<Service>, pods: Informer<Pod>, enqueue: (key: string) => void): void {
  const concern = (...states: Pod[]): void => {
    for (const service of services.lister.list(states[0]?.metadata.namespace)) {
      const selector = serviceSelector(service);
      if (selector && states.some((pod) => selector.matches(pod.metadata.labels))) enqueue(keyOf(service));
    }
  };
  pods.addHandler({
    add: (pod) => concern(pod),
    update(pod, previous) {
      if (differs(pod, previous)) concern(pod, previous);
    },
    delete: (pod) => concern(pod),
  });
}

const zoneLabel = 'topology.kubernetes.io/zone';

/** Calls `enqueue` with the services of the pods on a node that comes, or goes to another zone. */
export function watchServiceNodes(
  services: Informer<Service>,
  pods: Informer<Pod>,
  nodes: Informer<Node>,
  enqueue: (key: string) => void,
): void {
  indexByNode(pods);
  const concern = ({ metadata }: Node): void => {
    for (const pod of podsOnNode(pods, metadata.name))
      for (const service of services.lister.list(pod.metadata.namespace))
        if (serviceSelector(service)?.matches(pod.metadata.labels)) enqueue(keyOf(service));
  };
  nodes.addHandler({
    add: concern,
    update(node, previous) {
      if (node.metadata.labels?.[zoneLabel] !== previous.metadata.labels?.[zoneLabel]) concern(node);
    },
    delete: concern,
  });
}

/** The service's pods. */
export function podsOf(service: Service, pods: Informer<Pod>): Pod[] {
  const selector = serviceSelector(service);
  return selector ? pods.lister.list(service.metadata.namespace).filter((pod) => selector.matches(pod.metadata.labels)) : [];
}
