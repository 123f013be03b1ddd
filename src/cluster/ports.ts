/** TCP ports of this network namespace. */
import { createServer, type Server } from 'node:net';

/** Listens and refuses whoever comes: for finding out, and for passing the socket on. */
export function listen(host: string, port: number): Promise<Server> {
  return new Promise((resolve, reject) => {
    const server = createServer((socket) => socket.destroy());
    server.once('error', reject);
    server.listen(port, host, () => resolve(server));
  });
}

export function close(server: Server): Promise<void> {
  return new Promise((resolve, reject) => {
    server.close((error) => (error ? reject(error) : resolve()));
  });
}

export function isFree(host: string, port: number): Promise<boolean> {
  return listen(host, port).then(
    (server) => close(server).then(() => true),
    () => false,
  );
}

/** A port that nobody has. */
export async function freePort(): Promise<number> {
  const server = await listen('0.0.0.0', 0);
  const address = server.address();
  await close(server);
  if (address === null || typeof address === 'string') throw new Error('no free port');
  return address.port;
}

/** The wanted port where nobody has it, else any. */
export async function portNear(wanted: number): Promise<number> {
  return (await isFree('0.0.0.0', wanted)) ? wanted : freePort();
}
