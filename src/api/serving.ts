/**
 * Which versions of the built-in kinds are served (--runtime-config): by default all but present-day alpha ones. A kind goes on being
 * stored in its one storage version whatever of it is served.
 */
import type { KindDefinition } from './kind.ts';
import { apiVersionOf, type Resource } from './resource.ts';
import { isRemoved } from './served-version.ts';

/** Says whether a resource is served in its version. */
export type Serving = (resource: Resource) => boolean;

const alpha = /^v\d+alpha\d+$/;

/** Sets of versions that --runtime-config has names for, in the order in which they are applied. */
const sets: readonly (readonly [key: string, matches: Serving])[] = [
  ['api/all', () => true],
  ['api/ga', ({ version }) => /^v\d+$/.test(version)],
  ['api/beta', ({ version }) => /^v\d+beta\d+$/.test(version)],
  ['api/alpha', ({ version }) => alpha.test(version)],
  // What upstream has taken away and k8ts still serves.
  ['api/removed', isRemoved],
];

/** A configuration that cannot be; the message is upstream's. */
export class RuntimeConfigError extends Error {
  override readonly name = 'RuntimeConfigError';
}

const truths: Record<string, boolean> = { '1': true, t: true, T: true, true: true, TRUE: true, True: true };
const falsehoods: Record<string, boolean> = { '0': false, f: false, F: false, false: false, FALSE: false, False: false };

/** Go's strconv.ParseBool; undefined for what is neither. */
export function parseGoBool(text: string): boolean | undefined {
  if (Object.hasOwn(truths, text)) return true;
  return Object.hasOwn(falsehoods, text) ? false : undefined;
}

function parseSettings(text: string): Map<string, boolean> {
  const settings = new Map<string, boolean>();
  for (const part of text.split(',')) {
    const [key = '', value = ''] = part.split('=', 2).map((side) => side.trim());
    if (key === '') continue;
    const parsed = value === '' ? true : parseGoBool(value);
    if (parsed === undefined)
      throw new RuntimeConfigError(
        `invalid value of ${key}: ${value}, err: strconv.ParseBool: parsing ${JSON.stringify(value)}: invalid syntax`,
      );
    settings.set(key, parsed);
  }
  return settings;
}

/**
 * Reads --runtime-config, e.g. `api/alpha=true,batch/v1beta1=false,storage.k8s.io/v1beta1/csinodes=true`: sets first, then versions,
 * then resources.
 * @throws RuntimeConfigError in upstream's words
 */
export function parseRuntimeConfig(text: string, known: readonly KindDefinition[]): Serving {
  const settings = parseSettings(text);
  const groups = new Set(known.flatMap((kind) => resourcesOf(kind).map(({ group }) => group)));
  const versions = new Map<string, boolean>();
  const resources = new Map<string, boolean>();
  const unknown: string[] = [];
  for (const [key, enabled] of settings) {
    if (sets.some(([name]) => name === key)) continue;
    const [first = '', second, third, ...more] = key.split('/');
    // The core group is written `v1`, or `/v1`, or as upstream's `api/v1`.
    const core = second === undefined || first === '' || first === 'api';
    if (more.length > 0 || (core && second === undefined && !/^v\d/.test(first)))
      throw new RuntimeConfigError(`runtime-config invalid key ${key}`);
    const group = core ? '' : first;
    const version = second ?? first;
    if (!groups.has(group)) unknown.push(group);
    if (third === undefined) versions.set(apiVersionOf({ group, version }), enabled);
    else resources.set(`${apiVersionOf({ group, version })}/${third}`, enabled);
  }
  if (unknown.length > 0) throw new RuntimeConfigError(`unknown api groups ${unknown.join(',')}`);
  return (resource) => {
    const apiVersion = apiVersionOf(resource);
    let serves = resources.get(`${apiVersion}/${resource.plural}`) ?? versions.get(apiVersion);
    if (serves !== undefined) return serves;
    serves = defaultServing(resource);
    for (const [key, matches] of sets) {
      const setting = settings.get(key);
      if (setting !== undefined && matches(resource)) serves = setting;
    }
    return serves;
  };
}

/** What is served where nobody says otherwise. */
export const defaultServing: Serving = (resource) => !alpha.test(resource.version) || isRemoved(resource);

export function resourcesOf(kind: KindDefinition): Resource[] {
  return [kind.resource, ...(kind.versions ?? []).map(({ resource }) => resource)];
}

/**
 * The kinds as they are served: the versions that are not are kept to read what lies in the store. What is not served at all is still
 * stored, since the server's own parts may need it; only kinds that have not left alpha go altogether.
 */
export function servedKinds(kinds: readonly KindDefinition[], serves: Serving): KindDefinition[] {
  return kinds.flatMap((kind): KindDefinition[] => {
    const versions = (kind.versions ?? []).filter(({ resource }) => serves(resource));
    const unservedVersions = (kind.versions ?? []).filter((version) => !versions.includes(version));
    if (serves(kind.resource)) return [{ ...kind, versions, unservedVersions }];
    return versions.length > 0 || !alpha.test(kind.resource.version) ? [{ ...kind, versions, unservedVersions, storedOnly: true }] : [];
  });
}
