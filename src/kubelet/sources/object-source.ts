/**
 * ConfigMaps and Secrets that this node's pods refer to, and no others: each is watched by itself while a pod needs it (the node
 * may read no more than that), so that a change reaches the pod's volumes at once.
 */
import type { Logger } from 'pino';
import { ConfigMap, hasReason, type KubeObject, type Pod, type Resource, Secret } from '../../api/index.ts';
import { type Client, createInformer, type Informer } from '../../client/index.ts';
import type { Clock, Random } from '../../time/index.ts';
import { allContainers } from '../pod/containers.ts';
import { uidOf } from '../pod/identity.ts';

export interface ObjectSource {
  /** Undefined where there is none. */
  configMap(namespace: string, name: string, signal?: AbortSignal): Promise<ConfigMap | undefined>;
  secret(namespace: string, name: string, signal?: AbortSignal): Promise<Secret | undefined>;
  /** Watches what the pod refers to from now on. */
  register(pod: Pod): void;
  unregister(uid: string): void;
}

interface Options {
  client: Client;
  clock: Clock;
  random: Random;
  logger: Logger;
  signal: AbortSignal;
  /** Something that the pod refers to has changed. */
  onChange(uid: string): void;
}

interface Watched {
  informer: Informer<KubeObject>;
  users: Set<string>;
  stop: AbortController;
}

/** `configmaps/NAME` and `secrets/NAME` of everything in the spec that names one. */
export function references(pod: Pod): Set<string> {
  const found = new Set<string>();
  const configMap = (name: string | undefined) => name && found.add(`configmaps/${name}`);
  const secret = (name: string | undefined) => name && found.add(`secrets/${name}`);
  for (const { container } of allContainers(pod)) {
    for (const from of container.envFrom ?? []) {
      configMap(from.configMapRef?.name);
      secret(from.secretRef?.name);
    }
    for (const { valueFrom } of container.env ?? []) {
      configMap(valueFrom?.configMapKeyRef?.name);
      secret(valueFrom?.secretKeyRef?.name);
    }
  }
  for (const volume of pod.spec.volumes ?? []) {
    configMap(volume.configMap?.name);
    secret(volume.secret?.secretName);
    for (const source of volume.projected?.sources ?? []) {
      configMap(source.configMap?.name);
      secret(source.secret?.name);
    }
  }
  for (const { name } of pod.spec.imagePullSecrets ?? []) secret(name);
  return found;
}

export function objectSource({ client, clock, random, logger, signal, onChange }: Options): ObjectSource {
  const watched = new Map<string, Watched>();
  const usedBy = new Map<string, Set<string>>();

  function watch(key: string, resource: Resource, namespace: string, name: string): Watched {
    const stop = new AbortController();
    const informer = createInformer({ client, clock, random, logger }, resource, { namespace, fieldSelector: `metadata.name=${name}` });
    const entry: Watched = { informer, users: new Set(), stop };
    const changed = () => {
      if (informer.synced) for (const uid of entry.users) onChange(uid);
    };
    informer.addHandler({ add: changed, update: changed, delete: changed });
    informer
      .run(AbortSignal.any([signal, stop.signal]))
      .catch((error) => logger.error({ err: error, key }, 'watch of a referenced object ended'));
    return entry;
  }

  async function read<T extends KubeObject>(
    resource: Resource<T>,
    namespace: string,
    name: string,
    cancel?: AbortSignal,
  ): Promise<T | undefined> {
    const entry = watched.get(`${namespace}/${resource.plural}/${name}`);
    if (entry) {
      await entry.informer.whenSynced(cancel);
      // The key determines the kind.
      return entry.informer.lister.get(name, namespace) as T | undefined;
    }
    try {
      return await client.get(resource, name, { namespace, signal: cancel });
    } catch (error) {
      if (hasReason(error, 'NotFound')) return undefined;
      throw error;
    }
  }

  function release(uid: string, key: string): void {
    const entry = watched.get(key);
    if (!entry) return;
    entry.users.delete(uid);
    if (entry.users.size > 0) return;
    entry.stop.abort();
    watched.delete(key);
  }

  return {
    configMap: (namespace, name, cancel) => read(ConfigMap, namespace, name, cancel),
    secret: (namespace, name, cancel) => read(Secret, namespace, name, cancel),
    register(pod) {
      const uid = uidOf(pod);
      const namespace = pod.metadata.namespace ?? '';
      const before = usedBy.get(uid) ?? new Set();
      const now = new Set<string>();
      for (const reference of references(pod)) {
        const [plural = '', name = ''] = reference.split('/');
        const key = `${namespace}/${reference}`;
        now.add(key);
        let entry = watched.get(key);
        if (!entry) {
          entry = watch(key, plural === 'secrets' ? Secret : ConfigMap, namespace, name);
          watched.set(key, entry);
        }
        entry.users.add(uid);
      }
      usedBy.set(uid, now);
      for (const key of before) if (!now.has(key)) release(uid, key);
    },
    unregister(uid) {
      for (const key of usedBy.get(uid) ?? []) release(uid, key);
      usedBy.delete(uid);
    },
  };
}
