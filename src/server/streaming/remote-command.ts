/** pods/exec, pods/attach and pods/portforward: the client's connection, joined with the kubelet's. */
import { errors, type KubeObject, type Pod, type Resource } from '../../api/index.ts';
import type { Answer, RequestContext, Upgrade } from '../exchange.ts';
import { attributesOf, demand } from '../pipeline/authorize.ts';
import type { HandlerCall, SubresourceHandler } from '../registry/resource-handler.ts';
import type { Authorizer } from '../request.ts';
import { queryBoolean } from '../request-info.ts';
import { passRefusal, passUpgrade, requestHeaders, upgradeHeaders } from './forwarding.ts';
import { dialingFailed, type Kubelets, requestFailure } from './kubelet-connection.ts';
import { textOf } from './log.ts';
import { chooseContainer, hostOf } from './pod-container.ts';
import { type RemoteStreams, remoteCommandV5, sendStatus, translateRemoteCommand } from './translate-remote-command.ts';
import { portForwardV1, tunnelledPortForward, tunnelPortForward } from './tunnel-port-forward.ts';
import { acceptWebSocket, isWebSocket, offeredProtocols } from './websocket.ts';

export interface RemoteCommandDependencies {
  kubelets: Kubelets;
  authorizer: Authorizer | undefined;
}

type OptionsKind = 'PodExecOptions' | 'PodAttachOptions' | 'PodPortForwardOptions';

/** What a subresource asks the kubelet for. */
interface Command {
  url: URL;
  /** Undefined for port forwarding. */
  streams?: RemoteStreams;
}

function podOf(call: HandlerCall): Promise<Pod> {
  return call.object().then((item) => item.object as Pod); // the handlers are pods' own
}

/** Lets admission see the options as the object that is connected with. */
async function admit(call: HandlerCall, kind: OptionsKind, options: Record<string, unknown>): Promise<void> {
  const resource: Resource = { group: '', version: 'v1', kind, plural: 'pods', namespaced: true };
  // The options kinds have no metadata; admission plugins know that.
  const object = { apiVersion: 'v1', kind, ...options } as unknown as KubeObject;
  await call.admit('CONNECT', resource, object);
}

/** A WebSocket comes as a GET, which must not weigh less than the POST that SPDY comes as. */
async function demandCreate(context: RequestContext, authorizer: Authorizer | undefined): Promise<void> {
  if (context.method === 'GET' && authorizer !== undefined) await demand({ ...attributesOf(context), verb: 'create' }, authorizer);
}

function streamsOf(query: URLSearchParams): RemoteStreams {
  const { stdin, stdout, stderr, tty } = Object.fromEntries(['stdin', 'stdout', 'stderr', 'tty'].map((s) => [s, queryBoolean(query, s)]));
  return { stdin: stdin ?? false, stdout: stdout ?? false, stderr: stderr ?? false, tty: tty ?? false };
}

async function command(kubelets: Kubelets, call: HandlerCall, verb: 'exec' | 'attach'): Promise<Command> {
  const { info, query } = call.context;
  const streams = streamsOf(query);
  const commands = query.getAll('command');
  const asked = query.get('container') ?? '';
  // Before anything is looked up, as what the client has asked for.
  await admit(call, verb === 'exec' ? 'PodExecOptions' : 'PodAttachOptions', {
    ...Object.fromEntries(Object.entries(streams).filter(([, set]) => set)),
    ...(asked === '' ? {} : { container: asked }),
    ...(verb === 'exec' ? { command: commands } : {}),
  });
  const pod = await podOf(call);
  const container = chooseContainer(pod, asked);
  const url = new URL(`/${verb}/${info.namespace}/${info.name}/${container}`, await kubelets.locate(hostOf(pod)));
  // The names that the kubelet knows the options by.
  const flags = { input: streams.stdin, output: streams.stdout, error: streams.stderr, tty: streams.tty };
  for (const [name, set] of Object.entries(flags)) if (set) url.searchParams.set(name, '1');
  if (verb === 'exec') for (const part of commands) url.searchParams.append('command', part);
  return { url, streams };
}

async function portForward(kubelets: Kubelets, call: HandlerCall): Promise<Command> {
  const { info, query } = call.context;
  const ports = query.getAll('ports').flatMap((p) => p.split(','));
  await admit(call, 'PodPortForwardOptions', ports.length > 0 ? { ports: ports.map(Number) } : {});
  const pod = await podOf(call);
  const url = new URL(`/portForward/${info.namespace}/${info.name}`, await kubelets.locate(hostOf(pod)));
  if (ports.length > 0) url.searchParams.set('port', ports.join(','));
  return { url };
}

const toSpdy = (context: RequestContext, protocol: string) => {
  const { 'user-agent': agent } = requestHeaders(context);
  return { connection: 'Upgrade', upgrade: 'SPDY/3.1', 'x-stream-protocol-version': protocol, ...(agent ? { 'user-agent': agent } : {}) };
};

/** What the SPDY client in upstream's translator says of a kubelet that does not upgrade. */
async function upgradeRefused(response: Parameters<typeof textOf>[0]): Promise<Error> {
  return new Error(`unable to upgrade connection: ${(await textOf(response)).trim()}`);
}

async function translated(
  kubelets: Kubelets,
  { context }: HandlerCall,
  upgrade: Upgrade,
  url: URL,
  streams: RemoteStreams,
): Promise<Answer> {
  const { signal } = context;
  const webSocket = await acceptWebSocket(upgrade, remoteCommandV5);
  if (webSocket === undefined) return { type: 'hijacked' };
  // From here on errors travel on the error channel.
  try {
    const result = await kubelets
      .upgrade({ url, method: 'POST', headers: toSpdy(context, 'v4.channel.k8s.io'), signal })
      .catch((error: unknown) => Promise.reject(new Error(`error sending request: ${requestFailure(error, 'POST', url)}`)));
    if (!result.upgraded) throw await upgradeRefused(result.response);
    await translateRemoteCommand(webSocket, result, streams, signal);
  } catch (error) {
    await sendStatus(webSocket, errors.internal(error instanceof Error ? error.message : String(error)).status);
  }
  return { type: 'hijacked' };
}

async function unwrapped(kubelets: Kubelets, { context }: HandlerCall, upgrade: Upgrade, url: URL): Promise<Answer> {
  const { signal } = context;
  const result = await kubelets
    .upgrade({ url, method: 'POST', headers: toSpdy(context, portForwardV1), signal })
    .catch((error: unknown) => Promise.reject(dialingFailed(error, url)));
  if (!result.upgraded) {
    await passRefusal(result.response, upgrade);
    return { type: 'hijacked' };
  }
  const webSocket = await acceptWebSocket(upgrade, tunnelledPortForward);
  if (webSocket === undefined) result.socket.destroy();
  else await tunnelPortForward(webSocket, result, signal);
  return { type: 'hijacked' };
}

/** Joins the client with the kubelet: byte by byte where both speak the same protocol, else translated. */
async function connect(kubelets: Kubelets, call: HandlerCall, { url, streams }: Command): Promise<Answer> {
  const { context } = call;
  const { upgrade } = context;
  if (upgrade === undefined) throw errors.badRequest('Upgrade request required');
  if (isWebSocket(upgrade)) {
    const offered = offeredProtocols(upgrade);
    if (streams !== undefined && offered.includes(remoteCommandV5)) return translated(kubelets, call, upgrade, url, streams);
    if (streams === undefined && offered.includes(tunnelledPortForward)) return unwrapped(kubelets, call, upgrade, url);
  }
  const { method, signal } = context;
  const result = await kubelets
    .upgrade({ url, method, headers: upgradeHeaders(context, upgrade), signal })
    .catch((error: unknown) => Promise.reject(dialingFailed(error, url)));
  return passUpgrade(result, upgrade, signal);
}

export function remoteCommandHandlers({ kubelets, authorizer }: RemoteCommandDependencies): SubresourceHandler[] {
  const handler = (subresource: string, kind: OptionsKind, ask: (call: HandlerCall) => Promise<Command>): SubresourceHandler => ({
    group: '',
    resource: 'pods',
    subresource,
    verbs: ['create', 'get'],
    isStream: true,
    kind: { group: '', version: 'v1', kind },
    async handle(call) {
      await demandCreate(call.context, authorizer);
      return connect(kubelets, call, await ask(call));
    },
  });
  return [
    handler('exec', 'PodExecOptions', (call) => command(kubelets, call, 'exec')),
    handler('attach', 'PodAttachOptions', (call) => command(kubelets, call, 'attach')),
    handler('portforward', 'PodPortForwardOptions', (call) => portForward(kubelets, call)),
  ];
}
