import { describe, expect, test } from 'vitest';
import type { Node, NodeSelectorRequirement, Pod, Taint, TopologySpreadConstraint } from '../../api/index.ts';
import {
  CSIDriver,
  CSINode,
  CSIStorageCapacity,
  PersistentVolume,
  PersistentVolumeClaim,
  resourceV1,
  Service,
  StorageClass,
} from '../../api/index.ts';
import { createCycle, type World } from '../testing/one-cycle.ts';
import { makeNode, makePod } from '../testing/test-cluster.ts';

const on = (nodeName: string, pod: Pod): Pod => ({ ...pod, spec: { ...pod.spec, nodeName } });
const zone = 'topology.kubernetes.io/zone';
const inZone = (name: string, value: string, parts: Parameters<typeof makeNode>[1] = {}): Node =>
  makeNode(name, { ...parts, labels: { [zone]: value, ...parts.labels } });
const unresolvable = 'UnschedulableAndUnresolvable: ';
const web = { app: 'web' };
const selectWeb = { matchLabels: web };
const port = (hostPort: number, extra = {}) => ({
  spec: { containers: [{ name: 'c', image: 'i', ports: [{ containerPort: 80, hostPort, ...extra }] }] },
});
const required = (...matchExpressions: NodeSelectorRequirement[]) => ({
  affinity: { nodeAffinity: { requiredDuringSchedulingIgnoredDuringExecution: { nodeSelectorTerms: [{ matchExpressions }] } } },
});
const spreadOver = (topologyKey: string, extra: Partial<TopologySpreadConstraint>): TopologySpreadConstraint => ({
  maxSkew: 1,
  topologyKey,
  whenUnsatisfiable: 'DoNotSchedule',
  labelSelector: selectWeb,
  ...extra,
});
const spread = (topologyKey: string, extra: Partial<TopologySpreadConstraint> = {}) => ({
  labels: web,
  spec: {
    topologySpreadConstraints: [spreadOver(topologyKey, extra)],
  },
});
const together = { requiredDuringSchedulingIgnoredDuringExecution: [{ topologyKey: zone, labelSelector: selectWeb }] };
const mismatch = `${unresolvable}node(s) didn't match Pod's node affinity/selector`;
const skewed = "Unschedulable: node(s) didn't match pod topology spread constraints";

type FilterCase = { name: string; world: World; pod: Pod; refusals: Record<string, string> };
const onlyOn = (node: string) => ({
  nodeSelectorTerms: [{ matchFields: [{ key: 'metadata.name', operator: 'In', values: [node] }] }],
});
const requestOf = (deviceClassName: string) => ({ spec: { devices: { requests: [{ name: 'r', exactly: { deviceClassName } }] } } });
const heldByClaims = (
  [
    ['a claim that is not there', undefined, { '*': 'resourceclaim.resource.k8s.io "gpus" not found' }],
    ['a class that is not there', requestOf('gpu'), { '*': 'request r: device class gpu does not exist' }],
    ['a claim without devices', { spec: {} }, { a: 'cannot allocate all claims', b: 'cannot allocate all claims' }],
    [
      'devices of another node',
      { spec: {}, status: { allocation: { nodeSelector: onlyOn('a') } } },
      { b: 'resourceclaim not available on the node' },
    ],
  ] as const
).map(([what, claim, reasons]): FilterCase => {
  const metadata = { name: 'gpus', namespace: 'default' };
  const gpus = claim && [{ apiVersion: 'resource.k8s.io/v1', kind: 'ResourceClaim', metadata, ...claim }];
  const objects = (gpus ?? []).map((object) => [resourceV1.ResourceClaim, object]);
  return {
    name: `DynamicResources keeps off for ${what}`,
    // Objects as far as the plugin reads them.
    world: { plugin: 'DynamicResources', nodes: [makeNode('a'), makeNode('b')], objects } as unknown as World,
    pod: makePod('p', { spec: { resourceClaims: [{ name: 'x', resourceClaimName: 'gpus' }] } }),
    refusals: Object.fromEntries(Object.entries(reasons).map(([node, reason]) => [node, `${unresolvable}${reason}`])),
  };
});

const filterCases: FilterCase[] = [
  {
    name: 'NodeName keeps to the named node',
    world: { plugin: 'NodeName', nodes: [makeNode('a'), makeNode('b')] },
    pod: makePod('p', { spec: { nodeName: 'a' } }),
    refusals: { b: `${unresolvable}node(s) didn't match the requested node name` },
  },
  {
    name: 'NodeDeclaredFeatures keeps to nodes that declare what the pod needs',
    world: {
      plugin: 'NodeDeclaredFeatures',
      nodes: [makeNode('a'), { ...makeNode('b'), status: { declaredFeatures: ['RestartAllContainersOnContainerExits'] } }],
    },
    pod: makePod('p', {
      spec: { containers: [{ name: 'c', image: 'i', restartPolicyRules: [{ action: 'RestartAllContainers' }] }] },
    }),
    refusals: { a: `${unresolvable}node(s) didn't match Pod's required features` },
  },
  ...heldByClaims,
  {
    name: 'NodeUnschedulable keeps off cordoned nodes',
    world: { plugin: 'NodeUnschedulable', nodes: [makeNode('a', { spec: { unschedulable: true } }), makeNode('b')] },
    pod: makePod('p'),
    refusals: { a: `${unresolvable}node(s) were unschedulable` },
  },
  {
    name: 'NodeUnschedulable lets the tolerant in',
    world: { plugin: 'NodeUnschedulable', nodes: [makeNode('a', { spec: { unschedulable: true } })] },
    pod: makePod('p', { spec: { tolerations: [{ key: 'node.kubernetes.io/unschedulable', operator: 'Exists' }] } }),
    refusals: {},
  },
  {
    name: 'TaintToleration keeps off nodes with taints that are not tolerated',
    world: {
      plugin: 'TaintToleration',
      nodes: [
        makeNode('a', {
          spec: {
            taints: [
              { key: 'k', value: 'v', effect: 'NoSchedule' },
              { key: 'x', effect: 'NoExecute' },
            ],
          },
        }),
        makeNode('b', { spec: { taints: [{ key: 'soft', effect: 'PreferNoSchedule' }] } }),
      ],
    },
    pod: makePod('p', { spec: { tolerations: [{ key: 'k', value: 'v', effect: 'NoSchedule' }] } }),
    refusals: { a: `${unresolvable}node(s) had untolerated taint(s)` },
  },
  {
    name: 'NodeAffinity knows node selectors and all operators',
    world: {
      plugin: 'NodeAffinity',
      nodes: [makeNode('a', { labels: { disk: 'ssd', n: '5' } }), makeNode('b', { labels: { disk: 'hdd', n: '9' } })],
    },
    pod: makePod('p', { spec: required({ key: 'disk', operator: 'NotIn', values: ['hdd'] }, { key: 'n', operator: 'Lt', values: ['9'] }) }),
    refusals: { b: mismatch },
  },
  {
    name: 'NodeAffinity: a required affinity without terms selects nothing',
    world: { plugin: 'NodeAffinity', nodes: [makeNode('a')] },
    pod: makePod('p', {
      spec: { affinity: { nodeAffinity: { requiredDuringSchedulingIgnoredDuringExecution: { nodeSelectorTerms: [{}] } } } },
    }),
    refusals: { a: mismatch },
  },
  {
    name: 'NodeAffinity enforces what the profile adds',
    world: {
      plugin: 'NodeAffinity',
      args: { addedAffinity: required({ key: 'pool', operator: 'Exists' }).affinity.nodeAffinity },
      nodes: [makeNode('a', { labels: { pool: 'x' } }), makeNode('b')],
    },
    pod: makePod('p'),
    refusals: { b: `${unresolvable}node(s) didn't match scheduler-enforced node affinity` },
  },
  {
    name: 'NodePorts: one address of a port excludes only itself and all addresses',
    world: {
      plugin: 'NodePorts',
      nodes: [makeNode('a'), makeNode('b'), makeNode('c')],
      pods: [
        on('a', makePod('1', port(80))),
        on('b', makePod('2', port(80, { hostIP: '10.0.0.1' }))),
        on('c', makePod('3', port(80, { protocol: 'UDP' }))),
      ],
    },
    pod: makePod('p', port(80, { hostIP: '10.0.0.2' })),
    refusals: { a: "Unschedulable: node(s) didn't have free ports for the requested pod ports" },
  },
  {
    name: 'NodeResourcesFit tells all that is short, and whether eviction could help',
    world: {
      plugin: 'NodeResourcesFit',
      nodes: [makeNode('full', { cpu: '2', memory: '2Gi', pods: '1' }), makeNode('tiny', { cpu: '500m' }), makeNode('free')],
      pods: [on('full', makePod('1', { cpu: '1500m', memory: '1536Mi' }))],
    },
    pod: makePod('p', { cpu: '1', memory: '1Gi' }),
    refusals: {
      full: 'Unschedulable: Too many pods, Insufficient cpu, Insufficient memory',
      tiny: `${unresolvable}Insufficient cpu`,
    },
  },
  {
    name: 'NodeResourcesFit counts extended resources, and the greater of the start and the run of a pod',
    world: {
      plugin: 'NodeResourcesFit',
      nodes: [
        makeNode('a', { cpu: '2' }),
        makeNode('b', { cpu: '4' }),
        makeNode('gpu', { cpu: '4', allocatable: { 'example.com/gpu': '1' } }),
      ],
    },
    pod: makePod('p', {
      spec: {
        initContainers: [
          { name: 'sidecar', image: 'i', restartPolicy: 'Always', resources: { requests: { cpu: '1' } } },
          { name: 'init', image: 'i', resources: { requests: { cpu: '2' } } },
        ],
        containers: [{ name: 'c', image: 'i', resources: { requests: { cpu: '1', 'example.com/gpu': '1' } } }],
      },
    }),
    refusals: { a: `${unresolvable}Insufficient cpu, Insufficient example.com/gpu`, b: `${unresolvable}Insufficient example.com/gpu` },
  },
  {
    name: 'PodTopologySpread refuses what would exceed the skew, and nodes without the label',
    world: {
      plugin: 'PodTopologySpread',
      nodes: [inZone('a1', 'a'), inZone('a2', 'a'), inZone('b1', 'b'), makeNode('none')],
      pods: [on('a1', makePod('1', { labels: web })), on('b1', makePod('2', { labels: { app: 'db' } }))],
    },
    pod: makePod('p', spread(zone)),
    refusals: {
      a1: skewed,
      a2: skewed,
      none: `${unresolvable}node(s) didn't match pod topology spread constraints (missing required label)`,
    },
  },
  {
    name: 'PodTopologySpread takes too few domains for an empty one',
    world: {
      plugin: 'PodTopologySpread',
      nodes: [inZone('a1', 'a'), inZone('b1', 'b')],
      pods: [on('a1', makePod('1', { labels: web })), on('b1', makePod('2', { labels: web }))],
    },
    pod: makePod('p', spread(zone, { minDomains: 3 })),
    refusals: { a1: skewed, b1: skewed },
  },
  {
    name: 'PodTopologySpread leaves out domains that the pod cannot use, unless told not to',
    world: {
      plugin: 'PodTopologySpread',
      nodes: [inZone('a1', 'a', { labels: { pool: 'x' } }), inZone('b1', 'b')],
      pods: [on('a1', makePod('1', { labels: web }))],
    },
    pod: makePod('p', { ...spread(zone), spec: { ...spread(zone).spec, nodeSelector: { pool: 'x' } } }),
    refusals: {},
  },
  {
    name: 'InterPodAffinity: near such pods in the same domain',
    world: {
      plugin: 'InterPodAffinity',
      nodes: [inZone('a1', 'a'), inZone('a2', 'a'), inZone('b1', 'b')],
      pods: [on('a1', makePod('1', { labels: web }))],
    },
    pod: makePod('p', { spec: { affinity: { podAffinity: together } } }),
    refusals: { b1: `${unresolvable}node(s) didn't match pod affinity rules` },
  },
  {
    name: 'InterPodAffinity: the first of a group may go anywhere',
    world: { plugin: 'InterPodAffinity', nodes: [inZone('a1', 'a'), inZone('b1', 'b')] },
    pod: makePod('p', { labels: web, spec: { affinity: { podAffinity: together } } }),
    refusals: {},
  },
  {
    name: 'InterPodAffinity: another namespace is not meant unless it is named',
    world: { plugin: 'InterPodAffinity', nodes: [inZone('a1', 'a')], pods: [on('a1', makePod('1', { labels: web, namespace: 'other' }))] },
    pod: makePod('p', { spec: { affinity: { podAffinity: together } } }),
    refusals: { a1: `${unresolvable}node(s) didn't match pod affinity rules` },
  },
  {
    name: 'InterPodAffinity: away from such pods, and from pods that want to be away from this one',
    world: {
      plugin: 'InterPodAffinity',
      nodes: [inZone('a1', 'a'), inZone('b1', 'b'), inZone('c1', 'c')],
      pods: [on('a1', makePod('1', { labels: web })), on('b1', makePod('2', { spec: { affinity: { podAntiAffinity: together } } }))],
    },
    pod: makePod('p', { labels: web, spec: { affinity: { podAntiAffinity: together } } }),
    refusals: {
      a1: "Unschedulable: node(s) didn't match pod anti-affinity rules",
      b1: "Unschedulable: node(s) didn't satisfy existing pods anti-affinity rules",
    },
  },
];

describe('filters', () => {
  test.each(filterCases)('$name', async ({ world, pod, refusals }) => {
    const { filter } = await createCycle(world);
    expect(filter(pod)).toEqual(refusals);
  });
});

const mebibyte = 1024 * 1024;
const softTaint: Taint = { key: 'soft', effect: 'PreferNoSchedule' };
const scoreCases: { name: string; world: World; pod: Pod; scores: Record<string, number> }[] = [
  {
    name: 'TaintToleration prefers few soft taints',
    world: {
      plugin: 'TaintToleration',
      nodes: [
        makeNode('a'),
        makeNode('b', { spec: { taints: [softTaint, { ...softTaint, key: 'other' }] } }),
        makeNode('c', { spec: { taints: [softTaint] } }),
      ],
    },
    pod: makePod('p'),
    scores: { a: 100, b: 0, c: 50 },
  },
  {
    name: 'NodeAffinity adds up the weights of preferred terms',
    world: {
      plugin: 'NodeAffinity',
      nodes: [makeNode('a', { labels: { x: '1', y: '1' } }), makeNode('b', { labels: { y: '1' } }), makeNode('c')],
    },
    pod: makePod('p', {
      spec: {
        affinity: {
          nodeAffinity: {
            preferredDuringSchedulingIgnoredDuringExecution: [
              { weight: 3, preference: { matchExpressions: [{ key: 'x', operator: 'Exists' }] } },
              { weight: 1, preference: { matchExpressions: [{ key: 'y', operator: 'Exists' }] } },
            ],
          },
        },
      },
    }),
    scores: { a: 100, b: 25, c: 0 },
  },
  {
    name: 'NodeResourcesFit prefers what leaves most',
    world: { plugin: 'NodeResourcesFit', nodes: [makeNode('a', { cpu: '4', memory: '8Gi' }), makeNode('b', { cpu: '2', memory: '4Gi' })] },
    pod: makePod('p', { cpu: '1', memory: '2Gi' }),
    scores: { a: 75, b: 50 },
  },
  {
    name: 'NodeResourcesFit prefers what leaves least when told to pack',
    world: {
      plugin: 'NodeResourcesFit',
      args: { scoringStrategy: { type: 'MostAllocated', resources: [{ name: 'cpu', weight: 1 }] } },
      nodes: [makeNode('a', { cpu: '4' }), makeNode('b', { cpu: '2' })],
    },
    pod: makePod('p', { cpu: '1' }),
    scores: { a: 25, b: 50 },
  },
  {
    name: 'NodeResourcesFit follows a shape of utilization',
    world: {
      plugin: 'NodeResourcesFit',
      args: {
        scoringStrategy: {
          type: 'RequestedToCapacityRatio',
          resources: [{ name: 'cpu', weight: 1 }],
          requestedToCapacityRatio: {
            shape: [
              { utilization: 0, score: 0 },
              { utilization: 100, score: 10 },
            ],
          },
        },
      },
      nodes: [makeNode('a', { cpu: '4' }), makeNode('b', { cpu: '2' })],
    },
    pod: makePod('p', { cpu: '1' }),
    scores: { a: 25, b: 50 },
  },
  {
    name: 'NodeResourcesBalancedAllocation prefers like shares',
    world: {
      plugin: 'NodeResourcesBalancedAllocation',
      nodes: [makeNode('a', { cpu: '4', memory: '8Gi' }), makeNode('b', { cpu: '2', memory: '8Gi' })],
    },
    pod: makePod('p', { cpu: '1', memory: '2Gi' }),
    scores: { a: 75, b: 68 },
  },
  {
    name: 'NodeResourcesBalancedAllocation prefers nodes that the pod brings into balance',
    world: {
      plugin: 'NodeResourcesBalancedAllocation',
      nodes: [makeNode('a', { cpu: '4', memory: '8Gi' }), makeNode('b', { cpu: '4', memory: '8Gi' })],
      pods: [on('a', makePod('1', { cpu: '2' }))],
    },
    pod: makePod('p', { memory: '4Gi' }),
    scores: { a: 87, b: 62 },
  },
  {
    name: 'ImageLocality prefers nodes that have large images',
    world: {
      plugin: 'ImageLocality',
      nodes: [
        makeNode('a', { images: [{ names: ['app:latest'], sizeBytes: 1046 * mebibyte }] }),
        makeNode('b', { images: [{ names: ['app:1'], sizeBytes: 500 * mebibyte }] }),
      ],
    },
    pod: makePod('p'),
    // Half of the nodes have it: (1046/2 - 23) / (1000 - 23).
    scores: { a: 51, b: 0 },
  },
  {
    name: 'PodTopologySpread prefers the emptier domain',
    world: {
      plugin: 'PodTopologySpread',
      nodes: [inZone('a1', 'a'), inZone('a2', 'a'), inZone('b1', 'b')],
      pods: [on('a1', makePod('1', { labels: web })), on('a2', makePod('2', { labels: web })), on('b1', makePod('3', { labels: web }))],
    },
    pod: makePod('p', spread(zone, { whenUnsatisfiable: 'ScheduleAnyway' })),
    // ln(2 domains + 2) = 1.386 a pod: 3 against 1.
    scores: { a1: 33, a2: 33, b1: 100 },
  },
  {
    name: 'PodTopologySpread spreads the pods of a service by default',
    world: {
      plugin: 'PodTopologySpread',
      nodes: [makeNode('a'), makeNode('b')],
      pods: [1, 2, 3].map((i) => on('a', makePod(`${i}`, { labels: web }))),
      objects: [[Service, { ...makePod('web'), kind: 'Service', spec: { selector: web } } as never]],
    },
    pod: makePod('p', { labels: web }),
    // Each pod is worth ln(2 nodes + 2), and each constraint adds its skew less one.
    scores: { a: 33, b: 100 },
  },
  {
    name: 'InterPodAffinity weighs preferred terms of both sides',
    world: {
      plugin: 'InterPodAffinity',
      nodes: [inZone('a1', 'a'), inZone('b1', 'b'), inZone('c1', 'c')],
      pods: [
        on('a1', makePod('1', { labels: web })),
        on(
          'b1',
          makePod('2', {
            spec: {
              affinity: {
                podAntiAffinity: {
                  preferredDuringSchedulingIgnoredDuringExecution: [
                    { weight: 5, podAffinityTerm: { topologyKey: zone, labelSelector: selectWeb } },
                  ],
                },
              },
            },
          }),
        ),
      ],
    },
    pod: makePod('p', {
      labels: web,
      spec: {
        affinity: {
          podAffinity: {
            preferredDuringSchedulingIgnoredDuringExecution: [
              { weight: 5, podAffinityTerm: { topologyKey: zone, labelSelector: selectWeb } },
            ],
          },
        },
      },
    }),
    scores: { a1: 100, b1: 0, c1: 50 },
  },
];

describe('scores', () => {
  test.each(scoreCases)('$name', async ({ world, pod, scores }) => {
    const { score } = await createCycle(world);
    expect(score(pod)).toEqual(scores);
  });
});

describe('volumes', () => {
  const claimed = makePod('p', { spec: { volumes: [{ name: 'v', persistentVolumeClaim: { claimName: 'data' } }] } });
  const object = (kind: string, name: string, rest: object) =>
    ({
      apiVersion: 'v1',
      kind,
      metadata: { name, ...(kind === 'PersistentVolumeClaim' ? { namespace: 'default' } : {}) },
      ...rest,
    }) as never;
  const claim = (spec: object, annotations = {}) =>
    [
      PersistentVolumeClaim,
      {
        ...(object('PersistentVolumeClaim', 'data', { spec }) as object),
        metadata: { name: 'data', namespace: 'default', annotations },
      } as never,
    ] as const;
  const localVolume = [
    PersistentVolume,
    object('PersistentVolume', 'pv', {
      spec: {
        storageClassName: 'local',
        capacity: { storage: '10Gi' },
        accessModes: ['ReadWriteOnce'],
        nodeAffinity: {
          required: { nodeSelectorTerms: [{ matchExpressions: [{ key: 'kubernetes.io/hostname', operator: 'In', values: ['a'] }] }] },
        },
      },
    }),
  ] as const;
  const localClass = [
    StorageClass,
    object('StorageClass', 'local', { provisioner: 'kubernetes.io/no-provisioner', volumeBindingMode: 'WaitForFirstConsumer' }),
  ] as const;
  const spec = { storageClassName: 'local', accessModes: ['ReadWriteOnce'], resources: { requests: { storage: '1Gi' } } };
  const nodes = [makeNode('a'), makeNode('b')];
  const driver = 'csi.example.com';
  const csiClass = [
    StorageClass,
    object('StorageClass', 'local', { provisioner: driver, volumeBindingMode: 'WaitForFirstConsumer' }),
  ] as const;
  const capacity = (nodeName: string, capacity: string) =>
    [
      CSIStorageCapacity,
      {
        ...(object('CSIStorageCapacity', nodeName, { storageClassName: 'local', capacity }) as object),
        metadata: { name: nodeName, namespace: 'default' },
        nodeTopology: { matchLabels: { 'kubernetes.io/hostname': nodeName } },
      } as never,
    ] as const;

  test('NodeVolumeLimits counts the volumes of a driver on each node', async () => {
    const handle = (n: number) => [
      PersistentVolume,
      object('PersistentVolume', `pv${n}`, { spec: { csi: { driver, volumeHandle: `${n}` } } }),
    ];
    const used = (n: number) => [
      PersistentVolumeClaim,
      {
        ...(object('PersistentVolumeClaim', '', {}) as object),
        metadata: { name: `c${n}`, namespace: 'default' },
        spec: { volumeName: `pv${n}` },
      },
    ];
    const limit = (nodeName: string, count: number) => [
      CSINode,
      object('CSINode', nodeName, { spec: { drivers: [{ name: driver, nodeID: nodeName, allocatable: { count } }] } }),
    ];
    const using = (name: string, ...claims: number[]) =>
      makePod(name, { spec: { volumes: claims.map((n) => ({ name: `v${n}`, persistentVolumeClaim: { claimName: `c${n}` } })) } });
    const { filter } = await createCycle({
      plugin: 'NodeVolumeLimits',
      nodes: [...nodes, makeNode('c')],
      pods: [on('a', using('1', 1, 2)), on('b', using('2', 3))],
      objects: [...[1, 2, 3].flatMap((n) => [handle(n), used(n)]), limit('a', 2), limit('b', 2)] as never,
    });
    const full = 'Unschedulable: node(s) exceed max volume count';
    expect(filter(using('p', 3))).toEqual({ a: full });
    expect(filter(using('p', 1, 2))).toEqual({ b: full });
  });

  test.each([
    {
      name: 'a claim whose driver has too little room on a node',
      objects: [
        csiClass,
        [CSIDriver, object('CSIDriver', driver, { spec: { storageCapacity: true } })] as const,
        capacity('a', '2Gi'),
        capacity('b', '1Mi'),
        claim(spec),
      ],
      refusals: { b: `${unresolvable}node(s) did not have enough free storage` },
    },
    { name: 'a claim that is not there', objects: [], refusals: { '*': `${unresolvable}persistentvolumeclaim "data" not found` } },
    {
      name: 'a claim that binds at once and has not',
      objects: [claim({ ...spec, storageClassName: 'fast' })],
      refusals: { '*': `${unresolvable}pod has unbound immediate PersistentVolumeClaims` },
    },
    {
      name: 'a bound claim whose volume is elsewhere',
      objects: [localVolume, claim({ ...spec, volumeName: 'pv' }, { 'pv.kubernetes.io/bind-completed': 'yes' })],
      refusals: { b: `${unresolvable}node(s) didn't match PersistentVolume's node affinity` },
    },
    {
      name: 'a claim that waits for its consumer finds a free volume on one node',
      objects: [localVolume, localClass, claim(spec)],
      refusals: { b: `${unresolvable}node(s) didn't find available persistent volumes to bind` },
    },
  ])('$name', async ({ objects, refusals }) => {
    const { filter } = await createCycle({ plugin: 'VolumeBinding', nodes, objects });
    expect(filter(claimed)).toEqual(refusals);
  });
});
