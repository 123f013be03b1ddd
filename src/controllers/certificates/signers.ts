/** What the built-in signers sign (KEP-1513), in upstream's words. Pure. */
import type { CertificateSigningRequest } from '../../api/index.ts';
import type { SigningRequest } from '../../pki/index.ts';

const prefix = 'kubernetes.io/';
export const kubeletClientSigner = `${prefix}kube-apiserver-client-kubelet`;
const signers: Record<string, (request: SigningRequest, usages: readonly string[]) => string | undefined> = {
  [`${prefix}kube-apiserver-client`]: (_, usages) => clientUsages(usages),
  [kubeletClientSigner]: kubeletClientProblem,
  [`${prefix}kubelet-serving`]: kubeletServingProblem,
  [`${prefix}legacy-unknown`]: () => undefined,
};

export const isBuiltInSigner = (name: string): boolean => Object.hasOwn(signers, name);

/** Why a built-in signer refuses a request; undefined where it signs. */
export function refusal(signerName: string, request: SigningRequest, usages: readonly string[]): string | undefined {
  return signers[signerName]?.(request, usages);
}

function clientUsages(usages: readonly string[]): string | undefined {
  const odd = usages.find((usage) => !['digital signature', 'key encipherment', 'client auth'].includes(usage));
  if (odd !== undefined) return `invalid usage for client certificate: ${odd}`;
  return usages.includes('client auth') ? undefined : 'missing required usage for client certificate: client auth';
}

function nodeProblem({ organizations, commonName }: SigningRequest): string | undefined {
  if (organizations.length !== 1 || organizations[0] !== 'system:nodes') return 'subject organization is not system:nodes';
  return commonName.startsWith('system:node:') ? undefined : 'subject common name does not begin with system:node:';
}

/** The usages are these, with or without encipherment of keys, which only RSA can. */
function usagesProblem(usages: readonly string[], purpose: string): string | undefined {
  const wanted = ['digital signature', 'key encipherment', purpose].sort();
  const given = [...new Set(usages)].sort().join();
  const without = wanted.filter((usage) => usage !== 'key encipherment');
  return given === wanted.join() || given === without.join() ? undefined : `usages did not match [${wanted.join(' ')}]`;
}

export function kubeletClientProblem(request: SigningRequest, usages: readonly string[]): string | undefined {
  const node = nodeProblem(request);
  if (node) return node;
  if (request.dnsNames.length > 0) return 'DNS subjectAltNames are not allowed';
  if (request.emailAddresses.length > 0) return 'Email subjectAltNames are not allowed';
  if (request.ipAddresses.length > 0) return 'IP subjectAltNames are not allowed';
  if (request.uris.length > 0) return 'URI subjectAltNames are not allowed';
  return usagesProblem(usages, 'client auth');
}

function kubeletServingProblem(request: SigningRequest, usages: readonly string[]): string | undefined {
  const node = nodeProblem(request);
  if (node) return node;
  if (request.emailAddresses.length > 0) return 'Email subjectAltNames are not allowed';
  if (request.uris.length > 0) return 'URI subjectAltNames are not allowed';
  if (request.dnsNames.length + request.ipAddresses.length === 0) return 'DNS or IP subjectAltName is required';
  return usagesProblem(usages, 'server auth');
}

export const hasCondition = ({ status }: CertificateSigningRequest, ...types: string[]): boolean =>
  status?.conditions?.some((condition) => types.includes(condition.type)) ?? false;

/** The PEM that a request carries. */
export const requestPem = ({ spec }: CertificateSigningRequest): string => Buffer.from(spec.request, 'base64').toString();
