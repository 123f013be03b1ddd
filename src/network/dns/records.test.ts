import { expect, test } from 'vitest';
import type { EndpointSlice, Service } from '../../api/index.ts';
import { type ClusterNames, lookup, reverseAddress, reverseLookup } from './records.ts';

const meta = (namespace: string, name: string, labels = {}) => ({
  namespace,
  name,
  labels,
  uid: name,
  resourceVersion: '1',
  creationTimestamp: '2026-01-01T00:00:00Z',
});
const services: Service[] = [
  {
    apiVersion: 'v1',
    kind: 'Service',
    metadata: meta('work', 'redis'),
    spec: { clusterIP: '10.96.7.7', clusterIPs: ['10.96.7.7'], ports: [{ name: 'tcp', port: 6379, protocol: 'TCP' }] },
  },
  { apiVersion: 'v1', kind: 'Service', metadata: meta('work', 'db'), spec: { clusterIP: 'None', ports: [{ name: 'sql', port: 5432 }] } },
  { apiVersion: 'v1', kind: 'Service', metadata: meta('work', 'outside'), spec: { type: 'ExternalName', externalName: 'example.com' } },
];
const slices: EndpointSlice[] = [
  {
    apiVersion: 'discovery.k8s.io/v1',
    kind: 'EndpointSlice',
    metadata: meta('work', 'db-1', { 'kubernetes.io/service-name': 'db' }),
    addressType: 'IPv4',
    ports: [{ name: 'sql', port: 5432, protocol: 'TCP' }],
    endpoints: [
      { addresses: ['10.244.0.5'], hostname: 'db-0' },
      { addresses: ['10.244.0.6'] },
      { addresses: ['10.244.0.7'], conditions: { ready: false } },
    ],
  },
];
const names: ClusterNames = {
  service: (namespace, name) => services.find((s) => s.metadata.namespace === namespace && s.metadata.name === name),
  servicesByIP: (ip) => services.filter((s) => s.spec.clusterIP === ip),
  slices: (namespace, name) =>
    slices.filter((s) => s.metadata.namespace === namespace && s.metadata.labels?.['kubernetes.io/service-name'] === name),
  slicesByIP: (ip) => slices.filter((s) => (s.endpoints ?? []).some((e) => e.addresses.includes(ip))),
  hasNamespace: (name) => name === 'work',
};
const ask = (name: string, type: string) => lookup(names, 'cluster.local', name, type);
const data = (name: string, type: string) =>
  ask(name, type).answers.map((a) => ('address' in a ? a.address : 'target' in a ? a.target : a.text));

test.each([
  ['redis.work.svc.cluster.local', 'A', ['10.96.7.7']],
  ['redis.work.svc.cluster.local', 'AAAA', []],
  ['_tcp._tcp.redis.work.svc.cluster.local', 'SRV', ['redis.work.svc.cluster.local']],
  ['db.work.svc.cluster.local', 'A', ['10.244.0.5', '10.244.0.6']],
  ['db-0.db.work.svc.cluster.local', 'A', ['10.244.0.5']],
  ['10-244-0-6.db.work.svc.cluster.local', 'A', ['10.244.0.6']],
  ['_sql._tcp.db.work.svc.cluster.local', 'SRV', ['db-0.db.work.svc.cluster.local', '10-244-0-6.db.work.svc.cluster.local']],
  ['outside.work.svc.cluster.local', 'A', ['example.com']],
  ['10-244-0-9.work.pod.cluster.local', 'A', ['10.244.0.9']],
  ['dns-version.cluster.local', 'TXT', ['1.1.0']],
])('%s %s', (name, type, expected) => {
  const result = ask(name, type);
  expect(result.exists).toBe(true);
  expect(data(name, type)).toEqual(expected);
});

test.each([
  'nothing.work.svc.cluster.local',
  'redis.other.svc.cluster.local',
  'a.redis.work.svc.cluster.local',
  '10-244-0-9.other.pod.cluster.local',
  '10-244-0-999.work.pod.cluster.local',
  'x.cluster.local',
  'a.b.c.d.work.svc.cluster.local',
])('%s does not exist', (name) => {
  expect(ask(name, 'A').exists).toBe(false);
});

test('SRV answers of a headless service carry its endpoints addresses along', () => {
  expect(ask('_sql._tcp.db.work.svc.cluster.local', 'SRV').additional).toContainEqual({
    name: 'db-0.db.work.svc.cluster.local',
    type: 'A',
    address: '10.244.0.5',
  });
});

test('addresses have names: services by cluster IP, endpoints by their own', () => {
  expect(reverseAddress('7.7.96.10.in-addr.arpa')).toBe('10.96.7.7');
  expect(reverseLookup(names, 'cluster.local', 'x', '10.96.7.7')).toEqual([
    { name: 'x', type: 'PTR', target: 'redis.work.svc.cluster.local' },
  ]);
  expect(reverseLookup(names, 'cluster.local', 'x', '10.244.0.5')).toEqual([
    { name: 'x', type: 'PTR', target: 'db-0.db.work.svc.cluster.local' },
  ]);
  expect(reverseLookup(names, 'cluster.local', 'x', '1.2.3.4')).toEqual([]);
});
