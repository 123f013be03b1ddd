import { reject } from '../core/checks.ts';
import { semanticEqual } from '../equality.ts';
import { type FieldErrors, FieldPath } from '../fields.ts';
import { type Endpoint, type EndpointPort, EndpointSlice } from '../generated/discovery.v1.ts';
import * as v1beta1 from '../generated/discovery.v1beta1.ts';
import { isIpv4, isIpv6 } from '../ip.ts';
import { defineKind } from '../kind.ts';
import { isDns1123Label, isDns1123Subdomain, isLabelValue, isQualifiedName } from '../names.ts';
import { validateImmutable } from '../object-meta.ts';
import { ageColumn, nameColumn } from '../printing.ts';
import { convertedVersion } from '../served-version.ts';
import { ipWarnings } from '../warnings.ts';

const root = new FieldPath();
const limits = { endpoints: 1000, addresses: 100, ports: 20_000, topology: 16, hints: 8 };
const addressRules: Readonly<Record<string, (address: string) => string[]>> = { IPv4: isIpv4, IPv6: isIpv6, FQDN: isDns1123Subdomain };
const protocols = ['TCP', 'UDP', 'SCTP'];
const zoneLabel = 'topology.kubernetes.io/zone';
const shown = 3;
const ownManagers = new Set(['endpointslice-controller.k8s.io', 'endpointslicemirroring-controller.k8s.io']);

function validateEndpoint(endpoint: Endpoint, addressType: string, path: FieldPath, errors: FieldErrors): void {
  const { addresses = [], nodeName, hostname, deprecatedTopology = {}, hints } = endpoint;
  const at = path.child('addresses');
  if (addresses.length === 0) errors.required(at, 'must contain at least 1 address');
  else if (addresses.length > limits.addresses) errors.tooMany(at, addresses.length, limits.addresses);
  for (const [i, address] of addresses.entries()) reject(errors, at.index(i), address, addressRules[addressType]?.(address) ?? []);
  if (nodeName !== undefined) reject(errors, path.child('nodeName'), nodeName, isDns1123Subdomain(nodeName));
  const topology = Object.entries(deprecatedTopology);
  if (topology.length > limits.topology) errors.tooMany(path.child('deprecatedTopology'), topology.length, limits.topology);
  for (const [key, value] of topology) {
    reject(errors, path.child('deprecatedTopology').key(key), key, isQualifiedName(key));
    reject(errors, path.child('deprecatedTopology').key(key), value, isLabelValue(value));
  }
  if (hostname !== undefined) reject(errors, path.child('hostname'), hostname, isDns1123Label(hostname));
  const zones = hints?.forZones ?? [];
  const zonesPath = path.child('hints', 'forZones');
  if (zones.length > limits.hints) errors.tooMany(zonesPath, zones.length, limits.hints);
  for (const [i, { name = '' }] of zones.entries()) {
    if (zones.findIndex((z) => z.name === name) < i) errors.duplicate(zonesPath.index(i).child('name'), name);
    if (name === '') errors.required(zonesPath.index(i).child('name'));
    else reject(errors, zonesPath.index(i).child('name'), name, isLabelValue(name));
  }
}

function validatePorts(ports: readonly EndpointPort[], errors: FieldErrors): void {
  const path = root.child('ports');
  if (ports.length > limits.ports) errors.tooMany(path, ports.length, limits.ports);
  const names = new Set<string>();
  for (const [i, { name = '', protocol, appProtocol }] of ports.entries()) {
    const at = path.index(i);
    if (name !== '') reject(errors, at.child('name'), name, isDns1123Label(name));
    if (names.has(name)) errors.duplicate(at.child('name'), name);
    names.add(name);
    if (!protocol) errors.required(at.child('protocol'));
    else if (!protocols.includes(protocol)) errors.notSupported(at.child('protocol'), protocol, [...protocols].sort());
    if (appProtocol !== undefined) reject(errors, at.child('appProtocol'), appProtocol, isQualifiedName(appProtocol));
  }
}

/** v1beta1 kept the zone among free topology labels. */
const discoveryV1beta1 = convertedVersion(v1beta1.EndpointSlice, EndpointSlice, {
  toStorage: ({ endpoints, ...slice }) => ({
    ...slice,
    endpoints: (endpoints ?? []).map(({ topology, ...endpoint }) => {
      const { [zoneLabel]: zone, ...rest } = topology ?? {};
      return {
        ...endpoint,
        ...(zone === undefined ? {} : { zone }),
        ...(Object.keys(rest).length > 0 ? { deprecatedTopology: rest } : {}),
      };
    }),
  }),
  fromStorage: ({ endpoints, ...slice }) => ({
    ...slice,
    endpoints: (endpoints ?? []).map(({ deprecatedTopology, zone, ...endpoint }) =>
      deprecatedTopology || zone !== undefined
        ? { ...endpoint, topology: { ...deprecatedTopology, ...(zone === undefined ? {} : { [zoneLabel]: zone }) } }
        : endpoint,
    ),
  }),
});

function portsCell({ ports = [] }: EndpointSlice): string {
  if (ports.length === 0) return '<unset>';
  const numbers = ports.slice(0, shown).map(({ port }) => (port === undefined ? '*' : String(port)));
  return numbers.join(',') + (ports.length > shown ? ` + ${ports.length - shown} more...` : '');
}

function endpointsCell({ endpoints = [] }: EndpointSlice): string {
  const addresses = endpoints.flatMap((e) => e.addresses ?? []);
  if (addresses.length === 0) return '<unset>';
  return addresses.slice(0, shown).join(',') + (addresses.length > shown ? ` + ${addresses.length - shown} more...` : '');
}

const counted = ({ addressType, endpoints, ports, metadata: { labels, annotations } }: EndpointSlice) => ({
  addressType,
  endpoints,
  ports,
  labels,
  annotations,
});

export const endpointSlice = defineKind<EndpointSlice>({
  resource: EndpointSlice,
  versions: [discoveryV1beta1],
  defaults(slice) {
    slice.endpoints ??= [];
    for (const port of slice.ports ?? []) {
      port.name ??= '';
      port.protocol ??= 'TCP';
    }
  },
  generation: (next, prev) => !semanticEqual(counted(next), counted(prev)),
  create(slice) {
    slice.metadata.generation = 1;
  },
  validate({ addressType, endpoints = [], ports = [] }, errors) {
    if (!addressType) errors.required(root.child('addressType'));
    else if (!addressRules[addressType]) errors.notSupported(root.child('addressType'), addressType, Object.keys(addressRules).sort());
    if (endpoints.length > limits.endpoints) errors.tooMany(root.child('endpoints'), endpoints.length, limits.endpoints);
    for (const [i, endpoint] of endpoints.entries()) validateEndpoint(endpoint, addressType, root.child('endpoints').index(i), errors);
    validatePorts(ports, errors);
  },
  validateUpdate(next, prev, errors) {
    validateImmutable(next.addressType, prev.addressType, root.child('addressType'), errors);
  },
  warnings({ addressType, endpoints = [], metadata }, prev) {
    const isFqdn = addressType === 'FQDN';
    const warnings = isFqdn && !prev ? ['spec.addressType: FQDN endpoints are deprecated'] : [];
    // Our own controllers clean up what they are given.
    if (isFqdn || ownManagers.has(metadata.labels?.['endpointslice.kubernetes.io/managed-by'] ?? '')) return warnings;
    for (const [i, { addresses = [] }] of endpoints.entries())
      for (const [j, ip] of addresses.entries())
        warnings.push(...ipWarnings(root.child('endpoints').index(i).child('addresses').index(j), ip));
    return warnings;
  },
  columns: [
    nameColumn,
    {
      name: 'AddressType',
      description:
        'addressType specifies the type of address carried by this EndpointSlice. All addresses in this slice must be the same type. This field is immutable after creation.',
      value: (slice) => slice.addressType,
    },
    {
      name: 'Ports',
      description: 'ports specifies the list of network ports exposed by each endpoint in this slice. Each port must have a unique name.',
      value: portsCell,
    },
    {
      name: 'Endpoints',
      description: 'endpoints is a list of unique endpoints in this slice. Each slice may include a maximum of 1000 endpoints.',
      value: endpointsCell,
    },
    ageColumn,
  ],
});
