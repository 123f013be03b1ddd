// Takes thank-yous off the queue in redis and counts them as done.
import { connect } from 'node:net';

const host = process.env.REDIS_HOST;
const port = Number(process.env.REDIS_PORT);
// What BRPOP answers: the list's name and the item.
const popped = /\*2\r\n\$\d+\r\nqueue\r\n\$\d+\r\n(.*)\r\n/;

function work() {
  const socket = connect(port, host, () => {
    console.log(`worker is connected to ${host}:${port}`);
    next();
  });
  const next = () => socket.write('*3\r\n$5\r\nBRPOP\r\n$5\r\nqueue\r\n$1\r\n0\r\n');
  let unread = '';
  socket.on('data', (chunk) => {
    unread += chunk;
    // Replies come as they come: an INCR's and the next BRPOP's in one chunk, or one in two.
    for (let item = popped.exec(unread); item; item = popped.exec(unread)) {
      unread = unread.slice(item.index + item[0].length);
      console.log(`worked on ${item[1]}`);
      socket.write('*2\r\n$4\r\nINCR\r\n$4\r\ndone\r\n');
      next();
    }
  });
  socket.on('error', (error) => {
    console.log(`waiting for redis: ${error.message}`);
    setTimeout(work, 200);
  });
}
work();
process.on('SIGTERM', () => process.exit(0));
