import { type Draft, hasReason, PriorityClass } from '../../api/index.ts';
import type { Client } from '../../client/index.ts';

const classes: readonly { name: string; value: number; description: string }[] = [
  {
    name: 'system-node-critical',
    value: 2000001000,
    description: 'Used for system critical pods that must not be moved from their current node.',
  },
  {
    name: 'system-cluster-critical',
    value: 2000000000,
    description: 'Used for system critical pods that must run in the cluster, but can be moved to another node if necessary.',
  },
];

/** The two classes that the cluster's own parts run with. */
export async function ensureSystemPriorityClasses(client: Client, signal?: AbortSignal): Promise<void> {
  const present = new Set((await client.list(PriorityClass, { signal })).items.map((c) => c.metadata.name));
  await Promise.all(
    classes
      .filter(({ name }) => !present.has(name))
      .map(async ({ name, value, description }) => {
        const object: Draft<PriorityClass> = {
          apiVersion: 'scheduling.k8s.io/v1',
          kind: 'PriorityClass',
          metadata: { name },
          value,
          description,
        };
        try {
          await client.create(PriorityClass, object, { signal });
        } catch (error) {
          if (!hasReason(error, 'AlreadyExists')) throw error;
        }
      }),
  );
}
