import { reject, rejectNew } from '../core/checks.ts';
import { type FieldErrors, FieldPath } from '../fields.ts';
import * as extensions from '../generated/extensions.v1beta1.ts';
import { type IPBlock, NetworkPolicy, type NetworkPolicyPeer, type NetworkPolicyPort } from '../generated/networking.v1.ts';
import { cidrContains, isCidr, parseCidr } from '../ip.ts';
import { defineKind } from '../kind.ts';
import { isPortName, isPortNumber } from '../names.ts';
import { validateLabelSelector } from '../object-meta.ts';
import { ageColumn, fieldDoc, nameColumn } from '../printing.ts';
import { formatLabelSelector } from '../selectors.ts';
import { sameShape } from '../served-version.ts';
import { cidrWarnings } from '../warnings.ts';

const specPath = new FieldPath('spec');

function validatePort({ protocol, port, endPort }: NetworkPolicyPort, path: FieldPath, errors: FieldErrors): void {
  if (protocol !== undefined && !['TCP', 'UDP', 'SCTP'].includes(protocol))
    errors.notSupported(path.child('protocol'), protocol, ['TCP', 'UDP', 'SCTP']);
  const endPath = path.child('endPort');
  if (port === undefined) {
    if (endPort !== undefined) errors.invalid(endPath, endPort, 'may not be specified when `port` is not specified');
  } else if (typeof port === 'number') {
    reject(errors, path.child('port'), port, isPortNumber(port));
    if (endPort === undefined) return;
    // What upstream shows there is the port.
    if (endPort < port) errors.invalid(endPath, port, 'must be greater than or equal to `port`');
    reject(errors, endPath, endPort, isPortNumber(endPort));
  } else {
    if (endPort !== undefined) errors.invalid(endPath, endPort, 'may not be specified when `port` is non-numeric');
    reject(errors, path.child('port'), port, isPortName(port));
  }
}

function validateIpBlock({ cidr = '', except = [] }: IPBlock, path: FieldPath, errors: FieldErrors): void {
  if (cidr === '') {
    errors.required(path.child('cidr'));
    return;
  }
  rejectNew(errors, path.child('cidr'), cidr, isCidr(cidr));
  const block = parseCidr(cidr);
  for (const [i, text] of except.entries()) {
    const at = path.child('except').index(i);
    rejectNew(errors, at, text, isCidr(text));
    const inner = parseCidr(text);
    if (block && inner && (!cidrContains(block, inner.address) || inner.prefixLength <= block.prefixLength))
      errors.invalid(at, text, 'must be a strict subset of `cidr`');
  }
}

function validatePeer(peer: NetworkPolicyPeer, path: FieldPath, errors: FieldErrors): void {
  const { podSelector, namespaceSelector, ipBlock } = peer;
  if (podSelector) validateLabelSelector(podSelector, path.child('podSelector'), errors);
  if (namespaceSelector) validateLabelSelector(namespaceSelector, path.child('namespaceSelector'), errors);
  if (ipBlock) validateIpBlock(ipBlock, path.child('ipBlock'), errors);
  const others = Number(podSelector !== undefined) + Number(namespaceSelector !== undefined);
  if (ipBlock && others > 0) errors.forbidden(path, 'may not specify both ipBlock and another peer');
  else if (!ipBlock && others === 0) errors.required(path, 'must specify a peer');
}

interface Rule {
  ports?: NetworkPolicyPort[];
}

function validateRules<R extends Rule>(
  rules: readonly R[],
  side: keyof R & string,
  peers: (rule: R) => readonly NetworkPolicyPeer[],
  path: FieldPath,
  errors: FieldErrors,
): void {
  for (const [i, rule] of rules.entries()) {
    for (const [j, port] of (rule.ports ?? []).entries()) validatePort(port, path.index(i).child('ports').index(j), errors);
    for (const [j, peer] of peers(rule).entries()) validatePeer(peer, path.index(i).child(side).index(j), errors);
  }
}

function blockWarnings(list: string, side: string, peers: readonly (readonly NetworkPolicyPeer[] | undefined)[]): string[] {
  return peers.flatMap((of = [], i) =>
    of.flatMap(({ ipBlock }, j) => {
      if (!ipBlock) return [];
      const path = specPath.child(list).index(i).child(side).index(j).child('ipBlock');
      const { cidr, except = [] } = ipBlock;
      return [...cidrWarnings(path.child('cidr'), cidr), ...except.flatMap((own, k) => cidrWarnings(path.child('except').index(k), own))];
    }),
  );
}

export const networkPolicy = defineKind<NetworkPolicy>({
  resource: NetworkPolicy,
  shortNames: ['netpol'],
  versions: [sameShape(extensions.NetworkPolicy, NetworkPolicy)],
  generation: true,
  defaults({ spec }) {
    if (!spec) return;
    for (const { ports = [] } of [...(spec.ingress ?? []), ...(spec.egress ?? [])]) for (const port of ports) port.protocol ??= 'TCP';
    if (!spec.policyTypes?.length) spec.policyTypes = spec.egress?.length ? ['Ingress', 'Egress'] : ['Ingress'];
  },
  validate({ spec = {} }, errors) {
    const { podSelector, ingress = [], egress = [], policyTypes = [] } = spec;
    validateLabelSelector(podSelector, specPath.child('podSelector'), errors);
    validateRules(ingress, 'from', (rule) => rule.from ?? [], specPath.child('ingress'), errors);
    validateRules(egress, 'to', (rule) => rule.to ?? [], specPath.child('egress'), errors);
    const path = specPath.child('policyTypes');
    if (policyTypes.length > 2) errors.invalid(path, policyTypes, 'may not specify more than two policyTypes');
    else
      for (const [i, type] of policyTypes.entries())
        if (type !== 'Ingress' && type !== 'Egress') errors.notSupported(path.index(i), type, ['Ingress', 'Egress']);
  },
  warnings: ({ spec = {} }) => [
    ...blockWarnings(
      'ingress',
      'from',
      (spec.ingress ?? []).map((rule) => rule.from),
    ),
    ...blockWarnings(
      'egress',
      'to',
      (spec.egress ?? []).map((rule) => rule.to),
    ),
  ],
  columns: [
    nameColumn,
    {
      name: 'Pod-Selector',
      description: fieldDoc('networking.v1.NetworkPolicySpec.podSelector'),
      value: ({ spec }) => formatLabelSelector(spec?.podSelector),
    },
    ageColumn,
  ],
});
