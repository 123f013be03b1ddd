export {
  type CertificateOptions,
  createCertificateAuthority,
  type ExtendedUsage,
  issueCertificate,
  type KeyCertificate,
  signRequest,
} from './certificate.ts';
export { type EtcdPki, ensureEtcdPki } from './ensure-etcd-pki.ts';
export { type ClientIdentity, controlPlaneIdentities, ensurePki, type Pki, type PkiOptions, type ServerIdentity } from './ensure-pki.ts';
export { generateKeyPair, type KeyPair, publicKeyPem } from './key.ts';
export { publicKeyHash } from './public-key-hash.ts';
export { createSigningRequest, parseSigningRequest, type SigningRequest } from './signing-request.ts';
