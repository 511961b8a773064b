/* Answers how every form of calling postgres.js behaves: the same with and without the agent, or the agent changed something. */
import postgres from 'postgres';
import { serve } from './serve.ts';

const url = process.env['DATABASE_URL'] ?? '';
const sql = postgres(url, { max: 2, onnotice: () => undefined });

const describe = (error: unknown) => {
  const { name, message, code, query, parameters, stack } = error as Error & { code?: unknown; query?: unknown; parameters?: unknown };
  return { name, message, code, query, parameters, fromHere: stack?.includes('postgres-js-forms') };
};
const outcome = (promise: PromiseLike<unknown>) =>
  Promise.resolve(promise).then(
    (value) => ({ value, ...(value as { count?: unknown; command?: unknown }) }),
    (error: unknown) => ({ error: describe(error) }),
  );
const attempt = async (work: () => unknown) => outcome(new Promise((resolve) => resolve(work())));

const unhandled: string[] = [];
process.on('unhandledRejection', (error: Error) => unhandled.push(error.message));

async function exercise(): Promise<Record<string, unknown>> {
  const report: Record<string, unknown> = {};
  report['tagged'] = await outcome(sql`SELECT ${5}::int AS value`);
  report['again'] = await outcome(Promise.all([1, 2, 3, 4, 5].map((n) => sql`SELECT ${n}::int AS n`)));
  report['fragments'] = await outcome(
    sql`SELECT ${sql('id', 'name')} FROM authors ${sql`WHERE id IN ${sql([1, 2])}`} ORDER BY ${sql('id')}`,
  );
  report['insert'] = await outcome(sql`INSERT INTO authors ${sql([{ id: 50, name: 'x' }])} RETURNING *`);
  report['delete'] = await outcome(sql`DELETE FROM authors WHERE id = ${50}`);
  report['raw'] = await outcome(sql`SELECT 1 AS a`.raw());
  report['values'] = await outcome(sql`SELECT 1 AS a, 2 AS b`.values());
  report['simple'] = await outcome(sql`SELECT 1 AS a; SELECT 2 AS b`.simple());
  report['unsafe'] = await outcome(sql.unsafe('SELECT $1::int AS n', [6]));
  report['unsafeSeveral'] = await outcome(sql.unsafe('SELECT 1 AS a; SELECT 2 AS b'));
  const { types, string } = (await sql`SELECT ${1}::int AS a`.describe()) as unknown as { types: unknown; string: unknown };
  report['describe'] = { types, string };
  report['failing'] = await outcome(sql`SELECT * FROM nowhere`);
  report['failingValue'] = await outcome(sql`SELECT ${'x'}::int`);
  report['undefinedValue'] = await outcome(sql`SELECT ${undefined as unknown as string}`);
  report['caught'] = await sql`SELECT nothing`.catch(describe);
  let finallyRan = 0;
  report['finally'] = await outcome(sql`SELECT 1 AS a`.finally(() => (finallyRan += 1)));
  report['finallyRan'] = finallyRan;

  const lazy = sql`INSERT INTO authors (id, name) VALUES (60, 'lazy')`;
  await new Promise((resolve) => setTimeout(resolve, 30));
  report['lazyBefore'] = await outcome(sql`SELECT count(*)::int AS n FROM authors WHERE id = 60`);
  report['lazyIs'] = [lazy instanceof Promise, lazy.constructor.name, Object.prototype.toString.call(lazy)];
  report['thenIsPlain'] = lazy.then(() => undefined).constructor.name;
  report['lazyTwice'] = await outcome(Promise.all([lazy, lazy]));
  report['executed'] = await outcome(sql`DELETE FROM authors WHERE id = 60`.execute());

  const pages: unknown[] = [];
  await sql`SELECT id FROM posts ORDER BY id LIMIT 5`.cursor(2, (rows) => void pages.push([...rows]));
  for await (const rows of sql`SELECT id FROM posts ORDER BY id LIMIT 5`.cursor(2)) pages.push([...rows]);
  for await (const rows of sql`SELECT id FROM posts ORDER BY id LIMIT 5`.cursor(2)) {
    pages.push([...rows]);
    break;
  }
  await sql`SELECT id FROM posts ORDER BY id LIMIT 3`.forEach((row) => void pages.push(row));
  report['pages'] = pages;
  report['cursorFails'] = await outcome(sql`SELECT 1 / (id - 3) FROM posts ORDER BY id`.cursor(1, () => undefined));

  report['begin'] = await outcome(
    sql.begin(async (tx) => {
      await tx`UPDATE authors SET name = 'changed' WHERE id = 1`;
      const inner = await tx.savepoint(async (point) => point`SELECT name FROM authors WHERE id = 1`);
      await tx.savepoint((point) => point`SELECT * FROM nowhere`).catch(() => undefined);
      return [...inner];
    }),
  );
  report['rollback'] = await outcome(
    sql.begin(async (tx) => {
      await tx`UPDATE authors SET name = 'never'`;
      throw new Error('on purpose');
    }),
  );
  report['uncaught'] = await outcome(
    sql.begin(async (tx) => {
      void tx`SELECT * FROM nowhere`;
      return tx`SELECT 1 AS a`;
    }),
  );
  report['pipelined'] = await outcome(sql.begin((tx) => [tx`SELECT 1 AS a`, tx`SELECT 2 AS b`] as never));
  report['after'] = await outcome(sql`SELECT name FROM authors WHERE id = 1`);
  await sql`UPDATE authors SET name = 'author 1' WHERE id = 1`;
  const reserved = await sql.reserve();
  report['reserved'] = await outcome(reserved`SELECT ${7}::int AS seven`);
  reserved.release();

  const slow = sql`SELECT pg_sleep(5)`;
  setTimeout(() => slow.cancel(), 40);
  report['cancelled'] = await outcome(slow);
  const never = sql`SELECT 'never awaited'`;
  void never;
  void sql`SELECT unhandled`.execute();
  await new Promise((resolve) => setTimeout(resolve, 60));
  report['unhandled'] = unhandled.splice(0);
  report['timeout'] = await outcome(sql`SET LOCAL statement_timeout = 1; SELECT pg_sleep(1)`.simple());

  const short = postgres(url, { max: 1 });
  await short`SELECT 1`;
  const waiting = Promise.all([short`SELECT 1 AS a`, short`SELECT * FROM nowhere`.catch(describe), short`SELECT 3 AS c`]);
  report['oneConnection'] = await outcome(waiting);
  await short.end();
  report['afterEnd'] = await outcome(short`SELECT 1`);
  const unreachable = postgres('postgres://nobody@127.0.0.1:1/none', { max: 1, connect_timeout: 1 });
  report['unreachable'] = ((await outcome(unreachable`SELECT 1`)) as { error: { code: unknown } }).error.code;
  report['noText'] = await attempt(() => (sql as unknown as (text: number) => unknown)(5));
  report['keys'] = Object.keys(sql`SELECT 1`).sort();
  return report;
}

serve({ '/': exercise }, () => sql.end());
