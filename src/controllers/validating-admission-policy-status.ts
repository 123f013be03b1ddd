import { customApiVersions, deepEqual, type PublishedKind, StatusError, typeCheckPolicy, ValidatingAdmissionPolicy } from '../api/index.ts';
import type { Client } from '../client/index.ts';
import { defineController } from './framework/index.ts';
import { publishedKinds } from './published-kinds.ts';

/** The kinds that a policy names and that are not built in, as far as the server has them now. */
async function customKinds(client: Client, policy: ValidatingAdmissionPolicy, signal: AbortSignal): Promise<PublishedKind[]> {
  const found: PublishedKind[] = [];
  for (const apiVersion of customApiVersions(policy))
    try {
      found.push(...(await publishedKinds(client, apiVersion, signal)));
    } catch (error) {
      // What is not there, or is not there now, is not looked at.
      if (!(error instanceof StatusError) || ![404, 503].includes(error.code)) throw error;
    }
  return found;
}

/** Says in a policy's status what is wrong with the types of its expressions. */
export const validatingAdmissionPolicyStatusController = defineController(
  'validatingadmissionpolicy-status-controller',
  ({ client, informers }, queue) => {
    const policies = informers.for(ValidatingAdmissionPolicy);
    const enqueue = ({ metadata }: ValidatingAdmissionPolicy) => queue.add(metadata.name);
    policies.addHandler({ add: enqueue, update: enqueue });
    return {
      informers: [policies],
      workers: 1,
      async reconcile(name, signal) {
        const policy = policies.lister.get(name);
        if (!policy || policy.metadata.deletionTimestamp) return;
        const { generation = 0 } = policy.metadata;
        const { observedGeneration, typeChecking } = policy.status ?? {};
        if (observedGeneration !== undefined && generation <= observedGeneration && typeChecking) return;
        const expressionWarnings = typeCheckPolicy(policy, await customKinds(client, policy, signal));
        const status = {
          ...policy.status,
          observedGeneration: generation,
          typeChecking: expressionWarnings.length > 0 ? { expressionWarnings } : {},
        };
        if (!deepEqual(status, policy.status)) await client.updateStatus(ValidatingAdmissionPolicy, { ...policy, status }, { signal });
      },
    };
  },
);
