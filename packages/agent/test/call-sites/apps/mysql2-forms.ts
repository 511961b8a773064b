/* Answers how every form of calling mysql2 behaves: the same with and without the agent, or the agent changed something. */
import mysql from 'mysql2';
import promises from 'mysql2/promise';
import { serve } from './serve.ts';

const uri = process.env['MYSQL_URL'] ?? '';
const pool = mysql.createPool({ uri, connectionLimit: 2, multipleStatements: true });
const promised = pool.promise();

const describe = (error: unknown) => {
  const { name, message, code, sql, stack } = error as Error & { code?: unknown; sql?: unknown };
  return { name, message, code, sql, fromHere: stack?.includes('mysql2-forms') };
};
const outcome = (promise: PromiseLike<unknown>) =>
  Promise.resolve(promise).then(
    (value) => {
      const [rows, fields] = value as [unknown, { name?: string }[] | undefined];
      return { rows, fields: fields?.map?.((field) => field?.name) };
    },
    (error: unknown) => ({ error: describe(error) }),
  );
type Done = (error: unknown, rows?: unknown, fields?: unknown) => void;
const called = (call: (done: Done) => unknown) =>
  new Promise((resolve) => {
    const returned = call((error, rows, fields) =>
      resolve({
        error: error === null ? null : describe(error),
        rows,
        fields: Array.isArray(fields) ? fields.length : typeof fields,
        returned: (returned as object | undefined)?.constructor.name,
      }),
    );
  });
const streamed = (query: mysql.Query) =>
  new Promise((resolve) => {
    const events: unknown[] = [];
    query.on('fields', (fields: { length: number } | undefined) => events.push(['fields', fields?.length]));
    query.on('result', (row) => events.push(['result', row]));
    query.on('error', (error) => events.push(['error', describe(error)]));
    query.on('end', () => resolve(events));
  });

async function exercise(): Promise<Record<string, unknown>> {
  const report: Record<string, unknown> = {};
  report['promise'] = await outcome(promised.query('SELECT 1 AS one'));
  report['values'] = await outcome(promised.query('SELECT ? AS value, ? AS other', [5, 'x']));
  report['object'] = await outcome(promised.query({ sql: 'SELECT ? AS value', values: [6], rowsAsArray: true }));
  report['named'] = await outcome(promised.query({ sql: 'SELECT :a AS a, :b AS b', namedPlaceholders: true } as never, { a: 1, b: 'two' }));
  report['execute'] = await outcome(promised.execute('SELECT ? AS value', [7]));
  report['executeAgain'] = await outcome(promised.execute('SELECT ? AS value', [8]));
  report['insert'] = await outcome(promised.query("INSERT INTO authors VALUES (50, 'it''s')"));
  report['delete'] = await outcome(promised.execute('DELETE FROM authors WHERE id = ?', [50]));
  report['several'] = await outcome(promised.query('SELECT 1 AS a; SELECT 2 AS b'));
  report['parallel'] = await Promise.all([1, 2, 3, 4, 5].map((n) => outcome(promised.query('SELECT ? AS n', [n]))));
  report['failing'] = await outcome(promised.query('SELECT * FROM nowhere'));
  report['failingExecute'] = await outcome(promised.execute('SELECT * FROM nowhere WHERE a = ?', [1]));
  report['badValues'] = await outcome(Promise.resolve().then(() => promised.execute('SELECT ?', [undefined as never])));
  report['promiseWithCallback'] = await outcome(Promise.resolve().then(() => promised.query('SELECT 1', (() => undefined) as never)));

  report['callback'] = await called((done) => pool.query('SELECT 3 AS three', done));
  report['callbackWithValues'] = await called((done) => pool.query('SELECT ? AS four', [4], done));
  report['failingCallback'] = await called((done) => pool.query('SELEC', done));
  report['executeCallback'] = await called((done) => pool.execute('SELECT ? AS five', [5], done));
  report['failingExecuteCallback'] = await called((done) => pool.execute('SELEC ?', [5], done));
  report['streamed'] = await streamed(pool.query('SELECT id FROM posts ORDER BY id LIMIT 3'));
  report['failingStreamed'] = await streamed(pool.query('SELECT * FROM nowhere'));
  const rows: unknown[] = [];
  for await (const row of pool.query('SELECT id FROM posts ORDER BY id LIMIT 4').stream()) rows.push(row);
  report['stream'] = rows;

  const connection = await promised.getConnection();
  report['connectionIs'] = [connection.constructor.name, connection.connection.constructor.name];
  await connection.beginTransaction();
  report['inTransaction'] = await outcome(connection.query('UPDATE authors SET name = ? WHERE id = 1', ['changed']));
  report['queued'] = await Promise.all([1, 2, 3].map((n) => outcome(connection.execute('SELECT ? AS n', [n]))));
  await connection.rollback();
  report['rolledBack'] = await outcome(connection.query('SELECT name FROM authors WHERE id = 1'));
  const statement = await connection.prepare('SELECT ? + 1 AS next');
  report['prepared'] = await outcome(statement.execute([41]));
  await statement.close();
  connection.release();
  report['getConnection'] = await new Promise((resolve) => {
    const returned = pool.getConnection((error, given) => {
      given.query('SELECT 9 AS nine', (_, nine) => {
        given.release();
        resolve({ error, nine, returned: typeof returned });
      });
    });
  });
  const single = await promises.createConnection({ uri });
  report['single'] = await outcome(single.query('SELECT 10 AS ten'));
  await single.end();
  report['closed'] = await outcome(single.query('SELECT 11'));
  const lost = await promises.createConnection({ uri });
  const sleeping = outcome(lost.query('SELECT SLEEP(5)'));
  const behind = outcome(lost.query('SELECT 12'));
  setTimeout(() => lost.destroy(), 40);
  await promised.query(`KILL ${lost.threadId}`);
  report['lost'] = await Promise.all([sleeping, behind]);

  const tight = promises.createPool({ uri, connectionLimit: 1, queueLimit: 1 });
  report['refused'] = await Promise.all([1, 2, 3].map((n) => outcome(tight.query('SELECT ? AS n', [n]))));
  await tight.end();
  report['afterEnd'] = await outcome(tight.query('SELECT 1'));
  const unreachable = promises.createPool({ host: '127.0.0.1', port: 1, user: 'none' });
  report['unreachable'] = ((await outcome(unreachable.query('SELECT 1'))) as { error: { code: unknown } }).error.code;
  report['formatted'] = mysql.format('SELECT ? AS a', ['x']);
  report['names'] = [mysql.createPool.name, pool.query.name, pool.query.length, pool.getConnection.name, pool.execute.length];
  report['keys'] = Object.keys(pool)
    .concat(Object.keys(pool.query('SELECT 1')))
    .filter((key) => key.includes('anneal'));
  return report;
}

serve({ '/': exercise }, () => promised.end());
