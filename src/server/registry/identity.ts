/** Names and uids that the server makes. */
import { generatedSuffixLength, generateNameBase, suffixAlphabet } from '../../api/index.ts';
import type { Random } from '../../time/index.ts';

/** A random (version 4) UUID. */
export function newUid(random: Random): string {
  const bytes = Array.from({ length: 16 }, () => Math.floor(random.next() * 256));
  bytes[6] = ((bytes[6] ?? 0) & 0x0f) | 0x40;
  bytes[8] = ((bytes[8] ?? 0) & 0x3f) | 0x80;
  const hex = bytes.map((b) => b.toString(16).padStart(2, '0')).join('');
  return `${hex.slice(0, 8)}-${hex.slice(8, 12)}-${hex.slice(12, 16)}-${hex.slice(16, 20)}-${hex.slice(20)}`;
}

/** `web-` becomes `web-x7k2p`. */
export function generateName(generateName: string, random: Random): string {
  let suffix = '';
  for (let i = 0; i < generatedSuffixLength; i++) suffix += suffixAlphabet[Math.floor(random.next() * suffixAlphabet.length)];
  return generateNameBase(generateName) + suffix;
}
