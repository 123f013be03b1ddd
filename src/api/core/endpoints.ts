import { type FieldErrors, FieldPath } from '../fields.ts';
import { type EndpointAddress, type EndpointPort, type EndpointSubset, Endpoints } from '../generated/core.v1.ts';
import { isIp } from '../ip.ts';
import { defineKind } from '../kind.ts';
import { isDns1123Subdomain, isPortNumber } from '../names.ts';
import { ageColumn, fieldDoc, nameColumn } from '../printing.ts';
import { ipWarnings } from '../warnings.ts';
import { protocols, reject, rejectNew, requireDnsLabel, requireOneOf, requireQualifiedName } from './checks.ts';
import { requireNonSpecialIp } from './endpoint-addresses.ts';

function validateAddress(address: EndpointAddress, path: FieldPath, errors: FieldErrors): void {
  const wrong = isIp(address.ip ?? '');
  rejectNew(errors, path.child('ip'), address.ip ?? '', wrong);
  if (address.hostname) requireDnsLabel(errors, path.child('hostname'), address.hostname);
  if (address.nodeName !== undefined) reject(errors, path.child('nodeName'), address.nodeName, isDns1123Subdomain(address.nodeName));
  requireNonSpecialIp(errors, path.child('ip'), address.ip ?? '');
}

function validatePort(port: EndpointPort, isNamed: boolean, path: FieldPath, errors: FieldErrors): void {
  if (port.name) requireDnsLabel(errors, path.child('name'), port.name);
  else if (isNamed) errors.required(path.child('name'));
  reject(errors, path.child('port'), port.port ?? 0, isPortNumber(port.port ?? 0));
  requireOneOf(errors, path.child('protocol'), port.protocol, protocols);
  if (port.appProtocol !== undefined) requireQualifiedName(errors, path.child('appProtocol'), port.appProtocol);
}

const maxShown = 3;

/** The first few addresses, and how many there are beside. */
function format({ subsets = [] }: Endpoints): string {
  if (subsets.length === 0) return '<none>';
  const all: string[] = [];
  for (const { addresses = [], ports = [] } of subsets) {
    if (ports.length === 0) all.push(...addresses.map(({ ip }) => ip));
    for (const { port } of ports) all.push(...addresses.map(({ ip }) => (ip.includes(':') ? `[${ip}]:${port}` : `${ip}:${port}`)));
  }
  const shown = all.slice(0, maxShown).join(',');
  return all.length > maxShown ? `${shown} + ${all.length - maxShown} more...` : shown;
}

function validateSubsets(subsets: readonly EndpointSubset[], errors: FieldErrors): void {
  for (const [i, { addresses = [], notReadyAddresses = [], ports = [] }] of subsets.entries()) {
    const path = new FieldPath('subsets').index(i);
    if (addresses.length + notReadyAddresses.length === 0) errors.required(path, 'must specify `addresses` or `notReadyAddresses`');
    for (const [a, address] of addresses.entries()) validateAddress(address, path.child('addresses').index(a), errors);
    for (const [a, address] of notReadyAddresses.entries()) validateAddress(address, path.child('notReadyAddresses').index(a), errors);
    for (const [p, port] of ports.entries()) validatePort(port, ports.length > 1, path.child('ports').index(p), errors);
  }
}

export const endpoints = defineKind<Endpoints>({
  resource: Endpoints,
  singular: 'endpoints',
  shortNames: ['ep'],
  storagePrefix: 'services/endpoints',
  allowCreateOnUpdate: true,
  defaults(endpoints) {
    for (const subset of endpoints.subsets ?? []) for (const port of subset.ports ?? []) port.protocol ||= 'TCP';
  },
  // What older versions took may stay as it is.
  validate: ({ subsets = [] }, errors) => errors.ratcheting(() => validateSubsets(subsets, errors)),
  warnings({ metadata, subsets = [] }) {
    if (metadata.labels?.['endpoints.kubernetes.io/managed-by'] === 'endpoint-controller') return [];
    return subsets.flatMap((subset, i) =>
      (['addresses', 'notReadyAddresses'] as const).flatMap((list) =>
        (subset[list] ?? []).flatMap(({ ip }, j) => ipWarnings(new FieldPath('subsets').index(i).child(list).index(j).child('ip'), ip)),
      ),
    );
  },
  columns: [nameColumn, { name: 'Endpoints', description: fieldDoc('core.v1.Endpoints.subsets'), value: format }, ageColumn],
});
