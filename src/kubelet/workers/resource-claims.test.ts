import { expect, it } from 'vitest';
import type { Pod, resourceV1 } from '../../api/index.ts';
import { prepareResources } from './resource-claims.ts';

const pod = {
  metadata: { name: 'p', uid: 'u' },
  spec: {
    resourceClaims: [
      { name: 'a', resourceClaimName: 'own' },
      { name: 'b', resourceClaimTemplateName: 't' },
    ],
  },
  status: { resourceClaimStatuses: [{ name: 'b', resourceClaimName: 'made' }] },
} as unknown as Pod; // what is read of one
const claim = (uid: string, ...drivers: string[]) => ({
  metadata: { name: 'c', uid: 'cu' },
  status: {
    reservedFor: [{ resource: 'pods', name: 'p', uid }],
    allocation: { devices: { results: drivers.map((driver) => ({ request: 'r', driver, pool: 'p', device: 'd' })) } },
  },
});

it.each([
  [claim('u'), undefined],
  [claim('u', 'gpu.example.com'), 'prepare dynamic resources: DRA driver gpu.example.com is not registered'],
  [claim('other'), 'prepare dynamic resources: pod p (u) is not allowed to use resource claim made (cu)'],
])('a pod does not run without its devices %#', async (made, why) => {
  const prepared = prepareResources(pod, async (name) => (name === 'made' ? made : claim('u')) as unknown as resourceV1.ResourceClaim);
  if (why) await expect(prepared).rejects.toThrow(why);
  else await prepared;
});
