import { Registry } from 'prom-client';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { type KubeObject, Namespace, Pod } from '../../api/index.ts';
import { seededRandom, VirtualClock } from '../../time/index.ts';
import { createPodSecurityMetrics } from '../metrics/pod-security-metrics.ts';
import type { AdmissionRequest } from '../request.ts';
import { type MemoryStorages, memoryStorages } from '../testing/memory-storages.ts';
import { podSecurity } from './pod-security.ts';
import { describeViolations, type Level, violations } from './pod-security-checks.ts';
import { formatPolicy, type PodSecurityOptions, podSecurityModes, policyOf } from './pod-security-policy.ts';

let memory: MemoryStorages;
let registry: Registry;
beforeEach(() => {
  registry = new Registry();
  memory = memoryStorages();
});
afterEach(() => memory.close());

interface Told {
  warnings: string[];
  annotations: Record<string, string>;
}

async function validate(request: object, options?: PodSecurityOptions): Promise<Told> {
  const told: Told = { warnings: [], annotations: {} };
  const authorizer = { authorize: () => ({ decision: 'noOpinion', reason: '' }) as const };
  const context = { storages: memory.storages, clock: new VirtualClock(), random: seededRandom(1), authorizer };
  registry.clear();
  const plugin = podSecurity(context, options, createPodSecurityMetrics(registry));
  const all = {
    operation: 'CREATE',
    user: { name: 'u', groups: [] },
    group: '',
    subresource: '',
    warn: (message: string) => told.warnings.push(message),
    auditAnnotation: (key: string, value: string) => Object.assign(told.annotations, { [key]: value }),
    ...request,
  } as unknown as AdmissionRequest; // what the plugin reads of one
  expect(plugin.handles(all)).toBe(true);
  await plugin.validate?.(all);
  return told;
}

const namespace = (labels: Record<string, string>) => ({
  metadata: {
    name: 'ns',
    labels: Object.fromEntries(Object.entries(labels).map(([key, value]) => [`pod-security.kubernetes.io/${key}`, value])),
  },
});
const writeNamespace = (labels: Record<string, string>, old?: Record<string, string>, options?: PodSecurityOptions) =>
  validate(
    {
      resource: 'namespaces',
      namespace: 'ns',
      name: 'ns',
      object: namespace(labels),
      ...(old ? { operation: 'UPDATE', oldObject: namespace(old) } : {}),
    },
    options,
  );
const pod = (name: string, spec: object): Partial<Pod> => ({
  metadata: { name, namespace: 'ns' } as KubeObject['metadata'],
  spec: { containers: [{ name: 'c', image: 'i' }], ...spec } as Pod['spec'],
});
const writePod = (spec: object, options?: PodSecurityOptions, user = 'u') =>
  validate({ resource: 'pods', namespace: 'ns', name: 'p', user: { name: user, groups: [] }, object: pod('p', spec) }, options);

test('labels of a namespace are checked where they are written, and kept where they are wrong already', async () => {
  await expect(writeNamespace({ enforce: 'strict', 'warn-version': '1.30' })).rejects.toThrow(
    'Namespace "ns" is invalid: [metadata.labels[pod-security.kubernetes.io/enforce]: Invalid value: "strict": must be one of privileged, baseline, restricted, metadata.labels[pod-security.kubernetes.io/warn-version]: Invalid value: "1.30": must be "latest" or "v1.x"]',
  );
  await expect(writeNamespace({ enforce: 'strict' }, {})).rejects.toThrow('must be one of');
  expect((await writeNamespace({ enforce: 'strict' }, { enforce: 'strict' })).warnings).toEqual([]);
  expect((await writeNamespace({ enforce: 'restricted', 'enforce-version': 'v1.30' })).warnings).toEqual([]);
});

test('who makes a namespace stricter is told which of its pods would not be let in', async () => {
  await memory.put(Pod, pod('a', { hostNetwork: true }));
  await memory.put(Pod, pod('b', { hostNetwork: true }));
  await memory.put(Pod, pod('c', { hostNetwork: true }));
  await memory.put(Pod, pod('d', { volumes: [{ name: 'v', hostPath: { path: '/' } }] }));
  await memory.put(Pod, pod('e', {}));
  expect((await writeNamespace({ enforce: 'baseline' }, {})).warnings).toEqual([
    'existing pods in namespace "ns" violate the new PodSecurity enforce level "baseline:latest"',
    'a (and 2 other pods): host namespaces',
    'd: hostPath volumes',
  ]);
  const quiet = async (...labels: Parameters<typeof writeNamespace>) => expect((await writeNamespace(...labels)).warnings).toEqual([]);
  await quiet({ enforce: 'baseline' }, { enforce: 'restricted' });
  await quiet({ enforce: 'privileged' }, {});
  await quiet({ warn: 'baseline' }, {});
  const exempt = { exemptions: { namespaces: ['ns'] } };
  for (const old of [undefined, {}])
    expect((await writeNamespace({ enforce: 'baseline' }, old, exempt)).warnings).toEqual([
      'namespace "ns" is exempt from Pod Security, and the policy (enforce=baseline:latest) will be ignored',
    ]);
});

test('defaults hold where a namespace says nothing, and not for those that are exempt', async () => {
  await memory.put(Namespace, { metadata: { name: 'ns' }, spec: {} });
  const options: PodSecurityOptions = {
    defaults: { enforce: { level: 'baseline', version: 'v1.30' }, warn: { level: 'restricted' } },
    exemptions: { usernames: ['root'], runtimeClasses: ['vm'] },
  };
  await expect(writePod({ hostNetwork: true }, options)).rejects.toThrow(
    'pods "p" is forbidden: violates PodSecurity "baseline:v1.30": host namespaces (hostNetwork=true)',
  );
  expect((await writePod({}, options)).warnings).toEqual([expect.stringContaining('would violate PodSecurity "restricted:latest"')]);
  expect((await writePod({ hostNetwork: true }, options, 'root')).annotations).toEqual({ 'pod-security.kubernetes.io/exempt': 'user' });
  expect((await writePod({ hostNetwork: true, runtimeClassName: 'vm' }, options)).annotations).toEqual({
    'pod-security.kubernetes.io/exempt': 'runtimeClass',
  });
  const labels = namespace({ enforce: 'privileged', warn: 'privileged' }).metadata.labels;
  await memory.storages(Namespace).update('', 'ns', {}, (ns) => ({ ...ns.object, metadata: { ...ns.object.metadata, labels } }));
  expect((await writePod({ hostNetwork: true }, options)).warnings).toEqual([]);
});

test('what is decided is counted, and what is refused is audited as well', async () => {
  await memory.put(Namespace, namespace({ enforce: 'baseline', audit: 'restricted' }));
  const spec = { containers: [{ name: 'c', image: 'i' }], hostNetwork: true };
  const annotations: Record<string, string> = {};
  const pod = { resource: 'pods', namespace: 'ns', name: 'p', object: { metadata: {}, spec } };
  const auditAnnotation = (key: string, value: string) => Object.assign(annotations, { [key]: value });
  await expect(validate({ ...pod, auditAnnotation })).rejects.toThrow('violates PodSecurity "baseline:latest"');
  expect(annotations['pod-security.kubernetes.io/audit-violations']).toContain('would violate PodSecurity "restricted:latest"');
  const lines = (await registry.metrics()).split('\n').filter((line) => /^pod_security_evaluations_total\{.* [1-9]/.test(line));
  const decided = (mode: string, level: string) =>
    `pod_security_evaluations_total{decision="deny",mode="${mode}",policy_level="${level}",policy_version="latest",request_operation="create",resource="pod",subresource=""} 1`;
  expect(lines).toEqual([decided('enforce', 'baseline'), decided('audit', 'restricted')]);
});

const hooks = { postStart: { httpGet: { host: '1.2.3.4', port: 80 } }, preStop: { tcpSocket: { host: 'b', port: 80 } } };
const safe = {
  allowPrivilegeEscalation: false,
  capabilities: { drop: ['ALL'] },
  runAsNonRoot: true,
  seccompProfile: { type: 'RuntimeDefault' },
};
const withContext = (securityContext: object, more: object = {}) => ({ containers: [{ name: 'c', image: 'i', securityContext }], ...more });

test.each<[policy: string, spec: object, annotations: Record<string, string>, told: string]>([
  ['baseline:v1.33', { containers: [{ name: 'c', lifecycle: hooks }] }, {}, ''],
  [
    'baseline:v1.34',
    { containers: [{ name: 'c', lifecycle: hooks }] },
    {},
    'probe or lifecycle host (container "c" uses probe or lifecycle hosts "1.2.3.4", "b")',
  ],
  [
    'baseline:latest',
    withContext({ seLinuxOptions: { type: 'foo', user: 'u', role: 'r' } }, { securityContext: { seLinuxOptions: { type: 'bar' } } }),
    {},
    'seLinuxOptions (pod and container "c" set forbidden securityContext.seLinuxOptions: types "bar", "foo"; user may not be set; role may not be set)',
  ],
  [
    'baseline:v1.30',
    withContext({ seLinuxOptions: { type: 'container_engine_t' } }),
    {},
    'seLinuxOptions (container "c" set forbidden securityContext.seLinuxOptions: type "container_engine_t")',
  ],
  ['baseline:v1.31', withContext({ seLinuxOptions: { type: 'container_engine_t' } }), {}, ''],
  [
    'baseline:latest',
    withContext({ appArmorProfile: { type: 'Unconfined' } }),
    { 'container.apparmor.security.beta.kubernetes.io/c': 'unconfined' },
    'forbidden AppArmor profiles (container "c" and annotation must not set AppArmor profile type to "Unconfined", "container.apparmor.security.beta.kubernetes.io/c="unconfined"")',
  ],
  [
    'baseline:v1.26',
    { securityContext: { sysctls: [{ name: 'net.ipv4.ip_local_reserved_ports' }] } },
    {},
    'forbidden sysctls (net.ipv4.ip_local_reserved_ports)',
  ],
  ['baseline:v1.27', { securityContext: { sysctls: [{ name: 'net.ipv4.ip_local_reserved_ports' }] } }, {}, ''],
  ['baseline:v1.18', withContext({ seccompProfile: { type: 'Unconfined' } }), {}, ''],
  [
    'baseline:v1.18',
    withContext({}),
    { 'seccomp.security.alpha.kubernetes.io/pod': 'unconfined' },
    'seccompProfile (forbidden annotation seccomp.security.alpha.kubernetes.io/pod="unconfined")',
  ],
  [
    'baseline:v1.34',
    withContext({ procMount: 'Unmasked' }, { hostUsers: false }),
    {},
    'procMount (container "c" must not set securityContext.procMount to "Unmasked")',
  ],
  ['baseline:v1.35', withContext({ procMount: 'Unmasked' }, { hostUsers: false }), {}, ''],
  [
    'restricted:latest',
    withContext({ ...safe, procMount: 'Unmasked' }, { hostUsers: false }),
    {},
    'procMount (container "c" must not set securityContext.procMount to "Unmasked")',
  ],
  [
    'restricted:v1.34',
    withContext({ ...safe, runAsNonRoot: false, runAsUser: 0 }, { hostUsers: false }),
    {},
    'runAsNonRoot != true (container "c" must not set securityContext.runAsNonRoot=false), runAsUser=0 (container "c" must not set runAsUser=0)',
  ],
  ['restricted:v1.35', withContext({ ...safe, runAsNonRoot: false, runAsUser: 0 }, { hostUsers: false }), {}, ''],
  ['restricted:v1.7', withContext({ runAsNonRoot: true }), {}, ''],
  ['restricted:v1.25', withContext({ runAsNonRoot: true }, { os: { name: 'windows' } }), {}, ''],
  ['restricted:latest', withContext(safe, { volumes: [{ name: 'v', image: { reference: 'i' } }] }), {}, ''],
])('a level is what it was in its version: %s of %j %j', (policy, spec, annotations, told) => {
  const [level = '', version = ''] = policy.split(':');
  expect(describeViolations(violations({ level: level as Level, version }, spec as Pod['spec'], annotations))).toBe(told);
});

test('who enforces more than is warned about is warned about that, and what cannot be read is neither audited nor warned about', async () => {
  const policy = (labels: object) =>
    podSecurityModes
      .map((mode) => formatPolicy(policyOf(namespace(labels as Record<string, string>).metadata.labels, {}).policy[mode]))
      .join(' ');
  expect(policy({ enforce: 'baseline', 'enforce-version': 'v1.30' })).toBe('baseline:v1.30 privileged:latest baseline:v1.30');
  expect(policy({ enforce: 'baseline', 'warn-version': 'v1.31' })).toBe('baseline:latest privileged:latest baseline:v1.31');
  expect(policy({ enforce: 'restricted', warn: 'baseline' })).toBe('restricted:latest privileged:latest baseline:latest');
  expect(policy({ enforce: 'x', audit: 'x', warn: 'x' })).toBe('restricted:latest privileged:latest privileged:latest');
  await memory.put(Namespace, namespace({ audit: 'x', enforce: 'privileged' }));
  expect((await writePod({ hostNetwork: true })).annotations).toEqual({
    'pod-security.kubernetes.io/enforce-policy': 'privileged:latest',
    'pod-security.kubernetes.io/error':
      'Failed to parse policy: metadata.labels[pod-security.kubernetes.io/audit]: Invalid value: "x": must be one of privileged, baseline, restricted',
  });
});

test('an update of a pod is looked at where it changes an image', async () => {
  await memory.put(Namespace, namespace({ enforce: 'baseline' }));
  const update = (image: string) =>
    validate({
      operation: 'UPDATE',
      resource: 'pods',
      namespace: 'ns',
      name: 'p',
      oldObject: pod('p', { hostNetwork: true }),
      object: pod('p', { hostNetwork: true, containers: [{ name: 'c', image }] }),
    });
  expect((await update('i')).annotations).toEqual({});
  await expect(update('j')).rejects.toThrow('violates PodSecurity "baseline:latest": host namespaces (hostNetwork=true)');
});
