import { validateSignerName } from '../core/signer-names.ts';
import { semanticEqual } from '../equality.ts';
import { type FieldErrors, FieldPath } from '../fields.ts';
import {
  CertificateSigningRequest,
  type CertificateSigningRequestCondition,
  type CertificateSigningRequestSpec,
  type KeyUsage,
} from '../generated/certificates.v1.ts';
import * as v1beta1 from '../generated/certificates.v1beta1.ts';
import { defineKind, type StrategyContext } from '../kind.ts';
import { ageColumn, humanDuration, nameColumn } from '../printing.ts';
import { convertedVersion } from '../served-version.ts';
import { pemBlocks } from './x509.ts';

const specPath = new FieldPath('spec');
const statusPath = new FieldPath('status');
const minSeconds = 600;
const legacySigner = 'kubernetes.io/legacy-unknown';
const decisions = ['Approved', 'Denied'];

const keyUsages: readonly KeyUsage[] = [
  'signing',
  'digital signature',
  'content commitment',
  'key encipherment',
  'key agreement',
  'data encipherment',
  'cert sign',
  'crl sign',
  'encipher only',
  'decipher only',
  'any',
  'server auth',
  'client auth',
  'code signing',
  'email protection',
  's/mime',
  'ipsec end system',
  'ipsec tunnel',
  'ipsec user',
  'timestamping',
  'ocsp signing',
  'microsoft sgc',
  'netscape sgc',
];

function decode(base64: string): string | undefined {
  try {
    return atob(base64);
  } catch {
    // The decoder of the wire form rejects what is not base64 before this is asked.
    return undefined;
  }
}

const hasPem = (base64: string, label: string) =>
  new RegExp(`-----BEGIN ${label}-----[\\s\\S]+-----END ${label}-----`).test(decode(base64) ?? '');

function validateConditions(conditions: readonly CertificateSigningRequestCondition[], errors: FieldErrors): void {
  const path = statusPath.child('conditions');
  for (const [i, { type, status }] of conditions.entries()) {
    const at = path.index(i);
    if (!type) errors.required(at.child('type'));
    if (!status) errors.required(at.child('status'));
    else if (['Approved', 'Denied', 'Failed'].includes(type)) {
      if (status !== 'True') errors.notSupported(at.child('status'), status, ['True']);
    } else if (!['True', 'False', 'Unknown'].includes(status))
      errors.notSupported(at.child('status'), status, ['True', 'False', 'Unknown']);
    const opposite = type === 'Approved' ? 'Denied' : type === 'Denied' ? 'Approved' : undefined;
    if (opposite && conditions.slice(0, i).some((c) => c.type === opposite))
      errors.ratcheting(() => errors.invalid(path, type, 'Approved and Denied conditions are mutually exclusive'));
    if (conditions.findIndex((c) => c.type === type) < i) errors.duplicate(at.child('type'), type);
  }
}

/** Conditions of this subresource may be set; those of the other stay as they were. Times are filled in. */
function mergeConditions(
  next: CertificateSigningRequest,
  prev: CertificateSigningRequest,
  mine: (type: string) => boolean,
  { now }: StrategyContext,
): CertificateSigningRequestCondition[] {
  const before = prev.status?.conditions ?? [];
  const kept = before.filter((c) => !mine(c.type));
  const set = (next.status?.conditions ?? [])
    .filter((c) => mine(c.type))
    .map((c) => {
      const old = before.find((b) => b.type === c.type);
      const lastTransitionTime = c.lastTransitionTime ?? (old?.status === c.status ? old.lastTransitionTime : undefined) ?? now;
      return { ...c, lastUpdateTime: c.lastUpdateTime ?? now, lastTransitionTime };
    });
  return [...kept, ...set];
}

/** What is wrong with the certificates that a signer issued. */
function certificateProblem(pem: string): string | undefined {
  const blocks = pemBlocks(pem);
  for (const { hasHeaders, type } of blocks) {
    if (type !== 'CERTIFICATE') return `only CERTIFICATE PEM blocks are allowed, found ${JSON.stringify(type)}`;
    if (hasHeaders) return 'no PEM block headers are permitted';
  }
  return blocks.length === 0 ? 'must contain at least one CERTIFICATE PEM block' : undefined;
}

function validateStatusUpdate(next: CertificateSigningRequest, prev: CertificateSigningRequest, errors: FieldErrors): void {
  validateConditions(next.status?.conditions ?? [], errors);
  // A decision is final.
  for (const { type } of prev.status?.conditions ?? [])
    if ([...decisions, 'Failed'].includes(type) && !next.status?.conditions?.some((c) => c.type === type))
      errors.forbidden(statusPath.child('conditions'), `updates may not remove a condition of type ${JSON.stringify(type)}`);
  const certificate = next.status?.certificate;
  if (prev.status?.certificate && certificate !== prev.status.certificate)
    errors.forbidden(statusPath.child('certificate'), 'updates may not modify existing certificate content');
  const problem = certificate && certificate !== prev.status?.certificate ? certificateProblem(decode(certificate) ?? '') : undefined;
  if (problem) errors.invalid(statusPath.child('certificate'), '<certificate data>', problem);
}

function statusCell({ status }: CertificateSigningRequest): string {
  const has = (type: string) => status?.conditions?.some((c) => c.type === type) ?? false;
  const text = has('Denied') ? 'Denied' : has('Approved') ? 'Approved' : 'Pending';
  return text + (has('Failed') ? ',Failed' : '') + (status?.certificate ? ',Issued' : '');
}

/** The signer that v1beta1 chose where none was named (upstream: DefaultSignerNameFromSpec). */
function defaultSignerName({ request, usages = [], username = '' }: v1beta1.CertificateSigningRequestSpec): string {
  const client = semanticEqual([...usages].sort(), ['client auth', 'digital signature', 'key encipherment']);
  const serving = semanticEqual([...usages].sort(), ['digital signature', 'key encipherment', 'server auth']);
  if (!request) return legacySigner;
  if (serving && username.startsWith('system:node:')) return 'kubernetes.io/kubelet-serving';
  return client && username.startsWith('system:node:') ? 'kubernetes.io/kube-apiserver-client-kubelet' : legacySigner;
}

const certificatesV1beta1 = convertedVersion(v1beta1.CertificateSigningRequest, CertificateSigningRequest, {
  defaults({ spec, status }) {
    if (spec) {
      if (!spec.usages?.length) spec.usages = ['digital signature', 'key encipherment'];
      spec.signerName ??= defaultSignerName(spec);
    }
    for (const condition of status?.conditions ?? []) condition.status ||= 'True';
  },
  // Defaults have filled in what the older version let be absent; usages are an open set of the same values there.
  toStorage: ({ spec, ...csr }) =>
    ({ ...csr, spec: { ...spec, signerName: spec.signerName ?? legacySigner } }) as unknown as CertificateSigningRequest,
  fromStorage: (csr) => csr,
});

export const certificateSigningRequest = defineKind<CertificateSigningRequest>({
  resource: CertificateSigningRequest,
  shortNames: ['csr'],
  versions: [certificatesV1beta1],
  generation: false,
  // Who asks is for the server to say.
  create({ spec }, { user, groups, uid, extra }) {
    spec.username = user ?? '';
    spec.groups = [...(groups ?? [])];
    if (uid) spec.uid = uid;
    else delete spec.uid;
    if (extra) spec.extra = Object.fromEntries(Object.entries(extra).map(([key, values]) => [key, [...values]]));
    else delete spec.extra;
  },
  update(next, prev) {
    next.spec = prev.spec;
    if (prev.status === undefined) delete next.status;
    else next.status = prev.status;
  },
  validate({ spec, status }, errors) {
    const { request = '', usages = [], signerName = '', expirationSeconds }: Partial<CertificateSigningRequestSpec> = spec ?? {};
    if (!hasPem(request, 'CERTIFICATE REQUEST'))
      errors.invalid(specPath.child('request'), request, 'PEM block type must be CERTIFICATE REQUEST');
    if (usages.length === 0) errors.required(specPath.child('usages'));
    for (const [i, usage] of usages.entries()) {
      if (!keyUsages.includes(usage)) errors.notSupported(specPath.child('usages').index(i), usage, [...keyUsages].sort());
      if (usages.indexOf(usage) < i) errors.duplicate(specPath.child('usages').index(i), usage);
    }
    validateSignerName(signerName, specPath.child('signerName'), errors);
    if (expirationSeconds !== undefined && expirationSeconds < minSeconds)
      errors.invalid(
        specPath.child('expirationSeconds'),
        expirationSeconds,
        'may not specify a duration less than 600 seconds (10 minutes)',
      );
    validateConditions(status?.conditions ?? [], errors);
  },
  fieldSelectors: { 'spec.signerName': ({ spec }) => spec.signerName ?? '' },
  subresources: {
    status: {
      update(next, prev, context) {
        const conditions = mergeConditions(next, prev, (type) => !decisions.includes(type), context);
        next.spec = prev.spec;
        next.status = { ...next.status, conditions };
      },
      validate: validateStatusUpdate,
    },
    approval: {
      update(next, prev, context) {
        const conditions = mergeConditions(next, prev, (type) => decisions.includes(type), context);
        next.spec = prev.spec;
        next.status = { ...prev.status, conditions };
      },
      validate: validateStatusUpdate,
    },
  },
  columns: [
    nameColumn,
    ageColumn,
    {
      name: 'SignerName',
      description: 'Indicates the requested signer, and is a qualified name.',
      value: ({ spec }) => spec.signerName || '<none>',
    },
    { name: 'Requestor', description: 'Information about the requesting user.', value: ({ spec }) => spec.username ?? '' },
    {
      name: 'RequestedDuration',
      description: 'The requested duration of validity of the issued certificate.',
      value: ({ spec }) => (spec.expirationSeconds === undefined ? '<none>' : humanDuration(spec.expirationSeconds * 1000)),
    },
    { name: 'Condition', description: 'Conditions applied to the request, such as approval or denial.', value: statusCell },
  ],
});
