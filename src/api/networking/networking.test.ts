import { describe, expect, it } from 'vitest';
import { accept, rejectUpdate, row } from '../testing/accept.ts';

const metadata = { name: 'n', namespace: 'default', creationTimestamp: '2026-01-01T00:00:00Z' };
const object = (kind: string, spec: object, more: object = {}) => ({ apiVersion: 'networking.k8s.io/v1', kind, metadata, spec, ...more });
const backend = { service: { name: 'web', port: { number: 80 } } };
const rule = (path: object, host = 'a.example') => ({ host, http: { paths: [{ pathType: 'Prefix', path: '/', backend, ...path }] } });
const at = 'spec.rules[0].http.paths[0]';

describe('validation', () => {
  it.each<[string, object, string[]]>([
    ['Ingress', {}, ['spec: Invalid value: null: either `defaultBackend` or `rules` must be specified']],
    ['Ingress', { rules: [rule({})] }, []],
    ['Ingress', { rules: [rule({ pathType: undefined })] }, [`${at}.pathType: Required value: pathType must be specified`]],
    ['Ingress', { rules: [rule({ path: 'x' })] }, [`${at}.path: Invalid value: "x": must be an absolute path`]],
    ['Ingress', { rules: [rule({ path: '/a//b' })] }, [`${at}.path: Invalid value: "/a//b": must not contain '//'`]],
    [
      'Ingress',
      { rules: [rule({}, '10.0.0.1')] },
      ['spec.rules[0].host: Invalid value: "10.0.0.1": must be a DNS name, not an IP address'],
    ],
    ['Ingress', { rules: [rule({ backend: {} })] }, [`${at}.backend: Invalid value: "": resource or service backend is required`]],
    ['Ingress', { defaultBackend: { service: { name: 'web' } } }, ['spec.defaultBackend: Required value: port name or number is required']],
    [
      'Ingress',
      { defaultBackend: { resource: {} } },
      ['spec.defaultBackend.resource.kind: Required value', 'spec.defaultBackend.resource.name: Required value'],
    ],
    [
      'ServiceCIDR',
      { cidrs: ['10.0.0.0/8', '192.168.0.0/16'] },
      [
        'spec.cidrs: Invalid value: ["10.0.0.0/8","192.168.0.0/16"]: may specify no more than one IP for each IP family, i.e 192.168.0.0/24 and 2001:db8::/64',
      ],
    ],
    [
      'ServiceCIDR',
      { cidrs: ['x', '10.0.0.0/8'] },
      ['spec.cidrs[0]: Invalid value: "x": must be a valid CIDR value, (e.g. 10.9.8.0/24 or 2001:db8::/64)'],
    ],
    ['ServiceCIDR', { cidrs: ['x', 'y', 'z'] }, ['spec.cidrs: Invalid value: {"CIDRs":["x","y","z"]}: may only hold up to 2 values']],
    [
      'IngressClass',
      { controller: 'nginx' },
      ['spec.controller: Invalid value: "nginx": must be a domain-prefixed path (such as "acme.io/foo")'],
    ],
    ['NetworkPolicy', { podSelector: {}, ingress: [{ from: [{}] }] }, ['spec.ingress[0].from[0]: Required value: must specify a peer']],
    [
      'NetworkPolicy',
      {
        podSelector: {},
        egress: [{ to: [{ ipBlock: { cidr: '10.0.0.0/8', except: ['11.0.0.0/16'] } }], ports: [{ port: 90, endPort: 80 }] }],
      },
      [
        'spec.egress[0].ports[0].endPort: Invalid value: 90: must be greater than or equal to `port`',
        'spec.egress[0].to[0].ipBlock.except[0]: Invalid value: "11.0.0.0/16": must be a strict subset of `cidr`',
      ],
    ],
  ])('of a %s with %j', (kind, spec, messages) => {
    expect(accept(object(kind, spec)).wrong).toEqual(messages);
  });

  it.each<[string, object, object]>([
    ['the name of a secret', { tls: [{ secretName: 'a b' }] }, { tls: [{ secretName: 'c d' }] }],
    [
      'what is told of a wildcard’s paths',
      { rules: [rule({ path: 'x' }, '*.a.example')] },
      { rules: [rule({ path: 'y/' }, '*.b.example')] },
    ],
  ])('lets an Ingress that has %s wrong come to have another wrong', (_, one, other) => {
    const stored = (spec: object) => accept(object('Ingress', { defaultBackend: backend, ...spec })).stored;
    expect(rejectUpdate(stored(other), stored(one), { whole: true })).toEqual([]);
    expect(rejectUpdate(stored(other), stored({}), { whole: true })).toHaveLength(1);
  });

  it('derives the types of a NetworkPolicy from what it says', () => {
    expect(accept(object('NetworkPolicy', { podSelector: {}, ingress: [] })).stored).toMatchObject({ spec: { policyTypes: ['Ingress'] } });
    const both = accept(object('NetworkPolicy', { podSelector: {}, egress: [{ ports: [{ port: 53 }] }] })).stored;
    expect(both).toMatchObject({ spec: { policyTypes: ['Ingress', 'Egress'], egress: [{ ports: [{ protocol: 'TCP', port: 53 }] }] } });
  });
});

describe('printing', () => {
  it('shows three hosts of an Ingress and how many there are besides', () => {
    const rules = ['a', 'b', 'c', 'd', 'e'].map((host) => rule({}, `${host}.example`));
    const status = { loadBalancer: { ingress: [{ ip: '10.0.0.1' }, { hostname: 'lb.example' }] } };
    expect(row(object('Ingress', { ingressClassName: 'nginx', rules, tls: [{}] }, { status }))).toEqual({
      Name: 'n',
      Class: 'nginx',
      Hosts: 'a.example,b.example,c.example + 2 more...',
      Address: '10.0.0.1,lb.example',
      Ports: '80, 443',
      Age: '10m',
    });
    expect(row(object('Ingress', { defaultBackend: backend }))).toMatchObject({ Class: '<none>', Hosts: '*', Address: '', Ports: '80' });
  });

  it('names what an address belongs to', () => {
    const parentRef = { resource: 'services', namespace: 'default', name: 'kubernetes' };
    expect(row(object('IPAddress', { parentRef }))).toMatchObject({ ParentRef: 'services/default/kubernetes' });
  });
});
