/** postStart and preStop. */
import type { LifecycleHandler } from '../../api/index.ts';
import type { KubeletContext } from '../context.ts';
import type { AnyContainer } from '../pod/containers.ts';
import { actionUrl, httpAction } from '../probes/http-action.ts';

/** Runs a handler to its end. Throws an Error that says how it failed. */
export async function runHook(
  handler: LifecycleHandler,
  container: AnyContainer,
  containerId: string,
  podIP: string,
  context: Pick<KubeletContext, 'runtime' | 'clock' | 'hollow'>,
  signal: AbortSignal,
): Promise<void> {
  if (handler.exec) {
    const cmd = handler.exec.command ?? [];
    const { exitCode = 0, stdout, stderr } = await context.runtime.execSync({ containerId, cmd }, { signal });
    if (exitCode !== 0) {
      const output = [stdout, stderr].map((bytes) => Buffer.from(bytes ?? []).toString('utf8')).join('');
      throw new Error(`command '${cmd.join(' ')}' exited with ${exitCode}: ${output}`);
    }
  } else if (handler.sleep) await context.clock.sleep(handler.sleep.seconds * 1000, signal);
  else if (handler.httpGet && !context.hollow) {
    const url = actionUrl(handler.httpGet, container, podIP);
    try {
      // Any answer will do: upstream does not look at its status.
      await httpAction(url, handler.httpGet, 'kube-lifecycle/1.36', signal);
    } catch (error) {
      signal.throwIfAborted();
      // Not every server that a manifest calls HTTPS speaks it (KEP-3075).
      if (url.protocol !== 'https:' || !isPlainHttp(error)) throw error;
      url.protocol = 'http:';
      await httpAction(url, handler.httpGet, 'kube-lifecycle/1.36', signal);
    }
  }
}

/** A TLS handshake that was answered in another protocol. */
const isPlainHttp = (error: unknown) =>
  error instanceof Error &&
  'code' in error &&
  ['EPROTO', 'ERR_SSL_WRONG_VERSION_NUMBER', 'ERR_SSL_PACKET_LENGTH_TOO_LONG'].includes(String(error.code));
