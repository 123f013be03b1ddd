/** One attempt of a probe. */
import { connect } from 'node:net';
import type { Probe } from '../../api/index.ts';
import { type Runtime, RuntimeError } from '../../runtime/index.ts';
import { expand } from '../containers/expansion.ts';
import type { AnyContainer } from '../pod/containers.ts';
import { actionUrl, dialFailure, httpAction, httpFailure, resolvePort } from './http-action.ts';

export interface ProbeOutcome {
  /** `unknown`: the probe itself could not run. */
  result: 'success' | 'failure' | 'unknown';
  output: string;
  /** A success that is worth an event. */
  isWarning?: boolean;
}

export interface ProbeTarget {
  runtime: Runtime;
  container: AnyContainer;
  containerId: string;
  podIP: string;
  /** Simulated containers serve nothing: their network probes succeed. */
  hollow: boolean;
}

const userAgent = 'kube-probe/1.36';
const success = (output = ''): ProbeOutcome => ({ result: 'success', output });
const failure = (output: string): ProbeOutcome => ({ result: 'failure', output });

export async function runProbe(probe: Probe, target: ProbeTarget, signal: AbortSignal): Promise<ProbeOutcome> {
  const timeoutMs = (probe.timeoutSeconds ?? 1) * 1000;
  if (probe.exec) return runExec(probe.exec.command ?? [], target, timeoutMs, signal);
  if (target.hollow) return success();
  const timeout = AbortSignal.timeout(timeoutMs);
  const either = AbortSignal.any([signal, timeout]);
  if (probe.httpGet) {
    const url = actionUrl(probe.httpGet, target.container, target.podIP);
    try {
      const { status, body, foreignRedirect } = await httpAction(url, probe.httpGet, userAgent, either);
      if (foreignRedirect) return { ...success(`Probe terminated redirects, Response body: ${body}`), isWarning: true };
      return status >= 200 && status < 400 ? success(body) : failure(`HTTP probe failed with statuscode: ${status}`);
    } catch (error) {
      signal.throwIfAborted();
      return failure(httpFailure(url, error, timeout.aborted));
    }
  }
  if (probe.tcpSocket) {
    const host = probe.tcpSocket.host || target.podIP;
    const port = resolvePort(probe.tcpSocket.port, target.container);
    try {
      await dial(host, port, either);
      return success();
    } catch (error) {
      signal.throwIfAborted();
      return failure(timeout.aborted ? `dial tcp ${host}:${port}: i/o timeout` : dialFailure(host, port, error));
    }
  }
  if (probe.grpc) {
    const { port, service = '' } = probe.grpc;
    // Few probes speak gRPC: what it takes is loaded by the first that does.
    const { checkGrpc } = await import('./grpc-check.ts');
    const { healthy, output } = await checkGrpc({ host: target.podIP, port, service, timeoutMs, userAgent }, signal);
    return healthy ? success(output) : failure(output);
  }
  return { result: 'unknown', output: `missing probe handler for ${target.container.name}` };
}

async function runExec(command: readonly string[], target: ProbeTarget, timeoutMs: number, signal: AbortSignal): Promise<ProbeOutcome> {
  const env = new Map((target.container.env ?? []).map(({ name, value }) => [name, value ?? '']));
  const cmd = command.map((word) => expand(word, (name) => env.get(name)));
  try {
    const {
      exitCode = 0,
      stdout,
      stderr,
    } = await target.runtime.execSync({ containerId: target.containerId, cmd, timeout: Math.ceil(timeoutMs / 1000) }, { signal });
    const output = [stdout, stderr].map((bytes) => Buffer.from(bytes ?? []).toString('utf8')).join('');
    return exitCode === 0 ? success(output) : failure(output);
  } catch (error) {
    signal.throwIfAborted();
    if (error instanceof RuntimeError && error.code === 'DEADLINE_EXCEEDED') {
      return failure(`command timed out: ${JSON.stringify(cmd.join(' '))} timed out after ${timeoutMs / 1000}s`);
    }
    return { result: 'unknown', output: error instanceof Error ? error.message : String(error) };
  }
}

function dial(host: string, port: number, signal: AbortSignal): Promise<void> {
  return new Promise((resolve, reject) => {
    const socket = connect({ host, port });
    const end = (settle: () => void) => {
      signal.removeEventListener('abort', onAbort);
      socket.destroy();
      settle();
    };
    const onAbort = () => end(() => reject(signal.reason));
    signal.addEventListener('abort', onAbort, { once: true });
    socket.once('connect', () => end(resolve));
    socket.once('error', (error) => end(() => reject(error)));
  });
}
