/** What the kubelet's server answers with plain requests; commands and port forwarding are upgrades, see remote-command.ts. */
import { once } from 'node:events';
import type { ServerResponse } from 'node:http';
import type { Registry } from 'prom-client';
import type { Pod } from '../../api/index.ts';
import { exposition, expositionType, healthMetricNames } from '../../observability/index.ts';
import type { Runtime } from '../../runtime/index.ts';
import type { Clock } from '../../time/index.ts';
import { podNameLabel, podNamespaceLabel, podUidLabel } from '../containers/labels.ts';
import type { Kubelet } from '../kubelet-options.ts';
import type { MachineInfo } from '../node/machine.ts';
import { findContainer } from '../pod/containers.ts';
import { cadvisorMetrics } from './cadvisor-metrics.ts';
import type { ContainerExits } from './container-exits.ts';
import { LogRequestError, loggedContainer, parseLogRequest } from './logs/log-request.ts';
import { readLog } from './logs/read-log.ts';
import { CommandError, type CommandPath, failureOf, parseCommandPath } from './remote-command.ts';
import { resourceMetrics } from './resource-metrics.ts';

/** What the server needs of a kubelet. */
export type ServedKubelet = Pick<Kubelet, 'nodeName' | 'pod' | 'pods' | 'findContainer' | 'findSandbox' | 'summary' | 'health'> &
  Partial<Pick<Kubelet, 'config' | 'hollow'>>;

export interface EndpointDependencies {
  kubelet: ServedKubelet;
  runtime: Runtime;
  machine: MachineInfo;
  metrics: Registry;
  clock: Clock;
  exits: ContainerExits;
}

export interface EndpointRequest {
  method: string;
  path: string;
  query: URLSearchParams;
  response: ServerResponse;
  /** Aborted when the client has gone or the server stops. */
  signal: AbortSignal;
}

function send(response: ServerResponse, status: number, contentType: string, body: string | Buffer): void {
  response.writeHead(status, { 'content-type': contentType });
  response.end(body);
}

export const sendText = (response: ServerResponse, status: number, text: string) =>
  send(response, status, 'text/plain; charset=utf-8', text);
const sendJson = (response: ServerResponse, value: unknown) => send(response, 200, 'application/json', JSON.stringify(value));

const podList = (items: readonly object[]) => ({ kind: 'PodList', apiVersion: 'v1', metadata: {}, items });

/** `ok`, or what is wrong, as upstream's health checks answer. */
export function sendHealth(response: ServerResponse, kubelet: Pick<ServedKubelet, 'health'>): void {
  const problem = kubelet.health();
  if (problem === undefined) sendText(response, 200, 'ok');
  else sendText(response, 500, `[+]ping ok\n[+]log ok\n[-]syncloop failed: ${problem}\nhealthz check failed\n`);
}

/** Pods that the runtime runs, whoever wanted them. */
async function runningPods({ runtime, kubelet }: EndpointDependencies, signal: AbortSignal): Promise<object[]> {
  const { items = [] } = await runtime.listPodSandbox({ filter: { state: { state: 'SANDBOX_READY' } } }, { signal });
  return items.map(({ labels = {} }) => {
    const name = labels[podNameLabel] ?? '';
    const namespace = labels[podNamespaceLabel] ?? '';
    const containers = kubelet.pod(namespace, name)?.spec.containers ?? [];
    return {
      metadata: { name, namespace, uid: labels[podUidLabel] ?? '', creationTimestamp: null },
      spec: { containers: containers.map((c) => ({ name: c.name, image: c.image, resources: {} })) },
      status: {},
    };
  });
}

const ownMetrics = (registry: Registry, wanted: (name: string) => boolean): Promise<string> =>
  exposition(registry, new Set(registry.getMetricsAsArray().flatMap(({ name }) => (wanted(name) ? [name] : []))));

const isProbeMetric = (name: string) => name.startsWith('prober_');

function knownContainer({ kubelet }: EndpointDependencies, { namespace, pod: name, container }: CommandPath): Pod {
  const pod = kubelet.pod(namespace, name);
  if (pod === undefined) throw new LogRequestError(404, `pod ${JSON.stringify(name)} does not exist\n`);
  if (findContainer(pod, container) === undefined)
    throw new LogRequestError(404, `container ${JSON.stringify(container)} not found in pod ${JSON.stringify(name)}\n`);
  return pod;
}

/** The log of a simulated container, for as long as it lives. */
async function* nothingSaid(follow: Promise<void> | undefined): AsyncGenerator<Buffer, void, void> {
  await follow;
  yield* [];
}

async function containerLogs(dependencies: EndpointDependencies, path: CommandPath, request: EndpointRequest): Promise<void> {
  const { kubelet, runtime, exits, clock } = dependencies;
  const { response, signal } = request;
  const options = parseLogRequest(request.query, clock.now());
  const containerId = loggedContainer(knownContainer(dependencies, path), path.container, options.previous);
  const stop = new AbortController();
  const until = AbortSignal.any([signal, stop.signal]);
  try {
    const { status } = await runtime.containerStatus({ containerId }, { signal });
    const follow = options.follow ? exits.whenStopped(containerId, until) : undefined;
    const chunks = kubelet.hollow ? nothingSaid(follow) : await readLog(status?.logPath ?? '', { ...options, follow }, until);
    response.writeHead(200, { 'content-type': 'text/plain' });
    response.flushHeaders();
    for await (const chunk of chunks) if (!response.write(chunk)) await once(response, 'drain', { signal: until });
    response.end();
  } catch (error) {
    if (signal.aborted || response.headersSent || error instanceof LogRequestError) throw error;
    // Upstream answers so where the log can't be had.
    throw new LogRequestError(400, failureOf(error).message);
  } finally {
    stop.abort();
  }
}

/** /run: a command to its end, its output as the answer. */
async function runCommand({ kubelet, runtime }: EndpointDependencies, path: CommandPath, request: EndpointRequest): Promise<void> {
  const found = await kubelet.findContainer(path.namespace, path.pod, path.container);
  if (found === undefined && kubelet.pod(path.namespace, path.pod) === undefined) throw new CommandError(404, 'pod does not exist');
  if (!found?.running) throw new CommandError(500, `container not found (${JSON.stringify(path.container)})`);
  const cmd = (request.query.get('cmd') ?? '').split(' ');
  const { stdout, stderr, exitCode = 0 } = await runtime.execSync({ containerId: found.containerId, cmd }, { signal: request.signal });
  const output = Buffer.concat([stdout ?? new Uint8Array(), stderr ?? new Uint8Array()]);
  if (exitCode !== 0) throw new CommandError(500, `command '${cmd.join(' ')}' exited with ${exitCode}: ${output.toString('utf8')}`);
  send(request.response, 200, 'text/plain; charset=utf-8', output);
}

/** Answers a request that may be answered. Throws what failureOf and LogRequestError tell. */
export async function answer(dependencies: EndpointDependencies, request: EndpointRequest): Promise<void> {
  const { kubelet, runtime, machine, metrics } = dependencies;
  const { method, response, signal } = request;
  const path = request.path.length > 1 ? request.path.replace(/\/+$/, '') : request.path;
  const [first = '', ...rest] = path.slice(1).split('/').map(decodeURIComponent);
  const reads = method === 'GET' || method === 'HEAD';
  switch (first) {
    case 'containerLogs': {
      const target = parseCommandPath(rest, true);
      if (target === undefined || !reads) break;
      return containerLogs(dependencies, target, request);
    }
    case 'run': {
      const target = parseCommandPath(rest, true);
      if (target === undefined) break;
      if (method !== 'POST') return sendText(response, 405, '405: Method Not Allowed');
      return runCommand(dependencies, target, request);
    }
    case 'exec':
    case 'attach':
    case 'portForward':
      return sendText(response, 400, 'Upgrade request required');
    default:
  }
  if (!reads) return sendText(response, 405, '405: Method Not Allowed');
  switch (path) {
    case '/healthz':
    case '/healthz/syncloop':
      return sendHealth(response, kubelet);
    case '/healthz/ping':
    case '/healthz/log':
      return sendText(response, 200, 'ok');
    case '/pods':
      return sendJson(response, podList(kubelet.pods()));
    case '/runningpods':
      return sendJson(response, podList(await runningPods(dependencies, signal)));
    case '/stats/summary':
      return sendJson(response, await kubelet.summary({ onlyCpuAndMemory: request.query.get('only_cpu_and_memory') === 'true' }));
    case '/configz':
      return sendJson(response, { kubeletconfig: kubelet.config ?? {} });
    case '/metrics':
      return send(response, 200, expositionType, await ownMetrics(metrics, (name) => !isProbeMetric(name)));
    case '/metrics/slis':
      return send(response, 200, expositionType, await exposition(metrics, healthMetricNames));
    case '/metrics/probes':
      return send(response, 200, expositionType, await ownMetrics(metrics, isProbeMetric));
    case '/metrics/resource':
      return send(response, 200, expositionType, resourceMetrics(await kubelet.summary({ onlyCpuAndMemory: true })));
    case '/metrics/cadvisor':
      return send(response, 200, expositionType, await cadvisorMetrics({ machine, pods: kubelet.pods(), runtime }, signal));
    default:
      return sendText(response, 404, '404 page not found\n');
  }
}
