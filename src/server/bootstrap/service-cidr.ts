import { hasReason, ServiceCIDR } from '../../api/index.ts';
import type { Client } from '../../client/index.ts';

const name = 'kubernetes';

/** The ServiceCIDR that stands for --service-cluster-ip-range, ready from the start. */
export async function ensureServiceCidr(client: Client, cidrs: string[], signal?: AbortSignal): Promise<void> {
  const options = signal ? { signal } : {};
  try {
    const created = await client.create(
      ServiceCIDR,
      { apiVersion: 'networking.k8s.io/v1', kind: 'ServiceCIDR', metadata: { name }, spec: { cidrs } },
      options,
    );
    const ready = {
      type: 'Ready',
      status: 'True' as const,
      reason: 'Ready',
      message: 'Kubernetes default Service CIDR is ready',
      lastTransitionTime: created.metadata.creationTimestamp,
    };
    await client.updateStatus(ServiceCIDR, { ...created, status: { conditions: [ready] } }, options);
  } catch (error) {
    if (!hasReason(error, 'AlreadyExists')) throw error;
  }
}
