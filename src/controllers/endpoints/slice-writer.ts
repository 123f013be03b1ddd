import {
  deepEqual,
  type EndpointSlice,
  EndpointSlice as EndpointSliceResource,
  hasReason,
  type KubeObject,
  nameIsDnsSubdomain,
  type OwnerReference,
} from '../../api/index.ts';
import type { Client, Informer } from '../../client/index.ts';
import { createOwnWrites } from '../framework/index.ts';
import { type EndpointGroup, planSlices, type SliceContent } from './slice-plan.ts';
import { triggerTimeAnnotation } from './trigger-time.ts';

export const serviceNameLabel = 'kubernetes.io/service-name';
export const managedByLabel = 'endpointslice.kubernetes.io/managed-by';
export const headlessLabel = 'service.kubernetes.io/headless';

/** What the slices of one service are to be. */
export interface DesiredSlices {
  /** `namespace/name` of what the slices are for. */
  key: string;
  /** Where slices get their names from, and whom they belong to. */
  owner: KubeObject;
  ownerReference: OwnerReference;
  labels: Record<string, string>;
  /** All that the slices are to have. Undefined for slices whose annotations are left to others, but for the trigger time. */
  annotations: Record<string, string> | undefined;
  groups: ReadonlyMap<EndpointSlice['addressType'], readonly EndpointGroup[]>;
  /** A family without endpoints keeps one empty slice. */
  placeholder: boolean;
  triggerTime: string | undefined;
}

export interface SliceWriter {
  /** Writes what differs. `serviceName` is the label by which slices are found. */
  sync(desired: DesiredSlices, serviceName: string, signal: AbortSignal): Promise<void>;
  /** Deletes all slices of a service. */
  clear(key: string, namespace: string, serviceName: string, signal: AbortSignal): Promise<void>;
  forget(key: string): void;
}

const sliceIndex = 'managed-service';

export function createSliceWriter(options: {
  client: Client;
  slices: Informer<EndpointSlice>;
  /** The value of the managed-by label on this controller's slices. */
  manager: string;
  maxPerSlice: number;
}): SliceWriter {
  const { client, slices, manager, maxPerSlice } = options;
  slices.addIndex(sliceIndex, ({ metadata: { namespace, labels } }) => [
    `${labels?.[managedByLabel]}|${namespace}/${labels?.[serviceNameLabel]}`,
  ]);
  const own = createOwnWrites(slices);
  const present = (key: string, namespace: string, serviceName: string) =>
    own.over(key, slices.lister.byIndex(sliceIndex, `${manager}|${namespace}/${serviceName}`)).filter((s) => !s.metadata.deletionTimestamp);

  const remove = async (key: string, slice: EndpointSlice, signal: AbortSignal): Promise<void> => {
    const { name, namespace, uid } = slice.metadata;
    await client.delete(EndpointSliceResource, name, { namespace, preconditions: { uid }, signal }).catch((error: unknown) => {
      if (!hasReason(error, 'NotFound')) throw error;
    });
    own.removed(key, slice);
  };

  const syncType = async (
    desired: DesiredSlices,
    existing: readonly EndpointSlice[],
    addressType: EndpointSlice['addressType'],
    groups: readonly EndpointGroup[],
    signal: AbortSignal,
  ): Promise<void> => {
    const { key, owner } = desired;
    const namespace = owner.metadata.namespace;
    const wanted: readonly EndpointGroup[] = groups.length === 0 && desired.placeholder ? [{ ports: [], endpoints: [] }] : groups;
    const plan = planSlices(existing, wanted, maxPerSlice);
    const isPlaceholder = wanted !== groups;
    if (isPlaceholder && plan.keep.length === 0 && plan.update.length === 0) {
      const reused = plan.remove.pop();
      const content = { ports: [], endpoints: [] };
      if (reused) plan.update.push({ slice: reused, content });
      else plan.create.push(content);
    }
    const metadataAfter = (present: Record<string, string> = {}): Partial<EndpointSlice['metadata']> => {
      const { [triggerTimeAnnotation]: _, ...others } = present;
      const annotations = {
        ...(desired.annotations ?? others),
        ...(desired.triggerTime ? { [triggerTimeAnnotation]: desired.triggerTime } : {}),
      };
      return { labels: desired.labels, annotations, ownerReferences: [desired.ownerReference] };
    };
    for (const content of plan.create) {
      const draft = {
        apiVersion: 'discovery.k8s.io/v1',
        kind: 'EndpointSlice',
        metadata: { generateName: namePrefix(owner.metadata.name), ...(namespace ? { namespace } : {}), ...metadataAfter() },
        addressType,
        ...bodyOf(content),
      };
      own.wrote(key, await client.create(EndpointSliceResource, draft, { namespace, signal }));
    }
    const rewrite = async (slice: EndpointSlice, content: SliceContent): Promise<void> => {
      const next = { ...slice, metadata: { ...slice.metadata, ...metadataAfter(slice.metadata.annotations) }, ...bodyOf(content) };
      own.wrote(key, await client.update(EndpointSliceResource, next, { signal }));
    };
    for (const { slice, content } of plan.update) await rewrite(slice, content);
    for (const slice of plan.keep) {
      const { labels = {}, annotations = {}, ownerReferences = [] } = slice.metadata;
      if (
        !deepEqual(labels, desired.labels) ||
        ownerReferences[0]?.uid !== desired.ownerReference.uid ||
        (desired.annotations && !deepEqual(annotations, desired.annotations))
      )
        await rewrite(slice, { ports: (slice.ports ?? []) as SliceContent['ports'], endpoints: slice.endpoints ?? [] });
    }
    for (const slice of plan.remove) await remove(key, slice, signal);
  };

  return {
    async sync(desired, serviceName, signal) {
      const { key, groups, owner } = desired;
      try {
        const existing = present(key, owner.metadata.namespace ?? '', serviceName);
        for (const slice of existing) if (!groups.has(slice.addressType)) await remove(key, slice, signal);
        for (const [type, ofType] of groups)
          await syncType(
            desired,
            existing.filter((s) => s.addressType === type),
            type,
            ofType,
            signal,
          );
      } catch (error) {
        own.forget(key);
        throw error;
      }
    },
    async clear(key, namespace, serviceName, signal) {
      for (const slice of present(key, namespace, serviceName)) await remove(key, slice, signal);
      own.forget(key);
    },
    forget: (key) => own.forget(key),
  };
}

/** An empty list of endpoints is written as one: the API requires the field. */
const bodyOf = ({ endpoints, ports }: SliceContent) => ({ endpoints, ports: ports.map((p) => ({ ...p })) });

/** `web-`; a name too long to be a prefix is one without the dash. */
export function namePrefix(name: string): string {
  const prefix = `${name}-`;
  return nameIsDnsSubdomain(prefix, true).length === 0 ? prefix : name;
}
