import { Registry } from 'prom-client';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { FieldErrors, kinds, Service, ServiceCIDR, type ServiceSpec } from '../../api/index.ts';
import { openMemoryStore } from '../../store/index.ts';
import { seededRandom, systemClock } from '../../time/index.ts';
import { type AllocationMetrics, createAllocationMetrics } from '../metrics/allocation-metrics.ts';
import { type MemoryStorages, memoryStorages } from '../testing/memory-storages.ts';
import { type Claims, storeClaims } from './claims.ts';
import { parseIpRange, parsePortRange, type ServiceAllocator, serviceAllocator } from './index.ts';

let memory: MemoryStorages;
let stop: AbortController;
beforeEach(() => {
  memory = memoryStorages();
  stop = new AbortController();
});
afterEach(async () => {
  stop.abort();
  await memory.close();
});

function start(range = '10.96.0.0/24', ports = '30000-30001', metrics?: AllocationMetrics, claims?: Claims): ServiceAllocator {
  return serviceAllocator({
    storages: memory.storages,
    random: seededRandom(1),
    ranges: [parseIpRange(range)],
    ports: parsePortRange(ports),
    ...(metrics ? { metrics } : {}),
    ...(claims ? { claims } : {}),
    signal: stop.signal,
    onError: (error) => {
      throw error;
    },
  });
}

const service = (name: string, spec: ServiceSpec = {}): Service =>
  ({
    apiVersion: 'v1',
    kind: 'Service',
    metadata: { name, namespace: 'ns', uid: name },
    spec: { type: 'ClusterIP', selector: { a: 'b' }, ...spec },
  }) as Service;

const kind = kinds.find(({ resource }) => resource === Service);
const strategy = { now: '2026-01-01T00:00:00Z' };

/** As the registry does: the kind's rules first, then the allocator. */
async function create(allocator: ServiceAllocator, next: Service): Promise<Service> {
  kind?.create?.(next, strategy);
  const finish = await allocator.begin({ next, prev: undefined, dryRun: false, problems: new FieldErrors() });
  const stored = await memory.storages(Service).create(next);
  finish(true);
  return stored.object;
}

async function update(allocator: ServiceAllocator, prev: Service, spec: ServiceSpec): Promise<Service> {
  const next = { ...prev, spec };
  kind?.update?.(next, prev, strategy);
  const finish = await allocator.begin({ next, prev, dryRun: false, problems: new FieldErrors() });
  const stored = await memory.storages(Service).update('ns', prev.metadata.name, {}, () => next);
  finish(true);
  return stored.object;
}

test.each([
  ['10.96.0.0/16', 65534, '10.96.0.1', '10.96.0.10'],
  ['10.0.0.0/8', 16777214, '10.0.0.1', '10.0.0.10'],
  ['fd00::/108', 1048575, 'fd00::1', 'fd00::a'],
])('range %s', (cidr, size, first, tenth) => {
  const range = parseIpRange(cidr);
  expect([range.size, range.at(1), range.at(10)]).toEqual([size, first, tenth]);
  expect(range.contains(first)).toBe(true);
  expect(range.contains('192.168.0.1')).toBe(false);
});

describe('addresses', () => {
  test('are unique under concurrency until the range is full, and come back after a delete', async () => {
    const allocator = start('10.96.0.0/29');
    const made = await Promise.all(['a', 'b', 'c', 'd', 'e', 'f'].map((name) => create(allocator, service(name))));
    expect(new Set(made.map((s) => s.spec?.clusterIP)).size).toBe(6);
    expect(made[0]?.spec).toMatchObject({ ipFamilies: ['IPv4'], ipFamilyPolicy: 'SingleStack', clusterIPs: [made[0]?.spec?.clusterIP] });
    await expect(create(allocator, service('g'))).rejects.toThrow('failed to allocate a serviceIP for Service "g": range is full');
    await memory.storages(Service).delete('ns', 'c', {});
    await expect
      .poll(() =>
        create(allocator, service('g')).then(
          (s) => s.spec?.clusterIP,
          () => undefined,
        ),
      )
      .toBe(made[2]?.spec?.clusterIP);
  });

  test('of a deleted Service are free at once, also where several servers give out of the range', async () => {
    const store = openMemoryStore();
    const allocator = start('10.96.0.0/24', '30000-30001', undefined, storeClaims(store, '/registry', systemClock));
    const spec: ServiceSpec = { type: 'NodePort', clusterIP: '10.96.0.20', ports: [{ port: 80, nodePort: 30000 }] };
    await create(allocator, service('old', spec));
    await memory.storages(Service).delete('ns', 'old', {});
    const again = () => create(allocator, service('new', spec)).then(() => 'created', String);
    await expect.poll(again).toBe('created');
    await expect(create(allocator, service('other', spec))).rejects.toThrow('provided IP is already allocated');
    await store.close();
  });

  test.each<[string, ServiceSpec, string]>([
    [
      'taken',
      { clusterIP: '10.96.0.10' },
      'Service "x" is invalid: spec.clusterIPs: Invalid value: ["10.96.0.10"]: failed to allocate IP 10.96.0.10: provided IP is already allocated',
    ],
    ['outside', { clusterIP: '10.0.0.1' }, 'failed to allocate IP 10.0.0.1: the provided network does not match the current range'],
    [
      'dual',
      { ipFamilyPolicy: 'RequireDualStack' },
      'spec.ipFamilyPolicy: Invalid value: "RequireDualStack": this cluster is not configured for dual-stack services',
    ],
    [
      'port taken',
      { type: 'NodePort', ports: [{ port: 1, nodePort: 30000 }] },
      'spec.ports[0].nodePort: Invalid value: 30000: provided port is already allocated',
    ],
    [
      'of two protocols a port that is taken',
      {
        type: 'NodePort',
        ports: [
          { port: 1, protocol: 'UDP', name: 'u' },
          { port: 1, protocol: 'TCP', name: 't', nodePort: 30000 },
        ],
      },
      'spec.ports[0].nodePort: Invalid value: 30000: provided port is already allocated',
    ],
    [
      'port outside',
      { type: 'NodePort', ports: [{ port: 1, nodePort: 80 }] },
      'spec.ports[0].nodePort: Invalid value: 80: provided port is not in the valid range. The range of valid ports is 30000-30001',
    ],
  ])('asked for: %s', async (_, spec, message) => {
    await memory.put(
      Service,
      service('dns', { clusterIP: '10.96.0.10', clusterIPs: ['10.96.0.10'], type: 'NodePort', ports: [{ port: 53, nodePort: 30000 }] }),
    );
    await expect(create(start(), service('x', spec))).rejects.toThrow(message);
  });

  test('a write that fails, or is a dry run, keeps nothing', async () => {
    const allocator = start();
    for (const [dryRun, succeeded] of [
      [true, true],
      [false, false],
    ] as const) {
      const finish = await allocator.begin({
        next: service('a', { clusterIP: '10.96.0.5', clusterIPs: ['10.96.0.5'] }),
        prev: undefined,
        dryRun,
        problems: new FieldErrors(),
      });
      finish(succeeded);
    }
    expect((await create(allocator, service('b', { clusterIP: '10.96.0.5' }))).spec?.clusterIP).toBe('10.96.0.5');
  });

  test('headless Services and ExternalNames take none', async () => {
    const allocator = start();
    expect((await create(allocator, service('h', { clusterIP: 'None' }))).spec).toMatchObject({
      clusterIP: 'None',
      clusterIPs: ['None'],
      ipFamilyPolicy: 'SingleStack',
    });
    const external = (await create(allocator, service('e', { type: 'ExternalName', externalName: 'x.y' }))).spec;
    expect(external?.clusterIP).toBeUndefined();
    const free = service('f', { clusterIP: 'None' });
    delete free.spec?.selector;
    expect((await create(allocator, free)).spec).toMatchObject({ ipFamilyPolicy: 'RequireDualStack', ipFamilies: ['IPv4', 'IPv6'] });
  });
});

let attempts = 0;

test('an update keeps what it does not mention, and a change of type gives it back', async () => {
  const allocator = start();
  const made = await create(
    allocator,
    service('a', {
      type: 'NodePort',
      ports: [
        { port: 80, protocol: 'TCP' },
        { port: 80, protocol: 'UDP', name: 'u' },
      ],
    }),
  );
  const [tcp, udp] = made.spec?.ports ?? [];
  expect(tcp?.nodePort).toBe(udp?.nodePort);
  const again = await update(allocator, made, { type: 'NodePort', selector: { a: 'c' }, ports: [{ port: 80, protocol: 'TCP' }] });
  expect(again.spec).toMatchObject({ clusterIP: made.spec?.clusterIP, ports: [{ port: 80, nodePort: tcp?.nodePort }] });
  const plain = await update(allocator, again, {
    ...again.spec,
    type: 'ClusterIP',
    ports: (again.spec?.ports ?? []).map((p) => ({ ...p })),
  });
  expect(plain.spec?.ports?.[0]?.nodePort).toBeUndefined();
  await expect
    .poll(() =>
      create(allocator, service(`n${++attempts}`, { type: 'NodePort', ports: [{ port: 1, nodePort: tcp?.nodePort }] } as ServiceSpec)).then(
        () => true,
        () => false,
      ),
    )
    .toBe(true);
  const local = await create(
    allocator,
    service('lb', { type: 'LoadBalancer', externalTrafficPolicy: 'Local', allocateLoadBalancerNodePorts: false, ports: [{ port: 1 }] }),
  );
  expect(local.spec?.healthCheckNodePort).toBeGreaterThanOrEqual(30000);
});

test.each<[string, ServiceSpec, string]>([
  [
    'the port of its health check',
    { ports: [{ port: 1, protocol: 'TCP', nodePort: 30001 }] },
    'spec.ports[0].nodePort: Invalid value: 30001: provided port is already allocated',
  ],
  [
    'one port for two of a protocol',
    {
      ports: [
        { port: 1, protocol: 'TCP', name: 'a', nodePort: 30000 },
        { port: 2, protocol: 'TCP', name: 'b', nodePort: 30000 },
      ],
    },
    'duplicate nodePort: {TCP 30000}',
  ],
  [
    'more ports than there are',
    {
      ports: [
        { port: 1, protocol: 'TCP', name: 'a', nodePort: 30000 },
        { port: 2, protocol: 'TCP', name: 'b' },
      ],
    },
    'Internal error occurred: failed to allocate a nodePort: range is full',
  ],
])('an update can not ask for %s', async (_, spec, message) => {
  const allocator = start();
  const local: ServiceSpec = { type: 'LoadBalancer', externalTrafficPolicy: 'Local', allocateLoadBalancerNodePorts: true };
  const made = await create(
    allocator,
    service('a', { ...local, ports: [{ port: 1, protocol: 'TCP', nodePort: 30000 }], healthCheckNodePort: 30001 }),
  );
  await expect(update(allocator, made, { ...local, ...spec })).rejects.toThrow(message);
});

test("the server's own range is no longer given out of when the ServiceCIDR that stands for it goes", async () => {
  const gone = { deletionTimestamp: '2026-01-01T00:00:00Z', finalizers: ['a.b/c'] };
  await memory.put(ServiceCIDR, { metadata: { name: 'kubernetes', ...gone }, spec: { cidrs: ['10.96.0.0/30'] } });
  await memory.put(ServiceCIDR, { metadata: { name: 'next' }, spec: { cidrs: ['10.97.0.0/24'] } });
  const allocator = start('10.96.0.0/30');
  expect((await create(allocator, service('a'))).spec.clusterIP).toMatch(/^10\.97\./);
  await expect(create(allocator, service('b', { clusterIP: '10.96.0.1', clusterIPs: ['10.96.0.1'] }))).rejects.toThrow(
    'the provided network does not match the current range',
  );
});

test('a ServiceCIDR widens the range while it is ready', async () => {
  const allocator = start('10.96.0.0/30');
  const range = (name: string, cidr: string, more: object = {}) =>
    memory.storages(ServiceCIDR).create({
      apiVersion: 'networking.k8s.io/v1',
      kind: 'ServiceCIDR',
      metadata: { name, uid: name, resourceVersion: '', creationTimestamp: '' },
      spec: { cidrs: [cidr] },
      ...more,
    } as ServiceCIDR);
  const make = async (name: string, spec: ServiceSpec = {}) => (await create(allocator, service(name, spec))).spec?.clusterIP;
  const refused = (ip: string) =>
    expect(make('refused', { clusterIP: ip, clusterIPs: [ip] })).rejects.toThrow(/the provided network does not match the current range/);
  expect([await make('a'), await make('b')].sort()).toEqual(['10.96.0.1', '10.96.0.2']);
  await expect(make('c')).rejects.toThrow(/range is full/);
  await refused('10.200.0.9');

  await range('more', '10.200.0.0/24');
  await expect.poll(() => make('d', { clusterIP: '10.200.0.9', clusterIPs: ['10.200.0.9'] }).catch(() => '')).toBe('10.200.0.9');
  expect(await make('e')).toMatch(/^10\.200\.0\./);

  await range('not', '10.201.0.0/24', { status: { conditions: [{ type: 'Ready', status: 'False' }] } });
  await memory.storages(ServiceCIDR).update('', 'more', {}, () => undefined);
  await expect.poll(() => make('f').catch((error: Error) => error.message)).toMatch(/range is full/);
  await refused('10.200.0.10');
  await refused('10.201.0.10');
});

test('what is given, refused, taken and left is counted', async () => {
  const registry = new Registry();
  const allocator = start('10.96.0.0/28', '30000-30003', createAllocationMetrics(registry));
  await create(allocator, service('chosen'));
  await create(allocator, service('named', { clusterIP: '10.96.0.5', clusterIPs: ['10.96.0.5'] }));
  await expect(create(allocator, service('late', { clusterIP: '10.96.0.5', clusterIPs: ['10.96.0.5'] }))).rejects.toThrow(
    'already allocated',
  );
  await create(allocator, service('port', { type: 'NodePort', ports: [{ port: 80, protocol: 'TCP', nodePort: 30001 }] }));
  const lines = (await registry.metrics()).split('\n');
  const [ips, ports] = ['kube_apiserver_clusterip_allocator_', 'kube_apiserver_nodeport_allocator_'];
  expect(lines).toEqual(
    expect.arrayContaining([
      `${ips}allocation_total{cidr="10.96.0.0/28",scope="dynamic"} 2`,
      `${ips}allocation_total{cidr="10.96.0.0/28",scope="static"} 1`,
      `${ips}allocation_errors_total{cidr="10.96.0.0/28",scope="static"} 1`,
      `${ips}allocated_ips{cidr="10.96.0.0/28"} 3`,
      `${ips}available_ips{cidr="10.96.0.0/28"} 11`,
      `${ports}allocation_total{scope="static"} 1`,
      `${ports}allocated_ports 1`,
      `${ports}available_ports 3`,
    ]),
  );
});

test.each<[text: string, expected: [first: number, last: number] | string]>([
  ['30000-32767', [30000, 32767]],
  [' 80+8 ', [80, 88]],
  ['80', [80, 80]],
  ['80-x', 'strconv.Atoi: parsing "x": invalid syntax'],
  ['1-2+3', 'unable to parse port range: 1-2+3'],
  ['1-70000', 'the port range cannot be greater than 65535: 1-70000'],
  ['9-8', 'end port cannot be less than start port: 9-8'],
])('the port range %j', (text, expected) => {
  if (typeof expected === 'string') expect(() => parsePortRange(text)).toThrow(expected);
  else expect(parsePortRange(text)).toEqual({ first: expected[0], last: expected[1] });
});
