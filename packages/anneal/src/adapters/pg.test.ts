import { once } from 'node:events';
import { createServer } from 'node:net';
import { expect, inject, test } from 'vitest';
import { createTestDatabase, serverVersion } from '../../../../test/support/test-database.ts';
import { AnnealError } from '../errors.ts';
import type { Sql } from '../ports/sql.ts';
import { withDatabaseName } from '../target/database-url.ts';
import { createDatabases } from './pg.ts';

const databases = createDatabases();
const writing = { applicationName: 'anneal test', readOnly: false };

async function errorOf(attempt: Promise<unknown>): Promise<AnnealError> {
  const error = await attempt.then(
    () => null,
    (reason: unknown) => reason,
  );
  expect(error).toBeInstanceOf(AnnealError);
  return error as AnnealError;
}

const timeoutOf = async (sql: Sql) =>
  (await sql.query<{ value: string }>(`SELECT current_setting('statement_timeout') AS value`)).rows[0]!.value;

test('a server that is not there, a wrong password and a missing database are three different errors, none with the password in it', async () => {
  await using database = await createTestDatabase();
  const port = await closedPort();
  const unreachable = await errorOf(databases.connect(`postgres://u:secret@127.0.0.1:${port}/app`, writing));
  expect(unreachable.code).toBe('ANNEAL_DATABASE_UNREACHABLE');
  expect(unreachable.message).toContain(`u@127.0.0.1:${port}/app`);

  const { username, host } = new URL(database.url);
  const refused = await errorOf(databases.connect(`postgres://${username}:secret@${host}/${database.name}`, writing));
  expect(refused.code).toBe('ANNEAL_DATABASE_CREDENTIALS');
  const anonymous = await errorOf(databases.connect(`postgres://${username}@${host}/${database.name}`, writing));
  expect(anonymous.code).toBe('ANNEAL_DATABASE_CREDENTIALS');

  const missing = await errorOf(databases.connect(withDatabaseName(database.url, 'nobody_made_this'), writing));
  expect(missing.code).toBe('ANNEAL_DATABASE_MISSING');
  expect(missing.message).toContain('nobody_made_this');

  const garbled = await errorOf(databases.connect('postgres://u:secret@[/app', writing));
  expect(garbled.code).toBe('ANNEAL_DATABASE_UNREACHABLE');
  for (const error of [unreachable, refused, missing, garbled]) expect(`${error.message} ${error.hint}`).not.toContain('secret');
});

test('a server without encryption is refused for sslmode=require and used for sslmode=prefer and allow', async () => {
  await using database = await createTestDatabase();
  const refused = await errorOf(databases.connect(`${database.url}?sslmode=require`, writing));
  expect(refused.message).toContain('SSL');
  for (const mode of ['prefer', 'allow', 'disable']) {
    await using sql = await databases.connect(`${database.url}?sslmode=${mode}`, writing);
    expect((await sql.query('SELECT 1 AS one')).rows).toEqual([{ one: 1 }]);
  }
});

test('a Unix socket in the URL leads to the same server', async () => {
  await using database = await createTestDatabase();
  const { rows } = await database.client.query<{ folder: string }>(`SELECT current_setting('unix_socket_directories') AS folder`);
  const { username, password, port } = new URL(database.url);
  const url = `postgres://${username}:${password}@/${database.name}?host=${encodeURIComponent(rows[0]!.folder)}&port=${port}`;
  await using sql = await databases.connect(url, writing);
  expect((await sql.query('SELECT current_database() AS name')).rows).toEqual([{ name: database.name }]);
  expect(sql.label).toContain(rows[0]!.folder);
  expect(sql.label).not.toContain(password);
});

test('the session carries the name and the limits asked for, whatever the URL says', async () => {
  await using database = await createTestDatabase();
  await using sql = await databases.connect(`${database.url}?application_name=backend`, {
    applicationName: 'anneal probe',
    readOnly: true,
    statementTimeoutMs: 1234,
    lockTimeoutMs: 567,
  });
  const { rows } = await sql.query(
    `SELECT current_setting('application_name') AS name, current_setting('statement_timeout') AS statement, current_setting('lock_timeout') AS lock`,
  );
  expect(rows).toEqual([{ name: 'anneal probe', statement: '1234ms', lock: '567ms' }]);
  await expect(sql.query('CREATE TABLE kept (id int)')).rejects.toMatchObject({ code: '25006' });
});

test("a statement's own timeout ends it on the server and is forgotten by the next one", async () => {
  await using database = await createTestDatabase();
  await using sql = await databases.connect(database.url, { ...writing, statementTimeoutMs: 40_000 });
  await expect(sql.query('SELECT pg_sleep(30)', [], { timeoutMs: 20 })).rejects.toMatchObject({ code: '57014' });
  expect(await timeoutOf(sql)).toBe('40s');
  await sql.readOnly(async (inner) => {
    await expect(inner.query('SELECT pg_sleep(30)', [], { timeoutMs: 20 })).rejects.toMatchObject({ code: '57014' });
  });
  expect(await timeoutOf(sql)).toBe('40s');
});

test('aborting a statement rejects with the reason, ends it on the server and leaves the connection usable', async () => {
  await using database = await createTestDatabase();
  await using sql = await databases.connect(database.url, writing);
  const abort = new AbortController();
  const sleeping = sql.query('SELECT pg_sleep(30)', [], { signal: abort.signal });
  const next = sql.query('SELECT 1 AS one');
  await expect
    .poll(
      async () =>
        (await database.client.query(`SELECT 1 FROM pg_stat_activity WHERE query = 'SELECT pg_sleep(30)' AND datname = current_database()`))
          .rowCount,
    )
    .toBe(1);
  const reason = new Error('enough');
  abort.abort(reason);
  await expect(sleeping).rejects.toBe(reason);
  expect((await next).rows).toEqual([{ one: 1 }]);
});

test('nothing done inside readOnly stays, not even what a read may do, and writing is refused', async () => {
  await using database = await createTestDatabase('CREATE TABLE counted (id int)');
  await using sql = await databases.connect(database.url, writing);
  const failing = sql.readOnly((inner) => inner.query('INSERT INTO counted VALUES (1)'));
  await expect(failing).rejects.toMatchObject({ code: '25006' });
  await sql.readOnly((inner) => inner.query(`SELECT set_config('work_mem', '123MB', false)`));
  expect((await sql.query(`SELECT current_setting('work_mem') AS value`)).rows).not.toEqual([{ value: '123MB' }]);
});

test('a statement from elsewhere waits for a read-only transaction to end instead of joining it', async () => {
  await using database = await createTestDatabase('CREATE TABLE counted (id int)');
  await using sql = await databases.connect(database.url, writing);
  let elsewhere: Promise<unknown> | null = null;
  const begun = Promise.withResolvers<void>();
  const read = sql.readOnly(async (inner) => {
    begun.resolve();
    await inner.query('SELECT pg_sleep(0.05)');
  });
  await begun.promise;
  elsewhere = sql.query('INSERT INTO counted VALUES (1)');
  await Promise.all([read, elsewhere]);
  expect((await database.client.query('SELECT * FROM counted')).rowCount).toBe(1);
});

test('waiting inside readOnly for the connection itself is refused rather than never answered', async () => {
  await using database = await createTestDatabase();
  await using sql = await databases.connect(database.url, writing);
  await expect(sql.readOnly(() => sql.query('SELECT 1'))).rejects.toThrow('use the connection it hands to the work');
});

test('one failed statement in a nested readOnly leaves the surrounding one usable', async () => {
  await using database = await createTestDatabase();
  await using sql = await databases.connect(database.url, writing);
  const answer = await sql.readOnly(async (outer) => {
    await expect(outer.readOnly((inner) => inner.query('SELECT 1/0'))).rejects.toMatchObject({ code: '22012' });
    return (await outer.query('SELECT 1 AS one')).rows;
  });
  expect(answer).toEqual([{ one: 1 }]);
});

test('a connection that the server ends fails its next statement and nothing else', async () => {
  await using database = await createTestDatabase();
  await using sql = await databases.connect(database.url, writing);
  const { rows } = await sql.query<{ pid: number }>('SELECT pg_backend_pid() AS pid');
  await database.client.query('SELECT pg_terminate_backend($1)', [rows[0]!.pid]);
  await expect
    .poll(() =>
      sql.query('SELECT 1').then(
        () => 'answered',
        () => 'failed',
      ),
    )
    .toBe('failed');
});

// Before version 14 a server only notices when it has something to send.
test.skipIf(serverVersion < 140_000)('what a session was doing ends on the server when its client is gone', async () => {
  await using database = await createTestDatabase();
  const sql = await databases.connect(database.url, writing);
  const sleeping = sql.query('SELECT pg_sleep(300)').catch((error: unknown) => error);
  const isSleeping = async () =>
    (await database.client.query(`SELECT 1 FROM pg_stat_activity WHERE query = 'SELECT pg_sleep(300)' AND datname = current_database()`))
      .rowCount === 1;
  await expect.poll(isSleeping).toBe(true);
  await sql.close();
  expect(await sleeping).toMatchObject({ message: 'Connection terminated' });
  await expect.poll(isSleeping, { timeout: 30_000 }).toBe(false);
});

test('two statements in one text are refused', async () => {
  await using sql = await databases.connect(inject('postgresUrl'), writing);
  await expect(sql.query('SELECT 1; SELECT 2')).rejects.toThrow('one statement per query');
});

async function closedPort(): Promise<number> {
  const server = createServer().listen(0, '127.0.0.1');
  await once(server, 'listening');
  const address = server.address();
  server.close();
  await once(server, 'close');
  return typeof address === 'object' && address !== null ? address.port : 1;
}
