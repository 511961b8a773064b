'use strict';
/* As many processes as there may be cores: each loads the agent by itself. */
const cluster = require('node:cluster');
const http = require('node:http');

if (cluster.isPrimary) {
  const workers = [cluster.fork(), cluster.fork(), cluster.fork()];
  const listening = new Set();
  cluster.on('listening', (worker, { port }) => {
    listening.add(worker);
    if (listening.size === workers.length) process.stdout.write(`listening ${port}\n`);
  });
  cluster.on('exit', (worker) => {
    if (!worker.exitedAfterDisconnect) cluster.fork();
  });
  process.on('SIGTERM', () => cluster.disconnect(() => process.exit(0)));
} else {
  http
    .createServer((_request, response) => {
      response.setHeader('connection', 'close');
      response.end(JSON.stringify({ pid: process.pid, stringifyIsNative: JSON.stringify.toString().includes('[native code]') }));
    })
    .listen(Number(process.env.PORT ?? 0), '127.0.0.1');
}
