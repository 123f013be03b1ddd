/** What makes a StatefulSet's pod this one and no other: its ordinal, its name, and the claims that it comes back to. */
import type { ObjectMeta, OwnerReference, PersistentVolumeClaim, Pod, PodTemplateSpec, StatefulSet } from '../../api/index.ts';
import { PersistentVolumeClaim as ClaimResource, Pod as PodResource, StatefulSet as StatefulSetResource } from '../../api/index.ts';
import { controllerRef } from '../../client/index.ts';
import { podFromTemplate } from '../framework/index.ts';

export const revisionLabel = 'controller-revision-hash';
const podNameLabel = 'statefulset.kubernetes.io/pod-name';
const podIndexLabel = 'apps.kubernetes.io/pod-index';

export function podNameOf(set: StatefulSet, ordinal: number): string {
  return `${set.metadata.name}-${ordinal}`;
}

/** -1 for a pod whose name is none of the set's. */
export function ordinalOf(pod: { metadata: { name: string } }): number {
  const digits = /-(\d+)$/.exec(pod.metadata.name)?.[1];
  return digits === undefined ? -1 : Number(digits);
}

export function isMember(set: StatefulSet, pod: Pod): boolean {
  return pod.metadata.name === podNameOf(set, ordinalOf(pod));
}

export const startOf = (set: StatefulSet): number => set.spec.ordinals?.start ?? 0;

export function claimName(set: StatefulSet, template: PersistentVolumeClaim, ordinal: number): string {
  return `${template.metadata.name}-${set.metadata.name}-${ordinal}`;
}

/** The claims that a pod of this ordinal needs, as they are to be made. */
export function claimsFor(set: StatefulSet, ordinal: number): PersistentVolumeClaim[] {
  return (set.spec.volumeClaimTemplates ?? []).map((template) => {
    const { namespace } = set.metadata;
    const metadata = {
      ...template.metadata,
      name: claimName(set, template, ordinal),
      ...(namespace ? { namespace } : {}),
      labels: { ...template.metadata.labels, ...set.spec.selector?.matchLabels },
    };
    return { ...template, apiVersion: 'v1', kind: ClaimResource.kind, metadata };
  });
}

/** The identity that a pod has beside what its template says. */
export function withIdentity<P extends { metadata: Partial<ObjectMeta>; spec: Pod['spec'] }>(set: StatefulSet, ordinal: number, pod: P): P {
  const name = podNameOf(set, ordinal);
  const labels = { ...pod.metadata.labels, [podNameLabel]: name, [podIndexLabel]: String(ordinal) };
  const claims = new Map((set.spec.volumeClaimTemplates ?? []).map((t) => [t.metadata.name, claimName(set, t, ordinal)]));
  const volumes = [
    ...[...claims].map(([volume, claim]) => ({ name: volume, persistentVolumeClaim: { claimName: claim } })),
    ...(pod.spec.volumes ?? []).filter((volume) => !claims.has(volume.name)),
  ];
  return { ...pod, metadata: { ...pod.metadata, name, labels }, spec: { ...pod.spec, ...(volumes.length > 0 ? { volumes } : {}) } };
}

export function hasIdentity(set: StatefulSet, pod: Pod): boolean {
  const { labels } = pod.metadata;
  const ordinal = ordinalOf(pod);
  const named = labels?.[podNameLabel] === pod.metadata.name && labels?.[podIndexLabel] === String(ordinal);
  return (
    named &&
    (set.spec.volumeClaimTemplates ?? []).every((t) =>
      pod.spec.volumes?.some((v) => v.name === t.metadata.name && v.persistentVolumeClaim?.claimName === claimName(set, t, ordinal)),
    )
  );
}

/** A new pod of this ordinal, of a revision's template. */
export function newPod(set: StatefulSet, ordinal: number, template: PodTemplateSpec, revision: string) {
  const { metadata, ...rest } = podFromTemplate(template, set, controllerRef(set, StatefulSetResource));
  const { generateName: _, ...meta } = metadata;
  const subdomain = set.spec.serviceName ? { subdomain: set.spec.serviceName } : {};
  return withIdentity(set, ordinal, {
    ...rest,
    metadata: { ...meta, labels: { ...meta.labels, [revisionLabel]: revision } },
    spec: { ...rest.spec, hostname: podNameOf(set, ordinal), ...subdomain },
  });
}

const keeps = ({ spec }: StatefulSet) => {
  const { whenDeleted = 'Retain', whenScaled = 'Retain' } = spec.persistentVolumeClaimRetentionPolicy ?? {};
  return { whenDeleted, whenScaled };
};
const names = (reference: OwnerReference, { apiVersion, kind, name }: { apiVersion: string; kind: string; name: string }) =>
  reference.apiVersion === apiVersion && reference.kind === kind && reference.name === name;
const asPod = (name: string) => ({ apiVersion: 'v1', kind: PodResource.kind, name });
const asSet = (set: StatefulSet) => ({ apiVersion: 'apps/v1', kind: StatefulSetResource.kind, name: set.metadata.name });

/** The claim belongs to an earlier pod of this name, and will go with it: a new pod must not take it. */
export function isStale(claim: PersistentVolumeClaim, set: StatefulSet, ordinal: number): boolean {
  return keeps(set).whenScaled === 'Delete' && (claim.metadata.ownerReferences ?? []).some((r) => names(r, asPod(podNameOf(set, ordinal))));
}

/** Somebody else manages the claim, so that the retention policy says nothing of it. */
export function hasUnexpectedController(claim: PersistentVolumeClaim, set: StatefulSet, pod: Pod): boolean {
  const { whenDeleted, whenScaled } = keeps(set);
  if (whenDeleted === 'Retain' && whenScaled === 'Retain') return false;
  return (claim.metadata.ownerReferences ?? []).some((reference) => {
    if (names(reference, asSet(set))) return reference.uid !== set.metadata.uid;
    if (names(reference, asPod(pod.metadata.name))) return reference.uid !== pod.metadata.uid;
    return reference.controller === true;
  });
}

/**
 * The owner references that a claim should have by the set's retention policy (KEP-1847): the set's where claims go with it, the
 * pod's where they go when the set shrinks and this pod is one too many. Those that are stale stay: the garbage collector sees to them.
 */
export function claimOwners(set: StatefulSet, claim: PersistentVolumeClaim, pod: Pod): OwnerReference[] {
  const present = claim.metadata.ownerReferences ?? [];
  const isSet = (r: OwnerReference) => names(r, asSet(set));
  const isPod = (r: OwnerReference) => names(r, asPod(pod.metadata.name));
  const stale = present.some((r) => (isSet(r) && r.uid !== set.metadata.uid) || (isPod(r) && r.uid !== pod.metadata.uid));
  if (stale) return present;
  const others = present.filter((r) => !isSet(r) && !isPod(r));
  if (hasUnexpectedController(claim, set, pod)) return others;
  const { whenDeleted, whenScaled } = keeps(set);
  const surplus = ordinalOf(pod) < startOf(set) || ordinalOf(pod) >= startOf(set) + (set.spec.replicas ?? 1);
  if (whenScaled === 'Delete' && surplus) return [...others, controllerRef(pod, PodResource)];
  return whenDeleted === 'Delete' ? [...others, controllerRef(set, StatefulSetResource)] : others;
}
