/** --egress-selector-config-file (KEP-1281): through what the API server reaches nodes, pods and others. Only directly, here. */
import { FieldErrors, FieldPath, fieldErrorMessage } from '../api/index.ts';
import { ClusterError } from './cluster-error.ts';
import type { ComponentArgs } from './config.ts';
import { type KnownFields, listOf, objectOf, parseConfiguration, textOf } from './configuration-document.ts';
import { messageOf, readText } from './pem-files.ts';

const fields: KnownFields = {
  '': ['kind', 'apiVersion', 'egressSelections'],
  egressSelections: ['name', 'connection'],
  'egressSelections.connection': ['proxyProtocol', 'transport'],
  'egressSelections.connection.transport': ['tcp', 'uds'],
  'egressSelections.connection.transport.tcp': ['url', 'tlsConfig'],
  'egressSelections.connection.transport.tcp.tlsConfig': ['caBundle', 'clientKey', 'clientCert'],
  'egressSelections.connection.transport.uds': ['udsName'],
};
const names = ['cluster', 'controlplane', 'etcd'];
const protocols = ['Direct', 'HTTPConnect', 'GRPC'];

/** Throws ClusterError for what upstream refuses, and for a connection through a proxy. */
export function checkEgressSelectors(text: string): void {
  const failed = (why: string) => new ClusterError(`failed to read egress selector config: ${why}`);
  const selections = listOf(parseConfiguration(text, 'EgressSelectorConfiguration', fields, failed).egressSelections);
  const errors = new FieldErrors();
  // Upstream's paths
  const path = new FieldPath('service').child('connection');
  const proxied: string[] = [];
  for (const { connection } of selections) {
    const { proxyProtocol, transport } = objectOf(connection);
    const protocol = textOf(proxyProtocol);
    if (!protocols.includes(protocol)) errors.notSupported(path.child('protocol'), protocol, protocols);
    else if (protocol !== 'Direct') proxied.push(protocol);
    else if (transport) errors.invalid(path.child('transport'), 'direct', 'config must be absent for direct connect');
  }
  const seen = new Set<string>();
  for (const [i, { name }] of selections.entries()) {
    const canonical = textOf(name).toLowerCase();
    if (seen.has(canonical)) errors.duplicate(path.index(i), canonical);
    else if (!names.includes(canonical)) errors.notSupported(path, canonical, names);
    seen.add(canonical);
  }
  if (!errors.ok)
    throw new ClusterError(`failed to validate egress selector configuration: ${errors.list.map(fieldErrorMessage).join(', ')}`);
  if (proxied.length > 0) throw new ClusterError(`egress selections by ${proxied.join(', ')} can not be had here: only Direct`);
}

/** Reads what the flag names. */
export async function checkEgressFlags(args: ComponentArgs): Promise<void> {
  const file = args['egress-selector-config-file'];
  if (!file) return;
  const text = await readText(file).catch((error: unknown) => {
    throw new ClusterError(
      `failed to read egress selector config: unable to read egress selector configuration from ${JSON.stringify(file)} [${messageOf(error)}]`,
    );
  });
  checkEgressSelectors(text);
}
