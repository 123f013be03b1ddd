import { createPublicKey } from 'node:crypto';
import { generateKeyPair, toCryptoKeys } from './key.ts';
import { type AlternativeNames, type Subject, toGeneralNames, toJsonName } from './subject.ts';
import { x509 } from './x509.ts';

/** What a PKCS #10 request asks for. */
export interface SigningRequest {
  commonName: string;
  organizations: string[];
  dnsNames: string[];
  ipAddresses: string[];
  emailAddresses: string[];
  uris: string[];
  /** SPKI PEM. */
  publicKey: string;
}

/** A new key (unless one is given) and a request for a certificate over it, both PEM. */
export async function createSigningRequest(
  options: Subject & AlternativeNames & { key?: string },
): Promise<{ request: string; key: string }> {
  const lib = await x509();
  const key = options.key ?? (await generateKeyPair()).privateKey;
  const keys = toCryptoKeys(key);
  const names = toGeneralNames(options);
  const csr = await lib.Pkcs10CertificateRequestGenerator.create({
    name: toJsonName(options),
    keys: { privateKey: keys.privateKey, publicKey: keys.publicKey },
    signingAlgorithm: keys.algorithm,
    extensions: names.length > 0 ? [new lib.SubjectAlternativeNameExtension(names)] : [],
  });
  return { request: `${csr.toString('pem').trimEnd()}\n`, key };
}

/** Reads a request (PEM). Throws an Error when it is none or its signature is not its key's. */
export async function parseSigningRequest(pem: string): Promise<SigningRequest> {
  if (!/-----BEGIN (NEW )?CERTIFICATE REQUEST-----/.test(pem)) throw new Error('PEM block type must be CERTIFICATE REQUEST');
  const lib = await x509();
  const csr = new lib.Pkcs10CertificateRequest(pem);
  if (!(await csr.verify())) throw new Error('the signature of the certificate signing request is not valid');
  const extension = csr.getExtension('2.5.29.17');
  const names = extension instanceof lib.SubjectAlternativeNameExtension ? extension.names.toJSON() : [];
  const ofType = (type: string) => names.filter((n) => n.type === type).map((n) => n.value);
  return {
    commonName: csr.subjectName.getField('CN')[0] ?? '',
    organizations: csr.subjectName.getField('O'),
    dnsNames: ofType('dns'),
    ipAddresses: ofType('ip'),
    emailAddresses: ofType('email'),
    uris: ofType('url'),
    publicKey: createPublicKey({ key: Buffer.from(csr.publicKey.rawData), format: 'der', type: 'spki' }).export({
      type: 'spki',
      format: 'pem',
    }) as string,
  };
}
