/**
 * Makes the resource claims that pods' templates ask for (KEP-4381), takes from claims the pods that need them no more, and gives their
 * devices back when none is left.
 */
import { isPodTerminal, Pod, type PodResourceClaim, ResourceClaimTemplate, resourceV1, semanticEqual } from '../api/index.ts';
import { controllerOf, controllerRef, keyOf } from '../client/index.ts';
import { defineController, isNamespaceTerminating, messageOf } from './framework/index.ts';

const { ResourceClaim } = resourceV1;

/** Which of its pod's claims a generated claim is. */
const podClaimAnnotation = 'resource.kubernetes.io/pod-claim-name';
/** Keeps a claim while its devices are allocated. */
const allocationFinalizer = 'resource.kubernetes.io/delete-protection';
const claimPrefix = 'claim:';

const generatedName = (pod: Pod, { name }: PodResourceClaim) =>
  pod.status?.resourceClaimStatuses?.find((status) => status.name === name)?.resourceClaimName;

export const resourceClaimController = defineController(
  'resourceclaim-controller',
  ({ client, informers, recorder }, queue) => {
    const pods = informers.for(Pod);
    const claims = informers.for(ResourceClaim);
    const templates = informers.for(ResourceClaimTemplate);
    const events = recorder('resource_claim');
    const enqueueClaim = (namespace: string | undefined, name: string) =>
      queue.add(claimPrefix + keyOf({ metadata: { name, ...(namespace ? { namespace } : {}) } }));
    const enqueueClaimsOf = (pod: Pod) => {
      for (const podClaim of pod.spec.resourceClaims ?? []) {
        const name = podClaim.resourceClaimName ?? generatedName(pod, podClaim);
        if (name) enqueueClaim(pod.metadata.namespace, name);
      }
    };
    const seen = (pod: Pod) => {
      if (!pod.spec.resourceClaims?.length) return;
      if (isPodTerminal(pod)) enqueueClaimsOf(pod);
      else if (!pod.metadata.deletionTimestamp) queue.add(keyOf(pod));
    };
    pods.addHandler({ add: seen, update: seen, delete: enqueueClaimsOf });
    claims.addHandler({
      add: (claim) => enqueueClaim(claim.metadata.namespace, claim.metadata.name),
      update: (claim) => enqueueClaim(claim.metadata.namespace, claim.metadata.name),
      delete(claim) {
        // Whether by mistake or not: its pod cannot run without it.
        const owner = controllerOf(claim);
        if (owner?.kind === 'Pod') queue.add(keyOf({ metadata: { ...claim.metadata, name: owner.name } }));
      },
    });
    templates.addHandler({
      add({ metadata: { namespace, name } }) {
        for (const pod of pods.lister.list(namespace))
          if (pod.spec.resourceClaims?.some((podClaim) => podClaim.resourceClaimTemplateName === name)) queue.add(keyOf(pod));
      },
    });

    /** The claim made for one of a pod's templates. */
    const made = (pod: Pod, podClaim: PodResourceClaim): resourceV1.ResourceClaim | undefined => {
      const name = generatedName(pod, podClaim);
      const known = name ? claims.lister.get(name, pod.metadata.namespace) : undefined;
      const isItsOwn = (claim: resourceV1.ResourceClaim) => controllerOf(claim)?.uid === pod.metadata.uid;
      if (known) {
        if (isItsOwn(known)) return known;
        throw new Error(`resource claim ${keyOf(known)} was not created for pod ${keyOf(pod)} (pod is not owner)`);
      }
      return claims.lister
        .list(pod.metadata.namespace)
        .find((claim) => isItsOwn(claim) && claim.metadata.annotations?.[podClaimAnnotation] === podClaim.name);
    };

    const make = async (pod: Pod, podClaim: PodResourceClaim, signal: AbortSignal): Promise<resourceV1.ResourceClaim> => {
      const { namespace } = pod.metadata;
      const templateName = podClaim.resourceClaimTemplateName ?? '';
      const template = templates.lister.get(templateName, namespace);
      if (!template)
        throw new Error(
          `resource claim template ${JSON.stringify(templateName)}: resourceclaimtemplate.resource.k8s.io ${JSON.stringify(templateName)} not found`,
        );
      const { metadata: { annotations, labels } = {}, spec } = template.spec;
      const metadata = {
        generateName: `${pod.metadata.name}-${podClaim.name}-`,
        ...(namespace ? { namespace } : {}),
        annotations: { ...annotations, [podClaimAnnotation]: podClaim.name },
        ...(labels ? { labels } : {}),
        ownerReferences: [controllerRef(pod, Pod)],
      };
      return client.create(
        ResourceClaim,
        { apiVersion: 'resource.k8s.io/v1', kind: 'ResourceClaim', metadata, spec },
        { namespace, signal },
      );
    };

    const reconcilePod = async (key: string, signal: AbortSignal): Promise<void> => {
      const pod = pods.lister.getByKey(key);
      if (!pod || pod.metadata.deletionTimestamp || isPodTerminal(pod)) return;
      const { namespace, name, uid } = pod.metadata;
      const statuses: { name: string; resourceClaimName: string }[] = [];
      for (const podClaim of pod.spec.resourceClaims ?? []) {
        if (!podClaim.resourceClaimTemplateName) continue;
        try {
          const claim = made(pod, podClaim) ?? (await make(pod, podClaim, signal));
          statuses.push({ name: podClaim.name, resourceClaimName: claim.metadata.name });
        } catch (error) {
          if (signal.aborted || isNamespaceTerminating(error)) throw error;
          events.event(pod, 'Warning', 'FailedResourceClaimCreation', `PodResourceClaim ${podClaim.name}: ${messageOf(error)}`);
          throw error;
        }
      }
      if (statuses.every((status) => pod.status?.resourceClaimStatuses?.some((known) => semanticEqual(known, status)))) return;
      const patch = { metadata: { uid }, status: { resourceClaimStatuses: statuses } };
      await client.patch(Pod, name, 'strategic', patch, { namespace, subresource: 'status', signal });
    };

    /** Pods hold claims as long as they are not over. */
    const holds = ({ resource, name, uid }: { resource: string; name: string; uid: string }, namespace: string | undefined): boolean => {
      if (resource !== 'pods') return true;
      const pod = pods.lister.get(name, namespace);
      return pod?.metadata.uid === uid && !isPodTerminal(pod);
    };

    const reconcileClaim = async (key: string, signal: AbortSignal): Promise<void> => {
      const claim = claims.lister.getByKey(key);
      if (!claim) return;
      const { namespace, name, uid } = claim.metadata;
      const { reservedFor = [], allocation, ...status } = claim.status ?? {};
      const kept = reservedFor.filter((consumer) => holds(consumer, namespace));
      let current = claim;
      if (
        kept.length < reservedFor.length ||
        (allocation && kept.length === 0 && reservedFor.length === 0 && claim.metadata.deletionTimestamp)
      ) {
        const isFree = kept.length === 0;
        current = await client.updateStatus(
          ResourceClaim,
          {
            ...claim,
            status: { ...status, ...(isFree || !allocation ? {} : { allocation }), ...(isFree ? {} : { reservedFor: kept }) },
          },
          { signal },
        );
      }
      const finalizers = current.metadata.finalizers ?? [];
      if (!current.status?.allocation && finalizers.includes(allocationFinalizer))
        await client.update(
          ResourceClaim,
          { ...current, metadata: { ...current.metadata, finalizers: finalizers.filter((each) => each !== allocationFinalizer) } },
          { signal },
        );
      // A generated claim goes before its pod where that has finished.
      const owner = controllerOf(claim);
      if (owner?.kind !== 'Pod' || claim.metadata.deletionTimestamp || kept.length > 0) return;
      const pod = pods.lister.get(owner.name, namespace);
      if (pod?.metadata.uid === owner.uid && isPodTerminal(pod))
        await client.delete(ResourceClaim, name, { namespace, preconditions: { uid }, signal });
    };

    return {
      informers: [pods, claims, templates],
      reconcile: (key, signal) =>
        key.startsWith(claimPrefix) ? reconcileClaim(key.slice(claimPrefix.length), signal) : reconcilePod(key, signal),
    };
  },
  { queueName: 'resource_claim' },
);
