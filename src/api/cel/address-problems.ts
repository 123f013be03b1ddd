/** Why a text is no address, in the words of Go's net/netip. */
import { parseIp } from '../ip.ts';

function v4Problem(text: string): string {
  const fields = text.split('.');
  for (const [i, field] of fields.entries()) {
    const rest = fields.slice(i).join('.');
    const wrong = /[^0-9]/.exec(field);
    if (wrong) return `unexpected character (at ${JSON.stringify(rest.slice(wrong.index))})`;
    if (field === '') return `IPv4 field must have at least one digit (at ${JSON.stringify(rest || '.')})`;
    if (field.length > 1 && field.startsWith('0')) return 'IPv4 field has octet with leading zero';
    if (Number(field) > 255) return 'IPv4 field has value >255';
    if (i > 3) return 'IPv4 address too long';
  }
  return 'IPv4 address too short';
}

function v6Problem(text: string): string {
  const triple = text.indexOf(':::');
  if (triple >= 0) return `each colon-separated field must have at least one digit (at ${JSON.stringify(text.slice(triple + 2))})`;
  const halves = text.split('::');
  if (halves.length > 2) return `multiple :: in address (at ${JSON.stringify(`::${halves.slice(2).join('::')}`.slice(1))})`;
  const fields = text.split(':').filter((field) => field !== '');
  for (const field of fields) {
    const wrong = /[^0-9a-fA-F.]/.exec(field);
    if (wrong) return `unexpected character, want colon (at ${JSON.stringify(text.slice(text.indexOf(field) + wrong.index))})`;
    if (field.length > 4 && !field.includes('.'))
      return `each group must have 4 or less digits (at ${JSON.stringify(text.slice(text.indexOf(field)))})`;
  }
  if (text.endsWith(':') && !text.endsWith('::')) return `colon must be followed by more characters (at ":")`;
  if (fields.length > 8) return 'trailing garbage after address';
  return fields.length === 8 ? 'the :: must expand to at least one field of zeros' : 'address string too short';
}

export function addressProblem(text: string): string {
  const first = /[.:%]/.exec(text)?.[0];
  const zoneless = text.replace(/%.*$/s, '');
  const why =
    first === '.' ? v4Problem(text) : first === ':' ? v6Problem(zoneless) : first === '%' ? 'missing IPv6 address' : 'unable to parse IP';
  return `ParseAddr(${JSON.stringify(text)}): ${why}`;
}

export function prefixProblem(text: string): string {
  const slash = text.lastIndexOf('/');
  if (slash < 0) return "no '/'";
  const [address, bits] = [text.slice(0, slash), text.slice(slash + 1)];
  if (!parseIp(address)) return addressProblem(address);
  return /^(0|[1-9]\d*)$/.test(bits) ? 'prefix length out of range' : `bad bits after slash: ${JSON.stringify(bits)}`;
}
