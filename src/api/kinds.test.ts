import { describe, expect, it } from 'vitest';
import { deepCopy } from './equality.ts';
import { FieldErrors, fieldErrorMessage } from './fields.ts';
import { kinds } from './kinds.ts';
import { apiVersionOf, groupResourceOf } from './resource.ts';
import { kindNode } from './schema/table.ts';
import { accept, rejectUpdate, row, served } from './testing/accept.ts';

const metadata = { name: 'n', creationTimestamp: '2026-01-01T00:00:00Z' };

describe('the table of kinds', () => {
  it('serves each group version and kind once, and only such as the schema table knows', () => {
    const all = kinds.flatMap(({ resource, versions = [] }) => [resource, ...versions.map((v) => v.resource)]);
    const names = all.map((r) => `${apiVersionOf(r)} ${r.kind}`);
    expect(names.filter((name, i) => names.indexOf(name) < i)).toEqual([]);
    expect(all.filter((r) => !kindNode(r)).map((r) => `${apiVersionOf(r)} ${r.kind}`)).toEqual([]);
  });

  it('gives no two resources the same short name or storage place', () => {
    const stored = kinds.filter((k) => !k.virtual);
    for (const values of [
      kinds.flatMap((k) => k.shortNames ?? []),
      stored.map((k) => k.storagePrefix ?? k.resource.plural),
      kinds.map((k) => groupResourceOf(k.resource)),
    ])
      expect(values.filter((value, i) => values.indexOf(value) < i)).toEqual([]);
  });

  // As test/integration/apiserver/apidefinitions of upstream has them.
  it('makes by PUT, and keeps from writers of the status, what upstream does', () => {
    const named = (have: (kind: (typeof kinds)[number]) => boolean) => kinds.filter(have).map((k) => k.resource.plural);
    const byPut = ['endpoints', 'services', 'events', 'limitranges', 'leases', 'leasecandidates', 'runtimeclasses'];
    expect(named((k) => k.allowCreateOnUpdate === true).sort()).toEqual(
      [...byPut, 'roles', 'rolebindings', 'clusterroles', 'clusterrolebindings'].sort(),
    );
    const status = ({ subresources }: (typeof kinds)[number]) => subresources?.status;
    const workloads = ['cronjobs', 'daemonsets', 'jobs', 'pods', 'replicasets', 'replicationcontrollers', 'statefulsets'];
    const others = ['horizontalpodautoscalers', 'ingresses', 'services', 'poddisruptionbudgets', 'resourcequotas', 'namespaces', 'nodes'];
    const volumes = ['persistentvolumeclaims', 'persistentvolumes'];
    const keptMetadata = (k: (typeof kinds)[number]) => {
      const given = status(k);
      return typeof given === 'object' && 'keepsMetadata' in given && given.keepsMetadata !== undefined;
    };
    expect(named((k) => status(k) !== undefined && !keptMetadata(k)).sort()).toEqual(
      [...workloads, ...others, ...volumes, 'certificatesigningrequests', 'customresourcedefinitions'].sort(),
    );
  });
});

describe('validation', () => {
  const rbac = { apiVersion: 'rbac.authorization.k8s.io/v1', metadata };
  const hpa = { scaleTargetRef: { apiVersion: 'apps/v1', kind: 'Deployment', name: 'web' } };
  it.each<[Record<string, unknown> & { apiVersion: string; kind: string }, string[]]>([
    [
      { apiVersion: 'policy/v1', kind: 'PodDisruptionBudget', metadata, spec: { minAvailable: 1, maxUnavailable: '10%' } },
      [
        'spec: Invalid value: {"MinAvailable":1,"Selector":null,"MaxUnavailable":"10%","UnhealthyPodEvictionPolicy":null}: minAvailable and maxUnavailable cannot be both set',
      ],
    ],
    [
      { apiVersion: 'flowcontrol.apiserver.k8s.io/v1', kind: 'PriorityLevelConfiguration', metadata, spec: { type: 'Exempt' } },
      ["spec.type: Invalid value: \"Exempt\": must be 'Exempt' if and only if `name` is 'exempt'"],
    ],
    [
      {
        ...rbac,
        kind: 'Role',
        rules: [
          { apiGroups: [''], resources: ['pods'] },
          { verbs: ['get'], nonResourceURLs: ['/healthz'] },
        ],
      },
      [
        'rules[0].verbs: Required value: verbs must contain at least one value',
        'rules[1].nonResourceURLs: Invalid value: ["/healthz"]: namespaced rules cannot apply to non-resource URLs',
      ],
    ],
    [
      { ...rbac, kind: 'ClusterRoleBinding', roleRef: { kind: 'Role', name: 'x' }, subjects: [{ kind: 'ServiceAccount', name: 'sa' }] },
      ['roleRef.kind: Unsupported value: "Role": supported values: "ClusterRole"', 'subjects[0].namespace: Required value'],
    ],
    [
      {
        ...rbac,
        kind: 'RoleBinding',
        roleRef: { kind: 'Role', name: 'x', apiGroup: '' },
        subjects: [{ kind: 'User', name: 'u', apiGroup: '' }],
      },
      [],
    ],
    [
      { apiVersion: 'policy/v1', kind: 'PodDisruptionBudget', metadata, ...{ spec: { minAvailable: '200%' } } },
      ['spec.minAvailable: Invalid value: "200%": must not be greater than 100%'],
    ],
    [
      { apiVersion: 'autoscaling/v2', kind: 'HorizontalPodAutoscaler', metadata, ...{ spec: { ...hpa, minReplicas: 3, maxReplicas: 2 } } },
      ['spec.maxReplicas: Invalid value: 2: must be greater than or equal to `minReplicas`'],
    ],
    [
      {
        apiVersion: 'autoscaling/v1',
        kind: 'HorizontalPodAutoscaler',
        metadata,
        ...{ spec: { ...hpa, maxReplicas: 2, targetCPUUtilizationPercentage: 50 } },
      },
      [],
    ],
    [
      { apiVersion: 'scheduling.k8s.io/v1', kind: 'PriorityClass', metadata: { name: 'p' }, value: 1, preemptionPolicy: '' },
      ['preemptionPolicy: Required value'],
    ],
    [
      { apiVersion: 'scheduling.k8s.io/v1', kind: 'PriorityClass', metadata, ...{ value: 1_000_000_001 } },
      ['value: Forbidden: maximum allowed value of a user defined priority is 1000000000'],
    ],
    [
      { apiVersion: 'scheduling.k8s.io/v1', kind: 'PriorityClass', ...{ metadata: { name: 'system-mine' }, value: 1 } },
      [
        "metadata.name: Forbidden: priority class names with 'system-' prefix are reserved for system use only. error: system-mine is not a known system priority class",
      ],
    ],
    [
      { apiVersion: 'coordination.k8s.io/v1', kind: 'Lease', metadata, ...{ spec: { leaseDurationSeconds: 0 } } },
      ['spec.leaseDurationSeconds: Invalid value: 0: must be greater than 0'],
    ],
    [
      {
        apiVersion: 'discovery.k8s.io/v1',
        kind: 'EndpointSlice',
        metadata,
        ...{ addressType: 'IPv4', endpoints: [{ addresses: [] }, { addresses: ['::1'] }] },
      },
      [
        'endpoints[0].addresses: Required value: must contain at least 1 address',
        'endpoints[1].addresses: Invalid value: "::1": must be an IPv4 address',
        'endpoints[1].addresses[0]: Invalid value: "::1": may not be in the loopback range (127.0.0.0/8, ::1/128)',
      ],
    ],
    [
      { apiVersion: 'events.k8s.io/v1', kind: 'Event', ...{ metadata, type: 'Odd', deprecatedCount: 1, series: { count: 1 } } },
      [
        "namespace: Invalid value: \"\": a lowercase RFC 1123 subdomain must consist of lower case alphanumeric characters, '-' or '.', and must start and end with an alphanumeric character (e.g. 'example.com', regex used for validation is '[a-z0-9]([-a-z0-9]*[a-z0-9])?(\\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*')",
        'series.count: Invalid value: "": should be at least 2',
        'series.lastObservedTime: Required value',
        'eventTime: Required value',
        'type: Invalid value: "": has invalid value: Odd',
        'count: Invalid value: "": needs to be unset',
      ],
    ],
    [
      {
        apiVersion: 'events.k8s.io/v1beta1',
        kind: 'Event',
        ...{ metadata: { ...metadata, namespace: 'default' }, eventTime: '2026-01-01T00:00:00.000000Z', reportingInstance: 'i' },
      },
      [
        'reportingController: Required value',
        expect.stringContaining('reportingController: Invalid value: "": name part must be non-empty'),
        expect.stringContaining('reportingController: Invalid value: "": name part must consist of'),
        'action: Required value',
        'reason: Required value',
      ],
    ],
    [
      {
        apiVersion: 'certificates.k8s.io/v1',
        kind: 'CertificateSigningRequest',
        metadata,
        ...{ spec: { request: '', signerName: 'mine', usages: ['client auth', 'fun'], expirationSeconds: 1 } },
      },
      [
        'spec.request: Invalid value: "": PEM block type must be CERTIFICATE REQUEST',
        expect.stringContaining('spec.usages[1]: Unsupported value: "fun": supported values: "any"'),
        `spec.signerName: Invalid value: "mine": must be a fully qualified domain and path of the form 'example.com/signer-name'`,
        'spec.expirationSeconds: Invalid value: 1: may not specify a duration less than 600 seconds (10 minutes)',
      ],
    ],
  ])('of %j', (sent, messages) => {
    expect(accept(sent).wrong).toEqual(messages);
  });

  it('has what this server serves be available at once, and others at ports', () => {
    const spec = { group: 'g', version: 'v1', groupPriorityMinimum: 1, versionPriority: 1 };
    const service = (given: object) =>
      accept({
        apiVersion: 'apiregistration.k8s.io/v1',
        kind: 'APIService',
        metadata: { name: 'v1.g' },
        ...{ spec: { ...spec, ...given } },
      });
    expect(service({})).toMatchObject({
      wrong: [],
      stored: { status: { conditions: [{ type: 'Available', status: 'True', reason: 'Local' }] } },
    });
    expect(service({ service: { namespace: 'n', name: 's', port: 0 } }).wrong).toEqual([
      'spec.service.port: Invalid value: 0: port is not valid: must be between 1 and 65535, inclusive',
    ]);
  });

  it('holds storage versions to what API servers tell one another', () => {
    const version = { apiVersion: 'internal.apiserver.k8s.io/v1alpha1', kind: 'StorageVersion', metadata: { name: 'core.pods' } };
    const { definition } = served(version) ?? {};
    expect(definition?.validateName?.('Core.1pods', false)).toEqual([
      expect.stringMatching(/^the group segment a lowercase RFC 1123 subdomain/),
      expect.stringMatching(/^the resource segment a DNS-1035 label/),
    ]);
    const wrong = new FieldErrors();
    const servers = [
      { apiServerID: 'a', encodingVersion: 'v1', decodableVersions: ['v1'], servedVersions: ['v1'] },
      { apiServerID: 'a', encodingVersion: '/v1', decodableVersions: ['a/b/c'], servedVersions: ['v2'] },
    ];
    const status = definition?.subresources?.status as { validate(next: object, prev: object, errors: FieldErrors): void };
    status.validate(
      { ...version, status: { storageVersions: servers, conditions: [{ type: 'A', status: 'True', reason: 'r' }] } },
      version,
      wrong,
    );
    expect(wrong.list.map(fieldErrorMessage)).toEqual([
      'status.storageVersions[1].apiServerID: Duplicate value: "a"',
      'status.storageVersions[1].encodingVersion: Invalid value: "/v1": group part: must be non-empty',
      expect.stringMatching(
        /decodableVersions\[0\]: Invalid value: "a\/b\/c": an apiVersion is a DNS-1035 label, which .*'example.com\/MyVersion'\)$/,
      ),
      'status.storageVersions[1].decodableVersions: Invalid value: ["a/b/c"]: decodableVersions must include encodingVersion /v1',
      'status.storageVersions[1].servedVersions[0]: Invalid value: "v2": individual served version : v2 must be included in decodableVersions : [a/b/c]',
      'status[0].message: Required value: message cannot be empty',
    ]);
  });

  it("takes a service account of the binding's own namespace", () => {
    const subjects = [{ kind: 'ServiceAccount', name: 'sa' }];
    const roleRef = { kind: 'ClusterRole', name: 'x' };
    expect(accept({ ...rbac, kind: 'RoleBinding', ...{ roleRef, subjects } }).wrong).toEqual([]);
    expect(accept({ ...rbac, kind: 'ClusterRoleBinding', ...{ roleRef, subjects } }).wrong).toEqual([
      'subjects[0].namespace: Required value',
    ]);
  });

  it('holds fast to what a binding binds and a class is worth', () => {
    const binding = accept({ ...rbac, kind: 'RoleBinding', ...{ roleRef: { kind: 'Role', name: 'a' } } }).stored;
    const other = { ...deepCopy(binding), roleRef: { kind: 'Role', name: 'b' } };
    expect(rejectUpdate(other, binding)).toEqual([
      'roleRef: Invalid value: {"APIGroup":"","Kind":"Role","Name":"b"}: cannot change roleRef',
    ]);
    const pc = accept({ apiVersion: 'scheduling.k8s.io/v1', kind: 'PriorityClass', metadata, ...{ value: 5 } }).stored;
    expect(rejectUpdate({ ...pc, ...{ value: 6 } }, pc)).toEqual(['value: Forbidden: may not be changed in an update.']);
    const { undeletable } = served(pc)?.definition ?? {};
    expect(['system-node-critical', 'system-cluster-critical', 'mine'].map((name) => undeletable?.(name) !== undefined)).toEqual([
      true,
      true,
      false,
    ]);
  });
});

describe('printing', () => {
  it.each<[Record<string, unknown> & { apiVersion: string; kind: string }, object]>([
    [
      {
        apiVersion: 'autoscaling/v2',
        kind: 'HorizontalPodAutoscaler',
        ...{
          metadata,
          spec: { scaleTargetRef: { kind: 'Deployment', name: 'web' }, maxReplicas: 5 },
          status: {
            currentReplicas: 2,
            currentMetrics: [{ type: 'Resource', resource: { name: 'cpu', current: { averageUtilization: 12 } } }],
          },
        },
      },
      { Name: 'n', Reference: 'Deployment/web', Targets: 'cpu: 12%/80%', MinPods: '1', MaxPods: 5, Replicas: 2, Age: '10m' },
    ],
    ...(
      [
        [{ name: 'x' }, '*/x'],
        [{ name: 'x', namespace: 'ns' }, 'ns/x'],
        [
          { selector: { matchLabels: { b: 'c', a: 'd' }, matchExpressions: [{ key: 'k', operator: 'In', values: ['v', 'w'] }] } },
          '&LabelSelector{MatchLabels:map[string]string{a: d,b: c,},MatchExpressions:[]LabelSelectorRequirement{LabelSelectorRequirement{Key:k,Operator:In,Values:[v w],},},}',
        ],
      ] as const
    ).map(([paramRef, shown]): [Record<string, unknown> & { apiVersion: string; kind: string }, object] => [
      {
        apiVersion: 'admissionregistration.k8s.io/v1',
        kind: 'ValidatingAdmissionPolicyBinding',
        ...{ metadata, spec: { policyName: 'p', paramRef } },
      },
      { Name: 'n', PolicyName: 'p', ParamRef: shown, Age: '10m' },
    ]),
    [
      {
        apiVersion: 'storage.k8s.io/v1',
        kind: 'StorageClass',
        ...{ metadata: { ...metadata, annotations: { 'storageclass.kubernetes.io/is-default-class': 'true' } }, provisioner: 'a.b/c' },
      },
      { Name: 'n (default)', Provisioner: 'a.b/c', ReclaimPolicy: 'Delete', VolumeBindingMode: 'Immediate', AllowVolumeExpansion: false },
    ],
    [
      {
        apiVersion: 'discovery.k8s.io/v1',
        kind: 'EndpointSlice',
        ...{
          metadata,
          addressType: 'IPv4',
          endpoints: ['1', '2', '3', '4'].map((n) => ({ addresses: [`10.0.0.${n}`] })),
          ports: [{ port: 80 }],
        },
      },
      { Name: 'n', AddressType: 'IPv4', Ports: '80', Endpoints: '10.0.0.1,10.0.0.2,10.0.0.3 + 1 more...', Age: '10m' },
    ],
    [
      {
        apiVersion: 'rbac.authorization.k8s.io/v1',
        kind: 'RoleBinding',
        ...{
          metadata,
          roleRef: { kind: 'ClusterRole', name: 'view' },
          subjects: [
            { kind: 'User', name: 'u' },
            { kind: 'ServiceAccount', name: 's', namespace: 'x' },
          ],
        },
      },
      { Name: 'n', Role: 'ClusterRole/view', Age: '10m', Users: 'u', Groups: '', ServiceAccounts: 'x/s' },
    ],
    [
      { apiVersion: 'policy/v1', kind: 'PodDisruptionBudget', ...{ metadata, spec: { minAvailable: '50%' } } },
      { 'Min Available': '50%', 'Max Unavailable': 'N/A', 'Allowed Disruptions': 0 },
    ],
    [
      {
        apiVersion: 'events.k8s.io/v1',
        kind: 'Event',
        ...{ metadata, regarding: { kind: 'Pod', name: 'p' }, reason: 'Pulled', note: 'done' },
      },
      { Object: 'pod/p', Reason: 'Pulled', Message: 'done' },
    ],
  ])('of %j', (sent, cells) => {
    expect(row(accept(sent).stored)).toMatchObject(cells);
  });

  const condition = (type: string, more: object = {}) => ({ type, status: 'True', ...more });
  const named = { Name: 'n', Age: '10m' };
  it.each<[string, object, object]>([
    ['v1 ServiceAccount', { secrets: [{ name: 's' }] }, named],
    ['v1 LimitRange', {}, { Name: 'n', 'Created At': metadata.creationTimestamp }],
    ['rbac.authorization.k8s.io/v1 ClusterRole', { metadata: { name: 'n' } }, { Name: 'n', 'Created At': '0001-01-01T00:00:00Z' }],
    ['resource.k8s.io/v1 DeviceClass', {}, named],
    ['resource.k8s.io/v1 ResourceSlice', { spec: { driver: 'd', pool: { name: 'p' } } }, { ...named, Node: '', Driver: 'd', Pool: 'p' }],
    [
      'resource.k8s.io/v1beta2 DeviceTaintRule',
      { spec: { taint: { key: 'k', effect: 'NoExecute', timeAdded: '2026-01-01T00:05:00Z' } } },
      { ...named, Key: 'k', Value: '', Effect: 'NoExecute', TimeAdded: '5m' },
    ],
    ...(
      [
        [undefined, '-', '-', 0, 'Pending', '<none>'],
        [{ poolCount: 1, conditions: [condition('Failed')] }, '-', '-', 1, 'Failed', '<none>'],
        [
          {
            poolCount: 3,
            pools: [{ totalDevices: 4 }, { totalDevices: 2, validationError: 'no' }],
            conditions: [condition('Complete', { lastTransitionTime: '2026-01-01T00:09:00Z' })],
          },
          ...[6, 1, 3, 'Complete (2/3 pools)', '60s'],
        ],
      ] as const
    ).map(([status, Total, Errors, Pools, Status, Completed]): [string, object, object] => [
      'resource.k8s.io/v1alpha3 ResourcePoolStatusRequest',
      { spec: { driver: 'd' }, status },
      { Name: 'n', Driver: 'd', Total, Errors, Pools, Status, Completed },
    ]),
    ['scheduling.k8s.io/v1alpha2 Workload', { spec: {} }, named],
    ...(
      [
        [{}, [], 'Basic', '<none>', 'Pending'],
        [
          { schedulingPolicy: { gang: { minCount: 2 } } },
          [{ type: 'PodGroupScheduled', status: 'False' }],
          'Gang',
          '<none>',
          'Unschedulable',
        ],
        [
          { podGroupTemplateRef: { workload: { workloadName: 'w' } } },
          [condition('PodGroupScheduled'), condition('DisruptionTarget', { reason: 'Preempted' })],
          ...['Basic', 'w', 'Preempted'],
        ],
      ] as const
    ).map(([spec, conditions, Policy, Workload, Status]): [string, object, object] => [
      'scheduling.k8s.io/v1alpha2 PodGroup',
      { spec, status: { conditions } },
      { ...named, Policy, Workload, Status },
    ]),
    [
      'storagemigration.k8s.io/v1beta1 StorageVersionMigration',
      {
        spec: { resource: { group: 'g', resource: 'r' } },
        status: { conditions: [{ type: 'Running', status: 'False' }, condition('Succeeded')] },
      },
      { Name: 'n', Resource: 'r.g', Status: 'Succeeded' },
    ],
    [
      'certificates.k8s.io/v1beta1 PodCertificateRequest',
      { spec: { podName: 'p', unverifiedUserAnnotations: { 'a/b': 'c' } } },
      { Name: 'n', PodName: 'p', State: 'Pending', UnverifiedUserAnnotations: 'a/b=c' },
    ],
    [
      'networking.k8s.io/v1 IngressClass',
      { metadata: { ...metadata, annotations: { 'ingressclass.kubernetes.io/is-default-class': 'true' } } },
      { Name: 'n (default)' },
    ],
    [
      'storage.k8s.io/v1 VolumeAttributesClass',
      { metadata: { ...metadata, annotations: { 'volumeattributesclass.alpha.kubernetes.io/is-default-class': 'true' } } },
      { Name: 'n' },
    ],
    ['policy/v1 PodDisruptionBudget', { spec: { maxUnavailable: 1 } }, { 'Min Available': 'N/A', 'Max Unavailable': '1' }],
    ['discovery.k8s.io/v1 EndpointSlice', { addressType: 'IPv4', ports: [{ name: 'a' }, { port: 1 }, {}] }, { Ports: 'a,1,*' }],
    ['v1 Node', { spec: {}, status: { nodeInfo: { architecture: 'arm64' } } }, { 'Kernel-Version': '<unknown> (arm64)' }],
    ['v1 Event', { firstTimestamp: null, lastTimestamp: null, eventTime: null }, { 'Last Seen': '<unknown>', 'First Seen': '<unknown>' }],
    ['v1 Event', { firstTimestamp: metadata.creationTimestamp }, { 'Last Seen': '10m', 'First Seen': '10m', Count: 1 }],
    [
      'v1 Event',
      { lastTimestamp: metadata.creationTimestamp, series: {} },
      { 'Last Seen': '<unknown>', 'First Seen': '<unknown>', Count: 0 },
    ],
  ])('of a stored %s with %j', (type, fields, cells) => {
    const [apiVersion = '', kind = ''] = type.split(' ');
    const shown = row({ apiVersion, kind, metadata, ...fields });
    expect(shown).toMatchObject(cells);
    // Kinds that show little show no more than that.
    if ('Age' in cells || 'Created At' in cells) expect(Object.keys(shown).sort()).toEqual(Object.keys(cells).sort());
  });

  it('says of each column what the API says of the field behind it', () => {
    const columns = kinds.find(({ resource }) => resource.kind === 'PersistentVolume')?.columns ?? [];
    expect(columns.find(({ name }) => name === 'Status')?.description).toBe(
      'phase indicates if a volume is available, bound to a claim, or released by a claim. More info: https://kubernetes.io/docs/concepts/storage/persistent-volumes#phase',
    );
  });
});
