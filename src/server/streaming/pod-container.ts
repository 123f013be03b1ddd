/** Which container a request to a pod's subresource means. */
import { errors, type Pod } from '../../api/index.ts';

const names = (containers: readonly { name: string }[] | undefined) => (containers ?? []).map((c) => c.name);

/** The named container; without a name the pod's only one. Throws BadRequest. */
export function chooseContainer(pod: Pod, name: string): string {
  const podName = pod.metadata.name;
  const { containers, initContainers, ephemeralContainers } = pod.spec;
  if (name !== '') {
    if ([containers, initContainers, ephemeralContainers].some((list) => names(list).includes(name))) return name;
    throw errors.badRequest(`container ${name} is not valid for pod ${podName}`);
  }
  const [only, second] = names(containers);
  if (only !== undefined && second === undefined) return only;
  let message = `a container name must be specified for pod ${podName}`;
  if (only !== undefined) message += `, choose one of: [${names(containers).join(' ')}]`;
  if (only !== undefined && initContainers?.length) message += ` or one of the init containers: [${names(initContainers).join(' ')}]`;
  throw errors.badRequest(message);
}

/** The node that a pod runs on. Throws BadRequest where there is none yet. */
export function hostOf(pod: Pod): string {
  if (!pod.spec.nodeName) throw errors.badRequest(`pod ${pod.metadata.name} does not have a host assigned`);
  return pod.spec.nodeName;
}
