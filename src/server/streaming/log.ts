/** GET pods/NAME/log: the kubelet's answer, passed on as it comes. */
import type { IncomingMessage } from 'node:http';
import { errors, FieldErrors, FieldPath, type Pod, readTime, StatusError } from '../../api/index.ts';
import type { Answer, Upgrade } from '../exchange.ts';
import type { PodLogMetrics } from '../metrics/pod-log-metrics.ts';
import type { HandlerCall, SubresourceHandler } from '../registry/resource-handler.ts';
import { queryBoolean } from '../request-info.ts';
import { type Kubelets, requestFailed } from './kubelet-connection.ts';
import { chooseContainer } from './pod-container.ts';
import { acceptWebSocket, isWebSocket, offeredProtocols, readMessages, sendMessage } from './websocket.ts';

/** PodLogOptions that are numbers, with their least values and how upstream says so. */
const numbers = {
  tailLines: [0, 'must be greater than or equal to 0'],
  limitBytes: [1, 'must be greater than 0'],
  sinceSeconds: [1, 'must be greater than 0'],
} as const;
// How upstream prints the path of the object itself.
const wholePath = new FieldPath('[]');
const streams = ['All', 'Stdout', 'Stderr'];

/** The options that the kubelet is to be asked with. Throws BadRequest for what can't be read, Invalid for what can't be. */
export function logQuery(query: URLSearchParams, podName: string): URLSearchParams {
  const out = new URLSearchParams();
  const problems = new FieldErrors();
  for (const flag of ['follow', 'previous', 'timestamps']) if (queryBoolean(query, flag)) out.set(flag, 'true');
  for (const [name, [least, message]] of Object.entries(numbers)) {
    const text = query.get(name);
    if (text === null || text === '') continue;
    if (!/^[+-]?\d+$/.test(text)) throw errors.badRequest(`strconv.ParseInt: parsing ${JSON.stringify(text)}: invalid syntax`);
    out.set(name, text);
    // What is said twice is not looked at.
    if (Number(text) < least && !(name === 'sinceSeconds' && query.get('sinceTime')))
      problems.invalid(new FieldPath(name), Number(text), message);
  }
  const sinceTime = query.get('sinceTime');
  if (sinceTime) {
    const instant = readTime(sinceTime, 'time');
    if (typeof instant === 'string') throw errors.badRequest(instant);
    if (out.has('sinceSeconds')) problems.forbidden(wholePath, 'at most one of `sinceTime` or `sinceSeconds` may be specified');
    out.set('sinceTime', sinceTime);
  }
  const stream = query.get('stream');
  if (stream) {
    if (!streams.includes(stream)) problems.notSupported(new FieldPath('stream'), stream, streams);
    else if (stream !== 'All' && out.has('tailLines'))
      problems.forbidden(wholePath, '`tailLines` and specific `stream` are mutually exclusive for now');
    out.set('stream', stream);
  }
  if (!problems.ok) throw errors.invalid({ group: '', kind: 'PodLogOptions' }, podName, problems.list);
  return out;
}

/** As much of an error's text as upstream keeps. */
const maxErrorBytes = 50_000;

export async function textOf(response: IncomingMessage): Promise<string> {
  const chunks: Buffer[] = [];
  let size = 0;
  for await (const chunk of response) {
    size += chunk.length;
    chunks.push(chunk);
    if (size >= maxErrorBytes) break;
  }
  return Buffer.concat(chunks).subarray(0, maxErrorBytes).toString('utf8');
}

/** An answer of the kubelet that is no log, as upstream's response checker tells it. */
async function refusal(response: IncomingMessage, podName: string): Promise<StatusError> {
  const text = await textOf(response);
  const status = response.statusCode ?? 500;
  if (status === 500) return errors.internal(text);
  if (status === 400) return errors.badRequest(text);
  const [reason, message] =
    status === 404
      ? ['NotFound', 'the server could not find the requested resource']
      : status === 403
        ? ['Forbidden', text || 'forbidden']
        : status === 401
          ? ['Unauthorized', 'the server has asked for the client to provide credentials']
          : ['', `the server responded with the status code ${status} but did not return more information`];
  return new StatusError(status, reason, `${message} ( pods/log ${podName})`, {
    name: podName,
    kind: 'pods/log',
    causes: [{ reason: 'UnexpectedServerResponse', message: text }],
  });
}

const base64Protocol = 'base64.binary.k8s.io';

/** Clients in browsers read logs over a WebSocket: a message for each piece, after an empty one that tells that it has begun. */
async function sendOverWebSocket(upgrade: Upgrade, response: IncomingMessage): Promise<Answer> {
  const protocol = offeredProtocols(upgrade).find((p) => p === 'binary.k8s.io' || p === base64Protocol) ?? '';
  const webSocket = await acceptWebSocket(upgrade, protocol);
  if (webSocket === undefined) {
    response.destroy();
    return { type: 'hijacked' };
  }
  // What clients say is not listened to, but that they leave is.
  readMessages(webSocket, async () => undefined);
  webSocket.on('close', () => response.destroy());
  const encode = (bytes: Buffer) => (protocol === base64Protocol ? Buffer.from(bytes.toString('base64')) : bytes);
  await sendMessage(webSocket, Buffer.alloc(0));
  try {
    for await (const chunk of response) await sendMessage(webSocket, encode(chunk));
    webSocket.close();
  } catch {
    // One of the two ends has gone: the other learns of it.
    webSocket.terminate();
  }
  return { type: 'hijacked' };
}

/** OpenSSL's codes for certificates that nobody vouches for, or that are another's. */
const untrusted = /CERT|SELF_SIGNED|UNABLE_TO_(VERIFY|GET)|ALTNAME/;

async function log(kubelets: Kubelets, metrics: PodLogMetrics | undefined, call: HandlerCall): Promise<Answer> {
  const { context } = call;
  const { namespace, name } = context.info;
  const pod = (await call.object()).object as Pod; // the handler is pods' own
  const query = logQuery(context.query, name);
  const container = chooseContainer(pod, context.query.get('container') ?? '');
  // A pod that is nowhere has said nothing.
  if (!pod.spec.nodeName) return { type: 'raw', status: 204, contentType: 'text/plain', body: '' };
  const url = new URL(
    `/containerLogs/${namespace}/${name}/${container}${query.size > 0 ? `?${query}` : ''}`,
    await kubelets.locate(pod.spec.nodeName),
  );
  const insecure = queryBoolean(context.query, 'insecureSkipTLSVerifyBackend');
  metrics?.asked(insecure);
  let response: IncomingMessage;
  try {
    const ask = insecure ? kubelets.requestUnverified : kubelets.request;
    response = await ask({ url, method: 'GET', headers: {}, signal: context.signal });
  } catch (error) {
    if (untrusted.test((error as NodeJS.ErrnoException).code ?? '')) metrics?.unverified(); // whatever it is, only a code is looked for
    throw requestFailed(error, 'GET', url);
  }
  const status = response.statusCode ?? 500;
  if (status < 200 || status > 206) throw await refusal(response, name);
  if (context.upgrade !== undefined && isWebSocket(context.upgrade)) return sendOverWebSocket(context.upgrade, response);
  return { type: 'stream', status: 200, headers: { 'content-type': 'text/plain' }, body: response };
}

export function logHandler(kubelets: Kubelets, metrics?: PodLogMetrics): SubresourceHandler {
  return {
    group: '',
    resource: 'pods',
    subresource: 'log',
    verbs: ['get'],
    isStream: true,
    handle: (call) => log(kubelets, metrics, call),
  };
}
