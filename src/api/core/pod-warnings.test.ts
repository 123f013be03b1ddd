import { describe, expect, it } from 'vitest';
import { FieldPath } from '../fields.ts';
import type { Pod, PodSpec, PodTemplateSpec, Service, ServiceSpec } from '../generated/core.v1.ts';
import { keyPairWarnings } from './key-pair-warnings.ts';
import { pod as podKind } from './pod.ts';
import { podStatusWarnings, podTemplateWarnings, podWarnings } from './pod-warnings.ts';
import { serviceStatusWarnings, serviceWarnings } from './service-warnings.ts';

const container = { name: 'foo' };
const warningsOf = (spec: Partial<PodSpec>, annotations?: Record<string, string>) =>
  podWarnings({
    metadata: { name: 'web', ...(annotations && { annotations }) } as Pod['metadata'],
    spec: { containers: [container], ...spec },
  });
const ports = (...list: object[]): Partial<PodSpec> => ({ containers: [{ ...container, ports: list as never }] });
const udp = (more: object = {}) => ({ containerPort: 80, protocol: 'UDP', ...more });
const file = (path: string) => ({ key: 'k', path });
const projected = (...sources: object[]): Partial<PodSpec> => ({ volumes: [{ name: 'v', projected: { sources } }] });

describe('podWarnings', () => {
  it.each<[string, Partial<PodSpec>, string[]]>([
    [
      'node labels of old',
      { nodeSelector: { 'beta.kubernetes.io/os': 'linux' } },
      ['spec.nodeSelector[beta.kubernetes.io/os]: deprecated since v1.14; use "kubernetes.io/os" instead'],
    ],
    [
      'spreading over them, of no pods',
      { topologySpreadConstraints: [{ maxSkew: 1, topologyKey: 'beta.kubernetes.io/arch', whenUnsatisfiable: 'DoNotSchedule' }] },
      [
        'spec.topologySpreadConstraints[0].topologyKey: beta.kubernetes.io/arch is deprecated since v1.14; use "kubernetes.io/arch" instead',
        'spec.topologySpreadConstraints[0].labelSelector: a null labelSelector results in matching no pod',
      ],
    ],
    [
      'volumes that are gone',
      {
        volumes: [
          { name: 'v', gitRepo: { repository: 'r' } },
          { name: 'w', storageos: {} },
        ],
      },
      [
        'spec.volumes[0].gitRepo: deprecated in v1.11, and disabled by default in v1.33+',
        'spec.volumes[1].storageOS: deprecated in v1.22, non-functional in v1.25+',
      ],
    ],
    [
      'files below files',
      { volumes: [{ name: 'v', configMap: { name: 'c', items: [file('a/b/'), file('a'), file('ab')] } }] },
      ['volume "v" (ConfigMap "c"): overlapping paths: "a" with "a/b"'],
    ],
    [
      'files of several sources in one place',
      projected({ secret: { name: 's', items: [file('t')] } }, { serviceAccountToken: { path: 't/f' } }, {}),
      [
        'volume "v" (Projected) has no sources provided',
        'volume "v" (Projected): overlapping paths: "t/f" (ServiceAccountToken) with "t" (Secret "s")',
      ],
    ],
    [
      'lists with repetitions',
      { hostAliases: [{ ip: '::ffff:1.2.3.4' }], imagePullSecrets: [{ name: 'a' }, { name: 'a' }, {}] },
      [
        'spec.imagePullSecrets[1].name: duplicate name "a"',
        'spec.imagePullSecrets[2].name: invalid empty name ""',
        'spec.hostAliases[0].ip: non-standard IP address "::ffff:1.2.3.4" is invalid: use "1.2.3.4"',
      ],
    ],
    [
      'parts of bytes',
      { overhead: { memory: '4m' }, containers: [{ ...container, resources: { limits: { memory: '1500m', cpu: '4m' } } }] },
      [
        'spec.overhead[memory]: fractional byte value "4m" is invalid, must be an integer',
        'spec.containers[0].resources.limits[memory]: fractional byte value "1500m" is invalid, must be an integer',
      ],
    ],
    [
      'variables that hide others',
      {
        containers: [
          {
            ...container,
            env: ['a', '$(A)', '$(A) b', ''].map((value) => ({ name: 'A', value })),
          },
        ],
      },
      [1, 3].map((i) => `spec.containers[0].env[${i}]: hides previous definition of "A", which may be dropped when using apply`),
    ],
    [
      'the same port twice',
      ports(udp(), udp()),
      ['spec.containers[0].ports[1]: duplicate port definition with spec.containers[0].ports[0]'],
    ],
    [
      'a port with and without one of the host',
      ports(udp({ hostPort: 80, hostIP: '10.0.0.1' }), udp({ hostIP: '10.0.0.1' })),
      [
        'spec.containers[0].ports[1]: hostIP set without hostPort: {Name: HostPort:0 ContainerPort:80 Protocol:UDP HostIP:10.0.0.1}',
        'spec.containers[0].ports[1]: overlapping port definition with spec.containers[0].ports[0]',
      ],
    ],
    [
      'a port of one and of all addresses',
      ports(udp({ hostPort: 80, hostIP: '10.0.0.1' }), udp({ hostPort: 80 }), udp({ hostPort: 81, hostIP: '10.0.0.2' })),
      ['spec.containers[0].ports[1]: dangerously ambiguous port definition with spec.containers[0].ports[0]'],
    ],
    [
      'a port name of two containers',
      {
        initContainers: [
          { name: 'i', ports: [{ name: 'http', containerPort: 1 }] },
          { name: 's', restartPolicy: 'Always', ports: [{ name: 'http', containerPort: 2 }] },
        ],
        containers: [{ ...container, ports: [{ name: 'http', containerPort: 3 }] }],
      },
      [
        'spec.initContainers[1].ports[0]: duplicate port name "http" with spec.initContainers[0].ports[0], services and probes that select ports by name will use spec.initContainers[0].ports[0]',
        'spec.containers[0].ports[0]: duplicate port name "http" with spec.initContainers[0].ports[0], services and probes that select ports by name will use spec.initContainers[0].ports[0]',
      ],
    ],
    [
      'an end before the end',
      { terminationGracePeriodSeconds: -1 },
      ['spec.terminationGracePeriodSeconds: must be >= 0; negative values are invalid and will be treated as 1'],
    ],
    ['what is well', ports(udp(), udp({ containerPort: 81 }), udp({ protocol: 'TCP' })), []],
  ])('warns of %s', (_, spec, warnings) => expect(warningsOf(spec)).toEqual(warnings));

  it('warns of annotations that fields took the place of', () => {
    const annotations = { 'seccomp.security.alpha.kubernetes.io/pod': 'x', 'security.alpha.kubernetes.io/sysctls': 'a' };
    expect(warningsOf({}, annotations)).toEqual([
      'metadata.annotations[security.alpha.kubernetes.io/sysctls]: non-functional in v1.11+; use the "sysctls" field instead',
      'metadata.annotations[seccomp.security.alpha.kubernetes.io/pod]: non-functional in v1.27+; use the "seccompProfile" field instead',
    ]);
  });
});

describe('AppArmor annotations', () => {
  const key = 'container.apparmor.security.beta.kubernetes.io/foo';
  const message = (path: string) => `${path}metadata.annotations[${key}]: deprecated since v1.30; use the "appArmorProfile" field instead`;

  it.each<[string, object | undefined, object | undefined, string[]]>([
    ['unconfined', undefined, { type: 'Unconfined' }, [message('')]],
    ['localhost/p', undefined, { type: 'Localhost', localhostProfile: 'p' }, [message('')]],
    ['runtime/default', { type: 'RuntimeDefault' }, undefined, []],
    ['nonsense', undefined, undefined, [message('')]],
  ])('of a new pod become fields: %s, with %j for all', (annotation, ofPod, profile, warnings) => {
    const pod = {
      metadata: { name: 'web', annotations: { [key]: annotation } },
      spec: { containers: [{ ...container }], ...(ofPod && { securityContext: { appArmorProfile: ofPod } }) },
    } as unknown as Pod;
    const said: string[] = [];
    podKind.create?.(pod, { now: '2026-01-01T00:00:00Z', warn: (text) => said.push(text) });
    expect(pod.spec.containers[0]?.securityContext?.appArmorProfile).toEqual(profile);
    expect(said).toEqual(warnings);
  });

  it('are warned of in a template', () => {
    const template: PodTemplateSpec = { metadata: { annotations: { [key]: 'unconfined' } }, spec: { containers: [container] } };
    expect(podTemplateWarnings(template, new FieldPath('spec').child('template'))).toEqual([message('spec.template.')]);
  });
});

describe('serviceWarnings', () => {
  it.each<[Partial<ServiceSpec>, string[]]>([
    [{ type: 'ClusterIP', clusterIP: '10.0.0.1', clusterIPs: ['10.0.0.1'] }, []],
    [
      { type: 'ClusterIP', clusterIP: 'None', clusterIPs: ['None'], sessionAffinity: 'ClientIP', externalIPs: ['1.2.3.4'] },
      ['spec.externalIPs is ignored for headless services', 'spec.SessionAffinity is ignored for headless services'],
    ],
    [
      { type: 'LoadBalancer', loadBalancerIP: '2001:DB8::1', loadBalancerSourceRanges: ['10.0.0.5/24', '010.0.0.0/8'] },
      [
        'spec.loadBalancerIP: IPv6 address "2001:DB8::1" should be in RFC 5952 canonical format ("2001:db8::1")',
        'spec.loadBalancerSourceRanges[0]: CIDR value "10.0.0.5/24" is ambiguous in this context (should be "10.0.0.0/24" or "10.0.0.5/32"?)',
        'spec.loadBalancerSourceRanges[1]: non-standard CIDR value "010.0.0.0/8" is invalid: use "10.0.0.0/8"',
      ],
    ],
    [
      { type: 'ClusterIP', externalIPs: ['1.2.3.4'], externalName: 'x', trafficDistribution: 'PreferClose' },
      [
        'spec.externalIPs is deprecated and may no longer be implemented in some clusters',
        'spec.externalName is ignored when spec.type is not "ExternalName"',
        'spec.trafficDistribution: "PreferClose" is deprecated; use "PreferSameZone"',
      ],
    ],
  ])('of %j', (spec, warnings) =>
    expect(serviceWarnings({ metadata: { name: 's' }, spec: { sessionAffinity: 'None', ...spec } } as Service)).toEqual(warnings),
  );
});

it.each([
  ['', '', 'tls: failed to find any PEM data in certificate input'],
  [
    'RSA PRIVATE KEY',
    'CERTIFICATE',
    'tls: failed to find certificate PEM data in certificate input, but did find a private key; PEM inputs may have been switched',
  ],
  ['CERTIFICATE', '', 'tls: failed to find any PEM data in key input'],
  ['CERTIFICATE', 'CERTIFICATE', 'tls: found a certificate rather than a key in the PEM for the private key'],
  ['CERTIFICATE', 'PRIVATE KEY', 'x509: malformed certificate'],
])('a TLS secret of %j and %j', (...given) => {
  const [certificate = '', key = ''] = given.slice(0, 2).map((type) => type && `-----BEGIN ${type}-----\nAAAA\n-----END ${type}-----\n`);
  expect(keyPairWarnings(certificate, key)).toEqual([given[2]]);
});

it('addresses in forms of old are warned of where a status is written', () => {
  expect(
    podStatusWarnings({ status: { podIPs: [{ ip: '10.0.0.1' }, { ip: '2001:DB8::1' }], hostIPs: [{ ip: '::ffff:1.2.3.4' }] } } as Pod),
  ).toEqual([
    'status.podIPs[1].ip: IPv6 address "2001:DB8::1" should be in RFC 5952 canonical format ("2001:db8::1")',
    'status.hostIPs[0].ip: non-standard IP address "::ffff:1.2.3.4" is invalid: use "1.2.3.4"',
  ]);
  expect(
    serviceStatusWarnings({ status: { loadBalancer: { ingress: [{ hostname: 'a' }, { ip: '010.0.0.1' }] } } } as unknown as Service),
  ).toEqual(['status.loadBalancer.ingress[1]: non-standard IP address "010.0.0.1" is invalid: use "10.0.0.1"']);
});
