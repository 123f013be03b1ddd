import { deepEqual, typeCheckPolicy, ValidatingAdmissionPolicy } from '../api/index.ts';
import { defineController } from './framework/index.ts';

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
        const expressionWarnings = typeCheckPolicy(policy);
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
