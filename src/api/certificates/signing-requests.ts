/** Requests for certificates, as Go's crypto/x509 reads them; keys and signatures are for the server to check. */
import { derElements, derTags, hexOf } from './der.ts';
import { pemBlocks } from './x509.ts';

export interface ReadSigningRequest {
  /** What is signed. */
  signed: Uint8Array;
  signature: Uint8Array;
  /** The algorithm's object identifier, in hexadecimal digits, and its parameters. */
  algorithm: string;
  parameters: Uint8Array;
  /** SubjectPublicKeyInfo, DER. */
  publicKey: Uint8Array;
}

const mismatch = "asn1: structure error: tags don't match";

function read(der: Uint8Array): ReadSigningRequest | string {
  const [request, ...trailing] = derElements(der);
  if (trailing.length > 0) return 'asn1: syntax error: trailing data';
  const [info, identifier, signature] = request?.tag === derTags.sequence ? derElements(request.content) : [];
  if (info?.tag !== derTags.sequence || identifier?.tag !== derTags.sequence || signature?.tag !== derTags.bitString) return mismatch;
  const publicKey = derElements(info.content)[2];
  const [algorithm, parameters] = derElements(identifier.content);
  if (!publicKey || !algorithm) return mismatch;
  return {
    signed: info.whole,
    // A bit string begins with the number of bits that its last byte lacks.
    signature: signature.content.subarray(1),
    algorithm: hexOf(algorithm.content),
    parameters: parameters?.whole ?? new Uint8Array(),
    publicKey: publicKey.whole,
  };
}

/** A PKCS #10 request (RFC 2986) in PEM, or what is wrong with it in Go's words. */
export function readSigningRequest(pem: string): ReadSigningRequest | string {
  const [block] = pemBlocks(pem);
  if (block?.type !== 'CERTIFICATE REQUEST') return 'PEM block type must be CERTIFICATE REQUEST';
  try {
    return read(block.bytes);
  } catch (error) {
    if (error instanceof RangeError) return error.message;
    throw error;
  }
}
