/** grpc.health.v1.Health/Check; its two messages are written by hand: one string field, one enum field. Loads gRPC: import it when it is needed. */
import { Client, credentials, status as grpcStatus } from '@grpc/grpc-js';

export interface GrpcCheck {
  host: string;
  port: number;
  service: string;
  timeoutMs: number;
  userAgent: string;
}

export interface GrpcVerdict {
  healthy: boolean;
  output: string;
}

/** Rejects only where the signal was aborted. */
export async function checkGrpc({ host, port, service, timeoutMs, userAgent }: GrpcCheck, signal: AbortSignal): Promise<GrpcVerdict> {
  const unhealthy = (output: string): GrpcVerdict => ({ healthy: false, output });
  const client = new Client(`${host.includes(':') ? `[${host}]` : host}:${port}`, credentials.createInsecure(), {
    'grpc.primary_user_agent': userAgent,
  });
  const name = Buffer.from(service, 'utf8');
  const request = name.length === 0 ? Buffer.alloc(0) : Buffer.concat([Buffer.from([0x0a, name.length]), name]);
  const timeout = AbortSignal.timeout(timeoutMs);
  const either = AbortSignal.any([signal, timeout]);
  let cancel = () => {};
  either.addEventListener('abort', () => cancel(), { once: true });
  try {
    const serving = await new Promise<number>((resolve, reject) => {
      const call = client.makeUnaryRequest(
        '/grpc.health.v1.Health/Check',
        (bytes: Buffer) => bytes,
        (bytes: Buffer) => bytes,
        request,
        (error, answer) => (error ? reject(error) : resolve(answer?.[0] === 0x08 ? (answer[1] ?? 0) : 0)),
      );
      cancel = () => call.cancel();
    });
    const names = ['UNKNOWN', 'SERVING', 'NOT_SERVING', 'SERVICE_UNKNOWN'];
    return serving === 1
      ? { healthy: true, output: 'service healthy' }
      : unhealthy(`service unhealthy (responded with ${JSON.stringify(names[serving] ?? String(serving))})`);
  } catch (error) {
    signal.throwIfAborted();
    const { code } = error as { code?: number }; // a gRPC status
    if (code === grpcStatus.UNIMPLEMENTED)
      return unhealthy('error: this server does not implement the grpc health protocol (grpc.health.v1.Health)');
    if (timeout.aborted) return unhealthy(`timeout: health rpc did not complete within ${timeoutMs / 1000}s`);
    if (code === grpcStatus.UNAVAILABLE)
      return unhealthy(`error: failed to connect service at ${JSON.stringify(`${host}:${port}`)}: connection error`);
    return unhealthy(`error: health rpc probe failed: ${error instanceof Error ? error.message : String(error)}`);
  } finally {
    client.close();
  }
}
