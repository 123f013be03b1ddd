/**
 * What a node's kubelet must be able to do for a pod: the features that nodes declare in their status while they are not yet everywhere
 * (KEP-5328), by the names of k8s.io/component-helpers/nodedeclaredfeatures.
 */
import { semanticEqual } from '../equality.ts';
import type { Container, Pod, PodSpec } from '../generated/core.v1.ts';
import { compareQuantities } from '../quantity.ts';

interface DeclaredFeature {
  readonly name: string;
  /** Whether a pod can run only where it is declared. */
  forScheduling?(spec: PodSpec): boolean;
  /** Whether a running pod can be changed so only where it is declared. */
  forUpdate?(next: Pod, prev: Pod): boolean;
}

const restartsAll = ({ restartPolicyRules }: Container) =>
  restartPolicyRules?.some(({ action }) => action === 'RestartAllContainers') === true;
const cpuOf = (container: Container | undefined) => container?.resources?.requests?.cpu ?? '0';

/** In the order of their names. */
const features: readonly DeclaredFeature[] = [
  {
    name: 'GuaranteedQoSPodCPUResize',
    forUpdate: (next, prev) =>
      prev.status?.qosClass === 'Guaranteed' &&
      prev.spec.containers.some((container, i) => compareQuantities(cpuOf(container), cpuOf(next.spec.containers[i])) !== 0),
  },
  {
    name: 'InPlacePodLevelResourcesVerticalScaling',
    forUpdate: (next, prev) => !semanticEqual(next.spec.resources, prev.spec.resources),
  },
  {
    name: 'InPlacePodVerticalScalingInitContainers',
    forUpdate: (next, prev) =>
      (prev.spec.initContainers ?? []).some(
        ({ restartPolicy, resources }, i) =>
          restartPolicy !== 'Always' && !semanticEqual(resources, next.spec.initContainers?.[i]?.resources),
      ),
  },
  {
    name: 'RestartAllContainersOnContainerExits',
    forScheduling: ({ containers, initContainers = [] }) => containers.some(restartsAll) || initContainers.some(restartsAll),
  },
  {
    name: 'UserNamespacesHostNetworkSupport',
    forScheduling: ({ hostNetwork, hostUsers }) => hostNetwork === true && hostUsers === false,
  },
];

/** What a node must declare for the pod to be put there. */
export const featuresForScheduling = (spec: PodSpec): string[] =>
  features.filter(({ forScheduling }) => forScheduling?.(spec)).map(({ name }) => name);

/** What its node must declare for a pod to be changed from `prev` to `next`. */
export const featuresForUpdate = (next: Pod, prev: Pod): string[] =>
  features.filter(({ forUpdate }) => forUpdate?.(next, prev)).map(({ name }) => name);
