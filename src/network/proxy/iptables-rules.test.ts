import { spawnSync } from 'node:child_process';
import { expect, test } from 'vitest';
import type { EndpointSlice, Service } from '../../api/index.ts';
import { staleFlows } from './conntrack.ts';
import { iptablesRules, restoreInput } from './iptables-rules.ts';
import { nearestEndpoints, servicePorts } from './service-map.ts';

const meta = (name: string, labels = {}) => ({
  name,
  namespace: 'work',
  uid: name,
  resourceVersion: '1',
  creationTimestamp: '2026-01-01T00:00:00Z',
  labels,
});

function service(spec: Partial<Service['spec']> = {}): Service {
  return {
    apiVersion: 'v1',
    kind: 'Service',
    metadata: meta('redis'),
    spec: { type: 'ClusterIP', clusterIP: '10.96.7.7', ports: [{ name: 'tcp', port: 6379, protocol: 'TCP' }], ...spec },
  };
}

function slice(
  endpoints: { ip: string; ready?: boolean; terminating?: boolean; node?: string }[],
  protocol: 'TCP' | 'UDP' = 'TCP',
): EndpointSlice {
  return {
    apiVersion: 'discovery.k8s.io/v1',
    kind: 'EndpointSlice',
    metadata: meta('redis-x', { 'kubernetes.io/service-name': 'redis' }),
    addressType: 'IPv4',
    ports: [{ name: 'tcp', port: 6379, protocol }],
    endpoints: endpoints.map((e) => ({
      addresses: [e.ip],
      nodeName: e.node ?? 'node',
      conditions: { ready: e.ready ?? true, serving: true, terminating: e.terminating ?? false },
    })),
  };
}

const options = { podCidr: '10.244.0.0/16' };
const rulesOf = (s: Service, ...slices: EndpointSlice[]) => iptablesRules(servicePorts(s, slices, { nodeName: 'node' }), options);
const text = (rules: ReturnType<typeof rulesOf>) => restoreInput(undefined, rules);

test('a cluster IP leads through its service chain to each endpoint with equal chances', () => {
  const out = text(rulesOf(service(), slice([{ ip: '10.244.0.5' }, { ip: '10.244.0.6' }])));
  expect(out).toContain(
    '-A KUBE-SERVICES -m comment --comment "work/redis:tcp cluster IP" -m tcp -p tcp -d 10.96.7.7 --dport 6379 -j KUBE-SVC-',
  );
  expect(out).toContain('! -s 10.244.0.0/16 -j KUBE-MARK-MASQ');
  expect(out).toMatch(/"work\/redis:tcp -> 10\.244\.0\.5:6379" -m statistic --mode random --probability 0\.5000000000 -j KUBE-SEP-/);
  expect(out).toMatch(/"work\/redis:tcp -> 10\.244\.0\.6:6379" -j KUBE-SEP-/);
  expect(out).toContain('-j DNAT --to-destination 10.244.0.6:6379');
});

test('chain names are the ones upstream computes', () => {
  // kube-dns' and kubernetes' chains are the same in every cluster.
  const kubernetes = service({ clusterIP: '10.96.0.1', ports: [{ name: 'https', port: 443, protocol: 'TCP' }] });
  const ports = servicePorts(
    { ...kubernetes, metadata: { ...meta('kubernetes'), namespace: 'default' } },
    [{ ...slice([{ ip: '10.0.0.1' }]), ports: [{ name: 'https', port: 6443 }] }],
    { nodeName: 'node' },
  );
  expect(text(iptablesRules(ports, options))).toContain('KUBE-SVC-NPX46M4PTMTKRN6Y');
});

test('a service without endpoints is refused, node ports too', () => {
  const out = text(rulesOf(service({ type: 'NodePort', ports: [{ name: 'tcp', port: 6379, nodePort: 30379, protocol: 'TCP' }] })));
  expect(out).toContain('"work/redis:tcp has no endpoints" -m tcp -p tcp -d 10.96.7.7 --dport 6379 -j REJECT');
  expect(out).toContain('-m addrtype --dst-type LOCAL -m tcp -p tcp --dport 30379 -j REJECT');
  expect(out).not.toContain('KUBE-SVC-');
});

test('terminating endpoints serve only when no ready one is left', () => {
  const draining = { ip: '10.244.0.5', ready: false, terminating: true };
  expect(text(rulesOf(service(), slice([draining, { ip: '10.244.0.6' }])))).not.toContain('10.244.0.5');
  expect(text(rulesOf(service(), slice([draining])))).toContain('--to-destination 10.244.0.5:6379');
});

test('external traffic of policy Local stays on the node, and is dropped where the node has no endpoint', () => {
  const spec = {
    type: 'NodePort' as const,
    externalTrafficPolicy: 'Local' as const,
    ports: [{ name: 'tcp', port: 6379, nodePort: 30379, protocol: 'TCP' as const }],
  };
  const here = text(rulesOf(service(spec), slice([{ ip: '10.244.0.5' }, { ip: '10.244.1.5', node: 'other' }])));
  expect(here).toMatch(/-A KUBE-EXT-\S+ -j KUBE-SVL-/);
  const elsewhere = text(rulesOf(service(spec), slice([{ ip: '10.244.1.5', node: 'other' }])));
  expect(elsewhere).toContain('"work/redis:tcp has no local endpoints" -m addrtype --dst-type LOCAL -m tcp -p tcp --dport 30379 -j DROP');
});

test('only chains that changed are written, and chains that are gone are deleted', () => {
  const two = rulesOf(service(), slice([{ ip: '10.244.0.5' }, { ip: '10.244.0.6' }]));
  const one = rulesOf(service(), slice([{ ip: '10.244.0.5' }]));
  const delta = restoreInput(two, one);
  expect(delta).toMatch(/^-X KUBE-SEP-/m);
  expect(delta).not.toContain('-A KUBE-SERVICES');
  expect(restoreInput(one, one)).toBe('');
});

test('the kernel accepts every kind of rule', () => {
  const spec = {
    type: 'LoadBalancer' as const,
    externalIPs: ['192.0.2.200'],
    sessionAffinity: 'ClientIP' as const,
    loadBalancerSourceRanges: ['198.51.100.0/24'],
    ports: [{ name: 'tcp', port: 6379, nodePort: 30379, protocol: 'TCP' as const }],
  };
  const balanced = { ...service(spec), status: { loadBalancer: { ingress: [{ ip: '192.0.2.201' }] } } };
  for (const s of [
    balanced,
    { ...balanced, spec: { ...balanced.spec, externalTrafficPolicy: 'Local' as const, healthCheckNodePort: 31000 } },
    service(),
  ]) {
    const input = text(rulesOf(s, slice([{ ip: '10.244.0.5' }, { ip: '10.244.1.6', node: 'other' }])));
    const result = spawnSync('unshare', ['--net', 'iptables-restore', '--noflush'], {
      input,
      env: { ...process.env, PATH: `${process.env.PATH}:/usr/sbin:/sbin` },
    });
    expect(result.stderr.toString()).toBe('');
    expect(result.status).toBe(0);
  }
});

test('UDP flows to endpoints that are gone are cut', () => {
  const udp = service({ ports: [{ name: 'tcp', port: 53, protocol: 'UDP' }] });
  const before = servicePorts(udp, [slice([{ ip: '10.244.0.5' }, { ip: '10.244.0.6' }], 'UDP')], { nodeName: 'node' });
  const after = servicePorts(udp, [slice([{ ip: '10.244.0.6' }], 'UDP')], { nodeName: 'node' });
  expect(staleFlows(before, after)).toEqual([['-D', '-p', 'udp', '--orig-dst', '10.96.7.7', '--dst-nat', '10.244.0.5']]);
  expect(staleFlows(after, after)).toEqual([]);
  // What went to where nothing was goes to where something is, by every way.
  const ports = [{ name: 'tcp', port: 53, protocol: 'UDP' as const, nodePort: 30053 }];
  const exposed = service({ type: 'NodePort', externalIPs: ['192.0.2.7'], ports });
  const ways = [
    ['--orig-dst', '10.96.7.7'],
    ['--orig-dst', '192.0.2.7'],
    ['--dport', '30053'],
  ];
  const [none, some] = [[], [slice([{ ip: '10.244.0.5' }], 'UDP')]].map((slices) => servicePorts(exposed, slices, { nodeName: 'node' }));
  if (!none || !some) throw new Error('two lists');
  expect(staleFlows(none, some)).toEqual(ways.map((way) => ['-D', '-p', 'udp', ...way]));
  expect(staleFlows(some, none)).toEqual(ways.map((way) => ['-D', '-p', 'udp', ...way, '--dst-nat', '10.244.0.5']));
  expect(staleFlows([], some)).toHaveLength(3);
});

test('traffic stays near where hints say so: on the node, then in the zone, and goes anywhere where nothing near is ready', () => {
  const hinted = (ip: string, zone: string, node?: string, ready = true) => ({
    addresses: [ip],
    conditions: { ready },
    hints: { forZones: [{ name: zone }], ...(node ? { forNodes: [{ name: node }] } : {}) },
  });
  const near = (place: { nodeName: string; zone?: string }, ...endpoints: EndpointSlice['endpoints'] & object) =>
    servicePorts(service(), [{ ...slice([]), endpoints }], place).flatMap((port) => nearestEndpoints(port.endpoints).map((e) => e.ip));
  const [a, b, c] = [hinted('10.0.0.1', 'a', 'one'), hinted('10.0.0.2', 'a', 'two'), hinted('10.0.0.3', 'b', 'three')];
  expect(near({ nodeName: 'two', zone: 'a' }, a, b, c)).toEqual(['10.0.0.2']);
  expect(near({ nodeName: 'four', zone: 'a' }, a, b, c)).toEqual(['10.0.0.1', '10.0.0.2']);
  expect(near({ nodeName: 'four', zone: 'c' }, a, b, c)).toHaveLength(3);
  expect(near({ nodeName: 'four' }, a, b, c)).toHaveLength(3);
  // One without a hint: nobody knows enough.
  expect(near({ nodeName: 'two', zone: 'a' }, a, b, { addresses: ['10.0.0.4'] })).toHaveLength(3);
  expect(near({ nodeName: 'four', zone: 'a' }, hinted('10.0.0.1', 'a', undefined, false), hinted('10.0.0.3', 'b'))).toEqual(['10.0.0.3']);
});
