/**
 * APIServices for what this server itself serves (kube-aggregator's autoregister controller): for its own kinds once, at the
 * start; for custom resources for as long as they are served. One that somebody made for the same group version is left alone.
 */
import { APIService, apiServiceName, type Draft, deepEqual, hasReason } from '../../api/index.ts';
import type { Client } from '../../client/index.ts';
import type { ResourceTable } from '../registry/served-resource.ts';
import { customPriority, priorityOf } from './priorities.ts';

const managedLabel = 'kube-aggregator.kubernetes.io/automanaged';

/** Whether what somebody has made or changed is to be what custom resources want. */
export const isKept = ({ metadata, spec }: APIService, before: APIService | undefined): boolean =>
  metadata.labels?.[managedLabel] === 'true' &&
  !(before && deepEqual(before.spec, spec) && deepEqual(before.metadata.labels, metadata.labels));

/** The aggregator's own group is served before it looks at any APIService. */
const ownGroup = 'apiregistration.k8s.io';

type Wanted = Draft<APIService> & { metadata: { labels: Record<string, string> } };

/** By name, in the order of the table. */
function wantedOf(table: ResourceTable): Map<string, Wanted> {
  const wanted = new Map<string, Wanted>();
  for (const { resource, custom } of table.all()) {
    const { group, version } = resource;
    const name = apiServiceName(resource);
    if (group === ownGroup || wanted.has(name)) continue;
    const priority = custom ? customPriority : priorityOf(group, version);
    wanted.set(name, {
      apiVersion: 'apiregistration.k8s.io/v1',
      kind: 'APIService',
      metadata: { name, labels: { [managedLabel]: custom ? 'true' : 'onstart' } },
      spec: { ...(group ? { group } : {}), version, groupPriorityMinimum: priority.group, versionPriority: priority.version },
    });
  }
  return wanted;
}

export interface Registration {
  /** Brings the APIServices in step with the table: all of them the first time, later those of custom resources. */
  reconcile(): Promise<void>;
}

export function registration(options: {
  table: ResourceTable;
  client: Client;
  /** What is there, by name. */
  present: ReadonlyMap<string, APIService>;
  signal: AbortSignal;
}): Registration {
  const { table, client, present, signal } = options;
  let started = false;

  /** Somebody else was quicker: their event brings the next round. */
  const quietly = (change: Promise<unknown>) =>
    change.catch((error: unknown) => {
      if (!['AlreadyExists', 'Conflict', 'NotFound'].some((reason) => hasReason(error, reason))) throw error;
    });

  const settle = async (wanted: Wanted): Promise<void> => {
    const { name, labels } = wanted.metadata;
    const lasting = labels[managedLabel] === 'true';
    if (started && !lasting) return;
    const known = present.get(name ?? '');
    if (known === undefined) {
      await quietly(client.create(APIService, wanted, { signal }));
      return;
    }
    const managed = known.metadata.labels?.[managedLabel];
    if (managed === undefined || (managed === labels[managedLabel] && deepEqual(known.spec, wanted.spec))) return;
    const next: APIService = {
      ...known,
      metadata: { ...known.metadata, labels: { ...known.metadata.labels, ...labels } },
      spec: wanted.spec as APIService['spec'], // a draft leaves out nothing of a spec
    };
    await quietly(client.update(APIService, next, { signal }));
  };

  return {
    async reconcile() {
      const wanted = wantedOf(table);
      const obsolete = [...present.values()].filter(({ metadata }) => {
        const managed = metadata.labels?.[managedLabel];
        return !wanted.has(metadata.name) && (managed === 'true' || (managed === 'onstart' && !started));
      });
      await Promise.all([
        ...[...wanted.values()].map(settle),
        ...obsolete.map(({ metadata }) =>
          quietly(client.delete(APIService, metadata.name, { preconditions: { uid: metadata.uid }, signal })),
        ),
      ]);
      started = true;
    },
  };
}
