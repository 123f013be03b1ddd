import type { PolicyRule } from '../../../api/index.ts';

const words = (text: string) => text.split(' ').filter((w) => w !== '');

/** The long names of groups that the tables abbreviate; `core` is the empty one. */
const groups: Record<string, string> = {
  core: '',
  rbac: 'rbac.authorization.k8s.io',
  storage: 'storage.k8s.io',
  networking: 'networking.k8s.io',
  coordination: 'coordination.k8s.io',
  discovery: 'discovery.k8s.io',
  certificates: 'certificates.k8s.io',
  authentication: 'authentication.k8s.io',
  authorization: 'authorization.k8s.io',
  events: 'events.k8s.io',
  node: 'node.k8s.io',
  resource: 'resource.k8s.io',
  metrics: 'metrics.k8s.io',
  scheduling: 'scheduling.k8s.io',
  apiextensions: 'apiextensions.k8s.io',
  apiregistration: 'apiregistration.k8s.io',
  admissionregistration: 'admissionregistration.k8s.io',
  flowcontrol: 'flowcontrol.apiserver.k8s.io',
  storagemigration: 'storagemigration.k8s.io',
  internal: 'internal.apiserver.k8s.io',
};

/** `rule('get list', 'core apps', 'pods deployments/status')`, with names: `rule('get', 'core', 'configmaps', 'a b')`. All sorted, as upstream's. */
export function rule(verbs: string, apiGroups: string, resources: string, names = ''): PolicyRule {
  return {
    apiGroups: words(apiGroups)
      .map((g) => groups[g] ?? g)
      .sort(),
    ...(names === '' ? {} : { resourceNames: words(names).sort() }),
    resources: words(resources).sort(),
    verbs: words(verbs).sort(),
  };
}

export function paths(verbs: string, urls: string): PolicyRule {
  return { nonResourceURLs: words(urls).sort(), verbs: words(verbs).sort() };
}

/** Whether a feature gate is on: some rules and roles are there for what it adds. */
export type IsEnabled = (gate: string) => boolean;

/** The rules, if the gate is on. */
export const when = (isOn: boolean, ...rules: PolicyRule[]): readonly PolicyRule[] => (isOn ? rules : []);

export const read = 'get list watch';
export const write = 'create delete deletecollection patch update';
/** What event recorders need. */
export const recordEvents = rule('create patch update', 'core events', 'events');
