import { describe, expect, it } from 'vitest';
import type { Node } from '../../api/index.ts';
import { contains, overlaps } from './cidr.ts';
import { routeChanges, wantedRoutes } from './routes.ts';

const node = (name: string, podCIDR: string, address: string): Node => ({
  apiVersion: 'v1',
  kind: 'Node',
  metadata: { name, uid: name, resourceVersion: '1', creationTimestamp: '2026-01-01T00:00:00Z' },
  spec: podCIDR ? { podCIDR } : {},
  status: {
    addresses: [
      { type: 'Hostname', address: name },
      { type: 'InternalIP', address },
    ],
  },
});

describe('routes to other nodes', () => {
  const nextHop = (address: string) => (address.startsWith('172.30.0.') ? address : address === '192.0.2.2' ? '172.30.0.1' : undefined);

  it('lead to neighbours, through the gateway to the node on the host, and nowhere for those that are not there', () => {
    const nodes = [
      node('a', '10.244.0.0/24', '192.0.2.2'),
      node('b', '10.244.1.0/24', '172.30.0.3'),
      node('c', '10.244.2.0/24', '172.30.0.4'),
      node('new', '', '172.30.0.5'),
      node('hollow', '10.244.3.0/24', '198.18.0.1'),
    ];
    expect([...wantedRoutes(nodes, 'b', nextHop)]).toEqual([
      ['10.244.0.0/24', '172.30.0.1'],
      ['10.244.2.0/24', '172.30.0.4'],
    ]);
  });

  it('change only where the table differs', () => {
    const present = new Map([
      ['10.244.0.0/24', '172.30.0.1'],
      ['10.244.1.0/24', '172.30.0.3'],
      ['10.244.9.0/24', '172.30.0.9'],
    ]);
    const wanted = new Map([
      ['10.244.0.0/24', '172.30.0.1'],
      ['10.244.1.0/24', '172.30.0.7'],
      ['10.244.2.0/24', '172.30.0.4'],
    ]);
    expect(routeChanges(present, wanted)).toEqual([
      'route delete 10.244.9.0/24 proto 107',
      'route replace 10.244.1.0/24 via 172.30.0.7 proto 107',
      'route replace 10.244.2.0/24 via 172.30.0.4 proto 107',
    ]);
    expect(routeChanges(wanted, wanted)).toEqual([]);
  });
});

describe('ranges', () => {
  it.each([
    ['172.30.1.0/24', '172.30.0.0/16', true],
    ['172.30.1.0/24', '172.30.2.0/24', false],
    ['10.0.0.0/8', '172.30.0.0/24', false],
    ['172.30.0.7/24', '172.30.0.0/24', true],
  ])('%s and %s overlap: %s', (a, b, expected) => {
    expect(overlaps(a, b)).toBe(expected);
    expect(overlaps(b, a)).toBe(expected);
  });

  it('contain addresses', () => {
    expect(contains('172.30.0.0/24', '172.30.0.255')).toBe(true);
    expect(contains('172.30.0.0/24', '172.30.1.0')).toBe(false);
  });
});
