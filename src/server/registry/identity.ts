/** Names and uids that the server makes. */
import { generatedSuffixLength, generateNameBase, suffixAlphabet } from '../../api/index.ts';
import type { Random } from '../../time/index.ts';

const hex16 = Array.from({ length: 0x10000 }, (_, i) => i.toString(16).padStart(4, '0'));
/** Sixteen random bits in hexadecimal. */
const draw = (random: Random) => hex16[Math.floor(random.next() * 0x10000)] ?? '';

/** A random (version 4) UUID. */
export function newUid(random: Random): string {
  const version = hex16[0x4000 | Math.floor(random.next() * 0x1000)] ?? '';
  const variant = hex16[0x8000 | Math.floor(random.next() * 0x4000)] ?? '';
  return `${draw(random)}${draw(random)}-${draw(random)}-${version}-${variant}-${draw(random)}${draw(random)}${draw(random)}`;
}

/** `web-` becomes `web-x7k2p`. */
export function generateName(generateName: string, random: Random): string {
  let suffix = '';
  for (let i = 0; i < generatedSuffixLength; i++) suffix += suffixAlphabet[Math.floor(random.next() * suffixAlphabet.length)];
  return generateNameBase(generateName) + suffix;
}
