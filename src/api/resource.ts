import type { ListMeta, ObjectMeta } from './generated/meta.v1.ts';

/** An API object in wire form: plain JSON, never mutated once it has been stored or handed out. */
export interface KubeObject {
  apiVersion: string;
  kind: string;
  metadata: ObjectMeta;
}

export interface KubeList<T extends KubeObject = KubeObject> {
  apiVersion: string;
  kind: string;
  metadata: ListMeta;
  items: T[];
}

/** An object before the server has given it a uid, a resourceVersion and, with generateName, a name. */
export type Draft<T extends KubeObject> = Omit<T, 'metadata'> & { metadata: Partial<ObjectMeta> };

/** An object whose kind is known only at run time, such as a custom resource. */
export interface Unstructured extends KubeObject {
  [field: string]: unknown;
}

/**
 * Names a REST resource and, by its type parameter, the type of its objects. For every built-in kind a constant of the kind's
 * own name is generated beside the type: `client.get(Pod, 'redis', { namespace: 'work' })` is a `Promise<Pod>`.
 */
export interface Resource<T extends KubeObject = KubeObject> {
  /** Empty for the core group. */
  readonly group: string;
  readonly version: string;
  readonly kind: string;
  /** The name in paths: lower-case plural. */
  readonly plural: string;
  readonly namespaced: boolean;
  /** Never set: carries T for the compiler. */
  readonly objectType?: T;
}

/** `apps/v1`, or `v1` for the core group: what objects carry as `apiVersion`. */
export function apiVersionOf(resource: { group: string; version: string }): string {
  return resource.group === '' ? resource.version : `${resource.group}/${resource.version}`;
}

/** `deployments.apps`, or `pods` for the core group: how messages and metrics name a resource. */
export function groupResourceOf(resource: { group: string; plural: string }): string {
  return resource.group === '' ? resource.plural : `${resource.plural}.${resource.group}`;
}

/** Splits `apps/v1` into group and version; `v1` has the empty group. */
export function parseApiVersion(apiVersion: string): { group: string; version: string } {
  const at = apiVersion.indexOf('/');
  return at < 0 ? { group: '', version: apiVersion } : { group: apiVersion.slice(0, at), version: apiVersion.slice(at + 1) };
}
