import { describe, expect, it } from 'vitest';
import { service } from './core/service.ts';
import { deepCopy } from './equality.ts';
import type { KubeObject } from './resource.ts';
import { accept, rejectStatus, rejectUpdate } from './testing/accept.ts';

// Each answer is what kube-apiserver v1.36 says to the same write.

const metadata = { name: 'n', namespace: 'default', creationTimestamp: '2026-01-01T00:00:00Z', resourceVersion: '1' };
type Sent = { apiVersion: string; kind: string };
const object = (apiVersion: string, kind: string, spec: object): Sent => ({ apiVersion, kind, metadata, ...{ spec } }) as Sent;
const container = { name: 'c', image: 'i' };
const pod = (spec: object) => object('v1', 'Pod', { containers: [container], ...spec });
const template = (spec: object = {}) => ({ metadata: { labels: { b: '1', a: '2' } }, spec: { containers: [container], ...spec } });
const workload = (kind: string, spec: object = {}) =>
  object('apps/v1', kind, { selector: { matchLabels: { b: '1', a: '2' } }, template: template(), ...spec });
const job = (spec: object) => object('batch/v1', 'Job', { template: template({ restartPolicy: 'Never' }), ...spec });
const onConditions = { rules: [{ action: 'Ignore', onPodConditions: [{ type: 'DisruptionTarget' }] }] };

describe('a create', () => {
  it.each<[Sent, string[]]>([
    [pod({ os: {} }), ['spec.os.name: Required value']],
    [
      pod({ initContainers: [{ ...container, name: 'i', restartPolicyRules: [{ action: 'x' }] }] }),
      ['spec.initContainers[0].restartPolicy: Required value: must specify restartPolicy when restart rules are used'],
    ],
    [
      pod({ resources: { claims: [{ name: 'x' }] } }),
      [
        'spec.resources.claims: Forbidden: claims may not be set for Resources at pod-level',
        'spec.resources.claims[0]: Not found: "x": must be one of the names in pod.spec.resourceClaims which is empty',
      ],
    ],
    [
      pod({ containers: [{ ...container, resources: { requests: { 'hugepages-2Mi': '1' } } }] }),
      [
        'spec.containers[0].resources.limits: Required value: Limit must be set for non overcommitable resources',
        'spec.containers[0].resources.requests[hugepages-2Mi]: Invalid value: "1": 1 is not positive integer multiple of hugepages-2Mi',
        'spec.containers[0].resources: Forbidden: HugePages require cpu or memory',
      ],
    ],
    [pod({ volumes: [{ name: 'v', csi: {} }] }), ['spec.volumes[0].csi.driver: Required value']],
    [
      pod({
        restartPolicy: 'Never',
        containers: [{ ...container, resizePolicy: [{ resourceName: 'cpu', restartPolicy: 'RestartContainer' }] }],
      }),
      ["spec.containers[0].resizePolicy: Invalid value: \"RestartContainer\": must be 'NotRequired' when pod `restartPolicy` is 'Never'"],
    ],
    [
      workload('Deployment', { strategy: { type: 'x', rollingUpdate: { maxSurge: 1 } } }),
      [
        'spec.strategy: Unsupported value: {"Type":"x","RollingUpdate":{"MaxUnavailable":null,"MaxSurge":1}}: supported values: "Recreate", "RollingUpdate"',
      ],
    ],
    [
      workload('Deployment', { selector: { matchLabels: { c: '3', a: '2' } }, template: template() }),
      ['spec.template.metadata.labels: Invalid value: {"a":"2","b":"1"}: `selector` does not match template `labels`'],
    ],
    [{ apiVersion: 'node.k8s.io/v1', kind: 'RuntimeClass', ...{ metadata: { name: 'n' }, handler: '' } }, ['handler: Required value']],
    // The controller of the set writes these itself.
    [workload('StatefulSet', { template: template({ hostname: '../x', subdomain: 'A_B' }) }), []],
    [job({ successPolicy: {} }), ['spec.successPolicy: Invalid value: {"Rules":null}: requires indexed completion mode']],
    [
      object('batch/v1', 'CronJob', {
        schedule: '* * * * *',
        jobTemplate: { spec: { template: template({ restartPolicy: 'Never' }), podFailurePolicy: onConditions } },
      }),
      [],
    ],
    [
      object('autoscaling/v2', 'HorizontalPodAutoscaler', { scaleTargetRef: { apiVersion: 'apps/v1', kind: 'K', name: 'n' } }),
      [
        'spec.maxReplicas: Required value: must be set and greater than 0',
        'spec.maxReplicas: Invalid value: 0: must be greater than or equal to `minReplicas`',
      ],
    ],
    [
      object('resource.k8s.io/v1', 'ResourceClaimTemplate', { metadata: { name: 'x', uid: 'y' }, spec: { devices: {} } }),
      ['spec.metadata.name: Forbidden: cannot be set', 'spec.metadata.uID: Forbidden: cannot be set'],
    ],
    [
      object('admissionregistration.k8s.io/v1', 'ValidatingAdmissionPolicyBinding', {
        policyName: 'p',
        validationActions: ['Deny'],
        matchResources: { matchPolicy: 'x' },
      }),
      ['spec.matchResources.matchPolicy: Unsupported value: "x": supported values: "Equivalent", "Exact"'],
    ],
    [
      object('resource.k8s.io/v1', 'DeviceClass', { selectors: [{ cel: { expression: '' } }] }),
      [expect.stringMatching(/^spec.selectors\[0\].cel.expression: Invalid value: "": compilation failed: ERROR: <input>:1:0: [^\n]*$/)],
    ],
    [
      object('v1', 'ResourceQuota', {
        hard: { cpu: '1' },
        scopeSelector: { matchExpressions: [{ scopeName: 'BestEffort', operator: 'Exists' }] },
      }),
      [
        'spec.scopeSelector.matchExpressions: Invalid value: {"MatchExpressions":[{"ScopeName":"BestEffort","Operator":"Exists","Values":null}]}: unsupported scope applied to resource',
      ],
    ],
  ])('of %j', (sent, wrong) => {
    expect(accept(sent).wrong).toEqual(wrong);
  });

  it('dates the condition of a pod whose scheduling is held up', () => {
    expect(accept(pod({ schedulingGates: [{ name: 'a.b/c' }] })).stored).toMatchObject({
      status: { conditions: [{ type: 'PodScheduled', lastProbeTime: null, lastTransitionTime: '2026-01-01T00:00:00Z' }] },
    });
  });
});

describe('an update', () => {
  /** What is said to the object as it was, with other fields. */
  function rejectChange(sent: Sent, change: object): string[] {
    const { stored } = accept(sent);
    return rejectUpdate(Object.assign(deepCopy(stored), deepCopy(change)) as KubeObject, stored, { whole: true });
  }
  const selector = { matchLabels: { b: '1', a: '3' } };
  it.each<[Sent, object, string[]]>([
    [
      workload('ReplicaSet'),
      { spec: { ...(accept(workload('ReplicaSet')).stored as KubeObject & { spec: object }).spec, selector } },
      [
        'spec.template.metadata.labels: Invalid value: {"a":"2","b":"1"}: `selector` does not match template `labels`',
        'spec.selector: Invalid value: {"matchLabels":{"a":"3","b":"1"}}: field is immutable',
      ],
    ],
    [
      { apiVersion: 'storage.k8s.io/v1', kind: 'StorageClass', ...{ metadata: { name: 'n' }, provisioner: 'a.b/c' } },
      { provisioner: 'a.b/d', parameters: { z: '1', a: '2' }, reclaimPolicy: 'Retain' },
      [
        'parameters: Invalid value: {"a":"2","z":"1"}: field is immutable',
        'provisioner: Invalid value: "a.b/d": field is immutable',
        'reclaimPolicy: Invalid value: "Retain": field is immutable',
      ],
    ],
    [
      object('networking.k8s.io/v1', 'ServiceCIDR', { cidrs: ['10.0.0.0/24'] }),
      { spec: { cidrs: ['bad'] } },
      ['spec.cidrs[0]: Invalid value: "bad": field is immutable'],
    ],
    [
      object('networking.k8s.io/v1', 'ServiceCIDR', { cidrs: ['10.0.0.0/24'] }),
      { spec: { cidrs: ['10.0.0.0/24', 'fd00::1/64'] } },
      ['spec.cidrs[1]: Invalid value: "fd00::1/64": must not have bits set beyond the prefix length'],
    ],
  ])('of %j with %j', (sent, change, wrong) => {
    expect(rejectChange(sent, change)).toEqual(wrong);
  });

  it('of a pod may not add an empty struct where there was none', () => {
    const { stored } = accept(pod({}));
    const next = accept(pod({ securityContext: { seLinuxOptions: {} } })).stored;
    expect(rejectUpdate(next, stored).join()).toContain('spec: Forbidden: pod updates may not change fields other than');
  });

  it('of a pod shows the fields of its volumes in the order of the internal type', () => {
    const { stored } = accept(pod({}));
    const next = accept(pod({ volumes: [{ name: 'v', emptyDir: {} }] })).stored;
    expect(rejectUpdate(next, stored).join()).toContain('"RBD": null,\n+   "Quobyte": null,\n+   "FlexVolume": null,');
  });

  it('of an immutable secret says so first', () => {
    const sent = { apiVersion: 'v1', kind: 'Secret', ...{ metadata, immutable: true, data: {} } };
    expect(rejectChange(sent, { data: { '': 'AA==' } })).toEqual([
      'data: Forbidden: field is immutable when `immutable` is set',
      expect.stringContaining('data[]: Invalid value: "": a valid config key'),
    ]);
  });

  it('of the type of a service to what is none says no more', () => {
    const sent = object('v1', 'Service', { clusterIP: '10.0.0.9', ports: [{ port: 1 }] });
    const { stored } = accept(sent);
    const next = deepCopy(stored) as KubeObject & { spec: { type: string } };
    next.spec.type = 'x';
    service.update?.(next as never, stored as never, { now: '' });
    expect(rejectUpdate(next, stored, { whole: true })).toEqual([
      'spec.type: Unsupported value: "x": supported values: "ClusterIP", "ExternalName", "LoadBalancer", "NodePort"',
    ]);
  });

  it.each([
    [
      ['B', 'A', 'A', 'x'],
      [
        'status.declaredFeatures[1]: Invalid value: "A": list must be sorted alphabetically',
        'status.declaredFeatures[2]: Duplicate value: "A"',
        `status.declaredFeatures[3]: Invalid value: "x": invalid feature name "x": must start with an UpperCamelCase segment, with subsequent segments separated by '/' (e.g., MyFeature or MyFeature/mySubFeature), and contain only alphanumeric characters and slashes`,
      ],
    ],
    [['A', 'A/b'], []],
  ])('of the features that a node declares: %j', (declaredFeatures, wrong) => {
    const { stored } = accept({ apiVersion: 'v1', kind: 'Node', metadata: { name: 'n' } });
    expect(rejectStatus({ ...stored, status: { declaredFeatures } } as KubeObject, stored)).toEqual(wrong);
  });

  it('of what the status of a finished job no longer may be', () => {
    const { stored } = accept(job({}));
    const status = { startTime: '2026-01-01T00:00:00Z' };
    expect(rejectStatus({ ...stored, status: {} } as KubeObject, { ...stored, status } as KubeObject)).toEqual([
      'status.startTime: Invalid value: null: field is immutable for unsuspended job once set',
    ]);
  });
});
