import { validateSignerName } from '../core/signer-names.ts';
import { semanticEqual } from '../equality.ts';
import { type FieldErrors, FieldPath, goQuote } from '../fields.ts';
import {
  CertificateSigningRequest,
  type CertificateSigningRequestCondition,
  type CertificateSigningRequestSpec,
  type KeyUsage,
} from '../generated/certificates.v1.ts';
import * as v1beta1 from '../generated/certificates.v1beta1.ts';
import { defineKind, type ServedVersion, type StrategyContext } from '../kind.ts';
import { nameIsPathSegment } from '../names.ts';
import { ageColumn, fieldDoc, humanDuration, nameColumn } from '../printing.ts';
import { convertedVersion } from '../served-version.ts';
import { readSigningRequest } from './signing-requests.ts';
import { parseCertificate, pemBlocks } from './x509.ts';

const specPath = new FieldPath('spec');
const statusPath = new FieldPath('status');
const minSeconds = 600;
const legacySigner = 'kubernetes.io/legacy-unknown';
const decisions = ['Approved', 'Denied'];
/** What once is so stays so. */
const final = [...decisions, 'Failed'];

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

function validateConditions(conditions: readonly CertificateSigningRequestCondition[], errors: FieldErrors): void {
  const path = statusPath.child('conditions');
  for (const [i, { type, status }] of conditions.entries()) {
    const at = path.index(i);
    if (!type) errors.ratcheting(() => errors.required(at.child('type')));
    const allowed = final.includes(type) ? ['True'] : ['False', 'True', 'Unknown'];
    if (!status) errors.required(at.child('status'));
    else if (!allowed.includes(status)) errors.notSupported(at.child('status'), status, allowed);
    const opposite = type === 'Approved' ? 'Denied' : type === 'Denied' ? 'Approved' : undefined;
    if (opposite && conditions.slice(0, i).some((c) => c.type === opposite))
      errors.ratcheting(() => errors.invalid(path, type, 'Approved and Denied conditions are mutually exclusive'));
    if (conditions.findIndex((c) => c.type === type) < i) errors.ratcheting(() => errors.duplicate(at.child('type'), type));
  }
}

const ofType = (csr: CertificateSigningRequest, type: string) => (csr.status?.conditions ?? []).filter((c) => c.type === type);

/** A condition that doesn't say when it came has come now, or when one of the same status did. */
function fillInTimes(
  conditions: readonly CertificateSigningRequestCondition[],
  before: CertificateSigningRequest,
  { now }: StrategyContext,
): CertificateSigningRequestCondition[] {
  return conditions.map((condition) => {
    const old = ofType(before, condition.type).find(({ status, lastTransitionTime }) => status === condition.status && lastTransitionTime);
    return {
      ...condition,
      lastUpdateTime: condition.lastUpdateTime ?? now,
      lastTransitionTime: condition.lastTransitionTime ?? old?.lastTransitionTime ?? now,
    };
  });
}

/** What is wrong with the certificates that a signer issued. */
function certificateProblem(pem: string): string | undefined {
  const blocks = pemBlocks(pem);
  for (const { hasHeaders, type, bytes } of blocks) {
    if (type !== 'CERTIFICATE') return `only CERTIFICATE PEM blocks are allowed, found ${goQuote(type)}`;
    if (hasHeaders) return 'no PEM block headers are permitted';
    if (!parseCertificate(bytes)) return 'x509: malformed certificate';
  }
  return blocks.length === 0 ? 'must contain at least one CERTIFICATE PEM block' : undefined;
}

function validateRequest({ spec, status }: CertificateSigningRequest, errors: FieldErrors): void {
  const { request = '', usages = [], signerName = '', expirationSeconds }: Partial<CertificateSigningRequestSpec> = spec ?? {};
  const read = readSigningRequest(atob(request));
  if (typeof read === 'string') errors.invalid(specPath.child('request'), request, read);
  const path = specPath.child('usages');
  if (usages.length === 0) errors.required(path);
  errors.ratcheting(() => {
    for (const [i, usage] of usages.entries())
      if (!keyUsages.includes(usage)) errors.notSupported(path.index(i), usage, [...keyUsages].sort());
    for (const [i, usage] of usages.entries()) if (usages.indexOf(usage) < i) errors.duplicate(path.index(i), usage);
  });
  validateSignerName(signerName, specPath.child('signerName'), errors);
  if (expirationSeconds !== undefined && expirationSeconds < minSeconds)
    errors.invalid(specPath.child('expirationSeconds'), expirationSeconds, 'may not specify a duration less than 600 seconds (10 minutes)');
  validateConditions(status?.conditions ?? [], errors);
}

/** Writers of the approval may say what is approved and denied, those of the status what is issued. */
function validateStatusUpdate(
  next: CertificateSigningRequest,
  prev: CertificateSigningRequest,
  may: 'approve' | 'issue',
  errors: FieldErrors,
): void {
  validateRequest(next, errors);
  const certificate = next.status?.certificate ?? '';
  const before = prev.status?.certificate ?? '';
  const path = statusPath.child('certificate');
  // What was stored before there was this rule may go on breaking it.
  const isHeld = certificate !== '' && certificate !== before && !(before && certificateProblem(atob(before)));
  const problem = isHeld ? certificateProblem(atob(certificate)) : undefined;
  if (problem) errors.invalid(path, '<certificate data>', problem);
  const conditions = statusPath.child('conditions');
  for (const type of final)
    if (ofType(next, type).length < ofType(prev, type).length)
      errors.forbidden(conditions, `updates may not remove a condition of type ${goQuote(type)}`);
  if (may === 'issue')
    for (const type of decisions)
      if (ofType(next, type).length > ofType(prev, type).length)
        errors.forbidden(conditions, `updates may not add a condition of type ${goQuote(type)}`);
  if (before && certificate !== before) errors.forbidden(path, 'updates may not modify existing certificate content');
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

const certificatesV1beta1: ServedVersion<CertificateSigningRequest> = {
  ...convertedVersion(v1beta1.CertificateSigningRequest, CertificateSigningRequest, {
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
  }),
  overrides: { validateCreate: () => {} },
};

/** v1 takes no legacy signer; v1beta1 chose it by default. */
function refuseLegacySigner({ spec }: CertificateSigningRequest, errors: FieldErrors): void {
  if (spec.signerName === legacySigner)
    errors.invalid(specPath.child('signerName'), legacySigner, 'the legacy signerName is not allowed via this API version');
}

export const certificateSigningRequest = defineKind<CertificateSigningRequest>({
  resource: CertificateSigningRequest,
  shortNames: ['csr'],
  versions: [certificatesV1beta1],
  validateName: nameIsPathSegment,
  generation: false,
  // Who asks is for the server to say.
  create({ spec }, { user, groups, uid, extra }) {
    for (const field of ['username', 'uid', 'groups', 'extra'] as const) delete spec[field];
    if (user) spec.username = user;
    if (uid) spec.uid = uid;
    if (groups?.length) spec.groups = [...groups];
    const extras = Object.entries(extra ?? {}).map(([key, values]) => [key, [...values]]);
    if (extras.length > 0) spec.extra = Object.fromEntries(extras);
  },
  update(next, prev) {
    next.spec = prev.spec;
    if (prev.status === undefined) delete next.status;
    else next.status = prev.status;
  },
  validate: validateRequest,
  validateCreate: refuseLegacySigner,
  fieldSelectors: { 'spec.signerName': ({ spec }) => spec.signerName ?? '' },
  resetFields: { reset: { 'f:spec': {}, 'f:status': {} } },
  subresources: {
    status: {
      resetFields: { reset: { 'f:spec': {}, 'f:status': { 'f:conditions': {} } } },
      update(next, prev, context) {
        next.spec = prev.spec;
        let conditions = next.status?.conditions ?? [];
        // Decisions are not for them to change; where they would add or remove one, validation says so.
        for (const type of decisions) {
          const decided = ofType(prev, type);
          if (decided.length !== conditions.filter((c) => c.type === type).length) continue;
          conditions = conditions.map((c) => (c.type === type ? (decided.shift() ?? c) : c));
        }
        next.status = { ...next.status, conditions: fillInTimes(conditions, prev, context) };
      },
      validate: (next, prev, errors) => validateStatusUpdate(next, prev, 'issue', errors),
    },
    approval: {
      resetFields: { reset: { 'f:spec': {}, 'f:status': { 'f:certificate': {} } } },
      update(next, prev, context) {
        next.spec = prev.spec;
        next.status = { ...prev.status, conditions: fillInTimes(next.status?.conditions ?? [], prev, context) };
      },
      validate: (next, prev, errors) => validateStatusUpdate(next, prev, 'approve', errors),
    },
  },
  columns: [
    nameColumn,
    ageColumn,
    {
      name: 'SignerName',
      description: fieldDoc('certificates.v1beta1.CertificateSigningRequestSpec.signerName'),
      value: ({ spec }) => spec.signerName || '<none>',
    },
    {
      name: 'Requestor',
      description: fieldDoc('certificates.v1beta1.CertificateSigningRequestSpec.request'),
      value: ({ spec }) => spec.username ?? '',
    },
    {
      name: 'RequestedDuration',
      description: fieldDoc('certificates.v1beta1.CertificateSigningRequestSpec.expirationSeconds'),
      value: ({ spec }) => (spec.expirationSeconds === undefined ? '<none>' : humanDuration(spec.expirationSeconds * 1000)),
    },
    { name: 'Condition', description: fieldDoc('certificates.v1beta1.CertificateSigningRequestStatus.conditions'), value: statusCell },
  ],
});
