/** As much of X.509 (RFC 5280) and PEM (RFC 7468) as validation asks for. */
import { type DerElement, derElements, derTags, hexOf } from './der.ts';

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

/** 2.5.29.19 and 2.5.29.17 */
const basicConstraints = '551d13';
const subjectAltName = '551d11';
const generalNames = { email: 0x81, dns: 0x82 };

/** Milliseconds since 1970 of a UTCTime or GeneralizedTime. */
function instant({ tag, content }: DerElement): number {
  const text = String.fromCharCode(...content);
  const full = tag === derTags.utcTime ? `${Number(text.slice(0, 2)) >= 50 ? '19' : '20'}${text}` : text;
  const match = /^(\d{4})(\d\d)(\d\d)(\d\d)(\d\d)(\d\d)Z$/.exec(full);
  if (!match) throw new RangeError('DER: not a time');
  const [year = 0, month = 1, ...rest] = match.slice(1).map(Number);
  return Date.UTC(year, month - 1, ...rest);
}

export interface ParsedCertificate {
  isCa: boolean;
  notBeforeMs: number;
  notAfterMs: number;
  dnsNames: string[];
  emailAddresses: string[];
  /** SubjectPublicKeyInfo, DER. */
  publicKey: Uint8Array;
}

/** What an extension of this id wraps. */
function extensionOf(extensions: readonly DerElement[], wanted: string): DerElement[] {
  for (const extension of extensions) {
    const parts = derElements(extension.content);
    const value = parts.at(-1);
    if (parts[0] && value && hexOf(parts[0].content) === wanted)
      return derElements(derElements(value.content)[0]?.content ?? new Uint8Array());
  }
  return [];
}

/** Undefined for what is no certificate. */
export function parseCertificate(der: Uint8Array): ParsedCertificate | undefined {
  try {
    const whole = derElements(der);
    const [certificate] = whole;
    if (whole.length !== 1 || certificate?.tag !== derTags.sequence) return undefined;
    const [tbs] = derElements(certificate.content);
    if (tbs?.tag !== derTags.sequence) return undefined;
    const parts = derElements(tbs.content);
    const [, , , validity, , publicKey] = parts[0]?.tag === derTags.version ? parts.slice(1) : parts;
    if (!validity || publicKey?.tag !== derTags.sequence) return undefined;
    const [notBefore, notAfter] = derElements(validity.content);
    if (!notBefore || !notAfter) return undefined;
    const wrapped = parts.find(({ tag }) => tag === derTags.extensions);
    const [list] = wrapped ? derElements(wrapped.content) : [];
    const extensions = list ? derElements(list.content) : [];
    const [ca] = extensionOf(extensions, basicConstraints);
    const names = extensionOf(extensions, subjectAltName);
    const namesOf = (tag: number) => names.filter((name) => name.tag === tag).map(({ content }) => String.fromCharCode(...content));
    return {
      isCa: ca?.tag === 0x01 && ca.content[0] === 0xff,
      dnsNames: namesOf(generalNames.dns),
      emailAddresses: namesOf(generalNames.email),
      notBeforeMs: instant(notBefore),
      notAfterMs: instant(notAfter),
      publicKey: publicKey.whole,
    };
  } catch (error) {
    if (error instanceof RangeError) return undefined;
    throw error;
  }
}
