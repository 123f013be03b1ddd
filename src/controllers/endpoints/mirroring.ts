/** EndpointSlices for Endpoints that somebody writes by hand, for services without a selector. */
import {
  type Endpoint,
  type EndpointAddress,
  EndpointSlice,
  Endpoints,
  type Endpoints as EndpointsType,
  lastAppliedAnnotation,
  parseIp,
  Service,
} from '../../api/index.ts';
import { controllerRef, keyOf, splitKey } from '../../client/index.ts';
import { defineController, messageOf } from '../framework/index.ts';
import { familyOf, type ResolvedPort } from './service-endpoints.ts';
import { type EndpointGroup, portsKey } from './slice-plan.ts';
import { createSliceWriter, managedByLabel, serviceNameLabel } from './slice-writer.ts';
import { triggerTimeAnnotation } from './trigger-time.ts';

const manager = 'endpointslicemirroring-controller.k8s.io';
const skipMirrorLabel = 'endpointslice.kubernetes.io/skip-mirror';
const leaderAnnotation = 'control-plane.alpha.kubernetes.io/leader';

const isMirrored = ({ metadata: { labels, annotations } }: EndpointsType) =>
  labels?.[skipMirrorLabel] !== 'true' && annotations?.[leaderAnnotation] === undefined;

function mirrored({ ip, hostname, nodeName, targetRef }: EndpointAddress, ready: boolean): Endpoint {
  return {
    addresses: [ip],
    conditions: { ready },
    ...(hostname ? { hostname } : {}),
    ...(targetRef ? { targetRef } : {}),
    ...(nodeName ? { nodeName } : {}),
  };
}

/** The groups of endpoints by family; addresses that are none, and those beyond the limit of a subset, are left out and counted. */
export function mirrorGroups(subsets: EndpointsType['subsets'], maxPerSubset: number) {
  const groups = new Map<EndpointSlice['addressType'], EndpointGroup[]>();
  const byKey = new Map<string, EndpointGroup>();
  const skipped = { invalid: 0, tooMany: 0 };
  for (const { addresses = [], notReadyAddresses = [], ports = [] } of subsets ?? []) {
    let room = maxPerSubset;
    const resolved = ports.map(({ name = '', ...rest }) => ({ name, ...rest })) as ResolvedPort[];
    const take = (address: EndpointAddress, ready: boolean) => {
      if (!parseIp(address.ip)) {
        skipped.invalid++;
        return;
      }
      if (room-- <= 0) {
        skipped.tooMany++;
        return;
      }
      const family = familyOf(address.ip);
      const key = `${family} ${portsKey(resolved)}`;
      let group = byKey.get(key);
      if (!group) {
        group = { ports: resolved, endpoints: [] };
        byKey.set(key, group);
        groups.set(family, [...(groups.get(family) ?? []), group]);
      }
      group.endpoints.push(mirrored(address, ready));
    };
    for (const address of addresses) take(address, true);
    for (const address of notReadyAddresses) take(address, false);
  }
  return { groups, skipped };
}

export const endpointSliceMirroringController = defineController(
  'endpointslice-mirroring-controller',
  ({ client, informers, recorder, config }, queue) => {
    const services = informers.for(Service);
    const endpoints = informers.for(Endpoints);
    const slices = informers.for(EndpointSlice);
    const events = recorder('endpoint-slice-mirroring-controller');
    const writer = createSliceWriter({ client, slices, manager, maxPerSlice: config.mirroringMaxEndpointsPerSubset });
    const enqueue = (object: { metadata: { name: string; namespace?: string } }) => queue.add(keyOf(object));
    services.addHandler({
      add: enqueue,
      update: (service, previous) => {
        if (!service.spec.selector !== !previous.spec.selector) enqueue(service);
      },
      delete: enqueue,
    });
    endpoints.addHandler({ add: enqueue, update: enqueue, delete: enqueue });
    const mend = ({ metadata: { labels = {}, namespace } }: EndpointSlice) => {
      const name = labels[serviceNameLabel];
      if (name && labels[managedByLabel] === manager) queue.add(keyOf({ metadata: { name, ...(namespace ? { namespace } : {}) } }));
    };
    slices.addHandler({ update: mend, delete: mend });

    return {
      informers: [services, endpoints, slices],
      async reconcile(key, signal) {
        const { namespace, name } = splitKey(key);
        const source = endpoints.lister.getByKey(key);
        const service = services.lister.getByKey(key);
        if (!source || !service || service.spec.selector || !isMirrored(source)) {
          await writer.clear(key, namespace, name, signal);
          return;
        }
        const { groups, skipped } = mirrorGroups(source.subsets, config.mirroringMaxEndpointsPerSubset);
        if (skipped.invalid > 0)
          events.event(
            source,
            'Warning',
            'InvalidIPAddress',
            `Skipped ${skipped.invalid} invalid IP addresses when mirroring to EndpointSlices`,
          );
        if (skipped.tooMany > 0)
          events.event(
            source,
            'Warning',
            'TooManyAddressesToMirror',
            `A max of ${config.mirroringMaxEndpointsPerSubset} addresses can be mirrored to EndpointSlices per Endpoints subset. ${skipped.tooMany} addresses were skipped`,
          );
        const { [lastAppliedAnnotation]: _, [triggerTimeAnnotation]: __, ...annotations } = source.metadata.annotations ?? {};
        const { [serviceNameLabel]: ___, [managedByLabel]: ____, ...labels } = source.metadata.labels ?? {};
        const desired = {
          key,
          owner: source,
          ownerReference: controllerRef(source, Endpoints),
          labels: { ...labels, [serviceNameLabel]: name, [managedByLabel]: manager },
          annotations,
          groups,
          placeholder: false,
          triggerTime: undefined,
        };
        try {
          await writer.sync(desired, name, signal);
        } catch (error) {
          if (!signal.aborted) {
            const message = `Error updating Endpoint Slices for Endpoints ${key}: ${messageOf(error)}`;
            events.event(source, 'Warning', 'FailedToUpdateEndpointSlices', message);
          }
          throw error;
        }
      },
    };
  },
);
