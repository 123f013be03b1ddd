import { allowOneOf, reject } from '../core/checks.ts';
import { requireNonSpecialIp } from '../core/endpoint-addresses.ts';
import { semanticEqual } from '../equality.ts';
import { type FieldErrors, FieldPath } from '../fields.ts';
import { type Endpoint, type EndpointPort, EndpointSlice } from '../generated/discovery.v1.ts';
import * as v1beta1 from '../generated/discovery.v1beta1.ts';
import { isIp, parseIp } from '../ip.ts';
import { defineKind } from '../kind.ts';
import { isDns1123Label, isDns1123Subdomain, isLabelValue, isQualifiedName } from '../names.ts';
import { validateImmutable, validateLabels } from '../object-meta.ts';
import { ageColumn, fieldDoc, nameColumn } from '../printing.ts';
import { convertedVersion } from '../served-version.ts';
import { ipWarnings } from '../warnings.ts';

const root = new FieldPath();
const limits = { endpoints: 1000, addresses: 100, ports: 20_000, topology: 16, hints: 8 };
const addressTypes = ['FQDN', 'IPv4', 'IPv6'];
const protocols = ['TCP', 'UDP', 'SCTP'];
const zoneLabel = 'topology.kubernetes.io/zone';
const hostnameLabel = 'kubernetes.io/hostname';
const shown = 3;
const ownManagers = new Set(['endpointslice-controller.k8s.io', 'endpointslicemirroring-controller.k8s.io']);

function validateAddress(address: string, type: string, path: FieldPath, at: FieldPath, errors: FieldErrors): void {
  if (type === 'FQDN') {
    validateQualifiedDomain(address, at, errors);
    return;
  }
  const wrong = isIp(address);
  reject(errors, at, address, wrong);
  if (wrong.length > 0) return;
  if ((parseIp(address)?.family === 4) !== (type === 'IPv4')) errors.invalid(path, address, `must be an ${type} address`);
  requireNonSpecialIp(errors, at, address);
}

function validateQualifiedDomain(name: string, path: FieldPath, errors: FieldErrors): void {
  const absolute = name.replace(/\.$/, '');
  if (absolute === '') {
    errors.required(path);
    return;
  }
  const wrong = isDns1123Subdomain(absolute);
  reject(errors, path, name, wrong);
  if (wrong.length > 0) return;
  const labels = absolute.split('.');
  if (labels.length < 2) errors.invalid(path, name, 'should be a domain with at least two segments separated by dots');
  else for (const label of labels) reject(errors, path, label, isDns1123Label(label));
}

/** Hints name zones by labels' values and nodes by their names, each once. */
function validateHints(hints: NonNullable<Endpoint['hints']>, path: FieldPath, errors: FieldErrors): void {
  const rules = [
    ['forZones', isLabelValue],
    ['forNodes', isDns1123Subdomain],
  ] as const;
  for (const [field, rule] of rules) {
    const names = (hints[field] ?? []).map(({ name = '' }) => name);
    if (names.length > limits.hints) {
      errors.tooMany(path.child(field), names.length, limits.hints);
      return;
    }
    for (const [i, name] of names.entries()) {
      const at = path.child(field).index(i).child('name');
      if (names.indexOf(name) < i) errors.duplicate(at, name);
      reject(errors, at, name, rule(name));
    }
  }
}

function validateEndpoint(endpoint: Endpoint, addressType: string, path: FieldPath, errors: FieldErrors): void {
  const { addresses = [], nodeName, hostname, deprecatedTopology = {}, hints } = endpoint;
  const at = path.child('addresses');
  if (addresses.length === 0) errors.required(at, 'must contain at least 1 address');
  else if (addresses.length > limits.addresses) errors.tooMany(at, addresses.length, limits.addresses);
  if (addressTypes.includes(addressType))
    for (const [i, address] of addresses.entries()) validateAddress(address, addressType, at, at.index(i), errors);
  if (nodeName !== undefined) reject(errors, path.child('nodeName'), nodeName, isDns1123Subdomain(nodeName));
  const topologyPath = path.child('deprecatedTopology');
  const labels = Object.keys(deprecatedTopology).length;
  if (labels > limits.topology) errors.tooMany(topologyPath, labels, limits.topology);
  validateLabels(deprecatedTopology, topologyPath, errors);
  if (hostname !== undefined) reject(errors, path.child('hostname'), hostname, isDns1123Label(hostname));
  if (hints) validateHints(hints, path.child('hints'), errors);
}

function validatePorts(ports: readonly EndpointPort[], errors: FieldErrors): void {
  const path = root.child('ports');
  if (ports.length > limits.ports) {
    errors.tooMany(path, ports.length, limits.ports);
    return;
  }
  const names = new Set<string>();
  for (const [i, { name = '', protocol, appProtocol }] of ports.entries()) {
    const at = path.index(i);
    if (name !== '') reject(errors, at.child('name'), name, isDns1123Label(name));
    if (names.has(name)) errors.duplicate(at.child('name'), name);
    names.add(name);
    if (protocol === undefined) errors.required(at.child('protocol'));
    else if (!protocols.includes(protocol)) errors.notSupported(at.child('protocol'), protocol, [...protocols].sort());
    if (appProtocol !== undefined) reject(errors, at.child('appProtocol'), appProtocol, isQualifiedName(appProtocol));
  }
}

/** v1beta1 kept the zone, and the node again as its host's name, among free topology labels. */
const discoveryV1beta1 = convertedVersion(v1beta1.EndpointSlice, EndpointSlice, {
  toStorage: ({ endpoints, ...slice }) => ({
    ...slice,
    endpoints: (endpoints ?? []).map(({ topology, ...endpoint }) => {
      const { [zoneLabel]: zone, ...rest } = topology ?? {};
      if (endpoint.nodeName !== undefined && rest[hostnameLabel] === endpoint.nodeName) delete rest[hostnameLabel];
      return {
        ...endpoint,
        ...(zone === undefined ? {} : { zone }),
        ...(Object.keys(rest).length > 0 ? { deprecatedTopology: rest } : {}),
      };
    }),
  }),
  fromStorage: ({ endpoints, ...slice }) => ({
    ...slice,
    endpoints: (endpoints ?? []).map(({ deprecatedTopology, zone, ...endpoint }) => {
      const topology: Record<string, string> = { ...deprecatedTopology };
      if (zone !== undefined) topology[zoneLabel] = zone;
      if (endpoint.nodeName !== undefined) topology[hostnameLabel] ||= endpoint.nodeName;
      return Object.keys(topology).length > 0 ? { ...endpoint, topology } : endpoint;
    }),
  }),
});

/**
 * v1 has no topology: writes drop it (what is there stays while the endpoints do), and a node that was known by its host's name from before
 * becomes the endpoint's.
 */
function dropTopology(next: EndpointSlice, prev: EndpointSlice | undefined, version: string | undefined): void {
  if (version === 'v1beta1' || (prev && semanticEqual(next.endpoints, prev.endpoints))) return;
  const hosts = new Set((prev?.endpoints ?? []).map(({ deprecatedTopology }) => deprecatedTopology?.[hostnameLabel]));
  next.endpoints = (next.endpoints ?? []).map((endpoint) => {
    const { deprecatedTopology, ...rest } = endpoint;
    if (!deprecatedTopology) return endpoint;
    const host = deprecatedTopology[hostnameLabel];
    const isKnown = rest.nodeName === undefined && host !== undefined && hosts.has(host) && isDns1123Subdomain(host).length === 0;
    return isKnown ? { ...rest, nodeName: host } : rest;
  });
}

function portsCell({ ports = [] }: EndpointSlice): string {
  if (ports.length === 0) return '<unset>';
  const numbers = ports.slice(0, shown).map(({ name, port }) => (port === undefined ? (name ?? '*') : String(port)));
  return (numbers.join(',') || '<unset>') + (ports.length > shown ? ` + ${ports.length - shown} more...` : '');
}

function endpointsCell({ endpoints = [] }: EndpointSlice): string {
  const addresses = endpoints.flatMap((e) => e.addresses ?? []);
  if (addresses.length === 0) return '<unset>';
  return addresses.slice(0, shown).join(',') + (addresses.length > shown ? ` + ${addresses.length - shown} more...` : '');
}

const counted = ({ addressType, endpoints, ports, metadata: { labels } }: EndpointSlice) => ({
  addressType,
  endpoints,
  ports,
  labels,
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
  create(slice, { version }) {
    slice.metadata.generation = 1;
    dropTopology(slice, undefined, version);
  },
  update: (next, prev, { version }) => dropTopology(next, prev, version),
  validate({ addressType, endpoints = [], ports = [] }, errors) {
    if (!addressType) errors.required(root.child('addressType'));
    else allowOneOf(errors, root.child('addressType'), addressType, addressTypes);
    if (endpoints.length > limits.endpoints) errors.tooMany(root.child('endpoints'), endpoints.length, limits.endpoints);
    else for (const [i, endpoint] of endpoints.entries()) validateEndpoint(endpoint, addressType, root.child('endpoints').index(i), errors);
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
      description: fieldDoc('discovery.v1.EndpointSlice.addressType'),
      value: (slice) => slice.addressType,
    },
    {
      name: 'Ports',
      description: fieldDoc('discovery.v1.EndpointSlice.ports'),
      value: portsCell,
    },
    {
      name: 'Endpoints',
      description: fieldDoc('discovery.v1.EndpointSlice.endpoints'),
      value: endpointsCell,
    },
    ageColumn,
  ],
});
