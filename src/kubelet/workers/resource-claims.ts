/** Devices that a pod's claims give it (KEP-4381). */
import type { Pod, resourceV1 } from '../../api/index.ts';

type Claim = Pick<resourceV1.ResourceClaim, 'metadata' | 'status'>;

const claimNames = ({ spec, status }: Pod) =>
  (spec.resourceClaims ?? []).flatMap(({ name, resourceClaimName }) => {
    const made = status?.resourceClaimStatuses?.find((each) => each.name === name)?.resourceClaimName;
    return resourceClaimName ?? made ?? [];
  });

/**
 * Throws where a pod has devices that nobody prepares: drivers can't register with this kubelet, and without its devices a pod must not
 * run. Claims that came to no devices are no matter.
 */
export async function prepareResources(pod: Pod, claimOf: (name: string) => Promise<Claim>): Promise<void> {
  for (const name of claimNames(pod)) {
    const { metadata, status = {} } = await claimOf(name);
    if (!status.reservedFor?.some(({ uid }) => uid === pod.metadata.uid))
      throw new Error(
        `prepare dynamic resources: pod ${pod.metadata.name} (${pod.metadata.uid}) is not allowed to use resource claim ${name} (${metadata.uid})`,
      );
    const [result] = status.allocation?.devices?.results ?? [];
    if (result) throw new Error(`prepare dynamic resources: DRA driver ${result.driver} is not registered`);
  }
}
