import { describe, expect, it } from 'vitest';
import { isCanonicalCidr, isCanonicalIp, isCidr, isIp } from './ip.ts';

const noIp = 'must be a valid IP address, (e.g. 10.9.8.7 or 2001:db8::ffff)';
const noCidr = 'must be a valid CIDR value, (e.g. 10.9.8.0/24 or 2001:db8::/64)';

describe('addresses', () => {
  it.each([
    ['10.9.8.7', []],
    ['FE80:0:0:0:0:0:0:0abc', []],
    ['010.002.003.004', ['must not have leading 0s']],
    ['1.1.1.01', ['must not have leading 0s']],
    ['::ffff:1.2.3.4', ['must not be an IPv4-mapped IPv6 address']],
    ['', [noIp]],
    ['1.2.3', [noIp]],
    ['1.2.3.256', [noIp]],
    ['1.2.3.0/24', [noIp]],
    ['fe80::1%eth0', [noIp]],
  ])('judges %j', (text, wrong) => expect(isIp(text)).toEqual(wrong));

  it('wants new addresses in their one form', () => {
    expect(isCanonicalIp('2001:db8::1')).toEqual([]);
    expect(isCanonicalIp('2001:DB8:0::1')).toEqual(['must be in canonical form ("2001:db8::1")']);
  });

  it.each([
    ['10.0.0.0/8', []],
    ['2001:0db8::/64', []],
    ['010.0.0.0/8', ['must not have leading 0s in IP or prefix length']],
    ['10.0.0.0/08', ['must not have leading 0s in IP or prefix length']],
    ['::ffff:10.0.0.0/104', ['must not have an IPv4-mapped IPv6 address']],
    ['10.0.0.5/8', ['must not have bits set beyond the prefix length']],
    ['10.0.0.0/33', [noCidr]],
    ['10.0.0.0', [noCidr]],
  ])('judges the block %j', (text, wrong) => expect(isCidr(text)).toEqual(wrong));

  it('wants new blocks in their one form', () => {
    expect(isCanonicalCidr('2001:0db8::/64')).toEqual(['must be in canonical form ("2001:db8::/64")']);
  });
});
