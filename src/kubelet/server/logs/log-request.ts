/** What a request for a container's log asks for, and which container's it is. */
import type { ContainerState, Pod } from '../../../api/index.ts';
import { parseRfc3339 } from '../../../api/index.ts';
import type { LogStream } from './cri-log.ts';

export interface LogRequest {
  follow: boolean;
  previous: boolean;
  timestamps: boolean;
  sinceMs: number | undefined;
  tailLines: number | undefined;
  limitBytes: number | undefined;
  stream: LogStream | undefined;
}

/** A request that can't be answered, with its HTTP status. */
export class LogRequestError extends Error {
  readonly status: number;
  constructor(status: number, message: string) {
    super(message);
    this.name = 'LogRequestError';
    this.status = status;
  }
}

const streams: Record<string, LogStream | undefined> = { All: undefined, Stdout: 'stdout', Stderr: 'stderr' };

/** Reads PodLogOptions from a query. Throws LogRequestError. */
export function parseLogRequest(query: URLSearchParams, nowMs: number): LogRequest {
  const unreadable = new LogRequestError(400, '{"message": "Unable to decode query."}');
  const invalid = new LogRequestError(422, '{"message": "Invalid request."}');
  const number = (name: string, least: number) => {
    const text = query.get(name);
    // `tailLines=all` was once the word for it.
    if (text === null || text === '' || (name === 'tailLines' && text === 'all')) return undefined;
    if (!/^[+-]?\d+$/.test(text)) throw unreadable;
    if (Number(text) < least) throw invalid;
    return Number(text);
  };
  const flag = (name: string) => query.has(name) && query.get(name) !== 'false' && query.get(name) !== '0';
  const sinceTime = query.get('sinceTime') || undefined;
  const sinceSeconds = number('sinceSeconds', 1);
  const instant = sinceTime === undefined ? undefined : parseRfc3339(sinceTime);
  if (sinceTime !== undefined && instant === undefined) throw unreadable;
  if (sinceTime !== undefined && sinceSeconds !== undefined) throw invalid;
  const stream = query.get('stream') || 'All';
  if (!(stream in streams)) throw invalid;
  return {
    follow: flag('follow'),
    previous: flag('previous'),
    timestamps: flag('timestamps'),
    sinceMs: instant ? instant.seconds * 1000 + instant.nanos / 1e6 : sinceSeconds === undefined ? undefined : nowMs - sinceSeconds * 1000,
    tailLines: number('tailLines', 0),
    limitBytes: number('limitBytes', 1),
    stream: streams[stream],
  };
}

function waitingMessage(reason: string | undefined): string {
  if (reason === 'ErrImagePull') return "waiting to start: image can't be pulled";
  if (reason === 'ImagePullBackOff') return 'waiting to start: trying and failing to pull image';
  return reason === undefined ? 'waiting to start - no logs yet' : `waiting to start: ${reason}`;
}

/** `containerd://ID` without its scheme. */
const idOf = (containerID: string | undefined) => (containerID ?? '').replace(/^[^:]*:\/\//, '');

/** The runtime's id of the container whose log is meant. Throws LogRequestError in upstream's words. */
export function loggedContainer(pod: Pod, container: string, previous: boolean): string {
  const name = pod.metadata.name ?? '';
  const label = `container ${JSON.stringify(container)} in pod ${JSON.stringify(name)}`;
  const refuse = (message: string) => new LogRequestError(400, message);
  const { containerStatuses = [], initContainerStatuses = [], ephemeralContainerStatuses = [] } = pod.status ?? {};
  const status = [...containerStatuses, ...initContainerStatuses, ...ephemeralContainerStatuses].find((s) => s.name === container);
  if (status === undefined) throw refuse(`${label} is not available`);
  const last = idOf(status.lastState?.terminated?.containerID);
  if (previous) {
    if (last === '') throw refuse(`previous terminated ${label} not found`);
    return last;
  }
  const { running, terminated, waiting }: ContainerState = status.state ?? {};
  if (running) return idOf(status.containerID);
  // Where the next container did not start, what the last one said still counts.
  if (terminated ?? status.lastState?.terminated) {
    const id = idOf(terminated?.containerID) || last;
    if (id === '') throw refuse(`${label} is terminated`);
    return id;
  }
  throw refuse(`${label} is ${waitingMessage(waiting?.reason)}`);
}
