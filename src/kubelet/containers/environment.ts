/** A container's environment: services, envFrom, env with references resolved and `$(NAME)` expanded, in upstream's order of precedence. */
import type { ConfigMap, Pod, ResourceList, Secret, Service } from '../../api/index.ts';
import type { AnyContainer } from '../pod/containers.ts';
import { fieldValue, resourceValue } from './downward.ts';
import { expand } from './expansion.ts';
import { serviceEnvironment, servicesFor } from './service-env.ts';

/** Where references are read; a missing object is undefined. */
export interface EnvironmentSources {
  configMap(namespace: string, name: string): Promise<ConfigMap | undefined>;
  secret(namespace: string, name: string): Promise<Secret | undefined>;
  services(): Iterable<Service>;
  node: { name: string; ips: readonly string[] };
  allocatable: ResourceList;
}

/** Why a container can't be configured: what its status then says after `CreateContainerConfigError`. */
export class ContainerConfigError extends Error {}

const decode = (base64: string) => Buffer.from(base64, 'base64').toString('utf8');

/** Names with bytes and printable ASCII except `=` (KEP-4369). */
const validName = (name: string) => /^[ -<>-~]+$/.test(name);

export async function containerEnvironment(
  pod: Pod,
  container: AnyContainer,
  podIPs: readonly string[],
  sources: EnvironmentSources,
  onInvalidNames: (message: string) => void,
): Promise<Map<string, string>> {
  const namespace = pod.metadata.namespace ?? '';
  const links = new Map(serviceEnvironment(servicesFor(namespace, pod.spec.enableServiceLinks !== false, sources.services())));
  const result = new Map<string, string>();

  for (const from of container.envFrom ?? []) {
    const configMap = from.configMapRef;
    const reference = configMap ?? from.secretRef;
    if (!reference) continue;
    const name = reference.name ?? '';
    const object = configMap ? await sources.configMap(namespace, name) : await sources.secret(namespace, name);
    if (!object) {
      if (reference.optional) continue;
      throw new ContainerConfigError(`${configMap ? 'configmap' : 'secret'} ${JSON.stringify(name)} not found`);
    }
    const invalid: string[] = [];
    for (const [key, value] of Object.entries(object.data ?? {})) {
      const variable = (from.prefix ?? '') + key;
      if (validName(variable)) result.set(variable, configMap ? value : decode(value));
      else invalid.push(variable);
    }
    if (invalid.length > 0) {
      onInvalidNames(
        `Keys [${invalid.sort().join(', ')}] from the EnvFrom ${configMap ? 'configMap' : 'secret'} ${namespace}/${name} were skipped since they are considered invalid environment variable names.`,
      );
    }
  }

  const lookup = (name: string) => result.get(name) ?? links.get(name);
  for (const variable of container.env ?? []) {
    const from = variable.valueFrom;
    if (!from) {
      result.set(variable.name, expand(variable.value ?? '', lookup));
      continue;
    }
    let value: string | undefined;
    if (from.fieldRef) value = fieldValue(pod, from.fieldRef.fieldPath, sources.node, podIPs);
    else if (from.resourceFieldRef) value = resourceValue(pod, container.name, from.resourceFieldRef, sources.allocatable);
    else if (from.configMapKeyRef) {
      const { name = '', key, optional } = from.configMapKeyRef;
      const object = await sources.configMap(namespace, name);
      if (!object && !optional) throw new ContainerConfigError(`configmap ${JSON.stringify(name)} not found`);
      value = object?.data?.[key];
      if (value === undefined && object && !optional)
        throw new ContainerConfigError(`couldn't find key ${key} in ConfigMap ${namespace}/${name}`);
    } else if (from.secretKeyRef) {
      const { name = '', key, optional } = from.secretKeyRef;
      const object = await sources.secret(namespace, name);
      if (!object && !optional) throw new ContainerConfigError(`secret ${JSON.stringify(name)} not found`);
      const raw = object?.data?.[key];
      if (raw === undefined && object && !optional)
        throw new ContainerConfigError(`couldn't find key ${key} in Secret ${namespace}/${name}`);
      value = raw === undefined ? undefined : decode(raw);
    }
    if (value !== undefined) result.set(variable.name, value);
  }
  for (const [name, value] of links) if (!result.has(name)) result.set(name, value);
  return result;
}
