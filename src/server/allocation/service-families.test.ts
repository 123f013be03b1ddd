import { describe, expect, test } from 'vitest';
import type { Service, ServiceSpec } from '../../api/index.ts';
import { parseIpRange } from './ip-range.ts';
import { settleFamilies } from './service-families.ts';

const ranges = {
  v4: ['10.96.0.0/16'],
  v6: ['fd00::/108'],
  v4v6: ['10.96.0.0/16', 'fd00::/108'],
  v6v4: ['fd00::/108', '10.96.0.0/16'],
};
type Cluster = keyof typeof ranges;
const service = (spec: ServiceSpec) =>
  ({ metadata: { name: 's', uid: 's' }, spec: { type: 'ClusterIP', selector: { a: 'b' }, ...spec } }) as Service;

/** The families and policy that a Service comes to; the message of the one that is refused. */
function settled(cluster: Cluster, spec: ServiceSpec, prev?: ServiceSpec): string {
  const next = service(spec);
  try {
    settleFamilies(next, prev && service(prev), ranges[cluster].map(parseIpRange));
  } catch (error) {
    return error instanceof Error ? error.message.replace('Service "s" is invalid: ', '') : String(error);
  }
  const { ipFamilies = [], ipFamilyPolicy, clusterIPs } = next.spec ?? {};
  return `${ipFamilyPolicy} ${ipFamilies}${clusterIPs ? ` ${clusterIPs}` : ''}`;
}

const v4 = '10.96.0.5';
const v6 = 'fd00::5';
const one = { clusterIP: v4, clusterIPs: [v4] };
const both = { clusterIP: v4, clusterIPs: [v4, v6] };
const headless = { clusterIP: 'None', clusterIPs: ['None'] };
const families = (...ipFamilies: ('IPv4' | 'IPv6')[]) => ({ ipFamilies });
const prefer = { ipFamilyPolicy: 'PreferDualStack' } as const;
const require = { ipFamilyPolicy: 'RequireDualStack' } as const;
const single = { ipFamilyPolicy: 'SingleStack' } as const;

describe('of a new Service', () => {
  test.each<[string, Cluster, ServiceSpec, string]>([
    ['says nothing', 'v4v6', {}, 'SingleStack IPv4'],
    ['says nothing where IPv6 is the default', 'v6v4', {}, 'SingleStack IPv6'],
    ['asks for the other family', 'v4v6', families('IPv6'), 'SingleStack IPv6'],
    ['prefers both', 'v4v6', prefer, 'PreferDualStack IPv4,IPv6'],
    ['prefers both where there is one', 'v6', prefer, 'PreferDualStack IPv6'],
    ['prefers both, the other first', 'v4v6', { ...prefer, ...families('IPv6') }, 'PreferDualStack IPv6,IPv4'],
    ['gives an address', 'v4v6', { clusterIP: v6, clusterIPs: [v6] }, `SingleStack IPv6 ${v6}`],
    ['gives an address and prefers both', 'v4v6', { ...prefer, clusterIP: v6, clusterIPs: [v6] }, `PreferDualStack IPv6,IPv4 ${v6}`],
    ['has no address', 'v4v6', headless, 'SingleStack IPv4 None'],
    ['has neither address nor selector', 'v4', { ...headless, selector: {} }, 'RequireDualStack IPv4,IPv6 None'],
    ['has neither, and asks for one', 'v4', { ...headless, selector: {}, ...families('IPv6'), ...single }, 'SingleStack IPv6 None'],
    ['is a name', 'v4v6', { type: 'ExternalName', externalName: 'a.b' }, 'undefined '],
    [
      'requires both where there is one',
      'v4',
      require,
      'spec.ipFamilyPolicy: Invalid value: "RequireDualStack": this cluster is not configured for dual-stack services',
    ],
    [
      'asks for a family that is not there',
      'v4',
      families('IPv6'),
      'spec.ipFamilies[0]: Invalid value: "IPv6": not configured on this cluster',
    ],
    [
      'gives an address of a family that is not there',
      'v4',
      { clusterIP: v6, clusterIPs: [v6] },
      `spec.clusterIPs[0]: Invalid value: ["${v6}"]: IPv6 is not configured on this cluster`,
    ],
    [
      'asks for both without saying so',
      'v4v6',
      families('IPv4', 'IPv6'),
      "spec.ipFamilyPolicy: Invalid value: \"SingleStack\": must be 'RequireDualStack' or 'PreferDualStack' when multiple IP families are specified",
    ],
    [
      'gives two addresses without saying so',
      'v4v6',
      both,
      "spec.ipFamilyPolicy: Invalid value: \"SingleStack\": must be 'RequireDualStack' or 'PreferDualStack' when multiple cluster IPs are specified",
    ],
    [
      'gives an address of another family than it says',
      'v4v6',
      { ...one, ...families('IPv6') },
      `spec.clusterIPs[0]: Invalid value: "${v4}": expected an IPv6 value as indicated by \`ipFamilies[0]\``,
    ],
  ])('that %s', (_, cluster, spec, expected) => {
    expect(settled(cluster, spec)).toBe(expected);
  });
});

describe('of an update', () => {
  const dual = { ...both, ...families('IPv4', 'IPv6'), ...require };
  const plain = { ...one, ...families('IPv4'), ...single };
  test.each<[string, ServiceSpec, ServiceSpec, string]>([
    ['to one family gives up the second', { ...dual, ...single }, dual, `SingleStack IPv4 ${v4}`],
    ['without a policy keeps it', { ...both, ...families('IPv4', 'IPv6') }, dual, `RequireDualStack IPv4,IPv6 ${v4},${v6}`],
    ['to two families adds one', { ...plain, ...prefer }, plain, `PreferDualStack IPv4,IPv6 ${v4}`],
    ['of a name to an address', {}, { type: 'ExternalName', externalName: 'a.b' }, 'SingleStack IPv4'],
    [
      'of one that prefers both, and has one, changes nothing',
      { ...plain, ...prefer },
      { ...plain, ...prefer },
      `PreferDualStack IPv4 ${v4}`,
    ],
    [
      'must say that it gives up an address',
      { ...dual, ...one },
      dual,
      'spec.ipFamilyPolicy: Invalid value: "RequireDualStack": must be \'SingleStack\' to release the secondary cluster IP',
    ],
    [
      'must say that it gives up a family',
      { ...dual, ...families('IPv4') },
      dual,
      'spec.ipFamilyPolicy: Invalid value: "RequireDualStack": must be \'SingleStack\' to release the secondary IP family',
    ],
  ])('one %s', (_, spec, prev, expected) => {
    expect(settled('v4v6', spec, prev)).toBe(expected);
  });
});
