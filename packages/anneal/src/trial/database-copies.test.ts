import { randomBytes } from 'node:crypto';
import { expect, test } from 'vitest';
import { createTestDatabase, type TestDatabase } from '../../../../test/support/test-database.ts';
import { nodeClock } from '../adapters/node-clock.ts';
import { createFiles } from '../adapters/node-files.ts';
import { createDatabases } from '../adapters/pg.ts';
import type { Sql } from '../ports/sql.ts';
import { withDatabaseName } from '../target/database-url.ts';
import {
  assertOurs,
  assertRoomForCopies,
  copyDatabase,
  copyName,
  databaseIdentity,
  dropDatabase,
  endSessions,
  isLocalDatabase,
  sessionName,
} from './database-copies.ts';

const databases = createDatabases();
const connect = (url: string, applicationName = 'anneal test') => databases.connect(url, { applicationName, readOnly: false });
const freshName = () => copyName(randomBytes(5).toString('hex'), 'candidate');

/** A database that nobody is connected to, so that it can be copied, and a connection to administer from. */
async function prepared(sql: string): Promise<{ readonly database: TestDatabase; readonly admin: Sql }> {
  const database = await createTestDatabase(sql);
  await database.client.end();
  return { database, admin: await connect(database.url) };
}

test('a copy holds the rows, indexes, planner statistics, extensions and settings of its source', async () => {
  const { database, admin } = await prepared(
    `CREATE EXTENSION pg_stat_statements; CREATE TABLE posts (id int PRIMARY KEY); INSERT INTO posts SELECT generate_series(1, 500); ANALYZE posts`,
  );
  await using _database = database;
  await using _admin = admin;
  await admin.query(`ALTER DATABASE "${database.name}" SET search_path = "$user", public, 'odd "name', pg_catalog`);
  await admin.query(`ALTER DATABASE "${database.name}" SET random_page_cost = 1.25`);
  const name = freshName();
  await copyDatabase(admin, { source: database.name, name });
  {
    await using copy = await connect(withDatabaseName(database.url, name));
    await using source = await connect(database.url);
    const look = `SELECT (SELECT count(*)::int FROM posts) AS rows, (SELECT reltuples::int FROM pg_class WHERE relname = 'posts') AS estimate,
                         (SELECT count(*)::int FROM pg_stats WHERE tablename = 'posts') AS statistics,
                         (SELECT count(*)::int FROM pg_extension) AS extensions,
                         current_setting('search_path') AS path, current_setting('random_page_cost') AS cost`;
    const expected = (await source.query(look)).rows;
    expect(expected).toMatchObject([{ rows: 500, estimate: 500, cost: '1.25' }]);
    expect((await copy.query(look)).rows).toEqual(expected);
    expect(await databaseIdentity(copy)).not.toBe(await databaseIdentity(source));
  }
  expect((await admin.query(`SELECT current_setting('random_page_cost') AS cost`)).rows).toEqual([{ cost: '4' }]);
  await dropDatabase(admin, name);
});

test('a database in use is not copied, and the error names who uses it', async () => {
  const { database, admin } = await prepared('');
  await using _database = database;
  await using _admin = admin;
  await using backend = await connect(database.url, 'anneal shop');
  expect((await backend.query('SELECT 1 AS one')).rows).toEqual([{ one: 1 }]);
  await expect(copyDatabase(admin, { source: database.name, name: freshName() })).rejects.toMatchObject({
    code: 'ANNEAL_DATABASE_BUSY',
    details: { sessions: 1, applications: 'anneal shop' },
  });
});

test('a role without CREATEDB is told so, and one that has it but does not own the source is told that', async () => {
  const { database, admin } = await prepared('');
  await using _database = database;
  const role = `test_${randomBytes(4).toString('hex')}`;
  await admin.query(`CREATE ROLE ${role} LOGIN PASSWORD 'plain'`);
  const url = new URL(database.url);
  [url.username, url.password] = [role, 'plain'];
  try {
    await using limited = await connect(url.href);
    await admin.close();
    const copying = () => copyDatabase(limited, { source: database.name, name: freshName() });
    await expect(copying()).rejects.toMatchObject({ code: 'ANNEAL_DATABASE_PRIVILEGE', details: { role, action: 'create databases' } });
    {
      await using superuser = await connect(withDatabaseName(database.url, 'postgres'));
      await superuser.query(`ALTER ROLE ${role} CREATEDB`);
    }
    await expect(copying()).rejects.toMatchObject({
      code: 'ANNEAL_DATABASE_PRIVILEGE',
      details: { role, action: `copy the database ${database.name}` },
    });
  } finally {
    await using superuser = await connect(withDatabaseName(database.url, 'postgres'));
    await superuser.query(`DROP ROLE ${role}`);
  }
});

test('a read-only session is told that the database is read-only', async () => {
  const { database, admin } = await prepared('');
  await using _database = database;
  await admin.query('SET default_transaction_read_only = on');
  await expect(copyDatabase(admin, { source: database.name, name: freshName() })).rejects.toMatchObject({
    code: 'ANNEAL_DATABASE_READ_ONLY',
  });
  await admin.close();
});

test('aborting ends a copy that is under way and leaves no database', async () => {
  const { database, admin } = await prepared('');
  await using _database = database;
  await using _admin = admin;
  const name = freshName();
  await using watcher = await connect(withDatabaseName(database.url, 'postgres'));
  // The lock of an open COMMENT keeps the copy from finishing before it is aborted.
  await watcher.query('BEGIN');
  await watcher.query(`COMMENT ON DATABASE "${database.name}" IS 'held'`);
  const abort = new AbortController();
  const copying = copyDatabase(admin, { source: database.name, name, signal: abort.signal });
  const waiting = () =>
    watcher.query(`SELECT 1 FROM pg_locks l JOIN pg_stat_activity a USING (pid) WHERE NOT granted AND query LIKE $1`, [`%${name}%`]);
  await expect.poll(async () => (await waiting()).rowCount).toBe(1);
  const reason = new Error('enough');
  abort.abort(reason);
  await expect(copying).rejects.toBe(reason);
  await watcher.query('ROLLBACK');
  expect((await watcher.query('SELECT 1 FROM pg_database WHERE datname = $1', [name])).rowCount).toBe(0);
});

test('a copy is dropped while sessions still use it, dropping it again is no error, and nothing else is ever dropped', async () => {
  const { database, admin } = await prepared('');
  await using _database = database;
  await using _admin = admin;
  const name = freshName();
  await copyDatabase(admin, { source: database.name, name });
  const session = await connect(withDatabaseName(database.url, name));
  await dropDatabase(admin, name);
  await dropDatabase(admin, name);
  await expect(session.query('SELECT 1')).rejects.toThrow(/terminating connection|connection error/);
  await expect(dropDatabase(admin, database.name)).rejects.toThrow('is not the name of a copy');
  await session.close();
});

test("a run's sessions are ended in the middle of a statement, and those of a run whose name only begins alike are not", async () => {
  const { database, admin } = await prepared('');
  await using _database = database;
  await using _admin = admin;
  const run = randomBytes(4).toString('hex');
  const [dead, suffixed, alike] = await Promise.all(
    [sessionName(run), `${sessionName(run)} undo`, sessionName(`${run}2`)].map((name) => connect(database.url, name)),
  );
  const sleeping = dead!.query('SELECT pg_sleep(60)').catch((error: unknown) => error);
  expect(await endSessions(admin, nodeClock, run)).toBe(2);
  expect(await sleeping).toMatchObject({ code: '57P01' });
  expect((await alike!.query('SELECT 1 AS one')).rows).toEqual([{ one: 1 }]);
  await Promise.all([dead!.close(), suffixed!.close(), alike!.close()]);
});

test('names fit in 63 bytes, need no quotes, and stay different for different runs and roles', () => {
  expect(copyName('20261120-101112-ab12', 'baseline')).toBe('anneal_20261120_101112_ab12_baseline');
  const long = ['a', 'b'].flatMap((end) => ['baseline', 'candidate'].map((role) => copyName(`${'x'.repeat(80)}${end}`, role)));
  expect(new Set(long).size).toBe(4);
  for (const name of long) expect(name).toMatch(/^anneal_[a-z0-9_]{1,56}$/);
  expect(sessionName('x'.repeat(80)).length).toBeLessThanOrEqual(63);
});

test.for([
  ['postgres://u:p@localhost/app', true],
  ['postgres://u:p@127.0.0.1:5433/app', true],
  ['postgres://u:p@[::1]/app', true],
  ['postgres://u@/app?host=/var/run/postgresql', true],
  ['/var/run/postgresql app', true],
  ['postgres:///app', true],
  ['postgres://u:p@db.example/app', false],
  ['postgres://u:p@localhost.example/app', false],
  ['postgres://u:p@10.0.0.5/app', false],
  ['postgres://u:p@localhost/app?host=db.example', false],
  ['postgres://u:p@127.0.0.1.example/app', false],
] as const)('%s is on this machine: %s', ([url, isLocal]) => {
  expect(isLocalDatabase(url, {})).toBe(isLocal);
});

test('a URL without a host means what the environment says', () => {
  expect(isLocalDatabase('postgres:///app', { PGHOST: 'db.example' })).toBe(false);
  expect(isLocalDatabase('postgres:///app', { PGHOST: '/run/postgresql' })).toBe(true);
});

test('a remote database is changed only where the configuration allows it', () => {
  const remote = { url: 'postgres://u:p@db.example/app', urlVariable: 'DATABASE_URL', allowRemoteChange: false };
  expect(() => assertOurs(remote)).toThrow(expect.objectContaining({ code: 'ANNEAL_DATABASE_NOT_OURS', details: { database: 'app' } }));
  expect(() => assertOurs({ ...remote, allowRemoteChange: true })).not.toThrow();
});

test('copies that would not fit on the disk are refused before the first is made', async () => {
  const { database, admin } = await prepared('');
  await using _database = database;
  await using _admin = admin;
  const files = createFiles();
  const request = { url: database.url, source: database.name, copies: 2 };
  await expect(assertRoomForCopies(admin, files, request)).resolves.toBeUndefined();
  const full = { ...files, freeBytes: async () => 1_000_000 };
  await expect(assertRoomForCopies(admin, full, request)).rejects.toMatchObject({ code: 'ANNEAL_DISK_LOW', details: { free: '1 MB' } });
  await expect(assertRoomForCopies(admin, full, { ...request, url: 'postgres://db.example/app' })).resolves.toBeUndefined();
});
