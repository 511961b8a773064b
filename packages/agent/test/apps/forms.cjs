'use strict';
/* Prints how every form of calling pg behaves: the same with and without the agent, or the agent changed something. */
const http = require('node:http');
const pg = require('pg');

const pool = new pg.Pool({ connectionString: process.env.DATABASE_URL, max: 2 });
const report = {};
const describe = (error) => ({
  name: error.name,
  message: error.message,
  code: error.code,
  fromHere: error.stack.includes('forms.cjs'),
});
const outcome = (promise) =>
  promise.then(
    (result) => ({ rows: result.rows ?? result.map((part) => part.rows), command: result.command }),
    (error) => ({ error: describe(error) }),
  );
const called = (call) =>
  new Promise((resolve) => {
    const returned = call((error, result) =>
      resolve({ error: error ? describe(error) : null, rows: result?.rows, returned: typeof returned }),
    );
  });

/** The protocol that pg-cursor and pg-query-stream implement. */
class Submitted {
  constructor(text) {
    this.text = text;
    this.seen = [];
    this.done = new Promise((resolve) => {
      this.resolve = resolve;
    });
  }
  submit(connection) {
    connection.query(this.text);
  }
  handleRowDescription() {}
  handleDataRow(message) {
    this.seen.push(message.fields);
  }
  handleCommandComplete() {}
  handleReadyForQuery() {
    this.resolve({ fields: this.seen });
  }
  handleError(error) {
    this.resolve({ error: describe(error) });
  }
}

/** What pg-copy-streams submits handles no rows. */
class Copied {
  constructor(text) {
    this.text = text;
    this.done = new Promise((resolve) => {
      this.resolve = resolve;
    });
  }
  submit(connection) {
    connection.query(this.text);
  }
  handleCopyData() {}
  handleCommandComplete() {}
  handleReadyForQuery() {
    this.resolve('copied');
  }
  handleError(error) {
    this.resolve({ error: describe(error) });
  }
}

const unhandled = [];
process.on('unhandledRejection', (error) => unhandled.push(error.message));

async function exercise() {
  report.promise = await outcome(pool.query('SELECT 1 AS one'));
  report.parameters = await outcome(pool.query('SELECT $1::int AS value', [5]));
  report.config = await outcome(pool.query({ text: 'SELECT $1::text AS value', values: ['x'], rowMode: 'array' }));
  report.named = await outcome(pool.query({ name: 'named', text: 'SELECT 2 AS two' }));
  report.several = await outcome(pool.query('SELECT 1 AS a; SELECT 2 AS b'));
  report.failing = await outcome(pool.query('SELECT * FROM nowhere'));
  report.badValues = await outcome(pool.query('SELECT $1::int', ['no number']));
  report.callback = await called((done) => pool.query('SELECT 3 AS three', done));
  report.callbackWithValues = await called((done) => pool.query('SELECT $1::int AS value', [4], done));
  report.failingCallback = await called((done) => pool.query('SELEC', done));
  report.functionFirst = await called((done) => pool.query(done));
  report.parallel = await Promise.all([1, 2, 3, 4].map((n) => outcome(pool.query('SELECT $1::int AS n', [n]))));

  const client = await pool.connect();
  report.clientIsClient = client instanceof pg.Client;
  report.clientPromise = await outcome(client.query('SELECT 6 AS six'));
  report.clientCallback = await called((done) => client.query('SELECT 7 AS seven', done));
  const submitted = new Submitted('SELECT 8 AS eight UNION ALL SELECT 9');
  report.submittedIsReturned = client.query(submitted) === submitted;
  report.submitted = await submitted.done;
  const failingSubmitted = new Submitted('SELECT eight');
  client.query(failingSubmitted);
  report.failingSubmitted = await failingSubmitted.done;
  const copied = new Copied('COPY (SELECT 11) TO STDOUT');
  client.query(copied);
  report.copied = await copied.done;
  const query = new pg.Query('SELECT 10 AS ten');
  report.queryIsReturned = client.query(query) === query;
  report.query = await new Promise((resolve) => {
    const rows = [];
    query.on('row', (row) => rows.push(row));
    query.on('end', () => resolve(rows));
  });
  try {
    client.query(null);
  } catch (error) {
    report.nothing = describe(error);
  }
  try {
    client.query('SELECT 1', 'no function', 'no function');
  } catch (error) {
    report.badCallback = describe(error);
  }
  client.release();
  try {
    client.release();
  } catch (error) {
    report.doubleRelease = describe(error);
  }
  report.connectCallback = await new Promise((resolve) => {
    const returned = pool.connect((error, connected, release) => {
      release();
      resolve({ error, sameRelease: connected.release === release, returned: typeof returned });
    });
  });

  const unreachable = new pg.Pool({ host: '127.0.0.1', port: 1, max: 1 });
  report.unreachable = (await outcome(unreachable.query('SELECT 1'))).error.code;
  report.unreachableConnect = await unreachable.connect().catch((error) => error.code);
  const small = new pg.Pool({ connectionString: process.env.DATABASE_URL, max: 1, connectionTimeoutMillis: 1_000 });
  const taken = await small.connect();
  report.timeout = (await outcome(small.query('SELECT 1'))).error.message;
  taken.release();
  await small.end();
  report.afterEnd = await outcome(small.query('SELECT 1'));

  void pool.query('SELECT unhandled');
  void pool.connect().then((unused) => unused.release());
  for (let turn = 0; turn < 500 && unhandled.length === 0; turn += 1) {
    await new Promise((resolve) => {
      setTimeout(resolve, 10);
    });
  }
  report.unhandled = unhandled;
  report.names = [pg.Pool.prototype.query.name, pg.Pool.prototype.connect.length, pg.Client.prototype.query.length, JSON.stringify.name];
  report.keys = Object.keys(await pool.connect().then((again) => (again.release(), again))).filter((key) => key.includes('anneal'));
  return report;
}

const server = http.createServer((request, response) => {
  exercise().then(
    (result) => response.end(JSON.stringify(result)),
    (error) => response.writeHead(500).end(error.stack),
  );
});
server.listen(0, '127.0.0.1', () => {
  process.stdout.write(`listening ${server.address().port}\n`);
});
process.on('SIGTERM', () => {
  server.close();
  server.closeAllConnections();
  void pool.end();
});
