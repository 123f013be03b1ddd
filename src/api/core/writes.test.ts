/** Writes of the core group, as upstream's own tables of good and bad objects have them: what is kept, and what is said. */
import { describe, expect, it } from 'vitest';
import { FieldErrors, fieldErrorMessage } from '../fields.ts';
import type { Pod } from '../generated/core.v1.ts';
import { accept, served } from '../testing/accept.ts';
import { validatePodStatusUpdate } from './pod-status-update.ts';

const metadata = { name: 'a', namespace: 'ns' };
const object = (kind: string, rest: object) => ({ apiVersion: 'v1', kind, metadata, ...rest });
const container = { name: 'c', image: 'i', imagePullPolicy: 'IfNotPresent', terminationMessagePolicy: 'File' };
const podOf = (own: object, spec: object = {}) => object('Pod', { spec: { containers: [{ ...container, ...own }], ...spec } });
const claim = (spec: object) =>
  object('PersistentVolumeClaim', { spec: { accessModes: ['ReadWriteOnce'], resources: { requests: { storage: '1Gi' } }, ...spec } });
const volume = (spec: object) =>
  object('PersistentVolume', {
    metadata: { name: 'a' },
    spec: { accessModes: ['ReadWriteOnce'], capacity: { storage: '1Gi' }, hostPath: { path: '/a' }, ...spec },
  });
const controller = (labels: object | undefined, annotations = {}) =>
  object('ReplicationController', {
    metadata: { ...metadata, annotations },
    spec: { selector: { a: 'b' }, template: { metadata: { labels }, spec: { containers: [container] } } },
  });

const restart = (operator: string, ...values: number[]) => ({ action: 'Restart', exitCodes: { operator, values } });
const restartAll = { action: 'RestartAllContainers', exitCodes: { operator: 'In', values: [3] } };

describe('a create', () => {
  it.each<[string, { apiVersion: string; kind: string }, string[]]>([
    [
      'takes no event about something elsewhere',
      object('Event', { involvedObject: { kind: 'Pod', namespace: 'other' }, eventTime: null }),
      ['involvedObject.namespace: Invalid value: "other": does not match event.namespace'],
    ],
    [
      'lets a scope of pods limit what they use, and nothing else',
      object('ResourceQuota', { spec: { hard: { cpu: '1', 'limits.cpu': '2' }, scopes: ['CrossNamespacePodAffinity'] } }),
      [],
    ],
    [
      'knows no scope for ephemeral storage',
      object('ResourceQuota', { spec: { hard: { 'limits.ephemeral-storage': '1' }, scopes: ['NotBestEffort'] } }),
      ['spec.scopes: Invalid value: ["NotBestEffort"]: unsupported scope applied to resource'],
    ],
    [
      'lets the limits of pods alone in what these may not say',
      object('LimitRange', { spec: { limits: [{ type: 'Pod', max: { cpu: '1' }, defaultRequest: { cpu: '2' } }] } }),
      ["spec.limits[0].defaultRequest: Forbidden: may not be specified when `type` is 'Pod'"],
    ],
    [
      'wants address families before it holds addresses against them',
      object('Service', { spec: { clusterIP: '10.0.0.1', clusterIPs: ['10.0.0.1'], ipFamilies: ['x'], ports: [{ port: 1 }] } }),
      ['spec.ipFamilies[0]: Unsupported value: "x": supported values: "IPv4", "IPv6"'],
    ],
    [
      'wants ranges of addresses for the pods of a node',
      object('Node', { metadata: { name: 'a' }, spec: { podCIDR: '10.0.0.0/24', podCIDRs: ['10.0.0.0/24', 'x'] } }),
      [
        expect.stringContaining('spec.podCIDRs[1]: Invalid value: "x": must be a valid CIDR value'),
        'spec.podCIDRs: Internal error: invalid PodCIDRs. failed to check with dual stack with error:invalid CIDR[1]: <nil> (invalid CIDR address: x)',
        'spec.podCIDRs: Invalid value: ["10.0.0.0/24","x"]: may specify no more than one CIDR for each IP family',
      ],
    ],
    [
      'tells an empty volume mode from none',
      claim({ volumeMode: '' }),
      ['spec.volumeMode: Unsupported value: "": supported values: "Block", "Filesystem"'],
    ],
    [
      'wants a capacity',
      volume({ capacity: undefined }),
      ['spec.capacity: Required value', 'spec.capacity: Unsupported value: null: supported values: "storage"'],
    ],
    [
      'wants one data source',
      claim({ dataSource: { kind: 'PersistentVolumeClaim', name: 'b' }, dataSourceRef: { kind: 'PersistentVolumeClaim', name: 'c' } }),
      ['spec: Invalid value: {}: must match dataSourceRef'],
    ],
    [
      'counts swap from 1',
      object('Node', { metadata: { name: 'a' }, status: { nodeInfo: { swap: { capacity: 0 } } } }),
      ['metadata.nodeSwapStatus.capacity: Invalid value: 0: must be greater than zero'],
    ],
    [
      'knows which fields have keys',
      podOf({ env: [{ name: 'A', valueFrom: { fieldRef: { fieldPath: "metadata.name['key']" } } }] }),
      [
        "spec.containers[0].env[0].valueFrom.fieldRef.fieldPath: Invalid value: \"metadata.name['key']\": error converting fieldPath: field label does not support subscript: metadata.name['key']",
      ],
    ],
    [
      'shows that there are no labels',
      controller(undefined),
      ['spec.template.metadata.labels: Invalid value: null: `selector` does not match template `labels`'],
    ],
    ['knows the signals of an operating system', podOf({ lifecycle: { stopSignal: 'SIGRTMIN+3' } }, { os: { name: 'linux' } }), []],
    [
      'has rules for all containers, of sidecars too',
      podOf(
        { restartPolicy: 'Never', restartPolicyRules: [restartAll] },
        { initContainers: [{ ...container, name: 'i', restartPolicy: 'Always', restartPolicyRules: [restartAll, restart('In')] }] },
      ),
      [],
    ],
    [
      'has no other rules',
      podOf(
        { restartPolicy: 'Never', restartPolicyRules: [{ ...restartAll, action: 'DoNotRestart' }] },
        { initContainers: [{ ...container, name: 'i', restartPolicyRules: [restartAll] }] },
      ),
      [
        'spec.containers[0].restartPolicyRules[0].action: Unsupported value: "DoNotRestart": supported values: "Restart", "RestartAllContainers"',
        'spec.initContainers[0].restartPolicy: Required value: must specify restartPolicy when restart rules are used',
      ],
    ],
    [
      'restarts no init container for a resize',
      podOf(
        {},
        { initContainers: [{ ...container, name: 'i', resizePolicy: [{ resourceName: 'cpu', restartPolicy: 'RestartContainer' }] }] },
      ),
      [
        'spec.initContainers[0].resizePolicy[0].restartPolicy: Invalid value: "RestartContainer": must not be set to \'RestartContainer\' for non-sidecar initContainers',
      ],
    ],
    [
      "gives the pod's own users no devices and no namespace of the node",
      podOf(
        { volumeDevices: [{ name: 'v', devicePath: '/d' }] },
        { hostUsers: false, hostPID: true, volumes: [{ name: 'v', persistentVolumeClaim: { claimName: 'a' } }] },
      ),
      ['spec.HostPID: Forbidden: when `hostUsers` is false', 'spec.containers[0].volumeDevices: Forbidden: when `hostUsers` is false'],
    ],
    [
      'reads variables from files of the pod',
      podOf(
        { env: ['v', 'w'].map((volumeName) => ({ name: 'A', valueFrom: { fileKeyRef: { key: 'k', volumeName, path: '/a' } } })) },
        { volumes: [{ name: 'v', hostPath: { path: '/' } }] },
      ),
      [
        'spec.containers[0].env[0].valueFrom.fileKeyRef.volumeName: Invalid value: "v": referenced volume must be of type emptyDir',
        'spec.containers[0].env[1].valueFrom.fileKeyRef.volumeName: Not found: "w"',
      ],
    ],
    [
      'gives mirrors no claims',
      {
        ...podOf({}, { nodeName: 'n', resourceClaims: [{ name: 'c', resourceClaimName: 'a' }] }),
        ...{ metadata: { ...metadata, annotations: { 'kubernetes.io/config.mirror': 'x' } } },
      },
      ['[]: Forbidden: static pods do not support resource claims'],
    ],
  ])('%s', (_, sent, wrong) => {
    expect(accept(sent).wrong).toEqual(wrong);
  });

  const mountOption = { securityContext: { seLinuxChangePolicy: 'MountOption' } };
  const tolerating = (...values: string[]) => podOf({}, { tolerations: values.map((value) => ({ key: 'k', operator: 'Lt', value })) });
  const restarting = podOf({ restartPolicy: 'Never', restartPolicyRules: [restartAll] });
  it.each<[string, boolean, { apiVersion: string; kind: string }, string[]]>([
    ['SELinuxMount', true, podOf({}, mountOption), []],
    [
      'SELinuxMount',
      false,
      podOf({}, mountOption),
      ['spec.securityContext.seLinuxChangePolicy: Unsupported value: "MountOption": supported values: "Recursive"'],
    ],
    [
      'TaintTolerationComparisonOperators',
      true,
      tolerating('05', 'x', '9223372036854775808', '-7'),
      [
        'spec.tolerations[0].value: Invalid value: "05": must be a valid decimal integer in canonical form',
        'spec.tolerations[1].value: Invalid value: "x": must be a valid decimal integer in canonical form',
        'spec.tolerations[1].value: Invalid value: "x": strconv.ParseInt: parsing "x": invalid syntax',
        'spec.tolerations[2].value: Invalid value: "9223372036854775808": strconv.ParseInt: parsing "9223372036854775808": value out of range',
      ],
    ],
    [
      'TaintTolerationComparisonOperators',
      false,
      tolerating('7'),
      ['spec.tolerations[0].operator: Unsupported value: "Lt": supported values: "Equal", "Exists", "Lt", "Gt"'],
    ],
    ['RestartAllContainersOnContainerExits', true, restarting, []],
    [
      'RestartAllContainersOnContainerExits',
      false,
      restarting,
      ['spec.containers[0].restartPolicyRules[0].action: Unsupported value: "RestartAllContainers": supported values: "Restart"'],
    ],
    ['UserNamespacesHostNetworkSupport', true, podOf({}, { hostUsers: false, hostNetwork: true }), []],
    [
      'UserNamespacesHostNetworkSupport',
      false,
      podOf({}, { hostUsers: false, hostNetwork: true }),
      ['spec.hostNetwork: Forbidden: when `hostUsers` is false'],
    ],
  ])('with the feature %s %s', (feature, isOn, sent, wrong) => {
    expect(accept(sent, (gate) => gate !== feature || isOn).wrong).toEqual(wrong);
  });

  it('drops a data source that none could be made from', () => {
    const source = { apiGroup: 'example.com', kind: 'Generic', name: 'b' };
    expect(accept(claim({ dataSource: source })).stored).not.toHaveProperty('spec.dataSource');
    expect(accept(claim({ dataSourceRef: source })).stored).toMatchObject({ spec: { dataSource: source, dataSourceRef: source } });
  });
});

describe('an update', () => {
  /** What a kind says beside what it says of every object. */
  const update = (next: { apiVersion: string; kind: string }, prev: { apiVersion: string; kind: string }) => {
    const { definition } = served(next) ?? {};
    const errors = new FieldErrors();
    definition?.validateUpdate?.(accept(next).stored, accept(prev).stored, errors);
    return errors.list.map(fieldErrorMessage);
  };
  const nonConvertible = { 'non-convertible.kubernetes.io/spec.selector': 'no way' };
  const affinity = (key: string) => ({ required: { nodeSelectorTerms: [{ matchExpressions: [{ key, operator: 'Exists' }] }] } });

  it.each([
    [
      'keeps a selector that another version can not hold',
      { ...controller({ a: 'b' }, nonConvertible), spec: { selector: { a: 'c' } } },
      controller({ a: 'b' }, nonConvertible),
      ['spec.selector: Invalid value: {"a":"c"}: cannot update non-convertible selector'],
    ],
    [
      "shows a volume's node affinity",
      volume({ nodeAffinity: affinity('b') }),
      volume({ nodeAffinity: affinity('a') }),
      [
        'nodeAffinity: Invalid value: {"Required":{"NodeSelectorTerms":[{"MatchExpressions":[{"Key":"b","Operator":"Exists","Values":null}],"MatchFields":null}]}}: field is immutable, except for updating from beta label to GA',
      ],
    ],
  ])('%s', (_, next, prev, wrong) => {
    expect(update(next, prev)).toEqual(wrong);
  });

  it('shows a template as a whole', () => {
    const job = (image: string) => ({
      apiVersion: 'batch/v1',
      kind: 'Job',
      metadata,
      spec: { template: { metadata: { annotations: { a: 'b' } }, spec: { restartPolicy: 'Never', containers: [{ name: 'c', image }] } } },
    });
    const [wrong] = update(job('i'), job('j'));
    expect(wrong).toMatch(
      /^spec\.template: Invalid value: \{"labels":\{.*\},"annotations":\{"a":"b"\},"Spec":\{"Volumes":null,"InitContainers":null,"Containers":\[\{"Name":"c","Image":"i",.*\}\}: field is immutable$/,
    );
  });

  it("shows what changed of a volume's source and no more", () => {
    const [wrong] = update(volume({ hostPath: { path: '/b' } }), volume({}));
    expect(wrong).toContain(
      'spec.persistentvolumesource is immutable after creation\n@@ -2,7 +2,7 @@\n  "GCEPersistentDisk": null,\n  "AWSElasticBlockStore": null,\n  "HostPath": {\n-  "Path": "/a",\n+  "Path": "/b",\n   "Type": ""\n  },\n',
    );
  });
});

describe("a pod's status", () => {
  const status = (next: object, prev: object, spec: object) => {
    const errors = new FieldErrors();
    const of = (own: object) => ({ ...accept(podOf({}, { nodeName: 'n', ...spec })).stored, status: own });
    // A table of what may be sent says less than a type.
    validatePodStatusUpdate(of(next) as unknown as Pod, of(prev) as unknown as Pod, errors);
    return errors.list.map(fieldErrorMessage);
  };
  const ended = (exitCode: number, name = 'c') => ({ containerStatuses: [{ name, state: { terminated: { exitCode } } }] });
  const running = (name = 'c') => ({ containerStatuses: [{ name, state: { running: {} } }] });
  const forbidden = ['status.containerStatuses[0].state: Forbidden: may not be transitioned to non-terminated state'];
  const never = (...restartPolicyRules: object[]) => ({ containers: [{ ...container, restartPolicy: 'Never', restartPolicyRules }] });

  it.each([
    ['a rule lets a container run again', running(), ended(3), never(restart('In', 3)), []],
    ['a rule for all containers lets each run again', running(), ended(3), never(restartAll), []],
    ['a rule for another end does not', running(), ended(3), never(restart('In', 4)), forbidden],
    ['nor does the policy of the pod for a container that it has not', running('x'), ended(3, 'x'), { restartPolicy: 'Always' }, forbidden],
    [
      'a pod that has a node is promised no other',
      { nominatedNodeName: 'm' },
      {},
      {},
      ['status.nominatedNodeName: Forbidden: may not be set on pods that are already bound to a node'],
    ],
    [
      'generations are counted from 0',
      { observedGeneration: -1, conditions: [{ type: 'a b', observedGeneration: -1 }] },
      {},
      {},
      [
        'status.conditions[0].observedGeneration: Invalid value: -1: must be a non-negative integer',
        expect.stringContaining('status.conditions[0].Type: Invalid value: "a b": '),
        'status.observedGeneration: Invalid value: -1: must be a non-negative integer',
      ],
    ],
    [
      'a claim for extended resources is for those that were asked for',
      { extendedResourceClaimStatus: { requestMappings: [{ containerName: 'x', requestName: 'r', resourceName: 'a/b' }] } },
      {},
      {},
      [
        'status.extendedResourceClaimStatus.requestMappings[0].containerName: Invalid value: "x": must match the name of an entry in spec.initContainers.name or spec.containers.name',
        'status.extendedResourceClaimStatus.resourceClaimName: Required value',
      ],
    ],
  ])('%s', (_, next, prev, spec, wrong) => {
    expect(status(next, prev, spec)).toEqual(wrong);
  });
});

describe('a pod as kubelets of old tell of it', () => {
  it.each<[object, object]>([
    [{ podIP: '1.1.1.1' }, { podIP: '1.1.1.1', podIPs: [{ ip: '1.1.1.1' }] }],
    [{ podIPs: [{ ip: '1.1.1.1' }] }, { podIP: '1.1.1.1', podIPs: [{ ip: '1.1.1.1' }] }],
    [
      { podIP: '1.1.1.1', podIPs: [{ ip: '1.1.1.2' }, { ip: '::1' }] },
      { podIP: '1.1.1.1', podIPs: [{ ip: '1.1.1.1' }] },
    ],
  ])('has with %j one first address', (status, aligned) => {
    const pod = object('Pod', { spec: { containers: [container] }, status }) as unknown as Pod;
    served(pod)?.definition.defaults?.(pod);
    expect(pod.status).toEqual(aligned);
  });
});

describe('names', () => {
  it('gives limits without one', () => {
    const { stored } = accept(object('LimitRange', { metadata: { namespace: 'ns' }, spec: { limits: [] } }));
    expect(stored.metadata.name).toBe('the-uid');
  });

  it.each([
    ['a'.repeat(247), 'Always'],
    ['a'.repeat(248), 'IfNotPresent'],
    [`registry.example:5000/${'a'.repeat(255)}:latest`, 'Always'],
    [`registry.example:5000/${'a'.repeat(256)}:latest`, 'IfNotPresent'],
  ])('of images are no longer than that of a repository may be', (image, policy) => {
    const { stored } = accept(object('Pod', { spec: { containers: [{ name: 'c', image }] } }));
    expect(stored).toMatchObject({ spec: { containers: [{ imagePullPolicy: policy }] } });
  });
});
