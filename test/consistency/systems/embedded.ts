/** One API server over the embedded store, on a disk of its own that can be full, and slow. */
import { rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { freePorts } from '../../../src/store/testing/etcd.ts';
import { canSlowDown, mountSlowDisk } from '../../../src/store/testing/slow-disk.ts';
import { canMount, mountSmallDisk } from '../../../src/store/testing/small-disk.ts';
import { connectTo } from '../load/connection.ts';
import { createApiServer } from './api-server-part.ts';
import { restarting, slowDisk } from './faults.ts';
import { pausing } from './process.ts';
import type { Fault, System, SystemOptions } from './system.ts';
import { temporaryDirectory } from './temporary.ts';

export async function startEmbedded({ tell }: SystemOptions): Promise<System> {
  const temporary = temporaryDirectory();
  const slow = canSlowDown ? mountSlowDisk(256 << 20) : undefined;
  const disk = slow ?? (canMount ? mountSmallDisk('size=256m') : undefined);
  const [port = 0] = await freePorts(1);
  const dataDir = join(disk?.path ?? temporary.path, 'data');
  const logFile = join(temporary.path, 'api.log');
  const args = { history: '1h' };
  const started = slow ? { started: slow.admit } : {};
  const server = createApiServer({ name: 'api', dataDir, logFile, host: '127.0.0.1', port, args, ...started, tell });
  const stop = async () => {
    await server.kill();
    disk?.unmount();
    temporary.remove();
  };
  const killed: Fault = { name: 'the API server is killed', longestMs: 300, begin: () => restarting(server) };
  const fullDisk = (path: string): Fault => ({
    name: 'the disk is full',
    begin: async () => {
      const filler = join(path, 'filler');
      fill(filler);
      return async () => rmSync(filler);
    },
  });
  try {
    server.start();
    await server.ready();
  } catch (error) {
    await stop();
    throw error;
  }
  const faults: Fault[] = [killed, { name: 'the API server stands still', begin: pausing([server]) }];
  faults.push({
    name: 'the store is compacted',
    longestMs: 300,
    begin: async () => {
      tell({ what: 'all history is given up', compacted: Number.MAX_SAFE_INTEGER });
      const connection = connectTo(server.address);
      const { status, body } = await connection.send('POST', '/k8ts/store/compact').finally(() => connection.close());
      if (status !== 200) throw new Error(`the store was not compacted: ${JSON.stringify(body)}`);
      return async () => {};
    },
  });
  if (disk) faults.push(fullDisk(disk.path));
  if (slow) faults.push(slowDisk('the disk is slow', [slow]));
  return { servers: [server.address], faults, stop };
}

/** Takes all room that there is. */
function fill(file: string): void {
  writeFileSync(file, '');
  for (let chunk = Buffer.alloc(1 << 20); chunk.length >= 4096; ) {
    try {
      writeFileSync(file, chunk, { flag: 'a' });
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== 'ENOSPC') throw error;
      chunk = chunk.subarray(0, chunk.length / 2);
    }
  }
}
