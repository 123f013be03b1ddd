import { reject } from '../core/checks.ts';
import { validateSignerName } from '../core/signer-names.ts';
import { semanticEqual } from '../equality.ts';
import { type FieldErrors, FieldPath } from '../fields.ts';
import { PodCertificateRequest, type PodCertificateRequestSpec } from '../generated/certificates.v1beta1.ts';
import type { Condition } from '../generated/meta.v1.ts';
import { defineKind } from '../kind.ts';
import { byteLength, isDns1123Subdomain, isQualifiedName } from '../names.ts';
import { validateConditions, validateImmutable } from '../object-meta.ts';
import { fieldDoc, formatLabels, nameColumn } from '../printing.ts';
import { type ParsedCertificate, parseCertificate, pemBlocks } from './x509.ts';

const specPath = new FieldPath('spec');
const statusPath = new FieldPath('status');
const chainPath = statusPath.child('certificateChain');

const outcomes = ['Issued', 'Denied', 'Failed'];
const hourSeconds = 3600;
const maxSeconds = { kubernetes: 24 * hourSeconds, others: 91 * 24 * hourSeconds };
const maxKeyBytes = 10 * 1024;
const maxChainBytes = 100 * 1024;
const maxAnnotationBytes = 256 * 1024;
const refreshMarginMs = 10 * 60 * 1000;

const decodedLength = (base64: string) => Math.floor((base64.replace(/=+$/, '').length * 3) / 4);

const isOf = (request: PodCertificateRequest, type: string) =>
  request.status?.conditions?.some((c: Condition) => c.type === type && c.status === 'True') ?? false;

/** `kubernetes.io/...` and `....kubernetes.io/...`: signers of Kubernetes itself. */
const isKubernetesSigner = (name: string) => /^([^/]*\.)?kubernetes\.io\//.test(name);

function validateUserAnnotations(annotations: Record<string, string>, path: FieldPath, errors: FieldErrors): void {
  for (const own of Object.keys(annotations).sort()) {
    const key = own.toLowerCase();
    const messages = isQualifiedName(key);
    if (key === '') errors.required(path);
    else if (messages.length > 0) reject(errors, path, key, messages);
    else if (!key.includes('/')) errors.invalid(path, key, 'must be a domain-prefixed key (such as "acme.io/foo")');
  }
  const bytes = Object.entries(annotations).reduce((sum, [key, value]) => sum + byteLength(key) + byteLength(value), 0);
  if (bytes > maxAnnotationBytes) errors.tooLong(path, maxAnnotationBytes);
}

function validateSpec(spec: Partial<PodCertificateRequestSpec>, errors: FieldErrors): void {
  const { signerName = '', maxExpirationSeconds, unverifiedUserAnnotations } = spec;
  validateSignerName(signerName, specPath.child('signerName'), errors);
  if (unverifiedUserAnnotations) validateUserAnnotations(unverifiedUserAnnotations, specPath.child('unverifiedUserAnnotations'), errors);
  for (const [name, uid] of [
    ['podName', 'podUID'],
    ['serviceAccountName', 'serviceAccountUID'],
    ['nodeName', 'nodeUID'],
  ] as const) {
    reject(errors, specPath.child(name), spec[name] ?? '', isDns1123Subdomain(spec[name] ?? ''));
    const value = spec[uid] ?? '';
    if (value === '') errors.invalid(specPath.child(uid), value, 'must not be empty');
    if (value.length > 128) errors.tooLong(specPath.child(uid), 128);
  }
  if (maxExpirationSeconds === undefined) {
    errors.required(specPath.child('maxExpirationSeconds'), 'must be set');
    return;
  }
  const most = isKubernetesSigner(signerName) ? maxSeconds.kubernetes : maxSeconds.others;
  if (maxExpirationSeconds < hourSeconds || maxExpirationSeconds > most)
    errors.invalid(specPath.child('maxExpirationSeconds'), maxExpirationSeconds, `must be in the range [${hourSeconds}, ${most}]`);
  for (const field of ['pkixPublicKey', 'proofOfPossession'] as const)
    if (decodedLength(spec[field] ?? '') > maxKeyBytes) {
      errors.tooLong(specPath.child(field), maxKeyBytes);
      return;
    }
}

interface Problem {
  path: FieldPath;
  value: unknown;
  why: string;
}

/** What is wrong with an issued certificate and what the status tells of it; the times are known to be there. */
function issuedProblem({ spec, status = {} }: PodCertificateRequest, leaf: ParsedCertificate): Problem | undefined {
  const { certificateChain: chain = '', notBefore = '', notAfter = '', beginRefreshAt = '' } = status;
  const wrong = (why: string, value: unknown = chain): Problem => ({ path: chainPath, value, why });
  const wrongField = (field: string, value: string, why: string): Problem => ({ path: statusPath.child(field), value, why });
  if (Date.parse(notBefore) !== leaf.notBeforeMs)
    return wrongField('notBefore', notBefore, 'must be set to the NotBefore time encoded in the leaf certificate');
  if (Date.parse(notAfter) !== leaf.notAfterMs)
    return wrongField('notAfter', notAfter, 'must be set to the NotAfter time encoded in the leaf certificate');
  const lifetimeSeconds = (leaf.notAfterMs - leaf.notBeforeMs) / 1000;
  if (lifetimeSeconds < hourSeconds) return wrong('leaf certificate lifetime must be >= 1 hour', lifetimeSeconds * 1e9);
  const most = spec.maxExpirationSeconds ?? 0;
  if (lifetimeSeconds > most)
    return wrong(`leaf certificate lifetime must be <= spec.maxExpirationSeconds (${most})`, lifetimeSeconds * 1e9);
  if (Date.parse(beginRefreshAt) < leaf.notBeforeMs + refreshMarginMs)
    return wrongField('beginRefreshAt', beginRefreshAt, 'must be at least 10 minutes after status.notBefore');
  if (Date.parse(beginRefreshAt) > leaf.notAfterMs - refreshMarginMs)
    return wrongField('beginRefreshAt', beginRefreshAt, 'must be at least 10 minutes before status.notAfter');
  for (const { type, bytes } of pemBlocks(chain).slice(1)) {
    // Upstream's spelling.
    if (type !== 'CERTIFICATE') return wrong('issued certificate chain must consist entirely of CERTFICATE PEM blocks');
    if (!parseCertificate(bytes)) return wrong('intermediate certificate does not parse as valid X.509');
  }
  return undefined;
}

function validateNames({ dnsNames, emailAddresses }: ParsedCertificate, errors: FieldErrors): void {
  for (const name of dnsNames) {
    if (name === '') errors.invalid(chainPath, name, 'leaf certificate should not contain empty DNSName');
    if (name.includes('..')) errors.invalid(chainPath, name, "leaf certificate's DNSName should not contain '..'");
    if (name.startsWith('.') || name.endsWith('.'))
      errors.invalid(chainPath, name, "leaf certificate's DNSName should not start or end with '.'");
  }
  for (const address of emailAddresses)
    if (!/^[^\s@<>]+@[^\s@<>]+$/.test(address))
      errors.invalid(chainPath, address, 'leaf certificate should not contain invalid EmailAddress');
}

const timesOfIssued = {
  notBefore: 'must be present and consistent with the issued certificate',
  notAfter: 'must be present and consistent with the issued certificate',
  beginRefreshAt: 'must be present and in the range [notbefore+10min, notafter-10min]',
} as const;

function validateIssued(request: PodCertificateRequest, errors: FieldErrors): void {
  const { status = {}, spec } = request;
  const chain = status.certificateChain ?? '';
  if (byteLength(chain) > maxChainBytes) {
    errors.tooLong(chainPath, maxChainBytes);
    return;
  }
  const [block] = pemBlocks(chain);
  const leaf = block?.type === 'CERTIFICATE' ? parseCertificate(block.bytes) : undefined;
  if (!block) errors.invalid(chainPath, chain, 'issued certificate chain must contain at least one certificate');
  else if (block.type !== 'CERTIFICATE')
    errors.invalid(chainPath, chain, 'issued certificate chain must consist entirely of CERTIFICATE PEM blocks');
  else if (!leaf) errors.invalid(chainPath, chain, 'leaf certificate does not parse as valid X.509');
  if (!leaf) return;
  validateNames(leaf, errors);
  if (btoa(String.fromCharCode(...leaf.publicKey)) !== spec.pkixPublicKey) {
    errors.invalid(chainPath, chain, 'leaf certificate was not issued to the requested public key');
    return;
  }
  for (const field of ['notBefore', 'notAfter', 'beginRefreshAt'] as const)
    if (!status[field]) errors.required(statusPath.child(field), timesOfIssued[field]);
  if (!errors.ok) return;
  const problem = issuedProblem(request, leaf);
  if (problem) errors.invalid(problem.path, problem.value, problem.why);
}

function validateStatus(next: PodCertificateRequest, prev: PodCertificateRequest, errors: FieldErrors): void {
  const conditions = next.status?.conditions ?? [];
  const path = statusPath.child('conditions');
  let known = 0;
  for (const [i, { type, status }] of conditions.entries()) {
    // Upstream's way of writing it there.
    const at = path.child(`[${i}]`);
    if (!outcomes.includes(type)) {
      errors.notSupported(at.child('type'), type, outcomes);
      continue;
    }
    if (++known > 1) errors.invalid(at.child('type'), type, 'There may be at most one condition with type "Issued", "Denied", or "Failed"');
    if (status !== 'True') errors.notSupported(at.child('status'), status, ['True']);
  }
  validateConditions(conditions, path, errors);
  if (!errors.ok) return;
  const keep = (other: object, why: string) => {
    if (!semanticEqual(next.status ?? {}, other)) errors.invalidWhole(statusPath, why);
  };
  if (outcomes.some((type) => isOf(prev, type)))
    keep(prev.status ?? {}, 'immutable after PodCertificateRequest is issued, denied, or failed');
  else if (isOf(next, 'Denied') || isOf(next, 'Failed'))
    keep({ conditions }, 'non-condition status fields must be empty when denying or failing the PodCertificateRequest');
  else if (isOf(next, 'Issued')) validateIssued(next, errors);
  else keep(prev.status ?? {}, 'status is immutable unless transitioning to "Issued", "Denied", or "Failed"');
}

function stateCell({ status }: PodCertificateRequest): string {
  return outcomes.find((type) => status?.conditions?.some((c: Condition) => c.type === type)) ?? 'Pending';
}

/** A pod's key that wants a certificate, asked for by its kubelet (KEP-4317). */
export const podCertificateRequest = defineKind<PodCertificateRequest>({
  resource: PodCertificateRequest,
  generation: false,
  allowUnconditionalUpdate: false,
  validateCreate: ({ spec }, errors) => validateSpec(spec ?? {}, errors),
  validateUpdate: (next, prev, errors) =>
    validateImmutable(next.spec, prev.spec, specPath, errors, 'certificates.v1beta1.PodCertificateRequestSpec'),
  subresources: { status: { keepsMetadata: true, validate: validateStatus } },
  fieldSelectors: {
    'spec.signerName': ({ spec }) => spec.signerName,
    'spec.podName': ({ spec }) => spec.podName,
    'spec.nodeName': ({ spec }) => spec.nodeName,
  },
  columns: [
    nameColumn,
    {
      name: 'PodName',
      description: fieldDoc('certificates.v1beta1.PodCertificateRequestSpec.podName'),
      value: ({ spec }) => spec.podName,
    },
    {
      name: 'ServiceAccountName',
      description: fieldDoc('certificates.v1beta1.PodCertificateRequestSpec.serviceAccountName'),
      value: ({ spec }) => spec.serviceAccountName,
    },
    {
      name: 'NodeName',
      description: fieldDoc('certificates.v1beta1.PodCertificateRequestSpec.nodeName'),
      value: ({ spec }) => spec.nodeName,
    },
    {
      name: 'SignerName',
      description: fieldDoc('certificates.v1beta1.PodCertificateRequestSpec.signerName'),
      value: ({ spec }) => spec.signerName,
    },
    { name: 'State', description: 'Is the request Pending, Issued, Denied, or Failed?', value: stateCell },
    {
      name: 'UnverifiedUserAnnotations',
      description: fieldDoc('certificates.v1beta1.PodCertificateRequestSpec.unverifiedUserAnnotations'),
      value: ({ spec }) => formatLabels(spec.unverifiedUserAnnotations),
    },
  ],
});
