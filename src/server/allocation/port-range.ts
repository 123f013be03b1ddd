/** --service-node-port-range: `30000-32767`, or `30000+2767`. */
export interface PortRange {
  readonly first: number;
  readonly last: number;
}

function whole(text: string): number {
  if (/^[+-]?\d+$/.test(text)) return Number(text);
  throw new Error(`strconv.Atoi: parsing ${JSON.stringify(text)}: invalid syntax`);
}

/** `30000-32767`, `30000+100`, or one port. Throws in upstream's words (k8s.io/apimachinery/pkg/util/net). */
export function parsePortRange(text: string): PortRange {
  const value = text.trim();
  const [from = '', to, ...more] = value.split(/[-+]/);
  if (more.length > 0) throw new Error(`unable to parse port range: ${value}`);
  const first = whole(from);
  const last = to === undefined ? first : value.includes('+') ? first + whole(to) : whole(to);
  if (first > 65535 || last > 65535) throw new Error(`the port range cannot be greater than 65535: ${value}`);
  if (last < first) throw new Error(`end port cannot be less than start port: ${value}`);
  return { first, last };
}
