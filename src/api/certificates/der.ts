/** As much of DER (X.690) as certificates and requests for them are read by. */

export interface DerElement {
  tag: number;
  /** With tag and length. */
  whole: Uint8Array;
  content: Uint8Array;
}

export const derTags = { bitString: 0x03, utcTime: 0x17, sequence: 0x30, version: 0xa0, extensions: 0xa3 } as const;

/** Reads the elements that lie in `bytes` one after the other. Throws a RangeError at what is none. */
export function derElements(bytes: Uint8Array): DerElement[] {
  const found: DerElement[] = [];
  for (let at = 0; at < bytes.length; ) {
    const start = at;
    const tag = bytes[at++] ?? 0;
    let length = bytes[at++] ?? Number.NaN;
    if (length >= 0x80) {
      let count = length & 0x7f;
      if (count === 0 || count > 4) throw new RangeError('asn1: structure error: length too large');
      for (length = 0; count > 0; count--) length = length * 256 + (bytes[at++] ?? Number.NaN);
    }
    const end = at + length;
    if (!(end <= bytes.length)) throw new RangeError('asn1: syntax error: data truncated');
    found.push({ tag, whole: bytes.subarray(start, end), content: bytes.subarray(at, end) });
    at = end;
  }
  return found;
}

export const hexOf = (bytes: Uint8Array) => [...bytes].map((b) => b.toString(16).padStart(2, '0')).join('');
