/** Names and uids that the server makes. */
import { generatedSuffixLength, generateNameBase, suffixAlphabet } from '../../api/index.ts';
import type { Random } from '../../time/index.ts';

const digits = Buffer.from('0123456789abcdef', 'latin1');
/** Where a UUID is put together; its dashes stay. */
const template = Buffer.from('00000000-0000-4000-8000-000000000000', 'latin1');
/** Where each draw's eight digits go; the version is written over its own. */
const places = [
  [0, 1, 2, 3, 4, 5, 6, 7],
  [9, 10, 11, 12, 14, 15, 16, 17],
  [19, 20, 21, 22, 24, 25, 26, 27],
  [28, 29, 30, 31, 32, 33, 34, 35],
] as const;
const versionAt = 14;
const variantAt = 19;
const four = '4'.charCodeAt(0);

/** A random (version 4) UUID. */
export function newUid(random: Random): string {
  for (const eight of places) {
    let bits = Math.floor(random.next() * 0x1_0000_0000);
    for (const at of eight) {
      // The variant is one of 8, 9, a and b.
      template[at] = digits[at === variantAt ? 8 | (bits & 3) : bits & 15] ?? 0;
      bits >>>= 4;
    }
  }
  template[versionAt] = four;
  return template.toString('latin1');
}

/** `web-` becomes `web-x7k2p`. */
export function generateName(generateName: string, random: Random): string {
  let suffix = '';
  for (let i = 0; i < generatedSuffixLength; i++) suffix += suffixAlphabet[Math.floor(random.next() * suffixAlphabet.length)];
  return generateNameBase(generateName) + suffix;
}
