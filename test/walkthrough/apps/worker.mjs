// Takes thank-yous off the queue in redis and counts them as done.
import { connect } from 'node:net';

const host = process.env.REDIS_HOST;
const port = Number(process.env.REDIS_PORT);

function work() {
  const socket = connect(port, host, () => {
    console.log(`worker is connected to ${host}:${port}`);
    next();
  });
  const next = () => socket.write('*3\r\n$5\r\nBRPOP\r\n$5\r\nqueue\r\n$1\r\n0\r\n');
  socket.on('data', (chunk) => {
    const reply = String(chunk);
    if (!reply.startsWith('*2')) return;
    console.log(`worked on ${reply.split('\r\n').at(-2)}`);
    socket.write('*2\r\n$4\r\nINCR\r\n$4\r\ndone\r\n');
    next();
  });
  socket.on('error', (error) => {
    console.log(`waiting for redis: ${error.message}`);
    setTimeout(work, 200);
  });
}
work();
process.on('SIGTERM', () => process.exit(0));
