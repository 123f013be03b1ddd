/** The order in which groups and versions are listed: clients that look for a kind by its name alone take the first. */

/** Upstream's API service priorities, highest first (kube-aggregator's and kube-apiserver's tables). */
const order = [
  '',
  'apiregistration.k8s.io',
  'apps',
  'events.k8s.io',
  'authentication.k8s.io',
  'authorization.k8s.io',
  'autoscaling',
  'batch',
  'certificates.k8s.io',
  'networking.k8s.io',
  'policy',
  'rbac.authorization.k8s.io',
  'storage.k8s.io',
  'admissionregistration.k8s.io',
  'apiextensions.k8s.io',
  'scheduling.k8s.io',
  'coordination.k8s.io',
  'node.k8s.io',
  'discovery.k8s.io',
  'resource.k8s.io',
  'flowcontrol.apiserver.k8s.io',
  'internal.apiserver.k8s.io',
  'storagemigration.k8s.io',
];

export function groupOrder(group: string): number {
  const at = order.indexOf(group);
  // Removed groups come after those of custom resources, so that `ingresses` means today's.
  if (group === 'extensions') return order.length + 1;
  return at < 0 ? order.length : at;
}

const pattern = /^v(\d+)(?:(alpha|beta)(\d+))?$/;
const stability = { alpha: 0, beta: 1, '': 2 };

/** Stable versions first, then beta, then alpha, each the higher the earlier; other names last, by name (version.CompareKubeAwareVersionStrings). */
export function compareVersions(a: string, b: string): number {
  const x = pattern.exec(a);
  const y = pattern.exec(b);
  if (!x || !y) return x ? -1 : y ? 1 : a < b ? -1 : a > b ? 1 : 0;
  // The pattern admits no other words.
  const rank = (m: RegExpExecArray) => stability[(m[2] ?? '') as keyof typeof stability];
  return rank(y) - rank(x) || Number(y[1]) - Number(x[1]) || Number(y[3] ?? 0) - Number(x[3] ?? 0);
}
