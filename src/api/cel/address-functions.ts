/** Addresses and networks (k8s.io/apiserver/pkg/cel/library/ip.go, cidr.go). */
import { type Cidr, cidrContains, formatCidr, formatIp, type IpAddress, networkOf, parseCidr, parseIp } from '../ip.ts';
import { addressProblem, prefixProblem } from './address-problems.ts';
import { type Environment, member, overload } from './declarations.ts';
import { boolType, intType, opaqueType, stringType } from './types.ts';
import { CelError, OpaqueValue } from './values.ts';

const ipType = opaqueType('net.IP');
const cidrType = opaqueType('net.CIDR');

class IpValue extends OpaqueValue {
  readonly type = ipType;
  override readonly size: number;
  readonly value: IpAddress;
  constructor(value: IpAddress) {
    super();
    this.value = value;
    this.size = value.family === 4 ? 4 : 16;
  }
  override equals(other: unknown): boolean {
    return other instanceof IpValue && formatIp(this.value) === formatIp(other.value);
  }
}

class CidrValue extends OpaqueValue {
  readonly type = cidrType;
  override readonly size: number;
  readonly value: Cidr;
  constructor(value: Cidr) {
    super();
    this.value = value;
    this.size = Math.ceil(value.prefixLength / 8);
  }
  override equals(other: unknown): boolean {
    return other instanceof CidrValue && formatCidr(this.value) === formatCidr(other.value);
  }
}

const isMapped = (text: string) => /^::ffff:/i.test(text);

function ipProblem(text: string): string {
  const quoted = JSON.stringify(text);
  const [address = '', zone] = text.split('%');
  if (zone !== undefined && parseIp(address)?.family === 6) return `IP address ${quoted} with zone value is not allowed`;
  if (isMapped(text) && parseIp(text.slice('::ffff:'.length))) return `IPv4-mapped IPv6 address ${quoted} is not allowed`;
  return `IP Address ${quoted} parse error during conversion from string: ${addressProblem(text)}`;
}

const readIp = (text: string) => (isMapped(text) ? undefined : parseIp(text));

function ipFrom(text: string): IpValue {
  const ip = readIp(text);
  if (!ip) throw new CelError(ipProblem(text));
  return new IpValue(ip);
}

const readCidr = (text: string) => (isMapped(text) ? undefined : parseCidr(text));

function cidrFrom(text: string): CidrValue {
  const cidr = readCidr(text);
  if (cidr) return new CidrValue(cidr);
  const context = 'network address parse error during conversion from string: ';
  if (isMapped(text) && parseCidr(text.slice('::ffff:'.length)))
    throw new CelError(`${context}IPv4-mapped IPv6 address ${JSON.stringify(text)} is not allowed`);
  throw new CelError(`${context}${context}netip.ParsePrefix(${JSON.stringify(text)}): ${prefixProblem(text)}`);
}

const within = ({ value: { address, prefixLength } }: CidrValue, inner: CidrValue) =>
  inner.value.prefixLength >= prefixLength && cidrContains({ address, prefixLength }, inner.value.address);

const networks = (...texts: readonly string[]): readonly Cidr[] => texts.flatMap((text) => parseCidr(text) ?? []);

const kinds: Readonly<Record<string, readonly Cidr[]>> = {
  isUnspecified: networks('0.0.0.0/32', '::/128'),
  isLoopback: networks('127.0.0.0/8', '::1/128'),
  isLinkLocalMulticast: networks('224.0.0.0/24', 'ff02::/16'),
  isLinkLocalUnicast: networks('169.254.0.0/16', 'fe80::/10'),
};
/** What no host of the internet has: unspecified, loopback, link-local, multicast, broadcast. */
const notGlobal = networks(
  '0.0.0.0/32',
  '127.0.0.0/8',
  '169.254.0.0/16',
  '224.0.0.0/4',
  '255.255.255.255/32',
  '::/128',
  '::1/128',
  'fe80::/10',
  'ff00::/8',
);

export function declareAddressFunctions(environment: Environment): void {
  const isIn = (ranges: readonly Cidr[], { value }: IpValue) => ranges.some((range) => cidrContains(range, value));
  for (const [name, ranges] of Object.entries(kinds))
    environment.function(
      name,
      member([ipType], boolType, (ip: IpValue) => isIn(ranges, ip)),
    );
  environment
    .type(ipType.name, ipType)
    .type(cidrType.name, cidrType)
    .function(
      'isIP',
      overload([stringType], boolType, (text: string) => readIp(text) !== undefined),
    )
    .function(
      'ip',
      overload([stringType], ipType, ipFrom),
      member([cidrType], ipType, ({ value }: CidrValue) => new IpValue(value.address)),
    )
    .function(
      'ip.isCanonical',
      overload([stringType], boolType, (text: string) => formatIp(ipFrom(text).value) === text),
    )
    .function(
      'family',
      member([ipType], intType, ({ value }: IpValue) => BigInt(value.family)),
    )
    .function(
      'isGlobalUnicast',
      member([ipType], boolType, (ip: IpValue) => !isIn(notGlobal, ip)),
    )
    .function(
      'isCIDR',
      overload([stringType], boolType, (text: string) => readCidr(text) !== undefined),
    )
    .function('cidr', overload([stringType], cidrType, cidrFrom))
    .function(
      'containsIP',
      member([cidrType, stringType], boolType, ({ value }: CidrValue, ip: string) => cidrContains(value, ipFrom(ip).value)),
      member([cidrType, ipType], boolType, ({ value }: CidrValue, ip: IpValue) => cidrContains(value, ip.value)),
    )
    .function(
      'containsCIDR',
      member([cidrType, stringType], boolType, (cidr: CidrValue, inner: string) => within(cidr, cidrFrom(inner))),
      member([cidrType, cidrType], boolType, within),
    )
    .function(
      'prefixLength',
      member([cidrType], intType, ({ value }: CidrValue) => BigInt(value.prefixLength)),
    )
    .function(
      'masked',
      member(
        [cidrType],
        cidrType,
        ({ value }: CidrValue) => new CidrValue({ address: networkOf(value), prefixLength: value.prefixLength }),
      ),
    )
    .function(
      'string',
      overload([ipType], stringType, ({ value }: IpValue) => formatIp(value)),
      overload([cidrType], stringType, ({ value }: CidrValue) => formatCidr(value)),
    );
}
