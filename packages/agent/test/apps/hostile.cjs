'use strict';
/* Everything an application should not do, one path each. */
const http = require('node:http');
const v8 = require('node:v8');
const vm = require('node:vm');
const { Worker } = require('node:worker_threads');
let pg = require('pg');

v8.setFlagsFromString('--expose-gc');
const gc = vm.runInNewContext('gc');
let pool = new pg.Pool({ connectionString: process.env.DATABASE_URL, max: 4 });

const later = (ms) =>
  new Promise((resolve) => {
    setTimeout(resolve, ms);
  });
const outcome = (promise) =>
  promise.then(
    ({ rows }) => rows,
    (error) => error.message.slice(0, 80),
  );

/** Letters only: a name with digits in it would be taken for data. */
const word = (number) => String(number).replaceAll(/\d/g, (digit) => 'abcdefghij'[digit]);

/** Code that writes code: each function is a place of its own. */
const places = [];
const makePlace = (number) => vm.runInThisContext(`(pool, sql) => pool.query(sql)`, { filename: `/generated/${word(number)}.js` });

/** Statements of no request are all followed, so that they fill what the agent keeps; from a timer that is older than any request. */
const wanted = { statements: 0, done: null };
const runWanted = async () => {
  const { statements, done } = wanted;
  if (statements === 0) return;
  wanted.statements = 0;
  for (let number = 0; number < statements; number += 1) await places[number](pool, `SELECT 1 AS ${word(number)}`);
  done();
};
setInterval(() => void runWanted(), 20).unref();

const hostileStatements = () => [
  `SELECT length('${'x'.repeat(1_000_000)}') AS length`,
  `${'/*'.repeat(500)} nested ${'*/'.repeat(500)} SELECT 1 AS one`,
  '/* never closed SELECT 1',
  "SELECT 'never closed",
  'SELECT $tag$ never closed',
  'SELECT \u0000',
  'SELECT 1 AS "\ud800"',
  `SELECT 1 AS "__proto__", 2 AS "constructor"`,
  `SELECT ${'('.repeat(2000)}1${')'.repeat(2000)} AS deep`,
  `SELECT 1 WHERE 1 IN (${Array.from({ length: 20_000 }, (_, index) => index).join(',')})`,
  '',
  ';;;',
  '\u202e SELECT',
];
const endless = [];
endless.push(endless);
const hostileValues = () => [
  ['SELECT $1::text AS value', [{ toJSON: () => 'mine' }]],
  ['SELECT $1::text AS value', [Symbol('no value')]],
  ['SELECT $1::text AS value', [new Proxy({}, {})]],
  ['SELECT $1::bytea AS value', [Buffer.alloc(100_000)]],
  ['SELECT length($1::text) AS value', ['y'.repeat(1_000_000)]],
  ['SELECT $1::text AS value', [new Date(Number.NaN)]],
  ['SELECT $1::text AS value', Object.freeze(['frozen'])],
];

const corruptions = {
  /** What other observers and careless plugins do to a driver. */
  redefine() {
    const { prototype } = pg.Pool;
    const original = Reflect.get(prototype, 'query');
    prototype.query = function query(...args) {
      return original.apply(this, args);
    };
  },
  freeze() {
    for (const frozen of [pg.Pool.prototype, pg.Client.prototype, JSON, http.Server.prototype]) Object.freeze(frozen);
  },
  'delete-emit'() {
    delete http.Server.prototype.emit;
  },
  /** What the agent asks a pool for, and pg itself does not. */
  'break-pools'() {
    Object.defineProperty(pg.Pool.prototype, 'waitingCount', {
      get() {
        throw new Error('not to be asked');
      },
    });
  },
  'break-responses'() {
    Object.defineProperty(http.ServerResponse.prototype, 'writableFinished', {
      get() {
        throw new Error('not to be asked');
      },
    });
  },
};

const actions = {
  places(url) {
    for (let number = 0; number < Number(url.searchParams.get('count')); number += 1) places.push(makePlace(number));
    return places.length;
  },
  async statements(url) {
    await new Promise((resolve) => {
      Object.assign(wanted, { statements: Number(url.searchParams.get('count')), done: resolve });
    });
    return 'done';
  },
  async sql() {
    const outcomes = [];
    for (const statement of hostileStatements()) outcomes.push(await outcome(pool.query(statement)));
    for (const [text, values] of hostileValues()) outcomes.push(await outcome(pool.query(text, values)));
    return outcomes;
  },
  async author() {
    return outcome(pool.query('SELECT name FROM authors WHERE id = $1', [3]));
  },
  async client() {
    const client = await pool.connect();
    try {
      return await outcome(client.query('SELECT 5 AS five'));
    } finally {
      client.release();
    }
  },
  state: () => ({ pid: process.pid, stringifyIsNative: JSON.stringify.toString().includes('[native code]') }),
  heap() {
    gc();
    gc();
    return process.memoryUsage().heapUsed;
  },
  async workers(url) {
    const names = Array.from({ length: Number(url.searchParams.get('count')) }, (_, index) => index);
    return Promise.all(
      names.map(
        (name) =>
          new Promise((resolve, reject) => {
            const code = `
              const server = require('node:http').createServer((request, response) => response.end('${name}'));
              server.listen(0, () => require('node:worker_threads').parentPort.postMessage(server.address().port));`;
            const worker = new Worker(code, { eval: true });
            worker.once('error', reject);
            const answered = async (port) => {
              const answer = await (await fetch(`http://127.0.0.1:${port}`)).text();
              await worker.terminate();
              resolve(answer);
            };
            worker.once('message', (port) => void answered(port));
          }),
      ),
    );
  },
  async reload(url) {
    for (let time = 0; time < Number(url.searchParams.get('count')); time += 1) {
      await pool.end();
      for (const file of Object.keys(require.cache)) if (file.includes('/node_modules/pg')) delete require.cache[file];
      pg = require('pg');
      pool = new pg.Pool({ connectionString: process.env.DATABASE_URL, max: 4 });
      await pool.query('SELECT 1 AS reloaded');
    }
    return 'reloaded';
  },
  corrupt(url) {
    corruptions[url.searchParams.get('how')]();
    return 'corrupted';
  },
  exit: () => process.exit(7),
  reject: () => void Promise.reject(new Error('nobody handles this')),
  throw() {
    throw new Error('thrown in a handler');
  },
  'throw-later'() {
    setTimeout(() => {
      throw new TypeError('thrown later');
    }, 5);
    return later(1000);
  },
  'throw-in-callback'() {
    pool.query('SELECT 1', () => {
      throw new RangeError('thrown where the driver calls back');
    });
    return later(1000);
  },
  async slow() {
    await later(300);
    return 'slow';
  },
};

const server = http.createServer((request, response) => {
  const name = /^\/(?<name>[a-z-]+)(?:\?|$)/.exec(request.url)?.groups.name;
  const action = Object.hasOwn(actions, name ?? '') ? actions[name] : () => 'unknown';
  const result = action(new URL(name === undefined ? '/' : request.url, 'http://localhost'));
  void Promise.resolve(result).then((answer) => response.end(JSON.stringify(answer)));
});
server.listen(0, '127.0.0.1', () => {
  process.stdout.write(`listening ${server.address().port}\n`);
});
process.on('SIGTERM', () => {
  server.close(() => void pool.end());
  server.closeIdleConnections();
});
