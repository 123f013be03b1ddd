/** StorageVersions tell only of API servers that there are: what others have said goes with their Leases (KEP-2339). */
import { apiserverinternalV1alpha1, Lease, withServers } from '../api/index.ts';
import { timestamp } from '../time/index.ts';
import { defineController } from './framework/index.ts';

const { StorageVersion } = apiserverinternalV1alpha1;

const name = 'storageversion-garbage-collector-controller';
const namespace = 'kube-system';
const identityLabel = 'apiserver.kubernetes.io/identity';

export const storageVersionGarbageCollector = {
  ...defineController(name, ({ client, clock, informers }, queue) => {
    const leases = informers.for(Lease, { namespace });
    const versions = informers.for(StorageVersion);
    const isServer = (lease: Lease | undefined) => lease?.metadata.labels?.[identityLabel] === 'kube-apiserver';
    const serversOf = ({ status }: apiserverinternalV1alpha1.StorageVersion) => status?.storageVersions ?? [];
    const enqueue = (version: apiserverinternalV1alpha1.StorageVersion) => {
      const isStale = serversOf(version).some(({ apiServerID = '' }) => !isServer(leases.lister.get(apiServerID, namespace)));
      if (isStale) queue.add(version.metadata.name);
    };
    const enqueueOf = (lease: Lease) => {
      if (!isServer(lease)) return;
      for (const version of versions.lister.list())
        if (serversOf(version).some(({ apiServerID }) => apiServerID === lease.metadata.name)) queue.add(version.metadata.name);
    };
    versions.addHandler({ add: enqueue, update: enqueue });
    leases.addHandler({ delete: enqueueOf });
    return {
      informers: [leases, versions],
      workers: 1,
      async reconcile(key, signal) {
        const version = versions.lister.get(key);
        if (version === undefined) return;
        const servers = serversOf(version);
        // The cache may be behind a server that has just begun.
        const { items } = await client.list(Lease, { namespace, labelSelector: `${identityLabel}=kube-apiserver`, signal });
        const present = new Set(items.map(({ metadata }) => metadata.name));
        const left = servers.filter(({ apiServerID = '' }) => present.has(apiServerID));
        if (left.length === servers.length) return;
        const { metadata, status } = version;
        if (left.length === 0) {
          const { uid, resourceVersion = '' } = metadata;
          await client.delete(StorageVersion, key, { preconditions: { uid, resourceVersion }, signal });
        } else
          await client.updateStatus(
            StorageVersion,
            { ...version, status: withServers(status, left, timestamp(clock), metadata.generation) },
            { signal },
          );
      },
    };
  }),
  featureGate: 'StorageVersionAPI',
};
