/**
 * Keys and signatures, as Go's crypto/x509 takes them: requests for certificates are signed by their own keys, and who wants a
 * certificate for a pod's key has it in hand.
 */
import { constants, createPublicKey, type KeyObject, type VerifyKeyObjectInput, verify } from 'node:crypto';
import {
  type CertificateSigningRequest,
  type certificatesV1beta1,
  FieldPath,
  type ReadSigningRequest,
  readSigningRequest,
} from '../../api/index.ts';
import type { WriteHook } from '../request.ts';

const specPath = new FieldPath('spec');
const mostKeyBytes = 10 * 1024;
const pss = { padding: constants.RSA_PKCS1_PSS_PADDING, saltLength: constants.RSA_PSS_SALTLEN_AUTO };

interface Algorithm {
  keyType: string;
  digest: string | null;
  /** What Go says of a signature that is another's. */
  failure: string;
  options?: Partial<VerifyKeyObjectInput>;
}
const rsa = (digest: string): Algorithm => ({ keyType: 'rsa', digest, failure: 'crypto/rsa: verification error' });
const ecdsa = (digest: string): Algorithm => ({ keyType: 'ec', digest, failure: 'x509: ECDSA verification failure' });

/** How Go calls the kinds of keys, and what holds them. */
const goNames: Record<string, readonly [string, string]> = {
  rsa: ['RSA', '*rsa.PublicKey'],
  ec: ['ECDSA', '*ecdsa.PublicKey'],
  ed25519: ['Ed25519', 'ed25519.PublicKey'],
};

/** By the hexadecimal digits of their object identifiers; RSA-PSS names its digest in its parameters. */
const algorithms: Record<string, Algorithm> = {
  '2a864886f70d010105': rsa('sha1'),
  '2a864886f70d01010b': rsa('sha256'),
  '2a864886f70d01010c': rsa('sha384'),
  '2a864886f70d01010d': rsa('sha512'),
  '2a8648ce3d0401': ecdsa('sha1'),
  '2a8648ce3d040302': ecdsa('sha256'),
  '2a8648ce3d040303': ecdsa('sha384'),
  '2a8648ce3d040304': ecdsa('sha512'),
  '2b6570': { keyType: 'ed25519', digest: null, failure: 'x509: Ed25519 verification failure' },
};
const rsaPss = '2a864886f70d01010a';
const pssDigests: Record<string, string> = {
  '608648016503040201': 'sha256',
  '608648016503040202': 'sha384',
  '608648016503040203': 'sha512',
};

/** The curves that Go reads, as OpenSSL and as Go call them. */
const curves: Record<string, string> = { secp224r1: 'P-224', prime256v1: 'P-256', secp384r1: 'P-384', secp521r1: 'P-521' };

const bytesOf = (base64: string | undefined) => Buffer.from(base64 ?? '', 'base64');

function algorithmOf({ algorithm, parameters }: ReadSigningRequest): Algorithm | undefined {
  if (algorithm !== rsaPss) return Object.hasOwn(algorithms, algorithm) ? algorithms[algorithm] : undefined;
  const digits = Buffer.from(parameters).toString('hex');
  const digest = Object.entries(pssDigests).find(([oid]) => digits.includes(oid))?.[1];
  return digest === undefined ? undefined : { ...rsa(digest), options: pss };
}

function verifies(digest: string | null, data: Uint8Array, key: VerifyKeyObjectInput, signature: Uint8Array): boolean {
  try {
    return verify(digest, data, key, signature);
  } catch {
    // A signature that is none of this algorithm's at all.
    return false;
  }
}

/** A SubjectPublicKeyInfo in DER; undefined for what is none. */
function readPublicKey(der: Uint8Array): KeyObject | undefined {
  try {
    return createPublicKey({ key: Buffer.from(der), format: 'der', type: 'spki' });
  } catch {
    return undefined;
  }
}

function signatureProblem(request: ReadSigningRequest): string | undefined {
  const algorithm = algorithmOf(request);
  const key = readPublicKey(request.publicKey);
  const type = key?.asymmetricKeyType ?? '';
  if (!algorithm || !key || !Object.hasOwn(goNames, type)) return 'x509: cannot verify signature: algorithm unimplemented';
  if (type !== algorithm.keyType) {
    const [wanted] = goNames[algorithm.keyType] ?? [];
    return `x509: signature algorithm specifies an ${wanted} public key, but have public key of type ${goNames[type]?.[1]}`;
  }
  return verifies(algorithm.digest, request.signed, { key, ...algorithm.options }, request.signature) ? undefined : algorithm.failure;
}

/** Ed25519, ECDSA over SHA-256 in ASN.1, or RSA-PSS over SHA-256. */
function provesPossession(key: KeyObject, text: string, signature: Uint8Array): boolean {
  const data = Buffer.from(text);
  if (key.asymmetricKeyType === 'ed25519') return verifies(null, data, { key }, signature);
  return verifies('sha256', data, key.asymmetricKeyType === 'rsa' ? { key, ...pss } : { key }, signature);
}

/** A request for a certificate is signed by its own key. */
export const signedByItsKey: WriteHook<CertificateSigningRequest> = {
  async begin({ next, prev, problems }) {
    const { request = '' } = next.spec ?? {};
    const read = prev === undefined ? readSigningRequest(bytesOf(request).toString('latin1')) : '';
    // What can't be read is for validation to refuse.
    const problem = typeof read === 'string' ? undefined : signatureProblem(read);
    if (problem) problems.invalid(specPath.child('request'), request, problem);
    return () => {};
  },
};

/** The key of a pod that wants a certificate is of a kind that is let in, and has signed the pod's uid. */
export const keyInHand: WriteHook<certificatesV1beta1.PodCertificateRequest> = {
  async begin({ next: { spec }, prev, problems }) {
    const { pkixPublicKey, proofOfPossession, podUID = '', maxExpirationSeconds } = spec ?? {};
    const [publicKey, proof] = [bytesOf(pkixPublicKey), bytesOf(proofOfPossession)];
    const unread = maxExpirationSeconds === undefined || publicKey.length > mostKeyBytes || proof.length > mostKeyBytes;
    if (prev !== undefined || unread) return () => {};
    const path = specPath.child('pkixPublicKey');
    const key = readPublicKey(publicKey);
    const type = key?.asymmetricKeyType ?? '';
    const { modulusLength = 0, namedCurve = '' } = key?.asymmetricKeyDetails ?? {};
    const bits = Math.ceil(modulusLength / 8) * 8;
    if (!key || (type === 'ec' && !Object.hasOwn(curves, namedCurve)))
      problems.invalid(path, pkixPublicKey ?? '', 'must be a valid PKIX-serialized public key');
    else if (curves[namedCurve] === 'P-224') problems.invalid(path, 'curve P-224', 'elliptic public keys must use curve P256 or P384');
    else if (type === 'rsa' && bits !== 3072 && bits !== 4096)
      problems.invalid(path, `${bits}-bit modulus`, 'RSA keys must have modulus size 3072 or 4096');
    else if (!Object.hasOwn(goNames, type))
      problems.invalid(path, pkixPublicKey ?? '', 'unknown public key type; supported types are Ed25519, ECDSA, and RSA');
    else if (!provesPossession(key, podUID, proof))
      problems.invalidWhole(specPath.child('proofOfPossession'), 'could not verify proof-of-possession signature');
    return () => {};
  },
};
