import { type Draft, hasReason, Namespace } from '../../api/index.ts';
import type { Client } from '../../client/index.ts';

export const systemNamespaces: readonly string[] = ['default', 'kube-system', 'kube-public', 'kube-node-lease'];

/** The namespaces that every cluster has. */
export async function ensureSystemNamespaces(client: Client, signal?: AbortSignal): Promise<void> {
  const present = new Set((await client.list(Namespace, { signal })).items.map((n) => n.metadata.name));
  await Promise.all(
    systemNamespaces
      .filter((name) => !present.has(name))
      .map((name) =>
        client
          .create(Namespace, { apiVersion: 'v1', kind: 'Namespace', metadata: { name } } as Draft<Namespace>, { signal })
          .catch((error: unknown) => {
            if (!hasReason(error, 'AlreadyExists')) throw error;
          }),
      ),
  );
}
