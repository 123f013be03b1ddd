/** Makers of `ServedVersion`s: other versions of a kind, converted on the way in and out, with a deprecation Warning. */
import { resourcesText } from './generated/table.ts';
import type { ServedVersion } from './kind.ts';
import { apiVersionOf, type KubeObject, type Resource } from './resource.ts';
import { parseResources, type ResourceSchema } from './schema/parse.ts';

/** The minor version of the API that this table describes: v1.36. */
const currentMinor = 36;

let lifecycles: Map<string, ResourceSchema> | undefined;

/** Three releases: as long as a beta or alpha version lives, and as long as it is still served then, where nothing else is said. */
const grace = 3;
const minorOf = (release: string | undefined) => (release === undefined ? undefined : Number(release.split('.')[1]));

interface Lifecycle {
  deprecatedMinor: number | undefined;
  removedMinor: number | undefined;
  replacement: string | undefined;
}

/** As upstream's generator reads the lifecycle markers (prerelease-lifecycle-gen). */
function lifecycleOf({ group, version, kind }: Resource): Lifecycle {
  lifecycles ??= new Map(parseResources(resourcesText).map((r) => [`${r.group}/${r.version}/${r.kind}`, r]));
  const { introduced, deprecated, removed, replacement } = lifecycles.get(`${group}/${version}/${kind}`) ?? {};
  // A stable version stays until somebody says when it goes; the others go by themselves.
  const after = (release: number | undefined) => (release !== undefined && /alpha|beta/.test(version) ? release + grace : undefined);
  const deprecatedMinor = minorOf(deprecated) ?? after(minorOf(introduced));
  return { deprecatedMinor, removedMinor: minorOf(removed) ?? after(deprecatedMinor), replacement };
}

/**
 * What upstream's `deprecation.WarningMessage` says of a deprecated version, from the table's lifecycle columns:
 * `batch/v1beta1 CronJob is deprecated in v1.21+, unavailable in v1.25+; use batch/v1 CronJob`.
 */
export function deprecationWarning(resource: Resource): string | undefined {
  const { deprecatedMinor, removedMinor, replacement } = lifecycleOf(resource);
  if (deprecatedMinor === undefined || deprecatedMinor > currentMinor) return undefined;
  let text = `${apiVersionOf(resource)} ${resource.kind} is deprecated in v1.${deprecatedMinor}+`;
  if (removedMinor !== undefined) text += `, unavailable in v1.${removedMinor}+`;
  if (replacement !== undefined) {
    const [group = '', version = '', kind = ''] = replacement.split(',');
    text += `; use ${apiVersionOf({ group, version })} ${kind}`;
  }
  return text;
}

/** The release from which upstream does not serve a version, `1.22`; undefined for one that stays. */
export function removedRelease(resource: Resource): string | undefined {
  const { removedMinor } = lifecycleOf(resource);
  return removedMinor === undefined ? undefined : `1.${removedMinor}`;
}

/** Whether upstream no longer serves this version. */
export function isRemoved(resource: Resource): boolean {
  const { removedMinor } = lifecycleOf(resource);
  return removedMinor !== undefined && removedMinor <= currentMinor;
}

export interface Conversion<V extends KubeObject, T extends KubeObject> {
  defaults?(obj: V): void;
  /** What differs; apiVersion and kind are set for it. Must not change its argument. */
  toStorage(obj: V): Omit<T, 'apiVersion' | 'kind'>;
  /** As `toStorage`, of what lies in the store. Default: the same. */
  fromStored?(obj: V): Omit<T, 'apiVersion' | 'kind'>;
  fromStorage(obj: T): Omit<V, 'apiVersion' | 'kind'>;
}

/** A version whose fields differ from the storage version's. */
export function convertedVersion<V extends KubeObject, T extends KubeObject>(
  served: Resource<V>,
  storage: Resource<T>,
  conversion: Conversion<V, T>,
): ServedVersion<T> {
  const servedHead = { apiVersion: apiVersionOf(served), kind: served.kind };
  const storageHead = { apiVersion: apiVersionOf(storage), kind: storage.kind };
  const { defaults, fromStored } = conversion;
  const warning = deprecationWarning(served);
  return {
    resource: served,
    // The registry hands a version only objects of that version; the rest of an object follows from its parts.
    ...(defaults ? { defaults: (obj) => defaults(obj as V) } : {}),
    toStorage: (obj) => ({ ...conversion.toStorage(obj as V), ...storageHead }) as T,
    ...(fromStored ? { fromStored: (obj) => ({ ...fromStored(obj as V), ...storageHead }) as T } : {}),
    fromStorage: (obj) => ({ ...conversion.fromStorage(obj), ...servedHead }) as V,
    ...(warning === undefined ? {} : { warning }),
  };
}

/** The version of old days, when a delete left what belonged to the object alone unless told otherwise. */
export const orphaning = <T extends KubeObject>(version: ServedVersion<T>): ServedVersion<T> => ({
  ...version,
  overrides: { ...version.overrides, defaultPropagation: 'Orphan' },
});

/** A version in which anything may come to be anything, as long as it is valid: selectors could change until apps/v1beta2. */
export const changeable = <T extends KubeObject>(version: ServedVersion<T>): ServedVersion<T> => ({
  ...version,
  overrides: { ...version.overrides, validateUpdate: () => {} },
});

/** A version whose fields are those of the storage version: only apiVersion differs. */
export function sameShape<T extends KubeObject>(
  served: Resource,
  storage: Resource<T>,
  options: { defaults?(obj: NoInfer<T>): void } = {},
): ServedVersion<T> {
  // Equal fields: an object of either version is one of the other but for apiVersion.
  return convertedVersion(served as Resource<T>, storage, { ...options, toStorage: (obj) => obj, fromStorage: (obj) => obj });
}
