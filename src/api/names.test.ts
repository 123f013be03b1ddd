import { describe, expect, it } from 'vitest';
import { cidrContains, formatIp, isCidr, isIp, parseCidr, parseIp } from './ip.ts';
import { byteLength, isDns1123Label, isDns1123Subdomain, isLabelValue, isQualifiedName, nameIsDnsSubdomain } from './names.ts';

describe('names', () => {
  it('gives the messages that upstream gives', () => {
    expect(isDns1123Subdomain('Foo_Bar')).toEqual([
      "a lowercase RFC 1123 subdomain must consist of lower case alphanumeric characters, '-' or '.', and must start and end with an alphanumeric character (e.g. 'example.com', regex used for validation is '[a-z0-9]([-a-z0-9]*[a-z0-9])?(\\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*')",
    ]);
    expect(isDns1123Label('a.b')).toEqual(['must not contain dots']);
    expect(isDns1123Label('A')).toEqual([
      "a lowercase RFC 1123 label must consist of lower case alphanumeric characters or '-', and must start and end with an alphanumeric character (e.g. 'my-name',  or '123-abc', regex used for validation is '[a-z0-9]([-a-z0-9]*[a-z0-9])?')",
    ]);
    expect(isDns1123Label('a'.repeat(64))).toEqual(['must be no more than 63 characters']);
    expect(isLabelValue('x'.repeat(64))).toEqual(['must be no more than 63 bytes']);
    expect(isQualifiedName('/x')).toEqual(['prefix part must be non-empty']);
    expect(isQualifiedName(`${'a'.repeat(254)}/x`)).toEqual(['prefix part must be no more than 253 bytes']);
    expect(isQualifiedName('a/b/c')[0]).toMatch(/^a valid label key must consist .* with an optional DNS subdomain prefix/);
    expect(isQualifiedName('example.com/MyName')).toEqual([]);
  });

  it('allows a trailing dash in a generateName only', () => {
    expect(nameIsDnsSubdomain('web-', true)).toEqual([]);
    expect(nameIsDnsSubdomain('web-', false)).toHaveLength(1);
  });

  it('counts bytes as UTF-8 has them', () => {
    for (const text of ['abc', 'é', '語', '😀x']) expect(byteLength(text)).toBe(new TextEncoder().encode(text).length);
  });
});

describe('addresses', () => {
  it.each([
    ['::', '::'],
    ['0:0:0:0:0:0:0:1', '::1'],
    ['2001:DB8::0:1', '2001:db8::1'],
    ['1:0:0:2:0:0:0:3', '1:0:0:2::3'],
    ['1:0:2:3:4:5:6:7', '1:0:2:3:4:5:6:7'],
    ['::ffff:1.2.3.4', '::ffff:102:304'],
    ['10.0.0.1', '10.0.0.1'],
  ])('reads %s as %s', (text, canonical) => {
    const ip = parseIp(text);
    expect(ip && formatIp(ip)).toBe(canonical);
  });

  it.each(['', '1.2.3', '1.2.3.256', ':::', '1::2::3', '12345::', '1:2:3:4:5:6:7:8:9', '1.2.3.4::'])('refuses %j', (text) => {
    expect(isIp(text)).toEqual(['must be a valid IP address, (e.g. 10.9.8.7 or 2001:db8::ffff)']);
  });

  it('knows what lies in a block', () => {
    const block = parseCidr('10.244.1.7/24');
    const inside = parseIp('10.244.1.255');
    const outside = parseIp('10.244.2.0');
    if (!block || !inside || !outside) throw new Error('unreadable');
    expect([cidrContains(block, inside), cidrContains(block, outside)]).toEqual([true, false]);
    expect(isCidr('10.0.0.0/33')).toHaveLength(1);
  });
});
