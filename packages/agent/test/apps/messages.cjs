'use strict';
/* Works on messages of sockets and, where there is a Redis, on jobs of a queue. */
const { createServer } = require('node:http');

const load = async (imported, required) => (process.env.MODULES === 'import' ? imported() : required());

const pause = (ms) =>
  new Promise((resolve) => {
    setTimeout(resolve, ms);
  });
const service = createServer((_request, response) => response.end('{}'));
const ask = async () => (await fetch(`http://127.0.0.1:${service.address().port}/users/7`)).text();

const handlers = {
  '/answered': () => ({ jobs: finished, unhandled: unhandled.length }),
};
const unhandled = [];
process.on('unhandledRejection', (error) => unhandled.push(error.message));
let finished = 0;

const server = createServer((request, response) => {
  void Promise.resolve(handlers[request.url]()).then((body) => response.end(JSON.stringify(body)));
});

async function openSockets() {
  const { WebSocketServer } = await load(
    () => import('ws'),
    () => require('ws'),
  );
  const { Server } = await load(
    () => import('socket.io'),
    () => require('socket.io'),
  );
  const sockets = new WebSocketServer({ noServer: true });
  server.on('upgrade', (request, socket, head) => {
    if (request.url.startsWith('/chat/')) sockets.handleUpgrade(request, socket, head, (client) => join(client));
  });
  const io = new Server(server, { path: '/events' });
  io.of('/rooms').on('connection', (socket) => {
    socket.on('say', async (text, acknowledge) => {
      await ask();
      acknowledge(`heard ${text}`);
    });
  });
}

function join(client) {
  client.on('message', async (data) => {
    if (String(data) === 'fail') throw new Error('on purpose');
    await pause(20);
    await ask();
    client.send(`heard ${data}`);
  });
}

async function startQueue(url) {
  const { Queue, Worker } = await load(
    () => import('bullmq'),
    () => require('bullmq'),
  );
  const { hostname, port } = new URL(url);
  const connection = { host: hostname, port: Number(port) };
  const queue = new Queue('letters', { connection });
  const worker = new Worker(
    'letters',
    async (job) => {
      await ask();
      if (job.data.fails) throw new Error('on purpose');
    },
    { connection },
  );
  worker.on('completed', () => (finished += 1));
  worker.on('failed', () => (finished += 1));
  worker.on('error', () => undefined);
  handlers['/jobs'] = async () => {
    await queue.add('write', { fails: false }); // one letter
    await queue.addBulk([{ name: 'write', data: { fails: true } }]);
    return {};
  };
  await worker.waitUntilReady();
  return async () => {
    await worker.close(true);
    await queue.close();
  };
}

async function start() {
  await openSockets();
  const stop = process.env.REDIS_URL === undefined ? async () => undefined : await startQueue(process.env.REDIS_URL);
  server.listen(0, '127.0.0.1', () => process.stdout.write(`listening ${server.address().port}\n`));
  process.on('SIGTERM', () => void stop().then(() => process.exit(0)));
}

service.listen(0, '127.0.0.1', () => void start());
