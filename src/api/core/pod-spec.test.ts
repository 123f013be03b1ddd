import { describe, expect, it } from 'vitest';
import { FieldErrors, FieldPath, fieldErrorMessage } from '../fields.ts';
import type { Container, PodSpec, PodTemplateSpec } from '../generated/core.v1.ts';
import { defaultPodSpec, defaultPodTemplate, validatePodSpec, validatePodTemplate } from './pod-spec.ts';

const container = (more: Partial<Container> = {}): Container => ({ name: 'web', image: 'nginx:1.27', ...more });
const spec = (more: Partial<PodSpec> = {}): PodSpec => ({ containers: [container()], ...more });

function problems(given: PodSpec, isPod = true): string[] {
  defaultPodSpec(given);
  const errors = new FieldErrors();
  validatePodSpec(given, new FieldPath('spec'), errors, { isPod, podName: 'web' });
  return errors.list.map(fieldErrorMessage);
}

describe('defaultPodSpec', () => {
  it('fills in what a minimal pod spec leaves open', () => {
    const given = spec();
    defaultPodSpec(given);
    expect(given).toEqual({
      containers: [
        {
          name: 'web',
          image: 'nginx:1.27',
          resources: {},
          imagePullPolicy: 'IfNotPresent',
          terminationMessagePath: '/dev/termination-log',
          terminationMessagePolicy: 'File',
        },
      ],
      restartPolicy: 'Always',
      terminationGracePeriodSeconds: 30,
      dnsPolicy: 'ClusterFirst',
      securityContext: {},
      schedulerName: 'default-scheduler',
    });
  });

  it.each([
    ['nginx', 'Always'],
    ['nginx:latest', 'Always'],
    ['registry:5000/nginx', 'Always'],
    ['registry:5000/nginx:1', 'IfNotPresent'],
    [`nginx@sha256:${'0123'.repeat(16)}`, 'IfNotPresent'],
    [`nginx:latest@sha256:${'0123'.repeat(16)}`, 'Always'],
    ['localhost/a/b-c__d.e', 'Always'],
    // What is no reference has no tag.
    ['', 'IfNotPresent'],
    ['Nginx', 'IfNotPresent'],
    ['nginx:latest@sha256:0123', 'IfNotPresent'],
  ])('pulls %s %s', (image, policy) => {
    const given = spec({ containers: [container({ image })] });
    defaultPodSpec(given);
    expect(given.containers[0]?.imagePullPolicy).toBe(policy);
  });

  it('gives probes their numbers, http their path and scheme, volumes their modes', () => {
    const given = spec({
      containers: [
        container({
          livenessProbe: { httpGet: { port: 80 } },
          env: [{ name: 'IP', valueFrom: { fieldRef: { fieldPath: 'status.podIP' } } }],
        }),
      ],
      volumes: [
        { name: 'scratch' },
        { name: 'secret', secret: { secretName: 's' } },
        { name: 'all', projected: { sources: [{ serviceAccountToken: { path: 'token' } }] } },
        { name: 'host', hostPath: { path: '/var' } },
      ],
      serviceAccount: 'builder',
    });
    defaultPodSpec(given);
    expect(given.containers[0]?.livenessProbe).toEqual({
      httpGet: { port: 80, path: '/', scheme: 'HTTP' },
      timeoutSeconds: 1,
      periodSeconds: 10,
      successThreshold: 1,
      failureThreshold: 3,
    });
    expect(given.containers[0]?.env?.[0]?.valueFrom?.fieldRef?.apiVersion).toBe('v1');
    expect(given.volumes).toEqual([
      { name: 'scratch', emptyDir: {} },
      { name: 'secret', secret: { secretName: 's', defaultMode: 420 } },
      { name: 'all', projected: { sources: [{ serviceAccountToken: { path: 'token', expirationSeconds: 3600 } }], defaultMode: 420 } },
      { name: 'host', hostPath: { path: '/var', type: '' } },
    ]);
    expect(given.serviceAccountName).toBe('builder');
  });

  it('changes nothing when it runs again', () => {
    const given = spec({ volumes: [{ name: 'scratch' }] });
    defaultPodSpec(given);
    const once = structuredClone(given);
    defaultPodSpec(given);
    expect(given).toEqual(once);
  });
});

describe('validatePodSpec', () => {
  it('accepts a rich, valid spec', () => {
    const given = spec({
      initContainers: [
        container({ name: 'setup' }),
        container({ name: 'proxy', restartPolicy: 'Always', readinessProbe: { tcpSocket: { port: 'http' } } }),
      ],
      containers: [
        container({
          ports: [
            { name: 'http', containerPort: 80 },
            { containerPort: 80, protocol: 'UDP' },
          ],
          env: [
            { name: 'A', value: 'b' },
            { name: 'CPU', valueFrom: { resourceFieldRef: { resource: 'limits.cpu', divisor: '1m' } } },
          ],
          envFrom: [{ configMapRef: { name: 'settings' }, prefix: 'X_' }],
          resources: { requests: { cpu: '100m', memory: '64Mi', 'example.com/gpu': '1' }, limits: { cpu: '1', 'example.com/gpu': '1' } },
          volumeMounts: [{ name: 'data', mountPath: '/data', subPath: 'a/b' }],
          lifecycle: { preStop: { sleep: { seconds: 5 } }, postStart: { exec: { command: ['true'] } } },
          securityContext: { runAsUser: 1000, seccompProfile: { type: 'RuntimeDefault' }, capabilities: { drop: ['ALL'] } },
        }),
      ],
      volumes: [{ name: 'data', persistentVolumeClaim: { claimName: 'data' } }],
      tolerations: [{ operator: 'Exists' }, { key: 'k', effect: 'NoExecute', tolerationSeconds: 10 }],
      affinity: {
        podAntiAffinity: {
          preferredDuringSchedulingIgnoredDuringExecution: [
            { weight: 1, podAffinityTerm: { topologyKey: 'kubernetes.io/hostname', labelSelector: { matchLabels: { a: 'b' } } } },
          ],
        },
      },
      topologySpreadConstraints: [
        { maxSkew: 1, topologyKey: 'zone', whenUnsatisfiable: 'DoNotSchedule', minDomains: 2, labelSelector: { matchLabels: { a: 'b' } } },
      ],
    });
    expect(problems(given)).toEqual([]);
  });

  const withContainer = (more: Partial<Container>): PodSpec => spec({ containers: [container(more)] });
  const cases: [string, PodSpec, string[]][] = [
    ['no containers', spec({ containers: [] }), ['spec.containers: Required value']],
    ['no image', withContainer({ image: '' }), ['spec.containers[0].image: Required value']],
    [
      'blanks around an image',
      withContainer({ image: ' nginx' }),
      ['spec.containers[0].image: Invalid value: " nginx": must not have leading or trailing whitespace'],
    ],
    [
      'a bad container name',
      withContainer({ name: 'Web' }),
      [
        "spec.containers[0].name: Invalid value: \"Web\": a lowercase RFC 1123 label must consist of lower case alphanumeric characters or '-', and must start and end with an alphanumeric character (e.g. 'my-name',  or '123-abc', regex used for validation is '[a-z0-9]([-a-z0-9]*[a-z0-9])?')",
      ],
    ],
    ['names twice', spec({ containers: [container(), container()] }), ['spec.containers[1].name: Duplicate value: "web"']],
    [
      'an init container of the same name',
      spec({ initContainers: [container()] }),
      ['spec.initContainers[0].name: Duplicate value: "web"'],
    ],
    [
      'an unknown restart policy',
      // The type forbids what clients may send all the same.
      spec({ restartPolicy: 'Sometimes' as 'Always' }),
      ['spec.restartPolicy: Unsupported value: "Sometimes": supported values: "Always", "OnFailure", "Never"'],
    ],
    [
      'ports',
      withContainer({
        ports: [
          { name: 'http', containerPort: 80 },
          { name: 'http', containerPort: 70000 },
          { name: 'UPPER', containerPort: 1 },
        ],
      }),
      [
        'spec.containers[0].ports[1].name: Duplicate value: "http"',
        'spec.containers[0].ports[1].containerPort: Invalid value: 70000: must be between 1 and 65535, inclusive',
        'spec.containers[0].ports[2].name: Invalid value: "UPPER": must contain only alpha-numeric characters (a-z, 0-9), and hyphens (-)',
        'spec.containers[0].ports[2].name: Invalid value: "UPPER": must contain at least one letter (a-z)',
      ],
    ],
    [
      'host ports taken twice',
      withContainer({
        ports: [
          { containerPort: 1, hostPort: 80 },
          { containerPort: 2, hostPort: 80 },
        ],
      }),
      ['spec.containers[0].ports[1].hostPort: Duplicate value: "TCP//80"'],
    ],
    [
      'another host port on the host network',
      spec({ hostNetwork: true, containers: [container({ ports: [{ containerPort: 1, hostPort: 2 }] })] }),
      ['spec.containers[0].ports[0].hostPort: Invalid value: 2: must match `containerPort` when `hostNetwork` is true'],
    ],
    [
      'requests above limits',
      withContainer({ resources: { requests: { cpu: '2' }, limits: { cpu: '1500m' } } }),
      ['spec.containers[0].resources.requests: Invalid value: "2": must be less than or equal to cpu limit of 1500m'],
    ],
    [
      'negative and unknown resources',
      withContainer({ resources: { requests: { memory: '-1' }, limits: { disk: '1' } } }),
      [
        'spec.containers[0].resources.limits[disk]: Invalid value: "disk": must be a standard resource type or fully qualified',
        'spec.containers[0].resources.limits[disk]: Invalid value: "disk": must be a standard resource for containers',
        'spec.containers[0].resources.requests[memory]: Invalid value: "-1": must be greater than or equal to 0',
      ],
    ],
    [
      'extended resources without a limit, or in parts',
      withContainer({ resources: { requests: { 'example.com/gpu': '500m' } } }),
      [
        'spec.containers[0].resources.requests[example.com/gpu]: Invalid value: "500m": must be an integer',
        'spec.containers[0].resources.limits: Required value: Limit must be set for non overcommitable resources',
      ],
    ],
    [
      'env from two places and from none',
      withContainer({
        env: [
          { name: '', value: 'x' },
          { name: 'A', value: 'x', valueFrom: { secretKeyRef: { name: 's', key: 'k' } } },
          { name: 'B', valueFrom: {} },
          { name: 'C', valueFrom: { fieldRef: { fieldPath: 'status.phase' } } },
          { name: 'D', valueFrom: { fieldRef: { fieldPath: 'nope' } } },
        ],
      }),
      [
        'spec.containers[0].env[0].name: Required value',
        'spec.containers[0].env[1].valueFrom: Invalid value: "": may not be specified when `value` is not empty',
        'spec.containers[0].env[2].valueFrom: Invalid value: "": must specify one of: `fieldRef`, `resourceFieldRef`, `configMapKeyRef`, `secretKeyRef` or `fileKeyRef`',
        'spec.containers[0].env[3].valueFrom.fieldRef.fieldPath: Unsupported value: "status.phase": supported values: "metadata.name", "metadata.namespace", "metadata.uid", "spec.nodeName", "spec.serviceAccountName", "status.hostIP", "status.hostIPs", "status.podIP", "status.podIPs"',
        'spec.containers[0].env[4].valueFrom.fieldRef.fieldPath: Invalid value: "nope": error converting fieldPath: field label not supported: nope',
      ],
    ],
    [
      'mounts of no volume and twice in one place',
      spec({
        volumes: [{ name: 'data' }],
        containers: [
          container({
            volumeMounts: [
              { name: 'data', mountPath: '/x' },
              { name: 'nope', mountPath: '/x' },
            ],
          }),
        ],
      }),
      [
        'spec.containers[0].volumeMounts[1].name: Not found: "nope"',
        'spec.containers[0].volumeMounts[1].mountPath: Invalid value: "/x": must be unique',
      ],
    ],
    [
      'volumes of two kinds, and of one name',
      spec({ volumes: [{ name: 'a', emptyDir: {}, hostPath: { path: '/x' } }, { name: 'b' }, { name: 'b' }, { name: 'c', secret: {} }] }),
      [
        'spec.volumes[0].hostPath: Forbidden: may not specify more than 1 volume type',
        'spec.volumes[2].name: Duplicate value: "b"',
        'spec.volumes[3].secret.secretName: Required value',
      ],
    ],
    [
      'paths that climb out',
      spec({
        volumes: [
          {
            name: 'a',
            configMap: {
              name: 'c',
              items: [
                { key: 'k', path: '../x' },
                { key: 'k', path: '/x', mode: 0o1000 },
              ],
            },
          },
        ],
      }),
      [
        'spec.volumes[0].configMap.items[0].path: Invalid value: "../x": must not contain \'..\'',
        'spec.volumes[0].configMap.items[1].path: Invalid value: "/x": must be a relative path',
        'spec.volumes[0].configMap.items[1].mode: Invalid value: 512: must be a number between 0 and 0777 (octal), both inclusive',
      ],
    ],
    [
      'probes',
      withContainer({
        livenessProbe: { exec: {}, successThreshold: 2 },
        readinessProbe: { httpGet: { port: 0 }, tcpSocket: { port: 1 }, terminationGracePeriodSeconds: 1 },
        startupProbe: { periodSeconds: -1 },
      }),
      [
        'spec.containers[0].livenessProbe.exec.command: Required value',
        'spec.containers[0].livenessProbe.successThreshold: Invalid value: 2: must be 1',
        'spec.containers[0].readinessProbe.tcpSocket: Forbidden: may not specify more than 1 handler type',
        'spec.containers[0].readinessProbe.httpGet.port: Invalid value: 0: must be between 1 and 65535, inclusive',
        'spec.containers[0].readinessProbe.terminationGracePeriodSeconds: Invalid value: 1: must not be set for readinessProbes',
        'spec.containers[0].startupProbe: Required value: must specify a handler type',
        'spec.containers[0].startupProbe.periodSeconds: Invalid value: -1: must be greater than or equal to 0',
      ],
    ],
    [
      'probes of an init container that ends',
      spec({ initContainers: [container({ name: 'i', readinessProbe: { exec: { command: ['x'] } } })] }),
      ['spec.initContainers[0].readinessProbe: Forbidden: may not be set for init containers without restartPolicy=Always'],
    ],
    [
      'security settings at odds',
      withContainer({
        securityContext: { allowPrivilegeEscalation: false, privileged: true, runAsUser: -1, seccompProfile: { type: 'Localhost' } },
      }),
      [
        'spec.containers[0].securityContext.runAsUser: Invalid value: -1: must be between 0 and 2147483647, inclusive',
        'spec.containers[0].securityContext.seccompProfile.localhostProfile: Required value: must be set when seccomp type is Localhost',
        'spec.containers[0].securityContext: Invalid value: {"Capabilities":null,"Privileged":true,"SELinuxOptions":null,"WindowsOptions":null,"RunAsUser":-1,"RunAsGroup":null,"RunAsNonRoot":null,"ReadOnlyRootFilesystem":null,"AllowPrivilegeEscalation":false,"ProcMount":null,"SeccompProfile":{"Type":"Localhost","LocalhostProfile":null},"AppArmorProfile":null}: cannot set `allowPrivilegeEscalation` to false and `privileged` to true',
      ],
    ],
    [
      'tolerations',
      spec({ tolerations: [{ value: 'x' }, { key: 'a', operator: 'Exists', value: 'x' }, { key: 'a', tolerationSeconds: 1 }] }),
      [
        'spec.tolerations[0].operator: Invalid value: "": operator must be Exists when `key` is empty, which means "match all values and all keys"',
        'spec.tolerations[1].operator: Invalid value: "x": value must be empty when `operator` is \'Exists\'',
        'spec.tolerations[2].effect: Invalid value: "": effect must be \'NoExecute\' when `tolerationSeconds` is set',
      ],
    ],
    [
      'topology spread said twice',
      spec({
        topologySpreadConstraints: [
          { maxSkew: 0, topologyKey: 'zone', whenUnsatisfiable: 'ScheduleAnyway' },
          { maxSkew: 1, topologyKey: 'zone', whenUnsatisfiable: 'ScheduleAnyway' },
        ],
      }),
      [
        'spec.topologySpreadConstraints[0].maxSkew: Invalid value: 0: must be greater than zero',
        'spec.topologySpreadConstraints[0].{topologyKey, whenUnsatisfiable}: Duplicate value: "{zone, ScheduleAnyway}"',
      ],
    ],
    [
      'node affinity',
      spec({
        affinity: {
          nodeAffinity: {
            requiredDuringSchedulingIgnoredDuringExecution: {
              nodeSelectorTerms: [
                { matchExpressions: [{ key: 'a', operator: 'In' }], matchFields: [{ key: 'spec.x', operator: 'In', values: ['a'] }] },
              ],
            },
            preferredDuringSchedulingIgnoredDuringExecution: [{ weight: 101, preference: {} }],
          },
        },
      }),
      [
        "spec.affinity.nodeAffinity.requiredDuringSchedulingIgnoredDuringExecution.nodeSelectorTerms[0].matchExpressions[0].values: Required value: must be specified when `operator` is 'In' or 'NotIn'",
        'spec.affinity.nodeAffinity.requiredDuringSchedulingIgnoredDuringExecution.nodeSelectorTerms[0].matchFields[0].key: Invalid value: "spec.x": not a valid field selector key',
        'spec.affinity.nodeAffinity.preferredDuringSchedulingIgnoredDuringExecution[0].weight: Invalid value: 101: must be in the range 1-100',
      ],
    ],
    [
      'DNS none without servers',
      spec({ dnsPolicy: 'None' }),
      ['spec.dnsConfig: Required value: must provide `dnsConfig` when `dnsPolicy` is None'],
    ],
    [
      'an ephemeral container that works',
      spec({
        ephemeralContainers: [{ name: 'debug', image: 'busybox', ports: [{ containerPort: 1 }], targetContainerName: 'nope' }],
      }),
      [
        'spec.ephemeralContainers[0].targetContainerName: Not found: "nope"',
        'spec.ephemeralContainers[0].ports: Forbidden: cannot be set for an Ephemeral Container',
      ],
    ],
    [
      "pod-level requests below the containers' together",
      spec({
        resources: { requests: { cpu: '100m' } },
        containers: [container({ resources: { requests: { cpu: '150m' } } })],
      }),
      ['spec.resources.requests[cpu]: Invalid value: "100m": must be greater than or equal to aggregate container requests of 150m'],
    ],
    [
      'a windows option on linux',
      spec({ os: { name: 'linux' }, securityContext: { windowsOptions: {} } }),
      ['spec.securityContext.windowsOptions: Forbidden: windows options cannot be set for a linux pod'],
    ],
  ];

  it.each(cases)('reports %s', (_, given, expected) => {
    // Table defaults that the decoder applies.
    for (const c of given.containers) for (const port of c.ports ?? []) port.protocol ??= 'TCP';
    expect(problems(given)).toEqual(expected);
  });
});

describe('validatePodTemplate', () => {
  it('names the place in the template and allows no ephemeral containers', () => {
    const template: PodTemplateSpec = {
      metadata: { labels: { 'bad key': 'x' } },
      spec: spec({ containers: [container({ image: '' })], ephemeralContainers: [{ name: 'd', image: 'x' }] }),
    };
    defaultPodTemplate(template);
    const errors = new FieldErrors();
    validatePodTemplate(template, new FieldPath('spec').child('template'), errors);
    expect(errors.list.map((e) => `${e.field} ${e.type}`)).toEqual([
      'spec.template.labels FieldValueInvalid',
      'spec.template.spec.containers[0].image FieldValueRequired',
      'spec.template.spec.ephemeralContainers FieldValueForbidden',
    ]);
  });
});
