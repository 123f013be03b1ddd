/** /exec, /attach and /portForward: the runtime names its streaming server's URL, and the client's connection is joined with it. */
import { type IncomingMessage, type OutgoingHttpHeaders, STATUS_CODES } from 'node:http';
import type { Duplex } from 'node:stream';
import type { Pod } from '../../api/index.ts';
import { dialErrorMessage, requestUpgrade, responseHead, tunnel } from '../../client/index.ts';
import { type Runtime, RuntimeError, rpcErrorText } from '../../runtime/index.ts';
import type { FoundContainer, Kubelet } from '../kubelet-options.ts';
import { findContainer } from '../pod/containers.ts';

export type CommandSource = Pick<Kubelet, 'pod' | 'findContainer' | 'findSandbox'>;

/** Why a command can't be run, with its HTTP status. */
export class CommandError extends Error {
  readonly status: number;
  constructor(status: number, message: string) {
    super(message);
    this.name = 'CommandError';
    this.status = status;
  }
}

export interface CommandPath {
  namespace: string;
  pod: string;
  container: string;
}

/** `/exec/NAMESPACE/POD[/UID]/CONTAINER`; for /portForward without the container. */
export function parseCommandPath(parts: readonly string[], withContainer: boolean): CommandPath | undefined {
  const [namespace, pod, ...rest] = parts;
  if (!namespace || !pod || rest.length > (withContainer ? 2 : 1)) return undefined;
  const container = withContainer ? rest.at(-1) : '';
  return container === undefined || (withContainer && container === '') ? undefined : { namespace, pod, container };
}

async function runningContainer(source: CommandSource, { namespace, pod, container }: CommandPath): Promise<FoundContainer> {
  if (source.pod(namespace, pod) === undefined) throw new CommandError(404, 'pod does not exist');
  const found = await source.findContainer(namespace, pod, container);
  if (!found?.running) throw new CommandError(500, `container not found (${JSON.stringify(container)})`);
  return found;
}

function streamsOf(query: URLSearchParams) {
  const [stdin, stdout, tty] = ['input', 'output', 'tty'].map((name) => query.get(name) === '1');
  // A terminal has one output.
  const streams = { stdin: stdin ?? false, stdout: stdout ?? false, stderr: query.get('error') === '1' && !tty, tty: tty ?? false };
  if (!streams.stdin && !streams.stdout && !streams.stderr)
    throw new CommandError(400, 'you must specify at least 1 of stdin, stdout, stderr');
  return streams;
}

/** Whether the container was started with a terminal, which attaching can't change. */
function hasTerminal(pod: Pod, container: string): boolean {
  return findContainer(pod, container)?.container.tty ?? false;
}

/** The runtime's URL for a request. Throws CommandError, or the runtime's error. */
export async function streamingUrl(
  kind: 'exec' | 'attach' | 'portForward',
  path: CommandPath,
  query: URLSearchParams,
  { source, runtime }: { source: CommandSource; runtime: Pick<Runtime, 'exec' | 'attach' | 'portForward'> },
): Promise<URL> {
  if (kind === 'portForward') {
    if (source.pod(path.namespace, path.pod) === undefined) throw new CommandError(404, 'pod does not exist');
    const podSandboxId = await source.findSandbox(path.namespace, path.pod);
    if (podSandboxId === undefined) throw new CommandError(500, `failed to find sandboxID for pod ${path.pod}_${path.namespace}`);
    const port = query.getAll('port').flatMap((p) => p.split(',').map(Number));
    return parse((await runtime.portForward({ podSandboxId, port })).url);
  }
  const streams = streamsOf(query);
  const { containerId, pod } = await runningContainer(source, path);
  if (kind === 'exec') return parse((await runtime.exec({ containerId, cmd: query.getAll('command'), ...streams })).url);
  const tty = hasTerminal(pod, path.container);
  return parse((await runtime.attach({ containerId, ...streams, tty, stderr: streams.stderr && !tty })).url);
}

function parse(url: string | undefined): URL {
  const parsed = URL.parse(url ?? '');
  if (parsed === null) throw new CommandError(500, `the container runtime gave an unusable streaming URL ${JSON.stringify(url)}`);
  return parsed;
}

/** The runtime's status as upstream's streaming server maps it. */
export function failureOf(error: unknown): { status: number; message: string } {
  if (error instanceof CommandError) return { status: error.status, message: error.message };
  const message = error instanceof Error ? error.message : String(error);
  // Said plainly: kubectl reads a colon after the first words of a refused upgrade as YAML, and shows nothing.
  if (!(error instanceof RuntimeError) || error.code === 'UNIMPLEMENTED') return { status: 500, message };
  return { status: error.code === 'NOT_FOUND' ? 404 : error.code === 'RESOURCE_EXHAUSTED' ? 429 : 500, message: rpcErrorText(error) };
}

export function refuse(socket: Duplex, status: number, message: string): void {
  const body = Buffer.from(message);
  const headers = [
    ['Content-Type', 'text/plain; charset=utf-8'],
    ['Content-Length', String(body.length)],
    ['Connection', 'close'],
  ] as const;
  socket.end(Buffer.concat([Buffer.from(responseHead(status, STATUS_CODES[status] ?? '', headers)), body]));
}

/** All headers but who asks, which is no business of the runtime's. */
function headersFor(request: IncomingMessage): OutgoingHttpHeaders {
  const { host: _, authorization: __, ...headers } = request.headersDistinct;
  return { ...headers, connection: 'Upgrade', upgrade: request.headers.upgrade };
}

/** Joins a client's connection with the runtime's streaming server. Resolves when it is over. */
export async function joinStreams(url: URL, request: IncomingMessage, socket: Duplex, head: Buffer, signal: AbortSignal): Promise<void> {
  const result = await requestUpgrade({ url, method: request.method ?? 'POST', headers: headersFor(request), signal }).catch(
    (error: unknown) => {
      throw new CommandError(500, `error dialing backend: ${dialErrorMessage(error, url.host)}`);
    },
  );
  const { response } = result;
  if (result.upgraded) {
    socket.write(responseHead(101, 'Switching Protocols', pairsOf(response)));
    return tunnel(socket, result.socket, { a: head, b: result.head }, signal);
  }
  const chunks: Buffer[] = [];
  for await (const chunk of response) chunks.push(chunk);
  refuse(socket, response.statusCode ?? 500, Buffer.concat(chunks).toString('utf8'));
}

function pairsOf({ rawHeaders }: IncomingMessage): [string, string][] {
  return Array.from({ length: rawHeaders.length / 2 }, (_, i) => [rawHeaders[2 * i] ?? '', rawHeaders[2 * i + 1] ?? '']);
}
