/** What upstream's own tests say of Kubernetes' libraries (k8s.io/apiserver/pkg/cel/library). */
import { expect, test } from 'vitest';
import { authorizerVariables, declareAuthorizer } from './authorizer-functions.ts';
import { celEnvironment, compileExpression } from './environment.ts';
import { type Budget, CostError } from './metering.ts';
import { CelError } from './values.ts';

const environment = celEnvironment();
declareAuthorizer(environment);
const authorizer = authorizerVariables(() => ({ allowed: true, reason: 'ok' }), {
  group: '',
  resource: 'pods',
  subresource: '',
  namespace: '',
  name: '',
});

const compile = (source: string) => compileExpression(environment, source);
const evaluate = (source: string) => compile(source).evaluate({ ...authorizer }, { left: 1e9 });

test.each([
  'isQuantity("20M") && isQuantity("20Mi") && !isQuantity("20Mo") && !isQuantity("10Mm")',
  'quantity("200M") == quantity("0.2G") && quantity("2000k") == quantity("2M") && quantity("200M") != quantity("0.3G")',
  'quantity("50M").isLessThan(quantity("50Mi")) && quantity("150Mi").isGreaterThan(quantity("100Mi"))',
  'quantity("200M").compareTo(quantity("0.2G")) == 0 && quantity("50M").compareTo(quantity("50Mi")) == -1',
  'quantity("50k").add(quantity("20")) == quantity("50.02k") && !quantity("50k").add(20).isLessThan(quantity("50020"))',
  'quantity("50k").sub(20) == quantity("49980") && quantity("50k").add(20).sub(quantity("100k")).sub(-50000).asInteger() == 20',
  '!quantity("9999999999999999999999999999999999999G").isInteger() && quantity("50").isInteger()',
  'quantity("50.703k").asApproximateFloat() == 50703.0 && quantity("-1").sign() == -1',
  'isSemver("1.2.3-beta.1+build.1") && !isSemver("v1.0.0") && !isSemver(" 1.0.0") && !isSemver("01.01.01") && !isSemver("1.1")',
  'isSemver("v1.0.0", true) && isSemver("01.01.01", true) && isSemver("1", true) && !isSemver("", true) && !isSemver("1. 0.0", true)',
  'semver("v01.01", true) == semver("1.1.0") && semver("1.0.0").isLessThan(semver("1.2.3")) && semver("1.2.3").patch() == 3',
  'semver("1.2.3-alpha").isLessThan(semver("1.2.3")) && semver("1.2.3").compareTo(semver("1.0.0")) == 1',
  'isIP("192.168.0.1") && !isIP("192.168.0.1.0") && !isIP("2001:db8:::68") && !isIP("::ffff:1.2.3.4") && type(ip("::1")) == net.IP',
  'ip.isCanonical("127.0.0.1") && ip.isCanonical("2001:db8::68") && !ip.isCanonical("2001:DB8::68")',
  'ip("192.168.0.1").family() == 4 && ip("2001:db8::68").family() == 6 && string(ip("192.168.0.1")) == "192.168.0.1"',
  'ip("::").isUnspecified() && ip("127.0.0.1").isLoopback() && ip("224.0.0.1").isLinkLocalMulticast() && !ip("224.0.1.1").isLinkLocalMulticast()',
  'ip("fe80::1").isLinkLocalUnicast() && ip("192.168.0.1").isGlobalUnicast() && !ip("ff00::1").isGlobalUnicast()',
  'cidr("192.168.0.0/24").containsIP("192.168.0.1") && !cidr("192.168.0.0/24").containsIP(ip("192.168.1.1"))',
  'cidr("192.168.0.0/24").containsCIDR("192.168.0.0/25") && !cidr("2001:db8::/32").containsCIDR(cidr("2001:db8::/31"))',
  'cidr("192.168.0.1/24").masked() == cidr("192.168.0.0/24") && cidr("192.168.0.1/24").ip() == ip("192.168.0.1") && type(cidr("::/0")) == net.CIDR',
  'cidr("2001:db8::/32").prefixLength() == 32 && string(cidr("192.168.0.0/24")) == "192.168.0.0/24" && isCIDR("::1/128") && !isCIDR("::1/129")',
  "url('https://user:pass@example.com:80/path?query=val#fragment').getHost() == 'example.com:80' && !isURL('https://a:b:c/') && !isURL('../x')",
  "url('/path').getHost() == '' && url('https://[::1]:80/').getHostname() == '::1' && url('https://[::1]/').getHost() == '[::1]'",
  "url('https://example.com').getEscapedPath() == '' && url('https://example.com/with space/').getEscapedPath() == '/with%20space/'",
  "url('https://example.com:443/').getPort() == '443' && url('https://e.com/p?k1=a&k2=b&k2=c').getQuery() == {'k1': ['a'], 'k2': ['b', 'c']}",
  "url('https://e.com/p?key with spaces=value with spaces').getQuery() == {'key with spaces': ['value with spaces']}",
  "!format.dns1123Label().validate('my-label').hasValue() && format.named('dns1123Label').value().validate('A_').hasValue()",
  "!format.named('nope').hasValue() && format.uri().validate('../x').value()[0].startsWith('parse') && !format.date().validate('2021-01-01').hasValue()",
  '[1, 3].sum() == 4 && [1.0, 3.0].sum() == 4.0 && [].sum() == 0 && [duration("1m"), duration("1s")].sum() == duration("61s")',
  "[1, 2, 2, 3].indexOf(2) == 1 && ['a', 'b', 'b', 'c'].lastIndexOf('b') == 2 && ![2.0, 1.0].isSorted() && ['a', 'b'].max() == 'b'",
  "authorizer.group('apps').resource('deployments').subresource('status').namespace('test').name('backend').check('create').allowed()",
  "authorizer.requestResource.check('get').reason() == 'ok' && authorizer.serviceAccount('ns', 'sa').path('/healthz').check('get').allowed()",
  "'foo'.find('^f') == 'f' && 'aa'.findAll('a', 1) == ['a'] && 'abc'.findAll('x') == [] && 'aba'.replace('a', 'x', 1) == 'xba'",
])('%s', (source) => {
  expect(evaluate(source)).toBe(true);
});

test.each([
  ['quantity("10Mo").sign() == 1', 'quantities must match the regular expression'],
  ['quantity("9999999999999999999999999999999999999G").asInteger() == 1', 'cannot convert value to integer'],
  ['semver("v1.0").major() == 1', 'No Major.Minor.Patch elements found'],
  [
    'ip("192.168.0.1.0").family() == 4',
    'IP Address "192.168.0.1.0" parse error during conversion from string: ParseAddr("192.168.0.1.0"): IPv4 address too long',
  ],
  [
    'ip("2001:db8:::68").family() == 6',
    'IP Address "2001:db8:::68" parse error during conversion from string: ParseAddr("2001:db8:::68"): each colon-separated field must have at least one digit (at ":68")',
  ],
  [
    'cidr("192.168.0.0/").prefixLength() == 0',
    'network address parse error during conversion from string: network address parse error during conversion from string: netip.ParsePrefix("192.168.0.0/"): bad bits after slash: ""',
  ],
  [
    "url('https://a:b:c/').getHost() == ''",
    'URL parse error during conversion from string: parse "https://a:b:c/": invalid port ":c" after host',
  ],
  ['[].min() == 1', 'min called on empty list'],
])('%s fails: %s', (source, message) => {
  let failure: unknown;
  try {
    evaluate(source);
  } catch (error) {
    failure = error;
  }
  expect(failure).toBeInstanceOf(CelError);
  expect(String(failure)).toContain(message);
});

/** Estimated at most, and paid; where constants are folded nothing is paid for them. */
test.each<[string, number, number?]>([
  ['[1, 2, 3, 4, 5].sum()', 15],
  ['[uint(1), uint(2), uint(3), uint(4), uint(5)].sum()', 20],
  ['[1, 2, 3, 4, 5].indexOf(3)', 15],
  ["'01234567890123456789012345678901234567890123456789'.indexOf('123')", 5, 5],
  ["url('https:://kubernetes.io/').getHost()", 4, 4],
  ["url('https:://kubernetes.io/') == url('https:://kubernetes.io/')", 9, 7],
  ["ip('192.168.0.1').family()", 3, 3],
  ["ip('2001:db8:3333:4444:5555:6666:7777:8888') == ip('192.168.0.1')", 7, 7],
  ["ip.isCanonical('2001:db8:3333:4444:5555:6666:7777:8888')", 8, 8],
  ["cidr('192.168.0.0/16').masked()", 3, 3],
  ["cidr('192.168.0.0/16').containsCIDR(cidr('192.0.0.0/30'))", 11, 7],
  ["cidr('192.168.0.0/16').containsCIDR('192.0.0.0/30')", 11, 7],
  ["cidr('192.168.0.0/16').containsIP(ip('192.169.169.250'))", 8, 5],
  ["cidr('192.168.0.0/16').containsIP('192.169.0.1')", 8, 5],
  ["cidr('2001:db8::/32').containsIP('2001:db8:3333:4444:5555:6666:7777:8888')", 10, 7],
  ["'ABCDEFGHIJ abcdefghij'.lowerAscii() == 'abcdefghij ABCDEFGHIJ'.lowerAscii()", 9, 9],
  ["strings.quote('ABCDEFGHIJ abcdefghij') == strings.quote('ABCDEFGHIJ abcdefghij')", 11, 9],
  ["'abc 123 def 123'.replace('123', '456', 1)", 3, 3],
  ["'abc 123 def 123'.split(' ', 1)", 3, 3],
  ["'abc 123 def 123'.substring(5, 8)", 2, 2],
  ["['aa', 'bb', 'cc', 'd', 'e', 'f', 'g', 'h', 'i', 'j'].join(' ')", Number.POSITIVE_INFINITY, 15 - 10],
  ["['aa', 'bb', 'cc', 'd', 'e', 'f', 'g', 'h', 'i', 'j'].join()", Number.POSITIVE_INFINITY, 13 - 10],
  ["'abc 123 def 123'.find('123')", 2, 2],
  ["'abc 123 def 123'.findAll('123', 1)", 2, 2],
  ["authorizer.group('apps').resource('deployments').subresource('status').namespace('test').name('backend')", 6, 6],
  [
    "authorizer.group('').resource('pods').fieldSelector('spec.nodeName=example-node-name.fully.qualified.domain.name.example.com')",
    1821,
    1821,
  ],
  ["authorizer.path('/healthz').check('get').allowed()", 350_003, 350_003],
  ['quantity("200M") == quantity("0.2G") && quantity("0.2G") == quantity("200M")', 6, 6],
  ['quantity("50k").add(20).sub(quantity("100k")).sub(-50000).asInteger() > 0', 7, 7],
  ['format.named("dns1123Subdomain").value().validate("my-name")', 34, 17],
  ['format.named("dns1123Label").value().validate("my-name")', 34, 10],
  ['format.named("dns1123Label").value() == format.named("dns1123Label").value()', 11, 5],
  ['sets.contains([1, 2, 3, 4], [2, 3])', 29, 29 - 20],
  ['!sets.equivalent([1], [1, 2])', 26, 26 - 20],
  ['sets.intersects([2, 1], [1])', 23, 23 - 20],
  ['semver("1234.56789012345.67890123456789")', 4, 4],
  ['semver("1.0.0").compareTo(semver("1.2.3"))', 3, 3],
  ["{'a': 1, 'b': 2}.all(k, v, v > 0)", 41, 41 - 30],
  ["{'a': 1, 'b': 2}.exists(k, v, v > 0)", 43, 40 - 30],
  ["{'a': 1, 'b': 2}.existsOne(k, v, v > 0)", 40, 40 - 30],
  ["{'a': 1, 'b': 2}.transformMap(k, v, v + 1)", 71, 71 - 60],
  ["{'a': 1, 'b': 2}.transformMap(k, v, v < 5, v + 1)", 75, 75 - 60],
  ["{'a': 1, 'b': 2}.transformMapEntry(k, v, {k: v + 1})", 131, 131 - 60],
  ['[1, 2].transformList(i, v, v + 1)', 49, 49 - 20],
  ['[1, 2].transformList(i, v, v < 5, v + 1)', 53, 53 - 20],
])('%s is estimated at %d', (source, estimate, paid) => {
  const expression = compile(source);
  expect(expression.maxCost()).toBe(estimate);
  const budget: Budget = { left: 1e9 };
  expression.evaluate({ ...authorizer }, budget);
  if (paid !== undefined) expect(1e9 - budget.left).toBe(paid);
});

test.each([
  'lists.range(1000000000).size() > 0',
  'lists.range(1000).all(i, a, lists.range(1000).all(j, b, a + b >= 0))',
  'lists.range(10000).transformList(i, v, lists.range(10000)).size() > 0',
])('%s costs too much', (source) => {
  expect(() => evaluate(source)).toThrow(CostError);
});
