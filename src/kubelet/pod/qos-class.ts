import { computePodQos, type Pod, type PodQOSClass } from '../../api/index.ts';

/** A pod's quality of service: as the API has it, or, of a manifest, as it follows from the spec. */
export const qosClass = (pod: Pod): PodQOSClass => pod.status?.qosClass ?? computePodQos(pod);
