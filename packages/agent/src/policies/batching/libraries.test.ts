import { eq } from 'drizzle-orm';
import { drizzle } from 'drizzle-orm/node-postgres';
import { integer, pgTable, text as textColumn, timestamp } from 'drizzle-orm/pg-core';
import knex, { type Knex } from 'knex';
import { describe, expect, test } from 'vitest';
import { createTestDatabase } from '../../../../../test/support/test-database.ts';
import { hookedPg, policyFor, poolOn, putInForce, schemaSql } from '../../../test/batching.ts';

const { observer, request } = hookedPg();

describe('through libraries', () => {
  const ids = [3, 9, 14, 7, 21, 30, 2, 11];
  const keys = `SELECT id FROM authors WHERE id IN (${ids.join(', ')}) ORDER BY id`;

  test('Drizzle asks a pool in a form of its own and receives what it would have', async () => {
    await using database = await createTestDatabase(schemaSql);
    await using pool = poolOn(database.url);
    const authors = pgTable('authors', {
      id: integer('id').primaryKey(),
      name: textColumn('name'),
      since: timestamp('since', { withTimezone: true }),
    });
    const db = drizzle({ client: pool });
    const find = (id: number) => db.select().from(authors).where(eq(authors.id, id));
    const oneByOne = async () => {
      const { rows } = await pool.query<{ id: number }>(keys);
      const found = [];
      for (const { id } of rows) found.push(await find(id));
      return found;
    };
    const together = () => Promise.all(ids.map(find));
    const expected = [await oneByOne(), await together()];
    using inForce = putInForce(observer, await policyFor(database.client, find(1).toSQL().sql, { parent: keys }));
    expect(await request(oneByOne)).toStrictEqual(expected[0]);
    expect(inForce.take()).toMatchObject({ callsAlone: 1, callsBatched: 1, callsAhead: ids.length - 2 });
    expect(await request(together)).toStrictEqual(expected[1]);
    expect(inForce.take()).toMatchObject({ callsAlone: 1, callsBatched: ids.length - 1 });
  });

  test('Knex asks clients of a pool of its own, each call on the one it is given', async () => {
    await using database = await createTestDatabase(schemaSql);
    const db = knex({ client: 'pg', connection: database.url, pool: { min: 0, max: 3 } });
    try {
      const find = (id: number) => db('authors').select('id', 'name', 'since').where({ id });
      const list = () => db('authors').select('id').whereNotNull('born').orderBy('id');
      const oneByOne = async () => {
        const rows = await list();
        const found = [];
        for (const { id } of rows as { id: number }[]) found.push(await find(id));
        return found;
      };
      const expected = await oneByOne();
      const sent = (query: Knex.QueryBuilder) => query.toSQL().toNative().sql;
      using inForce = putInForce(observer, await policyFor(database.client, sent(find(1)), { parent: sent(list()) }));
      expect(await request(oneByOne)).toStrictEqual(expected);
      expect(inForce.take()).toMatchObject({ callsAlone: 1, callsBatched: 1, callsAhead: expected.length - 2 });
      expect(inForce.ended).toEqual([]);
    } finally {
      await db.destroy();
    }
  });
});
