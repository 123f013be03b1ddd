/** Revisions of a template, kept as ControllerRevisions: what DaemonSets and StatefulSets can go back to. */
import type { KubeObject, ObjectMeta, PodTemplateSpec, Resource } from '../../api/index.ts';
import { ControllerRevision, hasReason, type Selector, semanticEqual, sortedKeys } from '../../api/index.ts';
import { type Client, controllerRef, type Informer } from '../../client/index.ts';
import { claim } from './claim.ts';
import { templateHash } from './template-hash.ts';

type RevisedTemplate = PodTemplateSpec & { $patch: string };

interface Templated extends KubeObject {
  spec: { template: PodTemplateSpec; revisionHistoryLimit?: number };
  status?: { collisionCount?: number };
}

export interface History {
  /** Oldest first. */
  revisions: ControllerRevision[];
  /** That of the present template. */
  update: ControllerRevision;
}

/**
 * The patch that a revision holds: the template, whole. Its bytes count: `kubectl rollout undo` skips a revision that reads as the
 * present template does where Go writes it as a map, in the order of names.
 */
const dataOf = (template: PodTemplateSpec) => ({ spec: { template: sortedKeys({ ...template, $patch: 'replace' }) as RevisedTemplate } });

/** The template that a revision holds. */
export function templateOf(revision: ControllerRevision): PodTemplateSpec {
  // Written by dataOf, here or in upstream's controllers, which keep the same form.
  const { $patch: _, ...template } = (revision.data as ReturnType<typeof dataOf>).spec.template;
  return template;
}

/** The owner's history with a revision of its present template in it, made or brought to the top where need be. */
export async function syncHistory<T extends Templated>(options: {
  client: Client;
  informer: Informer<ControllerRevision>;
  owner: T;
  ownerResource: Resource<T>;
  selector: Selector;
  /** The label that carries the hash. */
  hashLabel: 'controller-revision-hash' | 'controller.kubernetes.io/hash';
  signal: AbortSignal;
}): Promise<History> {
  const { client, owner, ownerResource, hashLabel, signal } = options;
  const revisions = (await claim(options)).sort(byRevision);
  const data = dataOf(owner.spec.template);
  const equal = revisions.findLast((revision) => semanticEqual(revision.data, data));
  const next = Number(revisions.at(-1)?.revision ?? 0) + 1;
  if (equal) {
    if (equal === revisions.at(-1)) return { revisions, update: equal };
    const update = await client.update(ControllerRevision, { ...equal, revision: next }, { signal });
    return { revisions: [...revisions.filter((r) => r !== equal), update], update };
  }
  const { name, namespace } = owner.metadata;
  for (let collisions = owner.status?.collisionCount ?? 0; ; collisions++) {
    const hash = templateHash(owner.spec.template, collisions);
    const metadata: Partial<ObjectMeta> = {
      name: `${name}-${hash}`,
      ...(namespace ? { namespace } : {}),
      labels: { ...owner.spec.template.metadata?.labels, [hashLabel]: hash },
      // Among them kubernetes.io/change-cause, which `kubectl rollout history` shows.
      ...(owner.metadata.annotations ? { annotations: owner.metadata.annotations } : {}),
      ownerReferences: [controllerRef(owner, ownerResource)],
    };
    const draft = { apiVersion: 'apps/v1', kind: 'ControllerRevision', metadata, data, revision: next };
    try {
      const update = await client.create(ControllerRevision, draft, { namespace, signal });
      return { revisions: [...revisions, update], update };
    } catch (error) {
      if (!hasReason(error, 'AlreadyExists')) throw error;
      // The cache may not show what this controller made a moment ago.
      const existing = await client.get(ControllerRevision, `${name}-${hash}`, { namespace, signal });
      if (semanticEqual(existing.data, data)) return { revisions: [...revisions, existing], update: existing };
    }
  }
}

/** Deletes the oldest revisions that are not `live`, down to the owner's limit. */
export async function trimHistory(
  client: Client,
  owner: Templated,
  revisions: readonly ControllerRevision[],
  live: ReadonlySet<string>,
  signal: AbortSignal,
) {
  const unused = revisions.filter((revision) => !live.has(revision.metadata.name));
  for (const { metadata } of unused.slice(0, Math.max(0, unused.length - (owner.spec.revisionHistoryLimit ?? 10)))) {
    await client.delete(ControllerRevision, metadata.name, { namespace: metadata.namespace, signal }).catch((error: unknown) => {
      if (!hasReason(error, 'NotFound')) throw error;
    });
  }
}

const byRevision = (a: ControllerRevision, b: ControllerRevision) =>
  Number(a.revision) - Number(b.revision) || (a.metadata.creationTimestamp < b.metadata.creationTimestamp ? -1 : 1);
