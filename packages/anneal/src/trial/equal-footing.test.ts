import { expect, test } from 'vitest';
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

  await onEqualFooting(admin, copyWithOneBetween);
  const [baseline, candidate] = await bytesOfEach();
  expect(candidate).toBeGreaterThan(0);
  expect(Math.abs(candidate / baseline - 1)).toBeLessThan(0.05);
});
