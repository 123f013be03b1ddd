/** Which resources the server serves, in which versions; custom resources come and go while it runs. */
import {
  apiVersionOf,
  type CustomVersion,
  deprecationWarning,
  errors,
  type KindDefinition,
  type KubeObject,
  kindNode,
  type Resource,
  type ServedVersion,
  type StructNode,
} from '../../api/index.ts';
import type { ResourceStorage } from '../storage/storage.ts';

/** One resource in one served version. */
export interface ServedResource {
  readonly kind: KindDefinition;
  /** The version at hand; `kind.resource` is the storage version. */
  readonly resource: Resource;
  /** Conversion, where the version at hand is not the storage version. */
  readonly version: ServedVersion | undefined;
  /** What clients of a deprecated version are warned of. */
  readonly warning: string | undefined;
  /** `apps/v1`, of the version at hand. */
  readonly apiVersion: string;
  /** Undefined for virtual kinds (reviews). */
  readonly storage: ResourceStorage | undefined;
  /** Of a custom resource: the version at hand, which stands in the place of the table's row. */
  readonly custom: CustomVersion | undefined;
  /** Fields that the storage keeps an index of. */
  readonly indexes: ReadonlySet<string>;
}

/** As toServed, for conversions that take their time. */
export function convertToServed(served: ServedResource, object: KubeObject): KubeObject | Promise<KubeObject> {
  const prepared = served.version?.prepare?.([object], 'served');
  return prepared === undefined ? toServed(served, object) : prepared.then(() => toServed(served, object));
}

/** Objects that can't be converted to the version at hand can't be dealt with in it, whatever is asked of them. */
export async function checkConvertible(served: ServedResource, objects: readonly KubeObject[]): Promise<void> {
  await served.version?.prepare?.(objects, 'served');
}

/** An object as it lies in the store, perhaps in the storage version of earlier days, in the present one. */
export function convertToStored({ version }: ServedResource, object: KubeObject): KubeObject | Promise<KubeObject> {
  if (version?.prepare === undefined) return object;
  return version.prepare([object], 'storage').then(() => version.toStorage(object));
}

/** The kind of a resource's lists. */
export const listKindOf = ({ kind, resource }: Pick<ServedResource, 'kind' | 'resource'>) => kind.listKind ?? `${resource.kind}List`;

/** The type of a resource's objects in the version at hand. */
export function nodeOf(served: ServedResource): StructNode | undefined {
  return served.custom?.node ?? kindNode(served.resource);
}

/** An object of the storage version in the version at hand. */
export function toServed(served: ServedResource, object: KubeObject): KubeObject {
  return served.version === undefined ? object : served.version.fromStorage(object);
}

const resourcesOf = (kind: KindDefinition) => [kind.resource, ...(kind.versions ?? []).map(({ resource }) => resource)];

const keyOf = (group: string, version: string, plural: string) => `${group}/${version}/${plural}`;

export class ResourceTable {
  readonly #served = new Map<string, ServedResource>();
  /** Group versions with kinds of the server's own: custom resources are not served in them. */
  readonly #builtInVersions = new Set<string>();
  readonly #listeners = new Set<() => void>();
  /** Raised by each change: what is derived from the table (discovery, OpenAPI) caches by it. */
  generation = 0;

  add(kind: KindDefinition, storage: ResourceStorage | undefined, indexes: ReadonlySet<string> = new Set()): void {
    const { group, version, plural } = kind.resource;
    const entry = { kind, storage, indexes };
    const isServed = (resource: Resource) => kind.custom === undefined || !this.#builtInVersions.has(apiVersionOf(resource));
    if (kind.custom === undefined) for (const resource of resourcesOf(kind)) this.#builtInVersions.add(apiVersionOf(resource));
    const custom = kind.custom?.versions.get(version);
    // It may be stored in a version that is not served (any more).
    if (custom?.served !== false && !kind.storedOnly && isServed(kind.resource))
      this.#served.set(keyOf(group, version, plural), {
        ...entry,
        resource: kind.resource,
        version: undefined,
        warning: custom ? custom.warning : deprecationWarning(kind.resource),
        apiVersion: apiVersionOf(kind.resource),
        custom,
      });
    for (const other of kind.versions ?? []) {
      const { resource } = other;
      if (!isServed(resource)) continue;
      this.#served.set(keyOf(resource.group, resource.version, resource.plural), {
        ...entry,
        ...(other.overrides ? { kind: { ...kind, ...other.overrides } } : {}),
        resource,
        version: other,
        warning: other.warning,
        apiVersion: apiVersionOf(resource),
        custom: kind.custom?.versions.get(resource.version),
      });
    }
    this.#changed();
  }

  remove(kind: KindDefinition): void {
    for (const resource of resourcesOf(kind)) this.#served.delete(keyOf(resource.group, resource.version, resource.plural));
    this.#changed();
  }

  #changed(): void {
    this.generation++;
    for (const listener of this.#listeners) listener();
  }

  onChange(listener: () => void): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  find(group: string, version: string, plural: string): ServedResource | undefined {
    return this.#served.get(keyOf(group, version, plural));
  }

  /** The resource whose objects have this kind. */
  findKind(group: string, version: string, kind: string): ServedResource | undefined {
    for (const served of this.#served.values()) {
      const { resource } = served;
      if (resource.kind === kind && resource.group === group && resource.version === version) return served;
    }
    return undefined;
  }

  /** In the order of registration. */
  all(): IterableIterator<ServedResource> {
    return this.#served.values();
  }

  /** Whether the group is one that the server brings along, not one of custom resources. */
  isBuiltIn(group: string): boolean {
    for (const { resource, custom } of this.#served.values()) if (resource.group === group && custom === undefined) return true;
    return false;
  }

  hasVersion(group: string, version: string): boolean {
    for (const { resource } of this.#served.values()) if (resource.group === group && resource.version === version) return true;
    return false;
  }
}

/** The storage of a resource that has one. Throws MethodNotAllowed for a virtual kind. */
export function storageOf(served: ServedResource): ResourceStorage {
  if (served.storage === undefined) throw errors.methodNotSupported(served.resource, 'this operation');
  return served.storage;
}
