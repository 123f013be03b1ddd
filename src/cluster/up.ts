/** `k8ts up`: from nothing, or from what an earlier run left, to a cluster that answers. */
import type { ChildProcess } from 'node:child_process';
import { existsSync } from 'node:fs';
import { rm, writeFile } from 'node:fs/promises';
import type { Server } from 'node:net';
import { homedir } from 'node:os';
import { join } from 'node:path';
import { formatKubeconfig, type KubeconfigEntry, loadKubeconfig, mergeKubeconfig } from '../client/index.ts';
import { ensurePki } from '../pki/index.ts';
import { missingForContainerd } from '../runtime/index.ts';
import { systemClock } from '../time/index.ts';
import { ClusterError } from './cluster-error.ts';
import { logTail, readConfig, runningProcesses, writeConfig } from './cluster-files.ts';
import { type ClusterConfig, configProblem, defaultApiPort, nodeNames, nthAddress } from './config.ts';
import { type Layout, layoutOf } from './layout.ts';
import { cniBinDir } from './node-layout.ts';
import { controlPlaneNamespace, launcherOf, nodePortAddress, place, placementOf, prepareNamespaces } from './placement.ts';
import { close, freePort, isFree, listen } from './ports.ts';
import { type ParentMessage, release, startComponent, stopProcess, whenReady } from './processes.ts';
import { controlPlaneV8Flags, leanV8Flags, stackFlags } from './v8-flags.ts';

export interface UpOptions {
  dataDir: string;
  config: ClusterConfig;
  /** Where the context is merged into; default: $KUBECONFIG's first file or ~/.kube/config. */
  kubeconfig?: string;
  /** How long the nodes may take to become ready. */
  waitMs: number;
  onStep?: (step: { name: string; ms: number }) => void;
}

export interface UpResult {
  alreadyUp: boolean;
  server: string;
  kubeconfig: string;
  context: string;
  nodes: string[];
  /** Where node ports answer on this machine: 127.0.0.1, or a node's address; undefined where there are only simulated nodes. */
  nodePortAddress: string | undefined;
  totalMs: number;
}

export const contextName = (cluster: string) => (cluster === 'k8ts' ? 'k8ts' : `k8ts-${cluster}`);

export function kubeconfigPath(given: string | undefined): string {
  return given ?? process.env.KUBECONFIG?.split(':').find((path) => path !== '') ?? join(homedir(), '.kube', 'config');
}

export async function up(options: UpOptions): Promise<UpResult> {
  const mayChoosePort = options.config.apiPort === 0 && readConfig(layoutOf(options.dataDir)) === undefined;
  try {
    return await bringUp(options);
  } catch (error) {
    // Somebody took the port between the look and the bind: two clusters that start at the same time.
    if (!mayChoosePort || !(error instanceof ClusterError) || !/EADDRINUSE|address already in use/.test(error.message)) throw error;
    return bringUp({ ...options, config: { ...options.config, apiPort: await freePort() } });
  }
}

async function bringUp(options: UpOptions): Promise<UpResult> {
  const clock = systemClock;
  const begin = clock.monotonic();
  let last = begin;
  const step = (name: string) => {
    const now = clock.monotonic();
    options.onStep?.({ name, ms: now - last });
    last = now;
  };
  const layout = layoutOf(options.dataDir);
  const kubeconfig = kubeconfigPath(options.kubeconfig);
  // A kubeconfig that can't be parsed is somebody's work: it is left alone, and nothing is started that couldn't be reached.
  if (existsSync(kubeconfig)) await loadKubeconfig(kubeconfig);
  const before = readConfig(layout);
  const settled = await settle(options.config, before);
  const problem = configProblem(settled);
  if (problem) throw new ClusterError(problem);
  preflight(settled);
  const config = place(layout, settled, before);
  const result = (alreadyUp: boolean): UpResult => ({
    alreadyUp,
    server: `https://${config.bindAddress === '0.0.0.0' ? '127.0.0.1' : config.bindAddress}:${config.apiPort}`,
    kubeconfig,
    context: contextName(config.name),
    nodes: Object.values(nodeNames(config)).flat(),
    nodePortAddress: nodePortAddress(layout, config),
    totalMs: clock.monotonic() - begin,
  });

  const running = new Set(runningProcesses(layout).map((p) => p.component));
  const wanted = components(layout, config).filter((c) => !running.has(c.component));
  if (wanted.length === 0) {
    await mergeKubeconfig(kubeconfig, await kubeconfigEntry(layout, config), { setCurrent: true });
    return result(true);
  }
  const namespace = controlPlaneNamespace(layout, config);
  const entrance = running.has('control-plane') ? undefined : await openEntrance(config, namespace !== undefined);
  writeConfig(layout, config);
  const [entry] = await Promise.all([kubeconfigEntry(layout, config), prepareNamespaces(layout, config)]);
  await writeFile(layout.kubeconfig, formatKubeconfig(entry), { mode: 0o600 });
  step('certificates, networks');

  const started = wanted.map(({ component, args, nodeFlags, launcher }) => ({
    component,
    child: startComponent(
      layout,
      component,
      ['component', ...args, '--data-dir', layout.dataDir],
      [...stackFlags(), ...nodeFlags],
      launcher,
    ),
  }));
  if (entrance) await hand(entrance, started.find((s) => s.component === 'control-plane')?.child);
  const tellControlPlane = () => {
    for (const { child } of started) if (child.connected) child.send({ controlPlane: true } satisfies ParentMessage);
  };
  if (running.has('control-plane')) tellControlPlane();
  const deadline = AbortSignal.timeout(options.waitMs);
  try {
    await withDeadline(
      Promise.all(
        started.map(async ({ component, child }) => {
          await whenReady(child, () => logTail(layout, component));
          step(component === 'control-plane' ? 'control plane' : component);
          if (component === 'control-plane') tellControlPlane();
        }),
      ),
      deadline,
      () => new ClusterError(`the cluster was not ready within ${options.waitMs / 1000} s; see ${layout.logs}`),
    );
  } catch (error) {
    for (const { component, child } of started) {
      release(child);
      const record = runningProcesses(layout).find((p) => p.component === component);
      if (record) await stopProcess(layout, record, clock, 10_000);
      await rm(layout.pidFile(component), { force: true });
    }
    throw error instanceof ClusterError ? error : new ClusterError(error instanceof Error ? error.message : String(error));
  }
  for (const { child } of started) release(child);
  await mergeKubeconfig(kubeconfig, entry, { setCurrent: true });
  step('kubeconfig');
  return result(false);
}

/** Fills what may be left open from what the cluster had before, and from the machine. */
async function settle(config: ClusterConfig, before: ClusterConfig | undefined): Promise<ClusterConfig> {
  if (before && before.runtime !== config.runtime && before.nodes + before.hollowNodes > 0) config = { ...config, runtime: before.runtime };
  const containers = config.runtime === 'containerd';
  return {
    ...config,
    // As kubeadm has it: kube-proxy and network plugins are privileged pods in most clusters.
    args: { ...config.args, apiserver: { 'allow-privileged': 'true', ...config.args.apiserver } },
    // Nodes are added; what runs already is not forgotten.
    nodes: Math.max(config.nodes, before?.nodes ?? 0),
    hollowNodes: Math.max(config.hollowNodes, before?.hollowNodes ?? 0),
    ...(config.etcdListen || before?.etcdListen ? { etcdListen: config.etcdListen ?? before?.etcdListen ?? '' } : {}),
    apiPort: config.apiPort || before?.apiPort || ((await isFree('0.0.0.0', defaultApiPort)) ? defaultApiPort : await freePort()),
    // Only real nodes and pods reach the server from elsewhere than this machine's loopback.
    bindAddress: config.bindAddress || (containers ? '0.0.0.0' : '127.0.0.1'),
  };
}

/**
 * Sees to it that the API server's port is free. A control plane in a namespace gets a socket that listens on the host's loopback, so that
 * clients find every cluster of the machine at 127.0.0.1.
 */
async function openEntrance(config: ClusterConfig, isElsewhere: boolean): Promise<Server | undefined> {
  const host = isElsewhere ? '127.0.0.1' : config.bindAddress;
  try {
    const server = await listen(host, config.apiPort);
    if (isElsewhere) return server;
    await close(server);
    return undefined;
  } catch (error) {
    if (!(error instanceof Error && 'code' in error && error.code === 'EADDRINUSE')) throw error;
    throw new ClusterError(`listen tcp ${host}:${config.apiPort}: bind: address already in use; choose another port with --api-port`);
  }
}

/** Gives a listening socket to a component. */
function hand(server: Server, child: ChildProcess | undefined): Promise<void> {
  return new Promise((resolve, reject) => {
    if (!child) return reject(new Error('there is no process to take the socket'));
    child.send({ entrance: true } satisfies ParentMessage, server, {}, (error) => {
      server.close();
      if (error) reject(error);
      else resolve();
    });
  });
}

function preflight(config: ClusterConfig): void {
  if (config.runtime !== 'containerd') return;
  const hint = 'or start simulated nodes with --runtime hollow';
  if (process.getuid?.() !== 0) throw new ClusterError(`running containers needs root: run as root, ${hint}`);
  const missing = config.runtimeEndpoint ? [] : missingForContainerd(cniBinDir());
  if (missing.length > 0) throw new ClusterError(`not installed: ${missing.join(', ')}; install them ("npm run up" does), ${hint}`);
}

interface Component {
  component: string;
  args: string[];
  nodeFlags: readonly string[];
  launcher: readonly string[];
}

function components(layout: Layout, config: ClusterConfig): Component[] {
  const { real, hollow } = nodeNames(config);
  return [
    {
      component: 'control-plane',
      args: ['control-plane'],
      nodeFlags: controlPlaneV8Flags,
      launcher: launcherOf(controlPlaneNamespace(layout, config)),
    },
    ...real.map((name) => ({
      component: `node-${name}`,
      args: ['node', '--node', name],
      nodeFlags: leanV8Flags,
      launcher: launcherOf(placementOf(layout, config, name).namespace),
    })),
    // Beside the control plane, which reaches them on its loopback.
    ...(hollow.length > 0
      ? [
          {
            component: 'hollow-nodes',
            args: ['hollow-nodes'],
            nodeFlags: leanV8Flags,
            launcher: launcherOf(controlPlaneNamespace(layout, config)),
          },
        ]
      : []),
  ];
}

async function kubeconfigEntry(layout: Layout, config: ClusterConfig): Promise<KubeconfigEntry> {
  const pki = await ensureClusterPki(layout, config);
  const name = contextName(config.name);
  const admin = pki.clients.admin;
  if (!admin) throw new Error('no admin certificate was made');
  const base64 = (text: string) => Buffer.from(text).toString('base64');
  return {
    name,
    cluster: { server: `https://127.0.0.1:${config.apiPort}`, 'certificate-authority-data': base64(pki.ca.certificate) },
    user: { 'client-certificate-data': base64(admin.certificate), 'client-key-data': base64(admin.key) },
  };
}

/** The file of the certificate that a node's kubelet serves with. */
export const kubeletServerCertificate = (nodeName: string) => `kubelet-server-${nodeName}`;

/** The cluster's certificates; cheap when they are there already. */
export function ensureClusterPki(layout: Layout, config: ClusterConfig) {
  return ensurePki(layout.pki, {
    now: systemClock.now(),
    ipAddresses: [config.advertiseAddress, nthAddress(config.serviceCidr, 1)],
    clusterDomain: config.clusterDomain,
    nodes: nodeNames(config).real,
    servers: nodeNames(config).real.map((name) => ({
      file: kubeletServerCertificate(name),
      commonName: `system:node:${name}`,
      organizations: ['system:nodes'],
      dnsNames: [name],
      ipAddresses: ['127.0.0.1', placementOf(layout, config, name).address],
    })),
    clients: [
      { file: 'dns', commonName: 'system:coredns' },
      { file: 'hollow-nodes', commonName: 'k8ts:hollow-nodes', organizations: ['system:masters'] },
    ],
  });
}

function withDeadline<T>(work: Promise<T>, signal: AbortSignal, late: () => Error): Promise<T> {
  return new Promise((resolve, reject) => {
    signal.addEventListener('abort', () => reject(late()), { once: true });
    work.then(resolve, reject);
  });
}
