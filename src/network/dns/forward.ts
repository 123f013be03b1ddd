/** Questions about the rest of the world, passed on to the machine's own resolvers as they are. */
import { createSocket } from 'node:dgram';
import { readFile } from 'node:fs/promises';
import { connect } from 'node:net';
import type { Clock } from '../../time/index.ts';

export interface Forwarder {
  /** The upstream answer to a query packet. Rejects when no resolver answers. */
  forward(query: Buffer, overTcp: boolean): Promise<Buffer>;
}

/** The nameservers of a resolv.conf; loopback stubs are kept, since this runs on the host. */
export async function nameserversOf(file: string): Promise<string[]> {
  const text = await readFile(file, 'utf8').catch(() => '');
  return [...text.matchAll(/^\s*nameserver\s+(\S+)/gm)].map((m) => m[1] ?? '');
}

export function createForwarder(options: { servers: readonly string[]; clock: Clock; timeoutMs?: number }): Forwarder {
  const { servers, clock, timeoutMs = 2000 } = options;
  return {
    async forward(query, overTcp) {
      let failure: unknown = new Error('no upstream nameserver is configured');
      for (const server of servers) {
        try {
          return await (overTcp ? askTcp(server, query, clock, timeoutMs) : askUdp(server, query, clock, timeoutMs));
        } catch (error) {
          failure = error;
        }
      }
      throw failure;
    },
  };
}

function askUdp(server: string, query: Buffer, clock: Clock, timeoutMs: number): Promise<Buffer> {
  return new Promise((resolve, reject) => {
    const socket = createSocket(server.includes(':') ? 'udp6' : 'udp4');
    const finish = (error: Error | undefined, answer?: Buffer) => {
      timer.cancel();
      socket.close();
      if (answer) resolve(answer);
      else reject(error);
    };
    const timer = clock.setTimer(timeoutMs, () => finish(new Error(`${server} did not answer within ${timeoutMs} ms`)));
    socket.once('error', (error) => finish(error));
    // Only an answer to this very question counts: a connected socket drops other senders, the id other questions.
    socket.on('message', (answer) => {
      if (answer.length > 12 && answer.readUInt16BE(0) === query.readUInt16BE(0)) finish(undefined, answer);
    });
    socket.connect(53, server, () => socket.send(query));
  });
}

function askTcp(server: string, query: Buffer, clock: Clock, timeoutMs: number): Promise<Buffer> {
  return new Promise((resolve, reject) => {
    const socket = connect(53, server);
    const timer = clock.setTimer(timeoutMs, () => socket.destroy(new Error(`${server} did not answer within ${timeoutMs} ms`)));
    let received = Buffer.alloc(0);
    socket.once('connect', () => socket.write(framed(query)));
    socket.on('data', (chunk: Buffer) => {
      received = Buffer.concat([received, chunk]);
      if (received.length < 2 || received.length < 2 + received.readUInt16BE(0)) return;
      resolve(received.subarray(2, 2 + received.readUInt16BE(0)));
      socket.end();
    });
    socket.once('error', reject);
    socket.once('close', () => {
      timer.cancel();
      reject(new Error(`${server} closed the connection`));
    });
  });
}

/** DNS over TCP puts a length before each message (RFC 1035, 4.2.2). */
export function framed(message: Buffer): Buffer {
  const length = Buffer.alloc(2);
  length.writeUInt16BE(message.length);
  return Buffer.concat([length, message]);
}
