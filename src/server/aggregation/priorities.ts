/** The order in which groups and versions are listed: clients that look for a kind by its name alone take the first. */

/** As in an APIService: the higher, the earlier. */
export interface Priority {
  group: number;
  version: number;
}

/** Upstream's tables (kube-apiserver's and the generic control plane's), with the removed versions after the others. */
const builtIn: Readonly<Record<string, readonly [group: number, versions: Readonly<Record<string, number>>]>> = {
  '': [18_000, { v1: 1 }],
  // Before whatever an APIService may ask for: other servers' names never stand before it.
  'apiregistration.k8s.io': [20_001, { v1: 15, v1beta1: 9 }],
  apps: [17_800, { v1: 15, v1beta2: 9, v1beta1: 1 }],
  'events.k8s.io': [17_750, { v1: 15, v1beta1: 5 }],
  'authentication.k8s.io': [17_700, { v1: 15, v1beta1: 9, v1alpha1: 1 }],
  'authorization.k8s.io': [17_600, { v1: 15, v1beta1: 9 }],
  autoscaling: [17_500, { v2: 30, v1: 15, v2beta1: 9, v2beta2: 1 }],
  batch: [17_400, { v1: 15, v1beta1: 9, v2alpha1: 1 }],
  'certificates.k8s.io': [17_300, { v1: 15, v1beta1: 9, v1alpha1: 1 }],
  'networking.k8s.io': [17_200, { v1: 15, v1beta1: 9, v1alpha1: 1 }],
  policy: [17_100, { v1: 15, v1beta1: 9 }],
  'rbac.authorization.k8s.io': [17_000, { v1: 15, v1beta1: 12, v1alpha1: 9 }],
  'storage.k8s.io': [16_800, { v1: 15, v1beta1: 9, v1alpha1: 1 }],
  'admissionregistration.k8s.io': [16_700, { v1: 15, v1beta1: 12, v1alpha1: 9 }],
  'apiextensions.k8s.io': [16_700, { v1: 15, v1beta1: 9 }],
  'scheduling.k8s.io': [16_600, { v1: 15, v1beta1: 12, v1alpha2: 10, v1alpha1: 9 }],
  'coordination.k8s.io': [16_500, { v1: 15, v1beta1: 13, v1alpha2: 12, v1alpha1: 9 }],
  'node.k8s.io': [16_300, { v1: 15, v1beta1: 9, v1alpha1: 1 }],
  'discovery.k8s.io': [16_200, { v1: 15, v1beta1: 12 }],
  'flowcontrol.apiserver.k8s.io': [16_100, { v1: 21, v1beta3: 18, v1beta2: 15, v1beta1: 12, v1alpha1: 9 }],
  'internal.apiserver.k8s.io': [16_000, { v1alpha1: 9 }],
  'resource.k8s.io': [15_900, { v1: 21, v1beta2: 18, v1beta1: 15, v1alpha3: 9 }],
  'storagemigration.k8s.io': [15_800, { v1: 15, v1beta1: 9, v1alpha1: 1 }],
  // After those of custom resources, so that `ingresses` means today's.
  extensions: [900, { v1beta1: 1 }],
};

/** "CRDs should have relatively low priority", and are sorted by their versions' names. */
export const customPriority: Priority = { group: 1000, version: 100 };

export function priorityOf(group: string, version: string): Priority {
  const known = Object.hasOwn(builtIn, group) ? builtIn[group] : undefined;
  if (known === undefined) return customPriority;
  return { group: known[0], version: known[1][version] ?? 1 };
}
