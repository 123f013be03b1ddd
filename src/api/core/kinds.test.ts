import { describe, expect, it } from 'vitest';
import { FieldErrors, fieldErrorMessage } from '../fields.ts';
import type { ContainerStatus, Event, Namespace, Node, Pod, Secret, Service, ServiceSpec } from '../generated/core.v1.ts';
import type { KindDefinition } from '../kind.ts';
import { kinds } from '../kinds.ts';
import { humanDuration } from '../printing.ts';
import type { KubeObject } from '../resource.ts';
import { configMap } from './config-map.ts';
import { endpoints } from './endpoints.ts';
import { event } from './event.ts';
import { limitRange } from './limit-range.ts';
import { namespace } from './namespace.ts';
import { node } from './node.ts';
import { persistentVolumeClaim } from './persistent-volume-claim.ts';
import { pod } from './pod.ts';
import { secret } from './secret.ts';
import { service } from './service.ts';

const now = '2026-01-01T00:00:00Z';
const nowMs = Date.parse(now);

/** An object of a kind as the server has it: defaulted, and created. */
function made<T extends KubeObject>(kind: KindDefinition<T>, given: Record<string, unknown>): T {
  // A test's object literal stands for what a client sent.
  const obj = {
    apiVersion: 'v1',
    kind: kind.resource.kind,
    ...given,
    metadata: { name: 'x', namespace: 'work', ...((given.metadata as object) ?? {}) },
  } as unknown as T;
  kind.defaults?.(obj);
  kind.create?.(obj, { now });
  return obj;
}

function messages(check: (errors: FieldErrors) => void): string[] {
  const errors = new FieldErrors();
  check(errors);
  return errors.list.map(fieldErrorMessage);
}

function cells<T extends KubeObject>(kind: KindDefinition<T>, obj: T, wide = false): unknown[] {
  return (kind.columns ?? []).filter((column) => wide || !column.priority).map((column) => column.value(obj, nowMs));
}

describe('humanDuration', () => {
  it.each([
    [-2_000, '<invalid>'],
    [-500, '0s'],
    [119_000, '119s'],
    [120_000, '2m'],
    [125_000, '2m5s'],
    [600_000, '10m'],
    [3 * 3600_000, '3h'],
    [3 * 3600_000 + 60_000, '3h1m'],
    [47 * 3600_000, '47h'],
    [51 * 3600_000, '2d3h'],
    [9 * 86400_000, '9d'],
    [3 * 365 * 86400_000 + 86400_000, '3y1d'],
    [9 * 365 * 86400_000, '9y'],
  ])('writes %i ms as %s', (ms, text) => {
    expect(humanDuration(ms)).toBe(text);
  });
});

describe('kinds', () => {
  it('names every resource once', () => {
    const names = kinds.map(({ resource }) => `${resource.group}/${resource.plural}`);
    expect(names.filter((name, i) => names.indexOf(name) < i)).toEqual([]);
  });
});

describe('pod', () => {
  const simple = (more: object = {}, container: object = {}) =>
    made<Pod>(pod, { spec: { containers: [{ name: 'a', image: 'a', ...container }], ...more } });

  it('is pending, with its quality of service, when it is created', () => {
    expect(simple().status).toEqual({ phase: 'Pending', qosClass: 'BestEffort' });
    const guaranteed = simple({}, { resources: { limits: { cpu: '1', memory: '1Gi' } } });
    expect(guaranteed.spec.containers[0]?.resources?.requests).toEqual({ cpu: '1', memory: '1Gi' });
    expect(guaranteed.status?.qosClass).toBe('Guaranteed');
    expect(simple({}, { resources: { requests: { cpu: '1' } } }).status?.qosClass).toBe('Burstable');
  });

  it('says why it waits behind gates', () => {
    expect(simple({ schedulingGates: [{ name: 'example.com/gate' }] }).status?.conditions?.[0]?.reason).toBe('SchedulingGated');
  });

  it('may change its image and no more', () => {
    const prev = simple();
    const next = structuredClone(prev);
    if (next.spec.containers[0]) next.spec.containers[0].image = 'b';
    next.spec.tolerations = [{ key: 'k', operator: 'Exists' }];
    expect(messages((errors) => pod.validateUpdate?.(next, prev, errors))).toEqual([]);
    next.spec.restartPolicy = 'Never';
    expect(messages((errors) => pod.validateUpdate?.(next, prev, errors))).toEqual([
      'spec: Forbidden: pod updates may not change fields other than `spec.containers[*].image`,`spec.initContainers[*].image`,`spec.activeDeadlineSeconds`,`spec.tolerations` (only additions to existing tolerations),`spec.terminationGracePeriodSeconds` (allow it to be set to 1 if it was previously negative)\n' +
        [
          '@@ -35,7 +35,7 @@',
          '   }',
          '  ],',
          '  "EphemeralContainers": null,',
          '- "RestartPolicy": "Always",',
          '+ "RestartPolicy": "Never",',
          '  "TerminationGracePeriodSeconds": 30,',
          '  "ActiveDeadlineSeconds": null,',
          '  "DNSPolicy": "ClusterFirst",',
          '',
        ].join('\n'),
    ]);
  });

  it('takes no tolerations away and adds no containers', () => {
    const prev = simple({ tolerations: [{ key: 'k', operator: 'Exists' }] });
    const next = structuredClone(prev);
    next.spec.tolerations = [];
    expect(messages((errors) => pod.validateUpdate?.(next, prev, errors))).toEqual([
      'spec.tolerations: Forbidden: existing toleration can not be modified except its tolerationSeconds',
    ]);
    next.spec.containers.push({ name: 'b', image: 'b' });
    expect(messages((errors) => pod.validateUpdate?.(next, prev, errors))).toEqual([
      'spec.containers: Forbidden: pod updates may not add or remove containers',
    ]);
  });

  it('resizes cpu and memory within its quality of service', () => {
    const prev = simple({}, { resources: { requests: { cpu: '1' } } });
    const next = structuredClone(prev);
    if (next.spec.containers[0]) next.spec.containers[0].resources = { requests: { cpu: '2' } };
    const resize = pod.subresources?.resize;
    if (typeof resize !== 'object' || !('validate' in resize)) throw new Error('no resize');
    expect(messages((errors) => resize.validate?.(next, prev, errors))).toEqual([]);
    if (next.spec.containers[0]) next.spec.containers[0].resources = { requests: {} };
    expect(messages((errors) => resize.validate?.(next, prev, errors))).toEqual([
      'spec: Invalid value: "Burstable": Pod QOS Class may not change as a result of resizing',
      'spec.containers[0].resources.requests: Forbidden: resource requests cannot be removed',
    ]);
    // Left out is taken away.
    if (next.spec.containers[0]) delete next.spec.containers[0].resources;
    resize.update?.(next, prev, { now: '' });
    expect(messages((errors) => resize.validate?.(next, prev, errors))).toHaveLength(2);
  });

  it.each([
    [{}, undefined, 0],
    [{ nodeName: 'n' }, undefined, 30],
    [{ nodeName: 'n' }, 5, 5],
    [{ nodeName: 'n' }, -1, 1],
    [{}, 5, 0],
  ])('with %j and a request of %s is given %i seconds to end', (more, requested, seconds) => {
    expect(pod.gracePeriodSeconds?.(simple(more), requested)).toBe(seconds);
  });

  const status = (name: string, state: ContainerStatus['state'], more: Partial<ContainerStatus> = {}): ContainerStatus => ({
    name,
    state,
    ready: false,
    restartCount: 0,
    image: '',
    imageID: '',
    ...more,
  });
  const shown = (given: Pod) => cells(pod, given).slice(1, 4);

  it('shows what its containers do', () => {
    const given = simple();
    const show = (containerStatuses: ContainerStatus[]) => shown({ ...given, status: { phase: 'Running', containerStatuses } });
    expect(shown(given)).toEqual(['0/1', 'Pending', '0']);
    expect(show([status('a', { running: {} }, { ready: true })])).toEqual(['1/1', 'Running', '0']);
    const lastState = { terminated: { exitCode: 1, finishedAt: '2025-12-31T23:55:00Z' } };
    expect(show([status('a', { waiting: { reason: 'CrashLoopBackOff' } }, { restartCount: 3, lastState })])).toEqual([
      '0/1',
      'CrashLoopBackOff',
      '3 (5m ago)',
    ]);
    expect(show([status('a', { terminated: { exitCode: 2 } })])).toEqual(['0/1', 'ExitCode:2', '0']);
    expect(show([status('a', { terminated: { exitCode: 0, reason: 'Completed' } })])).toEqual(['0/1', 'Completed', '0']);
    expect(shown({ ...given, metadata: { ...given.metadata, deletionTimestamp: now } })).toEqual(['0/1', 'Terminating', '0']);
    // One that is done says nothing of others that have failed.
    const done = status('a', { terminated: { exitCode: 0, reason: 'Completed' } });
    const failed = status('b', { terminated: { exitCode: 1, reason: 'Error' } });
    expect(show([done, failed])).toEqual(['0/1', 'Error', '0']);
    expect(show([done, failed, status('c', { running: {} }, { ready: true })])).toEqual(['1/1', 'Error', '0']);
    expect(show([done, status('c', { running: {} }, { ready: true })])).toEqual(['1/1', 'NotReady', '0']);
  });

  it('shows how far it has got with its init containers and sidecars', () => {
    const given = simple({
      initContainers: [
        { name: 'i', image: 'i' },
        { name: 's', image: 's', restartPolicy: 'Always' },
      ],
    });
    const show = (initContainerStatuses: ContainerStatus[], containerStatuses: ContainerStatus[] = []) =>
      shown({ ...given, status: { phase: 'Pending', initContainerStatuses, containerStatuses } });
    expect(show([status('i', { running: {} })])).toEqual(['0/2', 'Init:0/2', '0']);
    expect(show([status('i', { waiting: { reason: 'ErrImagePull' } })])).toEqual(['0/2', 'Init:ErrImagePull', '0']);
    expect(show([status('i', { terminated: { exitCode: 3 } })])).toEqual(['0/2', 'Init:ExitCode:3', '0']);
    const done = status('i', { terminated: { exitCode: 0 } });
    expect(
      show([done, status('s', { running: {} }, { started: true, ready: true })], [status('a', { running: {} }, { ready: true })]),
    ).toEqual(['2/2', 'Pending', '0']);
  });
});

describe('namespace', () => {
  it('is labelled by its name, active, and kept until it is empty', () => {
    const given = made<Namespace>(namespace, { metadata: { name: 'work' } });
    expect(given).toMatchObject({
      metadata: { labels: { 'kubernetes.io/metadata.name': 'work' } },
      spec: { finalizers: ['kubernetes'] },
      status: { phase: 'Active' },
    });
    expect(cells(namespace, given)).toEqual(['work', 'Active', '<unknown>']);
  });
});

describe('service', () => {
  const problems = (spec: object) => {
    const given = made<Service>(service, { spec });
    return messages((errors) => service.validate?.(given, errors));
  };

  it('gets upstream defaults', () => {
    expect(made<Service>(service, { spec: { type: 'NodePort', sessionAffinity: 'ClientIP', ports: [{ port: 80 }] } }).spec).toEqual({
      type: 'NodePort',
      sessionAffinity: 'ClientIP',
      sessionAffinityConfig: { clientIP: { timeoutSeconds: 10800 } },
      ports: [{ port: 80, protocol: 'TCP', targetPort: 80 }],
      externalTrafficPolicy: 'Cluster',
      internalTrafficPolicy: 'Cluster',
    });
  });

  it.each<[object, string[]]>([
    [{ ports: [{ port: 80 }] }, []],
    [{ clusterIP: 'None' }, []],
    [{}, ['spec.ports: Required value']],
    [
      { ports: [{ port: 80 }, { port: 80 }] },
      [
        'spec.ports[0].name: Required value',
        'spec.ports[1].name: Required value',
        'spec.ports[1]: Duplicate value: {"Name":"","Protocol":"TCP","AppProtocol":null,"Port":80,"TargetPort":0,"NodePort":0}',
      ],
    ],
    [
      { ports: [{ port: 0 }] },
      [
        'spec.ports[0].port: Invalid value: 0: must be between 1 and 65535, inclusive',
        'spec.ports[0].targetPort: Invalid value: 0: must be between 1 and 65535, inclusive',
      ],
    ],
    [{ type: 'ExternalName' }, ['spec.externalName: Required value']],
    [{ ports: [{ port: 80, nodePort: 30000 }] }, ["spec.ports[0].nodePort: Forbidden: may not be used when `type` is 'ClusterIP'"]],
    [
      { type: 'Balanced', ports: [{ port: 80 }] },
      ['spec.type: Unsupported value: "Balanced": supported values: "ClusterIP", "ExternalName", "LoadBalancer", "NodePort"'],
    ],
    [
      { ports: [{ port: 80 }], externalIPs: ['127.0.0.1'] },
      ['spec.externalIPs[0]: Invalid value: "127.0.0.1": may not be in the loopback range (127.0.0.0/8, ::1/128)'],
    ],
  ])('checks %j', (spec, expected) => {
    expect(problems(spec)).toEqual(expected);
  });

  it('keeps what was allocated and drops what the new type has not', () => {
    const prev = made<Service>(service, { spec: { type: 'NodePort', clusterIP: '10.96.0.5', ports: [{ port: 80, nodePort: 30001 }] } });
    const same = made<Service>(service, { spec: { type: 'NodePort', ports: [{ port: 80 }] } });
    service.update?.(same, prev, { now });
    expect(same.spec).toMatchObject({ clusterIP: '10.96.0.5', clusterIPs: ['10.96.0.5'], ports: [{ nodePort: 30001 }] });
    const narrower = structuredClone(prev);
    narrower.spec.type = 'ClusterIP';
    service.update?.(narrower, prev, { now });
    expect(narrower.spec.ports?.[0]?.nodePort).toBeUndefined();
    expect(narrower.spec.externalTrafficPolicy).toBeUndefined();
    const moved = structuredClone(prev);
    moved.spec.clusterIP = '10.96.0.6';
    service.update?.(moved, prev, { now });
    expect(messages((errors) => service.validateFirst?.(moved, prev, errors))).toEqual([
      'spec.clusterIPs[0]: Invalid value: ["10.96.0.6"]: may not change once set',
    ]);
  });

  it.each<[string, ServiceSpec, ServiceSpec, object]>([
    [
      'node ports go with names, whatever else changes',
      { type: 'NodePort', ports: [{ port: 80, nodePort: 30001 }] },
      { type: 'NodePort', ports: [{ port: 81, protocol: 'UDP' }] },
      { ports: [{ port: 81, nodePort: 30001 }] },
    ],
    [
      'a node port that another port asks for is not kept',
      { type: 'NodePort', ports: [{ name: 'a', port: 80, nodePort: 30001 }] },
      {
        type: 'NodePort',
        ports: [
          { name: 'a', port: 80 },
          { name: 'b', port: 81, nodePort: 30001 },
        ],
      },
      { ports: [{ name: 'a' }, { name: 'b', nodePort: 30001 }] },
    ],
    [
      'a load balancer that needs no node ports any more keeps those it has',
      { type: 'LoadBalancer', ports: [{ port: 80, nodePort: 30001 }] },
      { type: 'LoadBalancer', allocateLoadBalancerNodePorts: false, ports: [{ port: 80, nodePort: 30001 }] },
      { ports: [{ nodePort: 30001 }] },
    ],
    [
      'families stay',
      { clusterIP: '10.96.0.5', ipFamilies: ['IPv4', 'IPv6'], ipFamilyPolicy: 'PreferDualStack', clusterIPs: ['10.96.0.5', 'fd00::5'] },
      { ports: [{ port: 80 }] },
      { clusterIPs: ['10.96.0.5', 'fd00::5'], ipFamilies: ['IPv4', 'IPv6'], ipFamilyPolicy: 'PreferDualStack' },
    ],
    [
      'a client that knows one address only sets all of them',
      { clusterIP: '10.96.0.5', clusterIPs: ['10.96.0.5', 'fd00::5'] },
      { clusterIP: '10.96.0.6' },
      { clusterIP: '10.96.0.6', clusterIPs: ['10.96.0.6'] },
    ],
  ])('update: %s', (_, before, change, expected) => {
    const prev = made<Service>(service, { spec: before });
    const next = made<Service>(service, { spec: change });
    service.update?.(next, prev, { now });
    expect(next.spec).toMatchObject(expected);
  });

  it('gives up the node ports that a load balancer does not say again once it needs none', () => {
    const ports = [
      { name: 'a', port: 80, nodePort: 30001 },
      { name: 'b', port: 81, nodePort: 30002 },
    ];
    const prev = made<Service>(service, { spec: { type: 'LoadBalancer', ports } });
    const kept = [{ name: 'a', port: 80 }, ports[1]];
    const next = made<Service>(service, { spec: { type: 'LoadBalancer', allocateLoadBalancerNodePorts: false, ports: kept } });
    service.update?.(next, prev, { now });
    expect(next.spec.ports?.map((port) => port.nodePort)).toEqual([undefined, 30002]);
  });

  it('gives up its addresses when it becomes a name, also for clients that know one of them only', () => {
    const prev = made<Service>(service, { spec: { clusterIP: 'None', clusterIPs: ['None'] } });
    const next = made<Service>(service, { spec: { type: 'ExternalName', externalName: 'a', clusterIP: 'None' } });
    service.update?.(next, prev, { now });
    expect(next.spec.clusterIP ?? next.spec.clusterIPs).toBeUndefined();
  });

  it('shows its addresses and ports', () => {
    const given = made<Service>(service, {
      spec: { type: 'LoadBalancer', clusterIP: '10.96.0.5', ports: [{ port: 80, nodePort: 30001 }], selector: { app: 'web' } },
    });
    expect(cells(service, given, true)).toEqual(['x', 'LoadBalancer', '10.96.0.5', '<pending>', '80:30001/TCP', '<unknown>', 'app=web']);
  });
});

describe('secret and config map', () => {
  it('makes data of stringData and demands what the type needs', () => {
    const given = made<Secret>(secret, { type: 'kubernetes.io/tls', stringData: { 'tls.crt': 'é' } });
    expect(given.stringData).toBeUndefined();
    expect(given.data).toEqual({ 'tls.crt': 'w6k=' });
    expect(messages((errors) => secret.validate?.(given, errors))).toEqual(['data[tls.key]: Required value']);
  });

  it('does not change when immutable', () => {
    const prev = made(configMap, { immutable: true, data: { a: '1' } });
    const next = { ...prev, immutable: false, data: { a: '2' } };
    expect(messages((errors) => configMap.validateFirst?.(next, prev, errors))).toEqual([
      'immutable: Forbidden: field is immutable when `immutable` is set',
      'data: Forbidden: field is immutable when `immutable` is set',
    ]);
  });

  it('holds a mebibyte and no more', () => {
    const given = made(configMap, { data: { a: 'x'.repeat(1024 * 1024 + 1) } });
    expect(messages((errors) => configMap.validate?.(given, errors))).toEqual(['[]: Too long: may not be more than 1048576 bytes']);
  });
});

describe('node', () => {
  it('shows its state and roles', () => {
    const given = made<Node>(node, {
      metadata: { name: 'n', labels: { 'node-role.kubernetes.io/control-plane': '', 'node-role.kubernetes.io/worker': '' } },
      spec: { unschedulable: true, podCIDR: '10.244.0.0/24' },
      status: { conditions: [{ type: 'Ready', status: 'True' }], nodeInfo: { kubeletVersion: 'v1.36.0' } },
    });
    expect(given.spec.podCIDRs).toEqual(['10.244.0.0/24']);
    expect(cells(node, given)).toEqual(['n', 'Ready,SchedulingDisabled', 'control-plane,worker', '<unknown>', 'v1.36.0']);
  });

  it('keeps the range that it was given', () => {
    const prev = made<Node>(node, { spec: { podCIDR: '10.244.0.0/24' } });
    const next = made<Node>(node, { spec: { podCIDR: '10.244.1.0/24', taints: [{ key: 'a', effect: 'Never' }] } });
    expect(messages((errors) => node.validateUpdate?.(next, prev, errors))).toEqual([
      'spec.podCIDRs: Forbidden: node updates may not change podCIDR except from "" to valid',
    ]);
    expect(messages((errors) => node.validate?.(next, errors))).toEqual([
      'metadata.taints[0].effect: Unsupported value: "Never": supported values: "NoSchedule", "PreferNoSchedule", "NoExecute"',
    ]);
  });
});

describe('others', () => {
  it('places events where their objects are', () => {
    const given = made<Event>(event, {
      involvedObject: { kind: 'Pod', namespace: 'other', name: 'p' },
      reason: 'Killing',
      type: 'Normal',
      lastTimestamp: '2025-12-31T23:59:00Z',
    });
    expect(messages((errors) => event.validateCreate?.(given, errors))).toEqual([
      'involvedObject.namespace: Invalid value: "other": does not match event.namespace',
    ]);
    expect(cells(event, given)).toEqual(['60s', 'Normal', 'Killing', 'pod/p', '']);
  });

  it('shows a few endpoints and counts the rest', () => {
    const addresses = [1, 2, 3, 4, 5].map((i) => ({ ip: `10.0.0.${i}` }));
    const given = made(endpoints, { subsets: [{ addresses, ports: [{ port: 80 }] }] });
    expect(cells(endpoints, given)[1]).toBe('10.0.0.1:80,10.0.0.2:80,10.0.0.3:80 + 2 more...');
  });

  it('takes a default limit from the maximum and a default request from the limit', () => {
    const given = made(limitRange, { spec: { limits: [{ type: 'Container', max: { cpu: '2' }, min: { memory: '1Mi' } }] } });
    expect(given.spec.limits[0]).toMatchObject({ default: { cpu: '2' }, defaultRequest: { cpu: '2', memory: '1Mi' } });
    const wrong = made(limitRange, { spec: { limits: [{ type: 'Pod', max: { cpu: '1' }, min: { cpu: '2' } }] } });
    expect(messages((errors) => limitRange.validate?.(wrong, errors))).toEqual([
      'spec.limits[0].min[cpu]: Invalid value: "2": min value 2 is greater than max value 1',
    ]);
  });

  it('lets a bound claim grow and nothing else of it change', () => {
    const spec = { accessModes: ['ReadWriteOnce'], resources: { requests: { storage: '1Gi' } }, volumeName: 'v' };
    const prev = { ...made(persistentVolumeClaim, { spec }), status: { phase: 'Bound' as const, capacity: { storage: '1Gi' } } };
    const next = structuredClone(prev);
    next.spec.resources = { requests: { storage: '2Gi' } };
    expect(messages((errors) => persistentVolumeClaim.validateUpdate?.(next, prev, errors))).toEqual([]);
    next.spec.storageClassName = 'fast';
    next.spec.accessModes = ['ReadWriteMany'];
    const [message] = messages((errors) => persistentVolumeClaim.validateUpdate?.(next, prev, errors));
    expect(message).toContain(
      'spec: Forbidden: spec is immutable after creation except resources.requests and volumeAttributesClassName for bound claims\n',
    );
    expect(message).toContain('-  "ReadWriteOnce"\n+  "ReadWriteMany"');
  });
});
