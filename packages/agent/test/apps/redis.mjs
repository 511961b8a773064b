/* Reads and writes a Redis through the client that CLIENT names, in the ways that applications do. */
import { createServer } from 'node:http';
import Redis from 'ioredis';
import { createClient } from 'redis';

async function connect() {
  const url = process.env.REDIS_URL;
  if (process.env.CLIENT === 'ioredis') {
    const client = new Redis(url);
    return {
      get: (key) => client.get(key), // by ioredis
      fail: () => client.call('nonsense'),
      batch: (keys) => keys.reduce((pipeline, key) => pipeline.get(key), client.pipeline()).exec(),
      close: () => client.disconnect(),
    };
  }
  const client = createClient({ url });
  client.on('error', () => undefined);
  await client.connect();
  return {
    get: (key) => client.get(key), // by redis
    fail: () => client.sendCommand(['NONSENSE']),
    batch: (keys) => keys.reduce((multi, key) => multi.get(key), client.multi()).execAsPipeline(),
    close: () => client.destroy(),
  };
}

const unhandled = [];
process.on('unhandledRejection', (error) => unhandled.push(error.message));

async function serve(client) {
  const handlers = {
    async '/loop'() {
      const values = [];
      for (const id of [1, 2, 3, 4, 5]) values.push(await client.get(`user:${id}`));
      return values;
    },
    '/parallel': () => Promise.all([1, 2, 3, 4, 5].map((id) => client.get(`user:${id}`))),
    '/batch': () => client.batch(['user:1', 'user:2', 'user:3']),
    async '/failing'() {
      const caught = await client.fail().catch((error) => error.message);
      void client.fail();
      await new Promise((resolve) => {
        setTimeout(resolve, 30);
      });
      return { caught, unhandled: unhandled.length };
    },
  };
  const server = createServer((request, response) => {
    handlers[request.url]().then(
      (result) => response.end(JSON.stringify(result)),
      (error) => {
        response.statusCode = 500;
        response.end(error.stack);
      },
    );
  });
  server.listen(0, '127.0.0.1', () => process.stdout.write(`listening ${server.address().port}\n`));
  process.on('SIGTERM', () => {
    server.close();
    server.closeAllConnections();
    client.close();
  });
}

await serve(await connect());
