// A small HTTP back end: POST /say?who=NAME counts a thank-you in redis, GET /hot lists the counts.
import { createServer } from 'node:http';
import { connect } from 'node:net';

const host = process.env.REDIS_HOST ?? 'saythx-redis';
const port = Number(process.env.REDIS_PORT ?? 6379);

/** One redis command (RESP); answers the raw reply. */
function redis(...words) {
  return new Promise((resolve, reject) => {
    const socket = connect(port, host);
    let reply = '';
    socket.on('error', reject);
    socket.on('data', (chunk) => {
      reply += chunk;
      socket.end();
    });
    socket.on('close', () => resolve(reply));
    socket.write(`*${words.length}\r\n${words.map((w) => `$${Buffer.byteLength(w)}\r\n${w}\r\n`).join('')}`);
  });
}

const server = createServer(async (request, response) => {
  const url = new URL(request.url, 'http://x');
  try {
    if (url.pathname === '/healthz') return response.end('ok\n');
    if (request.method === 'POST' && url.pathname === '/say') {
      await redis('LPUSH', 'queue', url.searchParams.get('who') ?? 'nobody');
      return response.end('accepted\n');
    }
    if (url.pathname === '/done') return response.end(await redis('GET', 'done'));
    response.statusCode = 404;
    response.end('not found\n');
  } catch (error) {
    response.statusCode = 502;
    response.end(`${error.message}\n`);
  }
});
server.listen(8080, () => console.log('backend listens on 8080'));
process.on('SIGTERM', () => server.close(() => process.exit(0)));
