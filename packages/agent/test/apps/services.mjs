/* Asks a second server of its own for this and that: by fetch, node:http, axios-like use and undici. */
import { createServer, get, Agent } from 'node:http';
import { once } from 'node:events';
import { setTimeout as sleep } from 'node:timers/promises';
import pg from 'pg';
import { request as undiciRequest } from 'undici';

const pool = process.env.DATABASE_URL === undefined ? null : new pg.Pool({ connectionString: process.env.DATABASE_URL });

let failures = 0;
const service = createServer((request, response) => {
  const { pathname } = new URL(request.url, 'http://service');
  if (pathname === '/moved') response.writeHead(302, { location: '/users/1' }).end();
  else if (pathname === '/flaky') {
    failures += 1;
    response.statusCode = failures % 3 === 0 ? 200 : 503;
    response.end('tried');
  } else if (pathname === '/slow') setTimeout(() => response.end('slow'), 130);
  else if (pathname === '/rude') response.setHeader('connection', 'close').end('gone');
  else response.end(JSON.stringify({ pathname }));
});
service.listen(0, '127.0.0.1');
await once(service, 'listening');
const peer = `127.0.0.1:${service.address().port}`;
const base = `http://${peer}`;

const oneByOne = new Agent({ keepAlive: false });
const read = (url, options) =>
  new Promise((resolve, reject) => {
    const request = get(url, options, (response) => {
      let body = '';
      response.on('data', (chunk) => (body += chunk));
      response.on('end', () => resolve(body));
    });
    request.on('error', reject);
    if (options.onTimeout) request.on('timeout', () => request.destroy());
  });

const handlers = {
  async '/loop'() {
    for (const id of [7, 8, 9, 10]) {
      const answer = await fetch(`${base}/users/${id}?fields=name`);
      await answer.json();
    }
  },
  async '/fan-out'() {
    const ids = [7, 8, 9, 10];
    await Promise.all(ids.map(async (id) => (await fetch(new URL(`/users/${id}`, base), { signal: AbortSignal.timeout(1000) })).text()));
  },
  async '/again'() {
    for (let time = 0; time < 4; time += 1) await (await fetch(new Request(`${base}/status`))).text();
  },
  async '/flaky'() {
    for (;;) {
      const answer = await fetch(`${base}/flaky`, { method: 'POST', body: '{}' });
      await answer.text();
      if (answer.ok) return;
    }
  },
  async '/patient'() {
    for (;;) {
      const answer = await fetch(`${base}/flaky`);
      await answer.text();
      if (answer.ok) return;
      await sleep(20);
    }
  },
  async '/moved'() {
    await (await fetch(`${base}/moved`)).text();
  },
  async '/refused'() {
    await fetch('http://127.0.0.1:1/closed/17').catch(() => undefined);
  },
  async '/one-by-one'() {
    await read(`${base}/one/1`, { agent: oneByOne });
    await read(`${base}/one/2`, { agent: oneByOne });
  },
  async '/kept'() {
    await read(`${base}/kept/1`, { signal: AbortSignal.timeout(1000) });
    await read(`${base}/kept/2`, { timeout: 1000, onTimeout: true });
    await read(`${base}/kept/3`, { timeout: 1000 });
  },
  async '/rude'() {
    await read(`${base}/rude`, {});
  },
  async '/undici'() {
    const { body } = await undiciRequest(`${base}/users/3`);
    await body.text();
  },
  async '/webhook'() {
    await fetch(`${base}/slow`, { method: 'POST', body: 'x' });
  },
  async '/webhooks-together'() {
    await Promise.all(['a', 'b'].map((body) => fetch(`${base}/slow`, { method: 'POST', body })));
  },
  async '/in-transaction'() {
    const client = await pool.connect();
    try {
      await client.query('BEGIN');
      await client.query('SELECT id FROM posts LIMIT 1');
      await (await fetch(`${base}/slow`)).text(); // while the transaction waits
      await client.query('COMMIT');
      await (await fetch(`${base}/users/1`)).text();
    } finally {
      client.release();
    }
  },
  async '/from-rows'() {
    const { rows } = await pool.query('SELECT id, author_id FROM posts ORDER BY id LIMIT 6');
    for (const row of rows) await (await fetch(`${base}/users/${row.author_id}`)).text();
  },
  async '/errors'() {
    const rejected = [];
    for (const call of [
      () => fetch('no url'),
      () => fetch('http://127.0.0.1:1/'),
      () => fetch(`${base}/slow`, { signal: AbortSignal.abort() }),
    ]) {
      await call().catch((error) => rejected.push(error.name));
    }
    void fetch('http://127.0.0.1:1/');
    await sleep(30);
    return JSON.stringify({ rejected, unhandled: unhandled.length, name: fetch.name, length: fetch.length });
  },
  async '/beside-a-transaction'() {
    const work = async () => {
      const client = await pool.connect();
      await client.query('BEGIN');
      for (let time = 0; time < 5; time += 1) await client.query('SELECT pg_sleep(0.04)');
      await client.query('COMMIT');
      client.release();
    };
    await Promise.all([work(), fetch(`${base}/slow`).then((answer) => answer.text())]);
  },
};

const unhandled = [];
process.on('unhandledRejection', (error) => unhandled.push(error.name));

const server = createServer((request, response) => {
  const { pathname } = new URL(request.url, 'http://localhost');
  handlers[pathname.slice('/app'.length)]().then(
    (result) => response.end(result ?? peer),
    (error) => {
      response.statusCode = 500;
      response.end(String(error));
    },
  );
});
server.listen(0, '127.0.0.1', () => {
  process.stdout.write(`listening ${server.address().port}\n`);
});
process.on('SIGTERM', () => {
  for (const each of [server, service]) {
    each.close();
    each.closeAllConnections();
  }
  void pool?.end();
});
