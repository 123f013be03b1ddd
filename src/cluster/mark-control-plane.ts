import { Node } from '../api/index.ts';
import type { Client } from '../client/index.ts';

const label = 'node-role.kubernetes.io/control-plane';

/**
 * Labels the node that the control plane runs on, as kubeadm's phase mark-control-plane does: a kubelet may not give itself a role
 * (NodeRestriction). Waits until the node has registered.
 */
export async function markControlPlane(client: Client, nodeName: string, signal: AbortSignal): Promise<void> {
  for await (const event of client.watch(Node, { fieldSelector: `metadata.name=${nodeName}`, signal })) {
    if (event.type !== 'ADDED' && event.type !== 'MODIFIED') continue;
    if (event.object.metadata.labels?.[label] !== undefined) return;
    await client.patch(Node, nodeName, 'merge', { metadata: { labels: { [label]: '' } } }, { signal });
    return;
  }
}
