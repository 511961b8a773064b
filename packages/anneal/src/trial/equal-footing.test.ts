import { expect, test } from 'vitest';
import { createTestDatabase, serverVersion } from '../../../../test/support/test-database.ts';
import { startEmbeddedPostgres } from '../adapters/embedded-postgres.ts';
import { createDatabases } from '../adapters/pg.ts';
import type { Sql } from '../ports/sql.ts';
import { copyDatabase, copyName, dropDatabase } from './database-copies.ts';
import { onEqualFooting } from './equal-footing.ts';

/** What twenty writes to twenty pages add to the log, in bytes. */
async function logged(sql: Sql): Promise<number> {
  const { rows } = await sql.query<{ 'QUERY PLAN': readonly [{ readonly Plan: { readonly 'WAL Bytes': number } }] }>(
    'EXPLAIN (ANALYZE, WAL, FORMAT JSON) UPDATE posts SET likes = likes + 1 WHERE id % 100 = 7',
  );
  return rows[0]!['QUERY PLAN'][0].Plan['WAL Bytes'];
}

test('copies log the same for the same writes, although a checkpoint came between them', async () => {
  // A server of its own: checkpoints are everybody's.
  await using server = await startEmbeddedPostgres();
  const connect = (url: string) => createDatabases().connect(url, { applicationName: 'anneal test', readOnly: false });
  await using admin = await connect(server.url);
  await admin.query('CREATE DATABASE shop');
  {
    await using shop = await connect(server.databaseUrl('shop'));
    await shop.query('CREATE TABLE posts (id int PRIMARY KEY, likes int, body text)');
    await shop.query(`INSERT INTO posts SELECT i, 0, repeat('x', 500) FROM generate_series(1, 2000) i`);
    await shop.query('VACUUM posts');
  }
  const names = ['baseline', 'candidate'].map((role) => copyName('20250101-000000-abcd', role));
  const bytesOfEach = async () => {
    const bytes: number[] = [];
    for (const name of names) {
      await using copy = await connect(server.databaseUrl(name));
      bytes.push(await logged(copy));
    }
    for (const name of names) await dropDatabase(admin, name);
    return bytes as [number, number];
  };

  const copyWithOneBetween = async () => {
    await copyDatabase(admin, { source: 'shop', name: names[0]! });
    await admin.query('CHECKPOINT');
    await copyDatabase(admin, { source: 'shop', name: names[1]! });
  };
  await copyWithOneBetween();
  const [first, second] = await bytesOfEach();
  expect(first).toBeGreaterThan(5 * second);

  expect(await onEqualFooting(admin, copyWithOneBetween)).toBeNull();
  const [baseline, candidate] = await bytesOfEach();
  expect(candidate).toBeGreaterThan(0);
  expect(Math.abs(candidate / baseline - 1)).toBeLessThan(0.05);
});

test('a role that may not checkpoint still gets its copies, and hears what that costs and which grant ends it', async () => {
  await using database = await createTestDatabase();
  const role = `copier_${database.name}`;
  await database.client.query(`CREATE ROLE ${role} LOGIN PASSWORD 'x'`);
  try {
    const url = new URL(database.url);
    [url.username, url.password] = [role, 'x'];
    const footing = async () => {
      await using sql = await createDatabases().connect(url.href, { applicationName: 'anneal test', readOnly: false });
      let copied = 0;
      const reservation = await onEqualFooting(sql, async () => void (copied += 1));
      expect(copied).toBe(1);
      return reservation;
    };
    expect(await footing()).toMatch(/may not CHECKPOINT.*GRANT pg_checkpoint/u);
    await database.client.query(serverVersion >= 150_000 ? `GRANT pg_checkpoint TO ${role}` : `ALTER ROLE ${role} SUPERUSER`);
    expect(await footing()).toBeNull();
  } finally {
    await database.client.query(`DROP ROLE ${role}`);
  }
});
