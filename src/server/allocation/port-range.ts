/** --service-node-port-range: `30000-32767`, or `30000+2767`. */
export interface PortRange {
  readonly first: number;
  readonly last: number;
}

export function parsePortRange(text: string): PortRange {
  const match = /^(\d+)([-+])(\d+)$/.exec(text.trim());
  const first = Number(match?.[1]);
  const last = match?.[2] === '+' ? first + Number(match[3]) : Number(match?.[3]);
  if (match === null || last < first || last > 65535) throw new Error(`invalid port range ${JSON.stringify(text)}`);
  return { first, last };
}
