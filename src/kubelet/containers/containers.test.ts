import { describe, expect, it } from 'vitest';
import type { Container, Pod, Service } from '../../api/index.ts';
import { effectiveConfiguration } from '../config.ts';
import { pullCredentials } from '../images/credentials.ts';
import { completeImageName, repositoryOf } from '../images/image-name.ts';
import { kubeletPaths } from '../pod/paths.ts';
import { podResolver } from './dns.ts';
import { containerEnvironment, type EnvironmentSources } from './environment.ts';
import { expand } from './expansion.ts';
import { cpuQuota, cpuShares, oomScoreAdjust } from './linux-resources.ts';
import { sandboxConfig } from './sandbox-config.ts';
import { containerSecurityContext } from './security-context.ts';

const podWith = (spec: Partial<Pod['spec']> = {}, metadata: Partial<Pod['metadata']> = {}): Pod => ({
  apiVersion: 'v1',
  kind: 'Pod',
  metadata: { name: 'p', namespace: 'ns', uid: 'u', resourceVersion: '1', creationTimestamp: '', ...metadata },
  spec: { containers: [], ...spec },
});

describe('expansion', () => {
  it.each([
    ['$(A)/$(B)', 'a/$(B)'],
    ['$$(A)', '$(A)'],
    ['$$$(A)', '$a'],
    ['cost $5', 'cost $5'],
    ['$(', '$('],
  ])('%s becomes %s', (text, expected) => {
    expect(expand(text, (name) => (name === 'A' ? 'a' : undefined))).toBe(expected);
  });
});

describe('environment', () => {
  const service: Service = {
    apiVersion: 'v1',
    kind: 'Service',
    metadata: { name: 'redis-main', namespace: 'ns', uid: '', resourceVersion: '', creationTimestamp: '' },
    spec: { clusterIP: '10.96.0.11', ports: [{ port: 6379, name: 'db', protocol: 'TCP' }] },
  };
  const sources: EnvironmentSources = {
    configMap: async (_, name) =>
      name === 'c' ? { apiVersion: 'v1', kind: 'ConfigMap', metadata: service.metadata, data: { K: 'v', 'bad=key': 'x' } } : undefined,
    secret: async () => undefined,
    services: () => [service],
    node: { name: 'n', ips: ['192.0.2.1'] },
    allocatable: { cpu: '2', memory: '1Gi' },
  };
  const run = (container: Partial<Container>, invalid: string[] = []) =>
    containerEnvironment(
      podWith({ containers: [] }, { labels: { app: 'x' } }),
      { name: 'main', ...container },
      ['10.0.0.9'],
      sources,
      (m) => invalid.push(m),
    );

  it('tells of services, in all the names that Docker links had', async () => {
    expect(Object.fromEntries(await run({}))).toEqual({
      REDIS_MAIN_SERVICE_HOST: '10.96.0.11',
      REDIS_MAIN_SERVICE_PORT: '6379',
      REDIS_MAIN_SERVICE_PORT_DB: '6379',
      REDIS_MAIN_PORT: 'tcp://10.96.0.11:6379',
      REDIS_MAIN_PORT_6379_TCP: 'tcp://10.96.0.11:6379',
      REDIS_MAIN_PORT_6379_TCP_PROTO: 'tcp',
      REDIS_MAIN_PORT_6379_TCP_PORT: '6379',
      REDIS_MAIN_PORT_6379_TCP_ADDR: '10.96.0.11',
    });
  });

  it('resolves references and expands what came before', async () => {
    const invalid: string[] = [];
    const env = await run(
      {
        envFrom: [{ prefix: 'P_', configMapRef: { name: 'c' } }],
        env: [
          { name: 'IP', valueFrom: { fieldRef: { fieldPath: 'status.podIP' } } },
          { name: 'LABEL', valueFrom: { fieldRef: { fieldPath: "metadata.labels['app']" } } },
          { name: 'URL', value: 'http://$(IP):$(REDIS_MAIN_SERVICE_PORT)/$(P_K)/$(LATER)' },
          { name: 'KEY', valueFrom: { configMapKeyRef: { name: 'c', key: 'none', optional: true } } },
        ],
      },
      invalid,
    );
    expect(env.get('URL')).toBe('http://10.0.0.9:6379/v/$(LATER)');
    expect(env.get('LABEL')).toBe('x');
    expect(env.has('KEY')).toBe(false);
    expect(invalid).toEqual([
      'Keys [P_bad=key] from the EnvFrom configMap ns/c were skipped since they are considered invalid environment variable names.',
    ]);
  });

  it("says which key is missing, in upstream's words", async () => {
    await expect(run({ env: [{ name: 'X', valueFrom: { configMapKeyRef: { name: 'c', key: 'none' } } }] })).rejects.toThrow(
      "couldn't find key none in ConfigMap ns/c",
    );
    await expect(run({ env: [{ name: 'X', valueFrom: { secretKeyRef: { name: 's', key: 'k' } } }] })).rejects.toThrow(
      'secret "s" not found',
    );
  });
});

describe('resources', () => {
  it('are what the kernel counts in', () => {
    expect([cpuShares(0), cpuShares(100), cpuShares(1_000_000)]).toEqual([2, 102, 262_144]);
    expect([cpuQuota(0, 100_000), cpuQuota(5, 100_000), cpuQuota(1500, 100_000)]).toEqual([0, 1000, 150_000]);
    expect([
      oomScoreAdjust('Guaranteed', false, 0, 1),
      oomScoreAdjust('BestEffort', false, 0, 1),
      oomScoreAdjust('Burstable', false, 256, 1024),
      oomScoreAdjust('Burstable', false, 1024, 1024),
    ]).toEqual([-997, 1000, 750, 3]);
  });
});

describe('sandbox', () => {
  it('gets ports of containers and sidecars, and tells its overhead from what its containers may use', () => {
    const resources = { requests: { cpu: '1', memory: '64Mi' }, limits: { cpu: '1', memory: '64Mi' } };
    const pod = podWith({
      overhead: { cpu: '500m', memory: '32Mi' },
      initContainers: [
        { name: 'setup', ports: [{ containerPort: 1, hostPort: 1 }] },
        { name: 'proxy', restartPolicy: 'Always', ports: [{ containerPort: 15, hostPort: 1015, protocol: 'UDP' }] },
      ],
      containers: [{ name: 'c', resources, ports: [{ containerPort: 80, hostPort: 8080 }, { containerPort: 81 }] }],
    });
    const context = { config: effectiveConfiguration(), hostname: 'node', paths: kubeletPaths('/k', '/logs') };
    const { portMappings, linux } = sandboxConfig(pod, 0, { servers: [], searches: [], options: [] }, '/pods', context, '');
    expect(portMappings).toEqual([
      { protocol: 'TCP', containerPort: 80, hostPort: 8080, hostIp: '' },
      { protocol: 'UDP', containerPort: 15, hostPort: 1015, hostIp: '' },
    ]);
    expect(linux).toMatchObject({
      resources: { cpuShares: 1024, cpuQuota: 100_000, memoryLimitInBytes: 64 * 2 ** 20 },
      overhead: { cpuShares: 512, cpuQuota: 50_000, memoryLimitInBytes: 32 * 2 ** 20 },
    });
  });
});

describe('resolver', () => {
  const host = { servers: ['8.8.8.8'], searches: ['corp'], options: ['rotate'] };
  const cluster = { servers: ['10.96.0.10'], domain: 'cluster.local' };
  const inCluster = {
    servers: ['10.96.0.10'],
    searches: ['ns.svc.cluster.local', 'svc.cluster.local', 'cluster.local', 'corp'],
    options: ['ndots:5'],
  };
  it.each([
    ['ClusterFirst', {}, inCluster],
    ['ClusterFirst in the host network', { hostNetwork: true }, host],
    ['ClusterFirstWithHostNet', { hostNetwork: true, dnsPolicy: 'ClusterFirstWithHostNet' as const }, inCluster],
    ['Default', { dnsPolicy: 'Default' as const }, host],
    [
      'None with dnsConfig',
      { dnsPolicy: 'None' as const, dnsConfig: { nameservers: ['1.1.1.1'], searches: ['x'], options: [{ name: 'ndots', value: '2' }] } },
      { servers: ['1.1.1.1'], searches: ['x'], options: ['ndots:2'] },
    ],
  ])('%s', (_, spec, expected) => {
    expect(podResolver(podWith(spec), host, cluster)).toEqual(expected);
  });
});

describe('security context', () => {
  const options = { seccompDefault: false, seccompRoot: '/s' };
  it("prefers the container's settings to the pod's", () => {
    const pod = podWith({ securityContext: { runAsUser: 1, runAsGroup: 5, fsGroup: 7, seccompProfile: { type: 'RuntimeDefault' } } });
    const context = containerSecurityContext(
      pod,
      {
        name: 'c',
        securityContext: { runAsUser: 2, capabilities: { add: ['CAP_NET_ADMIN'], drop: ['ALL'] }, allowPrivilegeEscalation: false },
      },
      options,
    );
    expect(context).toMatchObject({
      runAsUser: { value: 2 },
      runAsGroup: { value: 5 },
      supplementalGroups: [7],
      noNewPrivs: true,
      seccomp: { profileType: 'RuntimeDefault' },
      capabilities: { addCapabilities: ['NET_ADMIN'], dropCapabilities: ['ALL'] },
    });
  });
  it('refuses root where the pod forbids it', () => {
    const pod = podWith({ securityContext: { runAsNonRoot: true } });
    expect(() => containerSecurityContext(pod, { name: 'c' }, options)).toThrow('container has runAsNonRoot and image will run as root');
    expect(() => containerSecurityContext(pod, { name: 'c' }, { ...options, image: { uid: 33 } })).not.toThrow();
  });
});

describe('image names', () => {
  it.each([
    ['nginx', 'nginx:latest'],
    ['nginx:1.2', 'nginx:1.2'],
    ['localhost:5000/a/b', 'localhost:5000/a/b:latest'],
    [`a@sha256:${'0'.repeat(64)}`, `a@sha256:${'0'.repeat(64)}`],
  ])('%s is %s in full', (image, full) => {
    expect(completeImageName(image)).toBe(full);
  });
  it('refuses what is no reference', () => {
    expect(() => completeImageName('nginx:a:b')).toThrow(`couldn't parse image name "nginx:a:b": invalid reference format`);
    expect(() => completeImageName('Nginx')).toThrow('invalid reference format: repository name (library/Nginx) must be lowercase');
  });
  it('finds the credentials for a registry', () => {
    const auths = { 'https://index.docker.io/v1/': { auth: btoa('u:p') }, 'reg.example.com/team': { username: 'x', password: 'y' } };
    const secret = {
      apiVersion: 'v1',
      kind: 'Secret',
      metadata: podWith().metadata,
      data: { '.dockerconfigjson': btoa(JSON.stringify({ auths })) },
    };
    expect(pullCredentials('nginx', [secret])).toMatchObject([{ username: 'u', password: 'p' }]);
    expect(pullCredentials('reg.example.com/team/app:1', [secret])).toMatchObject([{ username: 'x' }]);
    expect(pullCredentials('reg.example.com/other/app', [secret])).toEqual([]);
    expect(repositoryOf('nginx:1')).toBe('docker.io/library/nginx');
  });
});
