import type { APIResource, APIResourceList, Unstructured } from '../../api/index.ts';
import { parseApiVersion, type Resource } from '../../api/index.ts';
import type { Client } from '../../client/index.ts';
import { messageOf } from './pod-control.ts';

/** A resource that the server has, custom and aggregated ones among them. */
export interface DiscoveredResource extends Resource<Unstructured> {
  verbs: readonly string[];
}

export interface Discovery {
  /** Each resource once, in its group's preferred version where that has it. */
  resources: DiscoveredResource[];
  /** Group versions that could not be read, with what went wrong. */
  failures: Map<string, string>;
}

interface GroupVersion {
  group: string;
  version: string;
}

interface GroupList {
  groups: { name: string; versions: { version: string }[]; preferredVersion?: { version: string } }[];
}

/** Asks the server which resources it has, as client-go's ServerPreferredResources. */
export async function discover(client: Client, signal: AbortSignal): Promise<Discovery> {
  // The answers' shapes are those of the discovery API.
  const core = (await client.raw('GET', '/api', { signal })) as { versions: string[] };
  const named = (await client.raw('GET', '/apis', { signal })) as GroupList;
  const groups: GroupVersion[][] = [core.versions.map((version) => ({ group: '', version }))];
  for (const { name, versions, preferredVersion } of named.groups) {
    const first = preferredVersion?.version;
    const inOrder = [...versions.map((v) => v.version)].sort((a, b) => Number(b === first) - Number(a === first));
    groups.push(inOrder.map((version) => ({ group: name, version })));
  }
  const found: Discovery = { resources: [], failures: new Map() };
  const read = await Promise.all(groups.map((versions) => Promise.all(versions.map((at) => readVersion(client, at, signal)))));
  for (const versions of read) {
    const seen = new Set<string>();
    for (const { at, list, failure } of versions) {
      if (failure !== undefined) found.failures.set(at.group ? `${at.group}/${at.version}` : at.version, failure);
      for (const resource of list) {
        if (resource.name.includes('/') || seen.has(resource.name)) continue;
        seen.add(resource.name);
        found.resources.push(fromApiResource(at, resource));
      }
    }
  }
  return found;
}

/** Without what the group `extensions` has of kinds that have moved to groups of their own: the same objects under an old name. */
export function withoutAliases(resources: readonly DiscoveredResource[]): DiscoveredResource[] {
  const moved = new Set(resources.filter(({ group }) => group !== 'extensions').map(({ plural }) => plural));
  return resources.filter(({ group, plural }) => group !== 'extensions' || !moved.has(plural));
}

async function readVersion(client: Client, at: GroupVersion, signal: AbortSignal) {
  const path = at.group ? `/apis/${at.group}/${at.version}` : `/api/${at.version}`;
  try {
    const { resources } = (await client.raw('GET', path, { signal })) as APIResourceList;
    return { at, list: resources ?? [] };
  } catch (error) {
    if (signal.aborted) throw error;
    return { at, list: [], failure: messageOf(error) };
  }
}

function fromApiResource(at: GroupVersion, { name, kind, namespaced, verbs, group, version }: APIResource): DiscoveredResource {
  return { group: group || at.group, version: version || at.version, kind, plural: name, namespaced, verbs };
}

/** The key under which a reference's `apiVersion` and `kind` find a resource. */
export const kindKey = (apiVersion: string, kind: string): string => `${parseApiVersion(apiVersion).group}/${kind}`;
