/** As much of X.509 (RFC 5280) and PEM (RFC 7468) as validation asks for; keys and signatures are for others. */

export interface PemBlock {
  type: string;
  hasHeaders: boolean;
  bytes: Uint8Array;
}

/** The blocks of PEM text; what lies between them is skipped, as Go's decoder does. */
export function pemBlocks(text: string): PemBlock[] {
  const blocks: PemBlock[] = [];
  for (const [, type = '', body = ''] of text.matchAll(/-----BEGIN ([^-\n]*)-----[ \t]*\r?\n([\s\S]*?)-----END \1-----/g)) {
    const hasHeaders = /^[^\s:]+:/m.test(body);
    const base64 = body.replace(/^[^\s:]+:.*$/gm, '').replace(/\s/g, '');
    if (!/^[A-Za-z0-9+/]*={0,2}$/.test(base64) || base64.length % 4 !== 0) continue;
    blocks.push({ type, hasHeaders, bytes: Uint8Array.from(atob(base64), (c) => c.charCodeAt(0)) });
  }
  return blocks;
}

interface Element {
  tag: number;
  /** With tag and length. */
  whole: Uint8Array;
  content: Uint8Array;
}

/** Reads the DER elements that lie in `bytes` one after the other. */
function elements(bytes: Uint8Array): Element[] {
  const found: Element[] = [];
  for (let at = 0; at < bytes.length; ) {
    const start = at;
    const tag = bytes[at++] ?? 0;
    let length = bytes[at++] ?? Number.NaN;
    if (length >= 0x80) {
      let count = length & 0x7f;
      if (count === 0 || count > 4) throw new RangeError('DER: a length that is not definite or too large');
      for (length = 0; count > 0; count--) length = length * 256 + (bytes[at++] ?? Number.NaN);
    }
    const end = at + length;
    if (!(end <= bytes.length)) throw new RangeError('DER: truncated');
    found.push({ tag, whole: bytes.subarray(start, end), content: bytes.subarray(at, end) });
    at = end;
  }
  return found;
}

const sequence = 0x30;
const explicitVersion = 0xa0;
const explicitExtensions = 0xa3;
const utcTime = 0x17;

/** 2.5.29.19 */
const basicConstraints = '551d13';

const hex = (bytes: Uint8Array) => [...bytes].map((b) => b.toString(16).padStart(2, '0')).join('');

/** Milliseconds since 1970 of a UTCTime or GeneralizedTime. */
function instant({ tag, content }: Element): number {
  const text = String.fromCharCode(...content);
  const full = tag === utcTime ? `${Number(text.slice(0, 2)) >= 50 ? '19' : '20'}${text}` : text;
  const match = /^(\d{4})(\d\d)(\d\d)(\d\d)(\d\d)(\d\d)Z$/.exec(full);
  if (!match) throw new RangeError('DER: not a time');
  const [year = 0, month = 1, ...rest] = match.slice(1).map(Number);
  return Date.UTC(year, month - 1, ...rest);
}

export interface ParsedCertificate {
  isCa: boolean;
  notBeforeMs: number;
  notAfterMs: number;
  /** SubjectPublicKeyInfo, DER. */
  publicKey: Uint8Array;
}

function isCaExtension(extension: Element): boolean {
  const parts = elements(extension.content);
  const [id] = parts;
  const value = parts.at(-1);
  if (!id || !value || hex(id.content) !== basicConstraints) return false;
  const [constraints] = elements(value.content);
  const [ca] = constraints ? elements(constraints.content) : [];
  return ca?.tag === 0x01 && ca.content[0] === 0xff;
}

/** Undefined for what is no certificate. */
export function parseCertificate(der: Uint8Array): ParsedCertificate | undefined {
  try {
    const whole = elements(der);
    const [certificate] = whole;
    if (whole.length !== 1 || certificate?.tag !== sequence) return undefined;
    const [tbs] = elements(certificate.content);
    if (tbs?.tag !== sequence) return undefined;
    const parts = elements(tbs.content);
    const [, , , validity, , publicKey] = parts[0]?.tag === explicitVersion ? parts.slice(1) : parts;
    if (!validity || publicKey?.tag !== sequence) return undefined;
    const [notBefore, notAfter] = elements(validity.content);
    if (!notBefore || !notAfter) return undefined;
    const wrapped = parts.find(({ tag }) => tag === explicitExtensions);
    const [extensions] = wrapped ? elements(wrapped.content) : [];
    return {
      isCa: extensions !== undefined && elements(extensions.content).some(isCaExtension),
      notBeforeMs: instant(notBefore),
      notAfterMs: instant(notAfter),
      publicKey: publicKey.whole,
    };
  } catch (error) {
    if (error instanceof RangeError) return undefined;
    throw error;
  }
}
