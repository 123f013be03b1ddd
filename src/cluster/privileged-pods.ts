/** --allow-privileged=false: no pod, nor what pods are made of, may ask for a privileged container. */
import { FieldPath, isJsonObject, type KindDefinition } from '../api/index.ts';

/** Where a kind has the spec of pods. */
const podSpecs: Readonly<Record<string, readonly string[]>> = {
  Pod: ['spec'],
  PodTemplate: ['template', 'spec'],
  CronJob: ['spec', 'jobTemplate', 'spec', 'template', 'spec'],
  ...Object.fromEntries(
    ['DaemonSet', 'Deployment', 'Job', 'ReplicaSet', 'ReplicationController', 'StatefulSet'].map((kind) => [
      kind,
      ['spec', 'template', 'spec'],
    ]),
  ),
};

/** Containers under a pod's spec that ask for it, by their place. */
function* privilegedContainers(object: unknown, place: readonly string[]): Iterable<FieldPath> {
  let spec = object;
  for (const field of place) spec = isJsonObject(spec) ? spec[field] : undefined;
  if (!isJsonObject(spec)) return;
  for (const list of ['initContainers', 'containers', 'ephemeralContainers']) {
    const containers = spec[list];
    if (!Array.isArray(containers)) continue;
    for (const [i, container] of containers.entries())
      if (isJsonObject(container) && isJsonObject(container.securityContext) && container.securityContext.privileged === true)
        yield new FieldPath()
          .child(...place, list)
          .index(i)
          .child('securityContext', 'privileged');
  }
}

/** The kinds, with upstream's words for what is not allowed. */
export function withoutPrivilegedPods(kinds: readonly KindDefinition[]): KindDefinition[] {
  return kinds.map((kind) => {
    const place = podSpecs[kind.resource.kind];
    if (!place) return kind;
    return {
      ...kind,
      validate(object, errors) {
        kind.validate?.(object, errors);
        for (const at of privilegedContainers(object, place)) errors.forbidden(at, 'disallowed by cluster policy');
      },
    };
  });
}
