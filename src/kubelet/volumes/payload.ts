/** The files of configMap, secret, downwardAPI and projected volumes. */
import type { ConfigMap, DownwardAPIVolumeFile, KeyToPath, Pod, ResourceList, Secret, VolumeProjection } from '../../api/index.ts';
import { fieldValue, resourceValue } from '../containers/downward.ts';
import type { Payload, VolumeFile } from './atomic-writer.ts';

/** What can be read while files are made. */
export interface PayloadSources {
  configMap(namespace: string, name: string): Promise<ConfigMap | undefined>;
  secret(namespace: string, name: string): Promise<Secret | undefined>;
  token(pod: Pod, audience: string, expirationSeconds: number): Promise<string>;
  node: { name: string; ips: readonly string[] };
  allocatable: ResourceList;
  podIPs: readonly string[];
}

interface KeyedSource {
  items?: KeyToPath[] | undefined;
  optional?: boolean | undefined;
}

const encode = (text: string) => new TextEncoder().encode(text);

function keyed(
  kind: string,
  name: string,
  data: ReadonlyMap<string, Uint8Array> | undefined,
  source: KeyedSource,
  mode: number,
): Map<string, VolumeFile> {
  const files = new Map<string, VolumeFile>();
  if (!data) {
    if (source.optional) return files;
    throw new Error(`${kind} ${JSON.stringify(name)} not found`);
  }
  if (!source.items?.length) {
    for (const [key, value] of data) files.set(key, { data: value, mode });
    return files;
  }
  for (const item of source.items) {
    const value = data.get(item.key);
    if (value) files.set(item.path, { data: value, mode: item.mode ?? mode });
    else if (!source.optional) throw new Error(`references non-existent ${kind} key: ${item.key}`);
  }
  return files;
}

function configMapData(object: ConfigMap | undefined): Map<string, Uint8Array> | undefined {
  if (!object) return undefined;
  const data = new Map<string, Uint8Array>(Object.entries(object.data ?? {}).map(([k, v]) => [k, encode(v)]));
  for (const [key, value] of Object.entries(object.binaryData ?? {})) data.set(key, Buffer.from(value, 'base64'));
  return data;
}

const secretData = (object: Secret | undefined) =>
  object && new Map(Object.entries(object.data ?? {}).map(([k, v]) => [k, Buffer.from(v, 'base64')]));

export async function configMapPayload(
  pod: Pod,
  source: KeyedSource & { name?: string },
  mode: number,
  from: PayloadSources,
): Promise<Payload> {
  const name = source.name ?? '';
  return keyed('configmap', name, configMapData(await from.configMap(pod.metadata.namespace ?? '', name)), source, mode);
}

export async function secretPayload(
  pod: Pod,
  source: KeyedSource & { name?: string },
  mode: number,
  from: PayloadSources,
): Promise<Payload> {
  const name = source.name ?? '';
  return keyed('secret', name, secretData(await from.secret(pod.metadata.namespace ?? '', name)), source, mode);
}

export function downwardPayload(
  pod: Pod,
  items: readonly DownwardAPIVolumeFile[] | undefined,
  mode: number,
  from: PayloadSources,
): Payload {
  const files = new Map<string, VolumeFile>();
  for (const item of items ?? []) {
    const text = item.fieldRef
      ? fieldValue(pod, item.fieldRef.fieldPath, from.node, from.podIPs)
      : item.resourceFieldRef
        ? resourceValue(pod, item.resourceFieldRef.containerName ?? '', item.resourceFieldRef, from.allocatable)
        : '';
    files.set(item.path, { data: encode(text), mode: item.mode ?? mode });
  }
  return files;
}

export async function projectedPayload(
  pod: Pod,
  sources: readonly VolumeProjection[] | undefined,
  mode: number,
  from: PayloadSources,
): Promise<Payload> {
  const parts = await Promise.all(
    (sources ?? []).map(async (source): Promise<Payload> => {
      if (source.configMap) return configMapPayload(pod, source.configMap, mode, from);
      if (source.secret) return secretPayload(pod, source.secret, mode, from);
      if (source.downwardAPI) return downwardPayload(pod, source.downwardAPI.items, mode, from);
      if (source.serviceAccountToken) {
        const { audience = '', expirationSeconds = 3600, path } = source.serviceAccountToken;
        const token = await from.token(pod, audience, expirationSeconds);
        return new Map([[path, { data: encode(token), ...tokenAccess(pod, mode) }]]);
      }
      throw new Error(`projected volume source ${Object.keys(source).join(', ')} is not supported by this kubelet`);
    }),
  );
  return new Map(parts.flatMap((part) => [...part]));
}

/** A token is readable by its pod alone where that can be said: for the fsGroup, or for the one user that all containers run as. */
function tokenAccess(pod: Pod, mode: number): Pick<VolumeFile, 'mode' | 'uid'> {
  if (pod.spec.securityContext?.fsGroup !== undefined) return { mode: 0o600 };
  const users = new Set(
    [...pod.spec.containers, ...(pod.spec.initContainers ?? [])].map(
      (c) => c.securityContext?.runAsUser ?? pod.spec.securityContext?.runAsUser,
    ),
  );
  const [user] = users;
  return users.size === 1 && user !== undefined ? { mode: 0o600, uid: user } : { mode };
}
