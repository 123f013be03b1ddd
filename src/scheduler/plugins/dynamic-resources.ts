/**
 * Pods with resource claims (KEP-4381): one waits until its claims are there, and goes where their devices are. Who allocates devices is
 * somebody else: a claim without any keeps its pod off every node.
 */
import { DeviceClass, hasReason, type KubeObject, type Pod, resourceV1, selectorSelectsNode } from '../../api/index.ts';
import type { StateData } from '../framework/cycle-state.ts';
import type { PluginFactory } from '../framework/handle.ts';
import { errorStatus, type Status, status } from '../framework/status.ts';

const { ResourceClaim } = resourceV1;

const name = 'DynamicResources';
const maxReservedFor = 256;

const refuse = (reason: string) => status(name, 'UnschedulableAndUnresolvable', reason);
const unallocated = refuse('cannot allocate all claims');
const elsewhere = refuse('resourceclaim not available on the node');

interface ClaimState extends StateData {
  readonly claims: readonly resourceV1.ResourceClaim[];
}

/** The pod's claims by name; undefined for what has not been made yet, none for what is not needed. */
function claimNames(pod: Pod): (string | undefined)[] {
  return (pod.spec.resourceClaims ?? []).flatMap(({ name: podClaim, resourceClaimName }) => {
    if (resourceClaimName) return [resourceClaimName];
    const made = pod.status?.resourceClaimStatuses?.find((each) => each.name === podClaim);
    return made && !made.resourceClaimName ? [] : [made?.resourceClaimName];
  });
}

const isReservedFor = ({ status: { reservedFor = [] } = {} }: resourceV1.ResourceClaim, pod: Pod) =>
  reservedFor.some(({ uid }) => uid === pod.metadata.uid);

const requestedClasses = ({ spec }: resourceV1.ResourceClaim) =>
  (spec.devices?.requests ?? []).flatMap(({ name: request, exactly, firstAvailable = [] }) =>
    [...(exactly ? [exactly] : []), ...firstAvailable].map(({ deviceClassName }) => ({ request, deviceClassName })),
  );

export const dynamicResources: PluginFactory = (_args, { client, informers }) => {
  const claims = informers.for(ResourceClaim);
  const classes = informers.for(DeviceClass);

  /** What keeps the pod from being looked at, or its claims. */
  const claimsOf = (pod: Pod): readonly resourceV1.ResourceClaim[] | Status => {
    const found: resourceV1.ResourceClaim[] = [];
    const { name: podName, namespace } = pod.metadata;
    for (const claimName of claimNames(pod)) {
      if (claimName === undefined) return refuse(`pod "${namespace}/${podName}": ResourceClaim not created yet`);
      const claim = claims.lister.get(claimName, namespace);
      if (!claim) return refuse(`resourceclaim.resource.k8s.io ${JSON.stringify(claimName)} not found`);
      if (claim.metadata.deletionTimestamp) return refuse(`resourceclaim ${JSON.stringify(claimName)} is being deleted`);
      found.push(claim);
    }
    return found;
  };

  const whyUnusable = (claim: resourceV1.ResourceClaim, pod: Pod): Status | undefined => {
    if (claim.status?.allocation) {
      const isFull = (claim.status.reservedFor?.length ?? 0) >= maxReservedFor && !isReservedFor(claim, pod);
      return isFull ? refuse('resourceclaim in use') : undefined;
    }
    const missing = requestedClasses(claim).find(({ deviceClassName }) => !classes.lister.get(deviceClassName));
    return missing && refuse(`request ${missing.request}: device class ${missing.deviceClassName} does not exist`);
  };

  const reserve = async (pod: Pod, { metadata }: resourceV1.ResourceClaim, signal: AbortSignal): Promise<void> => {
    const { namespace } = metadata;
    for (;;) {
      const claim = await client.get(ResourceClaim, metadata.name, { namespace, signal });
      if (claim.metadata.uid !== metadata.uid || !claim.status?.allocation)
        throw new Error(`claim ${namespace}/${metadata.name} got deallocated in the meantime`);
      if (isReservedFor(claim, pod)) return;
      const consumer = { resource: 'pods', name: pod.metadata.name, uid: pod.metadata.uid ?? '' };
      const reservedFor = [...(claim.status.reservedFor ?? []), consumer];
      try {
        await client.updateStatus(ResourceClaim, { ...claim, status: { ...claim.status, reservedFor } }, { signal });
        return;
      } catch (error) {
        if (!hasReason(error, 'Conflict')) throw error;
      }
    }
  };

  return {
    name,
    events: () => [
      {
        resource: 'ResourceClaim',
        actions: ['Add', 'Update'],
        hint: (pod, _previous, claim) => claim !== undefined && uses(pod, claim),
      },
      { resource: 'DeviceClass', actions: ['Add', 'Update'], hint: (pod) => (pod.spec.resourceClaims?.length ?? 0) > 0 },
      { resource: 'TargetPod', actions: ['UpdatePodGeneratedResourceClaim'] },
      { resource: 'Node', actions: ['Add', 'UpdateNodeLabel'] },
    ],

    preEnqueue(pod) {
      if (!pod.spec.resourceClaims?.length) return undefined;
      const found = claimsOf(pod);
      return 'code' in found ? found : undefined;
    },

    preFilter(state, { pod }) {
      if (!pod.spec.resourceClaims?.length) {
        state.skipFilter.add(name);
        return undefined;
      }
      const found = claimsOf(pod);
      if ('code' in found) return { status: found };
      for (const claim of found) {
        const refused = whyUnusable(claim, pod);
        if (refused) return { status: refused };
      }
      const written: ClaimState = { claims: found };
      state.write(name, written);
      return undefined;
    },

    filter(state, _pod, { name: nodeName, labels }) {
      const all = state.read<ClaimState>(name)?.claims ?? [];
      for (const { status: { allocation } = {} } of all)
        if (allocation?.nodeSelector && !selectorSelectsNode(allocation.nodeSelector, nodeName, labels)) return elsewhere;
      return all.every((claim) => claim.status?.allocation) ? undefined : unallocated;
    },

    preBind(state, { pod }, _nodeName, signal) {
      const unreserved = (state.read<ClaimState>(name)?.claims ?? []).filter((claim) => !isReservedFor(claim, pod));
      if (unreserved.length === 0) return undefined;
      return Promise.all(unreserved.map((claim) => reserve(pod, claim, signal))).then(
        () => undefined,
        (error: unknown) => errorStatus(name, error),
      );
    },
  };
};

function uses(pod: Pod, { metadata }: KubeObject): boolean {
  return pod.metadata.namespace === metadata.namespace && claimNames(pod).includes(metadata.name);
}
