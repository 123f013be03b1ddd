/** What is allowed but unwise, for the client's Warning header: addresses in forms of old, names that make poor hostnames. */

import type { FieldPath } from './fields.ts';
import { goQuote } from './fields.ts';
import { formatCidr, formatIp, networkOf, parseLooseCidr, parseLooseIp } from './ip.ts';
import { isDns1123Label } from './names.ts';

/** Of a valid address: whether others may read it differently or refuse it (KEP-4858). */
export function ipWarnings(path: FieldPath, text: string): string[] {
  const loose = parseLooseIp(text);
  if (!loose) return [];
  const canonical = formatIp(loose.address);
  if (!loose.isStrict) return [`${path}: non-standard IP address ${goQuote(text)} is invalid: use ${goQuote(canonical)}`];
  if (loose.address.family === 4 || canonical === text) return [];
  return [`${path}: IPv6 address ${goQuote(text)} should be in RFC 5952 canonical format (${goQuote(canonical)})`];
}

/** As `ipWarnings`, of a block: also where it could be one address' or the whole network's. */
export function cidrWarnings(path: FieldPath, text: string): string[] {
  const loose = parseLooseCidr(text);
  if (!loose) return [];
  const { cidr, isStrict } = loose;
  const network = formatCidr({ address: networkOf(cidr), prefixLength: cidr.prefixLength });
  const warnings: string[] = [];
  if (networkOf(cidr).value !== cidr.address.value) {
    const single = formatCidr({ address: cidr.address, prefixLength: cidr.address.family === 4 ? 32 : 128 });
    warnings.push(
      `${path}: CIDR value ${goQuote(text)} is ambiguous in this context (should be ${goQuote(network)} or ${goQuote(single)}?)`,
    );
  }
  if (!isStrict) warnings.push(`${path}: non-standard CIDR value ${goQuote(text)} is invalid: use ${goQuote(network)}`);
  if (warnings.length === 0 && cidr.address.family === 6 && formatCidr(cidr) !== text)
    warnings.push(`${path}: IPv6 CIDR value ${goQuote(text)} should be in RFC 5952 canonical format (${goQuote(formatCidr(cidr))})`);
  return warnings;
}

/** An object's name that becomes part of pods' names or hostnames should be a label. */
export function hostnameWarnings(name: string | undefined, usedIn = 'Pod names and hostnames'): string[] {
  const wrong = name ? isDns1123Label(name) : [];
  if (wrong.length === 0) return [];
  return [
    `metadata.name: this is used in ${usedIn}, which can result in surprising behavior; a DNS label is recommended: [${wrong.join(' ')}]`,
  ];
}
