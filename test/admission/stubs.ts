/** An object of every resource that can be written, as little as is valid; by plural. */
export const stubs: Readonly<Record<string, object>> = (() => {
  const metadata = { name: 'stub' };
  const selector = { matchLabels: { a: 'b' } };
  const podSpec = { containers: [{ name: 'c', image: 'i', resources: { limits: { cpu: '1m' }, requests: { cpu: '1m' } } }] };
  const template = { metadata: { labels: { a: 'b' } }, spec: podSpec };
  const jobTemplate = { ...template, spec: { ...podSpec, restartPolicy: 'Never' } };
  const webhook = {
    name: 'w.stub.example.com',
    clientConfig: { url: 'https://127.0.0.1/' },
    sideEffects: 'None',
    admissionReviewVersions: ['v1'],
  };
  const constraints = {
    matchConstraints: {
      resourceRules: [{ operations: ['CREATE'], apiGroups: ['nobody.example.com'], apiVersions: ['v1'], resources: ['things'] }],
    },
  };
  const exactly = { requests: [{ name: 'r', exactly: { deviceClassName: 'stub' } }] };
  return {
    bindings: { metadata, target: { kind: 'Node', name: 'n' } },
    configmaps: { metadata, data: { a: 'b' } },
    endpoints: { metadata, subsets: [{ addresses: [{ ip: '192.0.2.1' }], ports: [{ port: 80 }] }] },
    // Of both groups at once: the fields of the other are unknown to each, which only warns.
    events: {
      metadata,
      involvedObject: { namespace: 'hooked' },
      regarding: { namespace: 'hooked' },
      reportingComponent: 'example.com/c',
      type: 'Normal',
      reason: 'r',
      action: 'a',
      reportingController: 'example.com/c',
      reportingInstance: 'i',
      eventTime: '2026-01-01T00:00:00.000000Z',
    },
    limitranges: { metadata, spec: { limits: [{ type: 'Pod' }] } },
    namespaces: { metadata: { name: 'hooked-other' }, spec: {} },
    nodes: { metadata, spec: { unschedulable: true } },
    persistentvolumeclaims: {
      metadata,
      spec: { accessModes: ['ReadWriteOnce'], resources: { requests: { storage: '1M' } }, storageClassName: '' },
    },
    persistentvolumes: {
      metadata,
      spec: { capacity: { storage: '1M' }, accessModes: ['ReadWriteOnce'], storageClassName: 'stub', hostPath: { path: '/tmp/stub' } },
    },
    pods: { metadata: { name: 'stub', labels: { a: 'b' } }, spec: podSpec },
    podtemplates: { metadata, template },
    replicationcontrollers: { metadata, spec: { replicas: 0, selector: { a: 'b' }, template } },
    resourcequotas: { metadata, spec: { hard: { 'count/widgets.example.com': '1' } } },
    secrets: { metadata, data: { a: 'Yg==' } },
    serviceaccounts: { metadata },
    services: { metadata, spec: { selector: { a: 'b' }, ports: [{ port: 80 }] } },
    mutatingadmissionpolicies: {
      metadata,
      spec: {
        ...constraints,
        reinvocationPolicy: 'Never',
        mutations: [{ patchType: 'JSONPatch', jsonPatch: { expression: '[JSONPatch{op: "test", path: "/a"}]' } }],
      },
    },
    mutatingadmissionpolicybindings: { metadata, spec: { policyName: 'stub' } },
    mutatingwebhookconfigurations: { metadata, webhooks: [webhook] },
    validatingadmissionpolicies: { metadata, spec: { ...constraints, validations: [{ expression: 'true' }] } },
    validatingadmissionpolicybindings: { metadata, spec: { policyName: 'stub', validationActions: ['Deny'] } },
    validatingwebhookconfigurations: { metadata, webhooks: [webhook] },
    customresourcedefinitions: {
      metadata: { name: 'stubs.example.com' },
      spec: {
        group: 'example.com',
        names: { plural: 'stubs', kind: 'Stub' },
        scope: 'Cluster',
        versions: [{ name: 'v1', served: true, storage: true, schema: { openAPIV3Schema: { type: 'object' } } }],
      },
    },
    apiservices: {
      metadata: { name: 'v1.stub.example.com' },
      spec: { group: 'stub.example.com', version: 'v1', groupPriorityMinimum: 100, versionPriority: 10 },
    },
    controllerrevisions: { metadata, data: {}, revision: 1 },
    daemonsets: { metadata, spec: { selector, template } },
    deployments: { metadata, spec: { replicas: 0, selector, template } },
    replicasets: { metadata, spec: { replicas: 0, selector, template } },
    statefulsets: { metadata, spec: { replicas: 0, serviceName: 's', selector, template } },
    horizontalpodautoscalers: {
      metadata,
      spec: { maxReplicas: 3, scaleTargetRef: { apiVersion: 'apps/v1', kind: 'Deployment', name: 'stub' } },
    },
    cronjobs: { metadata, spec: { schedule: '0 0 1 1 *', jobTemplate: { spec: { template: jobTemplate } } } },
    jobs: { metadata, spec: { suspend: true, template: jobTemplate } },
    certificatesigningrequests: {
      metadata,
      spec: {
        signerName: 'example.com/stub',
        usages: ['client auth'],
        request:
          'LS0tLS1CRUdJTiBDRVJUSUZJQ0FURSBSRVFVRVNULS0tLS0KTUlISk1IRUNBUUF3RHpFTk1Bc0dBMVVFQXd3RWMzUjFZakJaTUJNR0J5cUdTTTQ5QWdFR0NDcUdTTTQ5QXdFSApBMElBQkIvSzhmWTJyeDV5NVJURlBQKys5ZzNlK2Nma3F6NG1VL3ZoUzhsa0NNNlhseVRNbVhQVFNpcUJ5N1ltClhES2d1OTRDV3lqZEtlL0VtVHhqZGlDNmpjYWdBREFLQmdncWhrak9QUVFEQWdOSUFEQkZBaUFLQ0IvajhGOTcKRk8zZy9TdXlreGdCQjdOM0J1RE5vS2FLK2pXaU8yZWJ2d0loQUkxbzZSdXJIZlJyckd4NlBEOEZzcCtRcUFQVgpmRU5CMVo3VzNlb3lORXVsCi0tLS0tRU5EIENFUlRJRklDQVRFIFJFUVVFU1QtLS0tLQo=',
      },
    },
    leases: { metadata, spec: { holderIdentity: 'h' } },
    endpointslices: { metadata, addressType: 'IPv4', endpoints: [] },
    flowschemas: { metadata, spec: { priorityLevelConfiguration: { name: 'global-default' } } },
    prioritylevelconfigurations: { metadata, spec: { type: 'Limited', limited: { limitResponse: { type: 'Reject' } } } },
    ingresses: { metadata, spec: { rules: [{ host: 'stub.example.com' }] } },
    storageversionmigrations: { metadata, spec: { resource: { resource: 'secrets' } } },
    ingressclasses: { metadata, spec: { controller: 'example.com/stub' } },
    ipaddresses: {
      metadata: { name: '192.0.2.7' },
      spec: { parentRef: { group: '', resource: 'services', namespace: 'hooked', name: 's' } },
    },
    networkpolicies: { metadata, spec: { podSelector: {} } },
    servicecidrs: { metadata, spec: { cidrs: ['192.0.2.0/24'] } },
    runtimeclasses: { metadata, handler: 'h' },
    poddisruptionbudgets: { metadata, spec: { selector } },
    clusterrolebindings: { metadata, roleRef: { apiGroup: 'rbac.authorization.k8s.io', kind: 'ClusterRole', name: 'view' } },
    clusterroles: { metadata, rules: [] },
    rolebindings: { metadata, roleRef: { apiGroup: 'rbac.authorization.k8s.io', kind: 'Role', name: 'stub' } },
    roles: { metadata, rules: [] },
    deviceclasses: { metadata, spec: {} },
    resourceclaims: { metadata, spec: { devices: exactly } },
    resourceclaimtemplates: { metadata, spec: { spec: { devices: exactly } } },
    resourceslices: {
      metadata,
      spec: { driver: 'd.example.com', nodeName: 'n', pool: { name: 'p', resourceSliceCount: 1, generation: 1 }, devices: [] },
    },
    priorityclasses: { metadata, value: 7 },
    csidrivers: { metadata, spec: { attachRequired: true } },
    csinodes: { metadata, spec: { drivers: [] } },
    csistoragecapacities: { metadata, storageClassName: 's' },
    storageclasses: { metadata, provisioner: 'example.com/stub' },
    volumeattachments: { metadata, spec: { attacher: 'a', nodeName: 'n', source: { persistentVolumeName: 'pv' } } },
    volumeattributesclasses: { metadata, driverName: 'd.example.com', parameters: { a: 'b' } },
    tokenreviews: { spec: { token: 't' } },
    selfsubjectreviews: {},
    localsubjectaccessreviews: {
      metadata: { namespace: 'hooked' },
      spec: { user: 'u', resourceAttributes: { namespace: 'hooked', resource: 'pods', verb: 'get' } },
    },
    selfsubjectaccessreviews: { spec: { resourceAttributes: { resource: 'pods', verb: 'get' } } },
    selfsubjectrulesreviews: { spec: { namespace: 'hooked' } },
    subjectaccessreviews: { spec: { user: 'u', resourceAttributes: { resource: 'pods', verb: 'get' } } },
  };
})();
