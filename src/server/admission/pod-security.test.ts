import { Registry } from 'prom-client';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { type KubeObject, Namespace, Pod } from '../../api/index.ts';
import { seededRandom, VirtualClock } from '../../time/index.ts';
import { createPodSecurityMetrics } from '../metrics/pod-security-metrics.ts';
import type { AdmissionRequest } from '../request.ts';
import { type MemoryStorages, memoryStorages } from '../testing/memory-storages.ts';
import { podSecurity } from './pod-security.ts';
import type { PodSecurityOptions } from './pod-security-policy.ts';

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
  const lines = (await registry.metrics()).split('\n').filter((line) => line.startsWith('pod_security_evaluations_total{'));
  const decided = (mode: string, level: string) =>
    `pod_security_evaluations_total{decision="deny",mode="${mode}",policy_level="${level}",policy_version="latest",request_operation="create",resource="pod",subresource=""} 1`;
  expect(lines).toEqual([decided('enforce', 'baseline'), decided('audit', 'restricted')]);
});
