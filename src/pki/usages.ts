/** What a certificate's key may be used for, in the words of signing requests (certificates.k8s.io KeyUsage). */

/** Bits of RFC 5280's KeyUsage, as the library counts them. */
const keyUsageBits: Readonly<Record<string, number>> = {
  signing: 1,
  'digital signature': 1,
  'content commitment': 2,
  'key encipherment': 4,
  'data encipherment': 8,
  'key agreement': 16,
  'cert sign': 32,
  'crl sign': 64,
  'encipher only': 128,
  'decipher only': 256,
};

const extendedUsageOids: Readonly<Record<string, string>> = {
  any: '2.5.29.37.0',
  'server auth': '1.3.6.1.5.5.7.3.1',
  'client auth': '1.3.6.1.5.5.7.3.2',
  'code signing': '1.3.6.1.5.5.7.3.3',
  'email protection': '1.3.6.1.5.5.7.3.4',
  's/mime': '1.3.6.1.5.5.7.3.4',
  'ipsec end system': '1.3.6.1.5.5.7.3.5',
  'ipsec tunnel': '1.3.6.1.5.5.7.3.6',
  'ipsec user': '1.3.6.1.5.5.7.3.7',
  timestamping: '1.3.6.1.5.5.7.3.8',
  'ocsp signing': '1.3.6.1.5.5.7.3.9',
  'microsoft sgc': '1.3.6.1.4.1.311.10.3.3',
  'netscape sgc': '2.16.840.1.113730.4.1',
};

export interface CertificateUsages {
  keyUsage: number;
  extended: readonly string[];
}

/** Each once; words that say nothing are passed over. */
export function certificateUsages(usages: readonly string[]): CertificateUsages {
  const oids = usages.flatMap((usage) => extendedUsageOids[usage] ?? []);
  return { keyUsage: usages.reduce((bits, usage) => bits | (keyUsageBits[usage] ?? 0), 0), extended: [...new Set(oids)].sort() };
}
