// The same answers from node:http, Express and Fastify, each in its own idiom.
import { AsyncLocalStorage } from 'node:async_hooks';
import { createServer, Server } from 'node:http';
import { setTimeout as sleep } from 'node:timers/promises';
import { gzipSync } from 'node:zlib';
import express from 'express';
import Fastify from 'fastify';

const posts = Array.from({ length: 300 }, (_, id) => ({ id, title: `Post number ${id}`, text: 'All work and no play.' }));
const bigJson = JSON.stringify(posts);
const json = 'application/json; charset=utf-8';
const asker = new AsyncLocalStorage();
const runs = {};
const gathering = { wanted: 0, arrived: 0 };
const hanging = { now: Promise.withResolvers() };
const state = { value: 1 };

const still = {
  '/big': [200, { 'content-type': json }, bigJson],
  '/small': [200, { 'content-type': json }, '{"ok":true}'],
  '/text': [200, { 'content-type': 'text/plain' }, Buffer.from('All work and no play makes Jack a dull boy.\n'.repeat(200))],
  '/encoded': [200, { 'content-type': json, 'content-encoding': 'gzip' }, gzipSync(bigJson)],
  '/untouchable': [200, { 'content-type': json, 'cache-control': 'public, no-transform' }, bigJson],
  '/tagged': [200, { 'content-type': json, etag: '"v1"', 'accept-ranges': 'bytes' }, bigJson],
  '/varied': [200, { 'content-type': json, vary: 'Origin' }, bigJson],
  '/cookie': [200, { 'content-type': json, 'set-cookie': ['a=1', 'b=2'] }, bigJson],
  '/unstored': [200, { 'content-type': json, 'cache-control': 'no-store' }, bigJson],
  '/image': [200, { 'content-type': 'image/png' }, Buffer.alloc(5000, 'png')],
  '/events': [200, { 'content-type': 'text/event-stream' }, 'data: tick\n\n'.repeat(300)],
  '/missing': [404, { 'content-type': json }, bigJson],
};

const ran = (name) => {
  runs[name] = (runs[name] ?? 0) + 1;
  return runs[name];
};
const own = (request) => ({ name: request.headers['x-name'], stored: asker.getStore(), inherited: (request.raw ?? request).inherited });
/** Work lasts until all have arrived that were announced, so that who waits for whom is no matter of milliseconds. */
async function work() {
  while (gathering.arrived < gathering.wanted) await sleep(5);
  await sleep(20);
}

/** Asked past the framework and whatever policy there is. */
const controls = {
  '/gather': (count) => {
    if (gathering.arrived >= gathering.wanted) Object.assign(gathering, { wanted: 0, arrived: 0 });
    gathering.wanted += Number(count);
  },
  '/arrived': () => gathering.arrived,
  '/let-go': () => {
    hanging.now.resolve();
    hanging.now = Promise.withResolvers();
  },
};

/** Answers that take their time: name -> status, headers and body. */
const slow = {
  '/slow': async () => {
    const run = ran('/slow');
    await work();
    return [200, { 'content-type': json }, JSON.stringify({ run, posts })];
  },
  '/slow/:id': async (request) => {
    const run = ran(request.url);
    const before = own(request);
    await work();
    return [200, { 'content-type': json }, JSON.stringify({ run, before, after: own(request) })];
  },
  '/busy': async () => {
    block(3);
    await sleep(10);
    return [200, { 'content-type': json }, JSON.stringify({ posts: posts.slice(0, 20) })];
  },
  '/value': async () => {
    const { value } = state;
    ran('/value');
    await work();
    return [200, { 'content-type': json }, JSON.stringify({ value })];
  },
  '/fails': async (request) => {
    const run = ran(request.url);
    await work();
    return run === 1 ? [500, { 'content-type': json }, '{"broken":true}'] : [200, { 'content-type': json }, JSON.stringify({ run })];
  },
  '/cookies': async () => {
    const run = ran('/cookies');
    await work();
    return [200, { 'content-type': json, 'set-cookie': `visit=${run}` }, JSON.stringify({ run })];
  },
  '/hangs': async (request) => {
    const run = ran(request.url);
    await (run === 1 ? hanging.now.promise : sleep(10));
    return [200, { 'content-type': json }, JSON.stringify({ run })];
  },
};

async function stream(response) {
  ran('/stream');
  response.writeHead(200, { 'content-type': json });
  response.write('[');
  await work();
  response.end(`${'1,'.repeat(2000)}1]`);
}

/** Blocks the thread before it answers: what was ordered meanwhile has been heard by nobody in this thread. */
function block(ms) {
  const until = performance.now() + ms;
  while (performance.now() < until);
}

const makers = {
  bare() {
    const answer = async (request, response) => {
      const { pathname } = new URL(request.url, 'http://localhost');
      const work = request.method === 'GET' ? slow[pathname.startsWith('/slow/') ? '/slow/:id' : pathname] : undefined;
      const found = still[pathname] ?? (await work?.(request));
      if (found !== undefined) {
        const [status, headers, body] = found;
        response.writeHead(status, headers);
        response.end(body);
      } else if (pathname === '/stream') await stream(response);
      else if (pathname === '/blocked') {
        block(400);
        response.setHeader('content-type', json);
        response.end(bigJson);
      } else if (pathname === '/stalling') {
        block(Number(new URL(request.url, 'http://localhost').searchParams.get('ms')));
        response.end('ok');
      } else if (pathname === '/stubborn') {
        // As a Node would be that keeps its head elsewhere.
        response.writeHead(200, { 'content-type': json });
        const { _header: head } = response;
        Object.defineProperty(response, '_header', {
          get: () => head,
          set() {
            // Nothing here takes it.
          },
        });
        response.end(bigJson);
      } else if (pathname === '/runs') response.end(JSON.stringify(runs));
      else if (request.method === 'POST') {
        state.value += 1;
        response.end(String(state.value));
      } else response.writeHead(204).end();
    };
    return createServer((request, response) => void answer(request, response));
  },
  express() {
    const app = express();
    for (const [path, [status, headers, body]] of Object.entries(still)) {
      app.all(path, (_request, response) => void response.status(status).set(headers).send(body));
    }
    for (const [path, work] of Object.entries(slow)) {
      app.get(path, async (request, response) => {
        const [status, headers, body] = await work(request);
        response.status(status).set(headers).send(body);
      });
    }
    app.get('/stream', (_request, response) => stream(response));
    app.get('/blocked', (_request, response) => {
      block(400);
      response.json(posts);
    });
    app.get('/runs', (_request, response) => void response.json(runs));
    app.post('/value', (_request, response) => void response.send(String((state.value += 1))));
    app.use((_request, response) => void response.status(204).end());
    return createServer(app);
  },
  async fastify() {
    const app = Fastify();
    for (const [path, [status, headers, body]] of Object.entries(still)) {
      app.get(path, (_request, reply) => reply.code(status).headers(headers).send(body));
    }
    app.post('/big', (_request, reply) => reply.headers({ 'content-type': json }).send(bigJson));
    for (const [path, work] of Object.entries(slow)) {
      app.get(path, async (request, reply) => {
        const [status, headers, body] = await work(request);
        return reply.code(status).headers(headers).send(body);
      });
    }
    app.get('/stream', (_request, reply) => {
      reply.hijack();
      void stream(reply.raw);
    });
    app.get('/blocked', async () => {
      block(400);
      return posts;
    });
    app.get('/injected', async () => (await app.inject({ url: '/big', headers: { 'accept-encoding': 'gzip' } })).json());
    app.get('/runs', async () => runs);
    app.post('/value', async () => String((state.value += 1)));
    app.setNotFoundHandler((_request, reply) => reply.code(204).send());
    await app.ready();
    return app.server;
  },
};

const server = await makers[process.env.FRAMEWORK ?? 'bare']();
const announced = /^\/(?:slow|value|fails|cookies|hangs|stream)\b/;
server.emit = function emit(name, request, response, ...rest) {
  if (name === 'request') {
    const { pathname, searchParams } = new URL(request.url, 'http://localhost');
    if (Object.hasOwn(controls, pathname)) {
      response.end(String(controls[pathname](searchParams.get('count'))));
      return true;
    }
    if (request.method === 'GET' && announced.test(pathname)) gathering.arrived += 1;
  }
  return Server.prototype.emit.call(this, name, request, response, ...rest);
};
// Every request enters a store of its own, as request-scoped loggers do it, and says which one it found itself in.
server.prependListener('request', (request) => {
  request.inherited = asker.getStore() ?? null;
  asker.enterWith(request.headers['x-name'] ?? null);
});
server.listen(Number(process.env.PORT ?? 0), '127.0.0.1', () => {
  process.stdout.write(`listening ${server.address().port}\n`);
});
process.on('SIGTERM', () => {
  server.close();
  server.closeAllConnections();
});
