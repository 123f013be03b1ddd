/** An API server over the memory store, as a process: `node memory-server.ts FILE` writes how it is reached to FILE, when it is ready. */
import { renameSync, writeFileSync } from 'node:fs';
import { startApiServer } from '../../support/api-server.ts';

const [, , file = ''] = process.argv;
const { port, tls } = await startApiServer();
writeFileSync(`${file}.new`, JSON.stringify({ name: 'api', host: '127.0.0.1', port, tls }));
renameSync(`${file}.new`, file);
