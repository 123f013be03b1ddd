import { createPublicKey, randomBytes } from 'node:crypto';
import { generateKeyPair, toCryptoKeys } from './key.ts';
import { type AlternativeNames, type Subject, toGeneralNames, toJsonName } from './subject.ts';
import { certificateUsages } from './usages.ts';
import { x509 } from './x509.ts';

/** A certificate and its private key, both PEM. */
export interface KeyCertificate {
  certificate: string;
  key: string;
}

export type ExtendedUsage = 'server' | 'client';

export interface Validity {
  notBefore: Date;
  notAfter: Date;
}

export interface CertificateOptions extends Subject, AlternativeNames, Validity {
  usages: readonly ExtendedUsage[];
}

/** 63 random bits: positive, and no leading zero byte to be dropped (RFC 5280, 4.1.2.2). */
function serialNumber(): string {
  const bytes = randomBytes(8);
  bytes[0] = ((bytes[0] ?? 0) & 0x3f) | 0x40;
  return bytes.toString('hex');
}

/** A self-signed certificate authority. */
export async function createCertificateAuthority(options: { commonName: string } & Validity, key?: string): Promise<KeyCertificate> {
  const lib = await x509();
  const privateKey = key ?? (await generateKeyPair()).privateKey;
  const keys = toCryptoKeys(privateKey);
  const certificate = await lib.X509CertificateGenerator.createSelfSigned({
    serialNumber: serialNumber(),
    name: toJsonName(options),
    notBefore: options.notBefore,
    notAfter: options.notAfter,
    keys: { privateKey: keys.privateKey, publicKey: keys.publicKey },
    signingAlgorithm: keys.algorithm,
    extensions: [
      new lib.KeyUsagesExtension(
        lib.KeyUsageFlags.digitalSignature | lib.KeyUsageFlags.keyEncipherment | lib.KeyUsageFlags.keyCertSign,
        true,
      ),
      new lib.BasicConstraintsExtension(true, undefined, true),
      await lib.SubjectKeyIdentifierExtension.create(keys.publicKey),
      new lib.SubjectAlternativeNameExtension(toGeneralNames({ dnsNames: [options.commonName] })),
    ],
  });
  return { certificate: pem(certificate), key: privateKey };
}

/** A certificate with a new key, signed by `authority`. */
export async function issueCertificate(authority: KeyCertificate, options: CertificateOptions, key?: string): Promise<KeyCertificate> {
  const privateKey = key ?? (await generateKeyPair()).privateKey;
  const publicKey = createPublicKey(privateKey).export({ type: 'spki', format: 'der' });
  const usages = ['digital signature', 'key encipherment', ...options.usages.map((usage) => `${usage} auth`)];
  const certificate = await sign(authority, publicKey, toJsonName(options), toGeneralNames(options), { ...options, usages });
  return { certificate, key: privateKey };
}

/** Signs what a signing request (PEM) asks for: its subject, key and alternative names; the usages (`client auth`) are the signer's choice. */
export async function signRequest(
  authority: KeyCertificate,
  request: string,
  options: Validity & { usages: readonly string[] },
): Promise<string> {
  const lib = await x509();
  const csr = new lib.Pkcs10CertificateRequest(request);
  if (!(await csr.verify())) throw new Error('the signature of the certificate signing request is not valid');
  const names = csr.getExtension('2.5.29.17');
  // getExtension answers the class registered for the OID, which for 2.5.29.17 is this one.
  const general = names === null ? [] : (names as InstanceType<typeof lib.SubjectAlternativeNameExtension>).names.toJSON();
  return sign(authority, Buffer.from(csr.publicKey.rawData), csr.subjectName.toJSON(), general, options);
}

async function sign(
  authority: KeyCertificate,
  publicKeyDer: Buffer,
  subject: Record<string, string[]>[],
  alternativeNames: { type: string; value: string }[],
  options: Validity & { usages: readonly string[] },
): Promise<string> {
  const lib = await x509();
  const issuer = new lib.X509Certificate(authority.certificate);
  const issuerKeys = toCryptoKeys(authority.key);
  const publicKey = new lib.PublicKey(publicKeyDer);
  const { keyUsage, extended } = certificateUsages(options.usages);
  const certificate = await lib.X509CertificateGenerator.create({
    serialNumber: serialNumber(),
    subject,
    issuer: issuer.subjectName,
    notBefore: options.notBefore,
    notAfter: options.notAfter,
    publicKey,
    signingKey: issuerKeys.privateKey,
    signingAlgorithm: issuerKeys.algorithm,
    extensions: [
      ...(keyUsage === 0 ? [] : [new lib.KeyUsagesExtension(keyUsage, true)]),
      ...(extended.length > 0 ? [new lib.ExtendedKeyUsageExtension([...extended])] : []),
      new lib.BasicConstraintsExtension(false, undefined, true),
      await lib.AuthorityKeyIdentifierExtension.create(issuerKeys.publicKey),
      ...(alternativeNames.length > 0
        ? [
            new lib.SubjectAlternativeNameExtension(
              alternativeNames as ConstructorParameters<typeof lib.SubjectAlternativeNameExtension>[0] & [],
            ),
          ]
        : []),
    ],
  });
  return pem(certificate);
}

function pem(certificate: { toString(format: 'pem'): string }): string {
  return `${certificate.toString('pem').trimEnd()}\n`;
}
