import { createServer, type AddressInfo } from 'node:net';
import { once } from 'node:events';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { announceMissingMariadb, hasMariadb, startMariadb, type MariadbServer } from './fixtures/mariadb-server.ts';
import { AnnealError, type ErrorCode } from '../errors.ts';
import type { MysqlConnectOptions } from '../ports/mysql.ts';
import { createMysqlDatabases } from './mysql.ts';

/** MariaDB's own; the driver knows no name for it. */
const maxStatementTimeExceeded = 1969;

const connect = (url: string, options: Partial<MysqlConnectOptions> = {}) =>
  createMysqlDatabases().connect(url, { readOnly: true, ...options });

async function expectRefusal(url: string, code: ErrorCode, words: string): Promise<void> {
  const error: unknown = await connect(url).then(
    () => null,
    (problem: unknown) => problem,
  );
  expect(error).toBeInstanceOf(AnnealError);
  expect(error).toMatchObject({ code });
  expect((error as AnnealError).message).toContain(words);
  expect((error as AnnealError).message).not.toContain('s3cret');
}

test('an address that cannot be read, and one where nobody listens', async () => {
  await expectRefusal('mysql://user:s3cret@:99999999/x', 'ANNEAL_DATABASE_UNREACHABLE', 'cannot be read');
  await expectRefusal('mysql://user:s3cret@127.0.0.1:1/x', 'ANNEAL_DATABASE_UNREACHABLE', 'user@127.0.0.1:1/x');
  await expectRefusal('mysql://user:s3cret@127.0.0.1', 'ANNEAL_USAGE', 'names no database');
});

test('a server that speaks something else is unreachable and does not hang', async () => {
  const other = createServer((socket) => socket.end('SSH-2.0-OpenSSH\r\n')).listen(0, '127.0.0.1');
  await once(other, 'listening');
  await expectRefusal(
    `mysql://u:s3cret@127.0.0.1:${(other.address() as AddressInfo).port}/x`,
    'ANNEAL_DATABASE_UNREACHABLE',
    'u@127.0.0.1',
  );
  other.close();
});

announceMissingMariadb('its adapter');
describe.skipIf(!hasMariadb)('on a real MariaDB', () => {
  let server: MariadbServer;
  beforeAll(async () => {
    server = await startMariadb({ performanceSchema: false });
    const root = await server.connect();
    await root.query(
      "CREATE DATABASE shop; CREATE DATABASE `we``ird/né`; CREATE TABLE shop.items (id int PRIMARY KEY, price decimal(10,2), big bigint); INSERT INTO shop.items VALUES (1, 9.5, 12); CREATE USER reader@'127.0.0.1' IDENTIFIED BY 's3cret@:/'; GRANT SELECT ON shop.* TO reader@'127.0.0.1'",
    );
    await root.end();
  });
  afterAll(() => server[Symbol.asyncDispose]());

  test('it says what it is, and numbers come as numbers', async () => {
    await using mysql = await connect(server.urlOf('shop'));
    expect(mysql).toMatchObject({ product: 'MariaDB', database: 'shop', label: `root@127.0.0.1:${server.port}/shop` });
    expect(mysql.version).toMatch(/^\d+\.\d+\.\d+$/);
    expect(await mysql.query('SELECT price, big, ? AS given FROM items', ["it's"])).toEqual([{ price: 9.5, big: 12, given: "it's" }]);
  });

  test('a read-only session cannot write, whatever it is told', async () => {
    await using mysql = await connect(server.urlOf('shop'));
    await expect(mysql.query('INSERT INTO items (id) VALUES (2)')).rejects.toMatchObject({
      code: 'ER_CANT_EXECUTE_IN_READ_ONLY_TRANSACTION',
    });
    await expect(mysql.query('DROP TABLE items')).rejects.toMatchObject({ code: 'ER_CANT_EXECUTE_IN_READ_ONLY_TRANSACTION' });
    await expect(mysql.query('SELECT 1; SELECT 2')).rejects.toMatchObject({ code: 'ER_PARSE_ERROR' });
  });

  test('a value cannot break out, even where the server has no backslash escapes', async () => {
    const root = await server.connect();
    await root.query("SET GLOBAL sql_mode = 'NO_BACKSLASH_ESCAPES,ANSI_QUOTES'");
    await using mysql = await connect(server.urlOf('shop'));
    const hostile = `\\' OR 1 = 1 -- `;
    expect(await mysql.query('SELECT id FROM items WHERE id = ?', [hostile])).toEqual([]);
    expect(await mysql.query('SELECT ? AS told', [hostile])).toEqual([{ told: hostile }]);
    await root.query('SET GLOBAL sql_mode = DEFAULT');
    await root.end();
  });

  test('names and passwords of any spelling', async () => {
    await using mysql = await connect(server.urlOf('we`ird/né'));
    expect(await mysql.query('SELECT DATABASE() AS name')).toEqual([{ name: 'we`ird/né' }]);
    await using reader = await connect(
      `mariadb://reader:${encodeURIComponent('s3cret@:/')}@127.0.0.1:${server.port}/shop?multipleStatements=true`,
    );
    expect(await reader.query('SELECT COUNT(*) AS items FROM items')).toEqual([{ items: 1 }]);
    // An option of the driver in the URL stays the application's.
    await expect(reader.query('SELECT 1; SELECT 2')).rejects.toMatchObject({ code: 'ER_PARSE_ERROR' });
  });

  test('what is refused says why', async () => {
    const at = `127.0.0.1:${server.port}`;
    await expectRefusal(`mysql://reader:s3cret@${at}/shop`, 'ANNEAL_DATABASE_CREDENTIALS', 'refuses the login');
    await expectRefusal(`mysql://root@${at}/nowhere`, 'ANNEAL_DATABASE_MISSING', 'nowhere');
    await expectRefusal(`mysql://reader:${encodeURIComponent('s3cret@:/')}@${at}/mysql`, 'ANNEAL_DATABASE_CREDENTIALS', 'reader');
    await expectRefusal(`mysql://root@${at}/shop?ssl-mode=REQUIRED`, 'ANNEAL_DATABASE_UNREACHABLE', 'secure connection');
  });

  test('a statement ends at its timeout, and at once when it is aborted', async () => {
    await using mysql = await connect(server.urlOf('shop'), { statementTimeoutMs: 200 });
    await expect(mysql.query('SELECT SLEEP(30) FROM items')).rejects.toMatchObject({ errno: maxStatementTimeExceeded });
    await using patient = await connect(server.urlOf('shop'));
    const aborting = new AbortController();
    const asked = patient.query('SELECT BENCHMARK(100000000000, MD5(1))', [], { signal: aborting.signal });
    setTimeout(() => aborting.abort(new Error('enough')), 100);
    await expect(asked).rejects.toThrow('enough');
    expect(await patient.query('SELECT 1 AS alive')).toEqual([{ alive: 1 }]);
  });
});
