export { type Encryption, type EncryptionOptions, openEncryption } from './encryption.ts';
export { isEncrypted, type Opened, type Transformer } from './transformer.ts';
