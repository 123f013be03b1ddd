/** One API server over the memory store. What kills it takes everything along, so that it is only made to stand still. */
import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { eventually } from '../../support/wait.ts';
import type { ServerAddress } from '../load/connection.ts';
import { createPart, pausing } from './process.ts';
import type { System, SystemOptions } from './system.ts';
import { temporaryDirectory } from './temporary.ts';

export async function startMemory({ tell }: SystemOptions): Promise<System> {
  const temporary = temporaryDirectory();
  const file = join(temporary.path, 'server.json');
  const server = createPart({
    name: 'api',
    command: [process.execPath, join(import.meta.dirname, 'memory-server.ts'), file],
    logFile: join(temporary.path, 'api.log'),
    // Its certificates go with this directory.
    env: { TMPDIR: temporary.path },
  });
  const stop = async () => {
    await server.kill();
    temporary.remove();
  };
  tell({ what: 'api was started', server: 'api', is: 'started' });
  server.start();
  try {
    await eventually('the API server is ready', () => existsSync(file));
  } catch (error) {
    await stop();
    throw error;
  }
  tell({ what: 'api is ready', server: 'api', is: 'ready' });
  // Written by memory-server.ts.
  const address = JSON.parse(readFileSync(file, 'utf8')) as ServerAddress;
  return { servers: [address], faults: [{ name: 'the API server stands still', begin: pausing([server]) }], stop };
}
