import type { FieldErrors, FieldPath } from '../fields.ts';
import { cidrContains, parseCidr, parseIp } from '../ip.ts';

const specialRanges: readonly [detail: string, cidrs: readonly string[]][] = [
  ['may not be in the loopback range (127.0.0.0/8, ::1/128)', ['127.0.0.0/8', '::1/128']],
  ['may not be in the link-local range (169.254.0.0/16, fe80::/10)', ['169.254.0.0/16', 'fe80::/10']],
  ['may not be in the link-local multicast range (224.0.0.0/24, ff02::/10)', ['224.0.0.0/24', 'ff02::/16']],
];
const ranges = specialRanges.map(([detail, cidrs]) => ({ detail, cidrs: cidrs.flatMap((cidr) => parseCidr(cidr) ?? []) }));

/** An address that somebody else can be reached at: for endpoints and external IPs. */
export function requireNonSpecialIp(errors: FieldErrors, path: FieldPath, text: string): void {
  const ip = parseIp(text);
  if (!ip) {
    errors.invalid(path, text, 'must be a valid IP address');
    return;
  }
  if (ip.value === 0n) errors.invalid(path, text, `may not be unspecified (${text})`);
  for (const { cidrs, detail } of ranges) if (cidrs.some((cidr) => cidrContains(cidr, ip))) errors.invalid(path, text, detail);
}
