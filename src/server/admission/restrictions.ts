/** Plugins that clusters turn on to allow less (or, of extended resources, to ask for less). */
import { errors, hasReason, isExtendedResource, Namespace, type Pod, type Service } from '../../api/index.ts';
import type { Client } from '../../client/index.ts';
import type { AdmissionPlugin } from '../request.ts';
import { readObject } from '../storages.ts';
import { containersOf } from './always.ts';
import { type AdmissionContext, isCreate, isOn, isUpdate, refuse } from './context.ts';

/** Nobody draws others' traffic by an address that is not theirs (CVE-2020-8554). */
export const denyServiceExternalIps: AdmissionPlugin = {
  name: 'DenyServiceExternalIPs',
  handles: (r) => isOn(r, 'services') && (isCreate(r) || isUpdate(r)),
  validate(request) {
    const addresses = (service: unknown) => (service as Service | undefined)?.spec?.externalIPs ?? [];
    const before = addresses(request.oldObject);
    if (addresses(request.object).every((ip) => before.includes(ip))) return;
    throw refuse(request, 'Use of external IPs is denied by admission control');
  },
};

/** Nothing is made, changed or deleted in a namespace that there is not. */
export function namespaceExists(context: AdmissionContext): AdmissionPlugin {
  return {
    name: 'NamespaceExists',
    handles: (r) => r.namespace !== '' && !(r.group === '' && r.resource === 'namespaces') && r.operation !== 'CONNECT',
    async validate({ namespace }) {
      if ((await readObject(context.storages, Namespace, '', namespace)) === undefined) throw errors.notFound(Namespace, namespace);
    },
  };
}

/** Whoever makes something in a namespace that there is not gets it. */
export function namespaceAutoProvision(context: AdmissionContext & { client: Client }): AdmissionPlugin {
  return {
    name: 'NamespaceAutoProvision',
    handles: (r) => isCreate(r) && r.namespace !== '' && !(r.group === '' && r.resource === 'namespaces'),
    async admit(request) {
      // A trial leaves nothing behind; whether the object fits can't be told without its namespace.
      if (request.dryRun || (await readObject(context.storages, Namespace, '', request.namespace)) !== undefined) return;
      try {
        await context.client.create(Namespace, { apiVersion: 'v1', kind: 'Namespace', metadata: { name: request.namespace }, spec: {} });
      } catch (error) {
        // Somebody was faster.
        if (!hasReason(error, 'AlreadyExists')) throw refuse(request, error instanceof Error ? error.message : String(error));
      }
    },
  };
}

const hostnameLabel = 'kubernetes.io/hostname';

/** No pod keeps others out of more than its own node. */
export const limitPodHardAntiAffinityTopology: AdmissionPlugin = {
  name: 'LimitPodHardAntiAffinityTopology',
  handles: (r) => isOn(r, 'pods') && (isCreate(r) || isUpdate(r)),
  validate(request) {
    const terms = (request.object as Pod).spec?.affinity?.podAntiAffinity?.requiredDuringSchedulingIgnoredDuringExecution ?? [];
    const other = terms.find(({ topologyKey }) => topologyKey !== hostnameLabel);
    if (other)
      throw refuse(
        request,
        `affinity.PodAntiAffinity.RequiredDuringScheduling has TopologyKey ${other.topologyKey} but only key ${hostnameLabel} is allowed`,
      );
  },
};

/** Who asks for an extended resource tolerates the taint that keeps others away from the nodes that have it. */
export const extendedResourceToleration: AdmissionPlugin = {
  name: 'ExtendedResourceToleration',
  handles: (r) => isOn(r, 'pods') && (isCreate(r) || isUpdate(r)),
  admit(request) {
    const { spec } = request.object as Pod;
    const asked = containersOf(spec).flatMap(({ resources }) => Object.keys(resources?.requests ?? {}).filter(isExtendedResource));
    const tolerated = (key: string) => spec.tolerations?.some((t) => t.key === key && t.operator === 'Exists' && !t.value && !t.effect);
    const missing = [...new Set(asked)].sort().filter((key) => !tolerated(key));
    if (missing.length > 0)
      spec.tolerations = [...(spec.tolerations ?? []), ...missing.map((key) => ({ key, operator: 'Exists' as const }))];
  },
};
