/** Kubernetes' types beside CEL's own: quantities, URLs, addresses, named formats (k8s.io/apiserver/pkg/cel/library). */
import { type Environment, Optional } from '@marcbachmann/cel-js';
import { type Cidr, cidrContains, formatCidr, formatIp, type IpAddress, networkOf, parseCidr, parseIp } from '../ip.ts';
import { isDns1035Label, isDns1123Label, isDns1123Subdomain, isLabelValue, isQualifiedName } from '../names.ts';
import {
  addQuantities,
  compareQuantities,
  parseQuantity,
  type Quantity,
  quantityFromValue,
  quantityToNumber,
  subtractQuantities,
  tryParseQuantity,
} from '../quantity.ts';

/** A value of a type that the library does not have. One class a type: the library tells types by it. */
class QuantityValue {
  readonly value: Quantity;
  constructor(value: Quantity) {
    this.value = value;
  }
}
class UrlValue {
  readonly value: URL;
  constructor(value: URL) {
    this.value = value;
  }
}
class IpValue {
  readonly value: IpAddress;
  constructor(value: IpAddress) {
    this.value = value;
  }
}
class CidrValue {
  readonly value: Cidr;
  constructor(value: Cidr) {
    this.value = value;
  }
}
class FormatValue {
  readonly check: (text: string) => string[];
  constructor(check: (text: string) => string[]) {
    this.check = check;
  }
}
class Formats {}
class IpFunctions {}

const nano = 1_000_000_000n;
const isWhole = ({ nano: n }: Quantity) => n % nano === 0n && n / nano < 2n ** 63n && n / nano >= -(2n ** 63n);

function registerQuantities(environment: Environment): void {
  const compare = (name: string, holds: (order: number) => boolean) =>
    environment.registerFunction(`kubernetes.Quantity.${name}(kubernetes.Quantity): bool`, (a: QuantityValue, b: QuantityValue) =>
      holds(compareQuantities(a.value, b.value)),
    );
  environment
    .registerType('kubernetes.Quantity', QuantityValue)
    .registerFunction('quantity(string): kubernetes.Quantity', (text: string) => new QuantityValue(parseQuantity(text)))
    .registerFunction('isQuantity(string): bool', (text: string) => tryParseQuantity(text) !== undefined)
    .registerFunction('kubernetes.Quantity.compareTo(kubernetes.Quantity): int', (a: QuantityValue, b: QuantityValue) =>
      BigInt(compareQuantities(a.value, b.value)),
    )
    .registerFunction('kubernetes.Quantity.sign(): int', ({ value }: QuantityValue) => (value.nano > 0n ? 1n : value.nano < 0n ? -1n : 0n))
    .registerFunction('kubernetes.Quantity.isInteger(): bool', ({ value }: QuantityValue) => isWhole(value))
    .registerFunction('kubernetes.Quantity.asInteger(): int', ({ value }: QuantityValue) => {
      if (!isWhole(value)) throw new Error('cannot convert value to integer');
      return value.nano / nano;
    })
    .registerFunction('kubernetes.Quantity.asApproximateFloat(): double', ({ value }: QuantityValue) => quantityToNumber(value))
    .registerOperator(
      'kubernetes.Quantity == kubernetes.Quantity',
      (a: QuantityValue, b: QuantityValue) => compareQuantities(a.value, b.value) === 0,
    );
  compare('isGreaterThan', (order) => order > 0);
  compare('isLessThan', (order) => order < 0);
  const arithmetic = (name: string, apply: (a: Quantity, b: Quantity) => Quantity) =>
    environment
      .registerFunction(
        `kubernetes.Quantity.${name}(kubernetes.Quantity): kubernetes.Quantity`,
        (a: QuantityValue, b: QuantityValue) => new QuantityValue(apply(a.value, b.value)),
      )
      .registerFunction(
        `kubernetes.Quantity.${name}(int): kubernetes.Quantity`,
        (a: QuantityValue, b: bigint) => new QuantityValue(apply(a.value, quantityFromValue(b))),
      );
  arithmetic('add', addQuantities);
  arithmetic('sub', subtractQuantities);
}

/** As Go's url.ParseRequestURI: an absolute URL or an absolute path. */
function parseUrl(text: string): URL | undefined {
  if (/^[a-z][a-z0-9+.-]*:/i.test(text)) return URL.canParse(text) ? new URL(text) : undefined;
  return text.startsWith('/') ? new URL(`relative:${text}`) : undefined;
}

function registerUrls(environment: Environment): void {
  const part = (name: string, read: (url: URL) => string) =>
    environment.registerFunction(`kubernetes.URL.${name}(): string`, ({ value }: UrlValue) => read(value));
  environment
    .registerType('kubernetes.URL', UrlValue)
    .registerFunction('isURL(string): bool', (text: string) => parseUrl(text) !== undefined)
    .registerFunction('url(string): kubernetes.URL', (text: string) => {
      const url = parseUrl(text);
      if (!url) throw new Error(`URL parse error during conversion from string: parse ${JSON.stringify(text)}: invalid URI for request`);
      return new UrlValue(url);
    })
    .registerFunction('kubernetes.URL.getQuery(): map<string, list<string>>', ({ value }: UrlValue) => {
      const query = new Map<string, string[]>();
      for (const [key, item] of value.searchParams) query.set(key, [...(query.get(key) ?? []), item]);
      return query;
    });
  part('getScheme', (url) => (url.protocol === 'relative:' ? '' : url.protocol.slice(0, -1)));
  part('getHost', (url) => url.host);
  part('getHostname', (url) => url.hostname.replace(/^\[(.*)\]$/, '$1'));
  part('getPort', (url) => url.port);
  part('getEscapedPath', (url) => url.pathname);
}

/** What no host of the internet has: unspecified, loopback, link-local, multicast, broadcast. */
const notGlobal = [
  '0.0.0.0/32',
  '127.0.0.0/8',
  '169.254.0.0/16',
  '224.0.0.0/4',
  '255.255.255.255/32',
  '::/128',
  '::1/128',
  'fe80::/10',
  'ff00::/8',
];

function registerAddresses(environment: Environment): void {
  const ipOf = (text: string) => {
    const ip = parseIp(text);
    if (!ip) throw new Error(`IP Address ${JSON.stringify(text)} parse error during conversion from string: unable to parse IP`);
    return ip;
  };
  const cidrOf = (text: string) => {
    const cidr = parseCidr(text);
    if (!cidr) throw new Error(`network address parse error during conversion from string: netip.ParsePrefix(${JSON.stringify(text)})`);
    return cidr;
  };
  const within = ({ address, prefixLength }: Cidr, inner: Cidr) =>
    inner.prefixLength >= prefixLength && cidrContains({ address, prefixLength }, inner.address);
  const is = (name: string, v4: readonly string[], v6: readonly string[]) => {
    const ranges = [...v4, ...v6].map(cidrOf);
    environment.registerFunction(`net.IP.${name}(): bool`, ({ value }: IpValue) => ranges.some((range) => cidrContains(range, value)));
  };
  environment
    .registerType('net.IP', IpValue)
    .registerType('net.IPFunctions', IpFunctions)
    .registerConstant('ip', 'net.IPFunctions', new IpFunctions())
    .registerFunction('net.IPFunctions.isCanonical(string): bool', (_: IpFunctions, text: string) => formatIp(ipOf(text)) === text)
    .registerType('net.CIDR', CidrValue)
    .registerFunction('isIP(string): bool', (text: string) => parseIp(text) !== undefined)
    .registerFunction('ip(string): net.IP', (text: string) => new IpValue(ipOf(text)))
    .registerFunction('net.IP.family(): int', ({ value }: IpValue) => BigInt(value.family))
    .registerFunction('string(net.IP): string', ({ value }: IpValue) => formatIp(value))
    .registerFunction(
      'net.IP.isGlobalUnicast(): bool',
      ({ value }: IpValue) => !notGlobal.some((range) => cidrContains(cidrOf(range), value)),
    )
    .registerFunction('isCIDR(string): bool', (text: string) => parseCidr(text) !== undefined)
    .registerFunction('cidr(string): net.CIDR', (text: string) => new CidrValue(cidrOf(text)))
    .registerFunction('net.CIDR.containsIP(net.IP): bool', ({ value }: CidrValue, ip: IpValue) => cidrContains(value, ip.value))
    .registerFunction('net.CIDR.containsIP(string): bool', ({ value }: CidrValue, ip: string) => cidrContains(value, ipOf(ip)))
    .registerFunction('net.CIDR.containsCIDR(net.CIDR): bool', ({ value }: CidrValue, inner: CidrValue) => within(value, inner.value))
    .registerFunction('net.CIDR.containsCIDR(string): bool', ({ value }: CidrValue, inner: string) => within(value, cidrOf(inner)))
    .registerFunction('net.CIDR.ip(): net.IP', ({ value }: CidrValue) => new IpValue(value.address))
    .registerFunction(
      'net.CIDR.masked(): net.CIDR',
      ({ value }: CidrValue) => new CidrValue({ address: networkOf(value), prefixLength: value.prefixLength }),
    )
    .registerFunction('net.CIDR.prefixLength(): int', ({ value }: CidrValue) => BigInt(value.prefixLength))
    .registerFunction('string(net.CIDR): string', ({ value }: CidrValue) => formatCidr(value))
    .registerOperator('net.IP == net.IP', (a: IpValue, b: IpValue) => formatIp(a.value) === formatIp(b.value))
    .registerOperator('net.CIDR == net.CIDR', (a: CidrValue, b: CidrValue) => formatCidr(a.value) === formatCidr(b.value));
  is('isUnspecified', ['0.0.0.0/32'], ['::/128']);
  is('isLoopback', ['127.0.0.0/8'], ['::1/128']);
  is('isLinkLocalMulticast', ['224.0.0.0/24'], ['ff02::/16']);
  is('isLinkLocalUnicast', ['169.254.0.0/16'], ['fe80::/10']);
}

const namedFormats: Record<string, (text: string) => string[]> = {
  dns1123Label: isDns1123Label,
  dns1123Subdomain: isDns1123Subdomain,
  dns1035Label: isDns1035Label,
  qualifiedName: isQualifiedName,
  labelValue: isLabelValue,
  dns1123LabelPrefix: (text) => isDns1123Label(text.replace(/-$/, 'a')),
  dns1123SubdomainPrefix: (text) => isDns1123Subdomain(text.replace(/-$/, 'a')),
  dns1035LabelPrefix: (text) => isDns1035Label(text.replace(/-$/, 'a')),
  uri: (text) => (parseUrl(text) ? [] : ['invalid URI for request']),
  uuid: (text) => (/^[0-9a-f]{8}-?([0-9a-f]{4}-?){3}[0-9a-f]{12}$/i.test(text) ? [] : ['does not match the UUID format']),
  byte: (text) => (text.length % 4 === 0 && /^[A-Za-z0-9+/]*={0,2}$/.test(text) ? [] : ['invalid base64']),
  date: (text) => (/^\d{4}-\d{2}-\d{2}$/.test(text) && !Number.isNaN(Date.parse(text)) ? [] : ['invalid date']),
  datetime: (text) =>
    /^\d{4}-\d{2}-\d{2}T.*(Z|[+-]\d{2}:\d{2})$/.test(text) && !Number.isNaN(Date.parse(text)) ? [] : ['invalid datetime'],
};

function registerFormats(environment: Environment): void {
  environment
    .registerType('kubernetes.NamedFormat', FormatValue)
    .registerType('kubernetes.Formats', Formats)
    .registerFunction('kubernetes.Formats.named(string): optional<kubernetes.NamedFormat>', (_: Formats, name: string) => {
      const check = Object.hasOwn(namedFormats, name) ? namedFormats[name] : undefined;
      return check ? Optional.of(new FormatValue(check)) : Optional.none();
    })
    .registerConstant('format', 'kubernetes.Formats', new Formats())
    .registerFunction('kubernetes.NamedFormat.validate(string): optional<list<string>>', ({ check }: FormatValue, text: string) => {
      const problems = check(text);
      return problems.length === 0 ? Optional.none() : Optional.of(problems);
    });
  for (const [name, check] of Object.entries(namedFormats))
    environment.registerFunction(`kubernetes.Formats.${name}(): kubernetes.NamedFormat`, () => new FormatValue(check));
}

export function registerTypeFunctions(environment: Environment): void {
  registerQuantities(environment);
  registerUrls(environment);
  registerAddresses(environment);
  registerFormats(environment);
}
