import { expect, test } from 'vitest';
import { createTestDatabase } from '../../../../../../test/support/test-database.ts';
import { createDatabases } from '../../../adapters/pg.ts';
import { createShadowPlanner } from '../../../adapters/shadow-planner.ts';
import { createSqlParser } from '../../../adapters/sql-parser.ts';
import { takeSnapshot } from './take-snapshot.ts';
import { usedPart } from './used-part.ts';

test('of many tables only those stay that a statement can reach, through views and with all partitions', async () => {
  await using database = await createTestDatabase(`
    CREATE TABLE orders (id int PRIMARY KEY); CREATE TABLE "Order Lines" (order_id int REFERENCES orders, idle_id int);
    CREATE TABLE idle (id int PRIMARY KEY); ALTER TABLE "Order Lines" ADD FOREIGN KEY (idle_id) REFERENCES idle;
    CREATE TABLE seen (at date) PARTITION BY RANGE (at); CREATE TABLE seen_old PARTITION OF seen FOR VALUES FROM ('2000-01-01') TO ('2010-01-01');
    CREATE TABLE behind (id int); CREATE VIEW front AS SELECT id FROM behind`);
  await using sql = await createDatabases().connect(database.url, { applicationName: 'anneal test', readOnly: true });
  const whole = await takeSnapshot(sql, { values: 'kept', sqlParser: await createSqlParser(), takenAt: '2026-01-01T00:00:00.000Z' });
  const texts = ['SELECT * FROM "Order Lines" JOIN ORDERS ON id = order_id', 'SELECT * FROM seen', 'SELECT * FROM front'];
  const part = usedPart(whole, texts);
  expect(part.tables.map(({ name }) => name)).toEqual(['orders', 'Order Lines', 'seen', 'seen_old', 'behind']);
  expect(part.indexes.map(({ name }) => name)).toEqual(['orders_pkey']);
  expect(part.foreignKeys.map(({ definition }) => definition)).toEqual(['FOREIGN KEY (order_id) REFERENCES public.orders(id)']);
  await using shadow = await createShadowPlanner(part);
  expect(shadow.gaps).toEqual([]);
  const { plans } = await shadow.whatIf(
    texts.map((text) => ({ text, values: [] })),
    [],
  );
  expect(plans.map((plan) => plan !== null)).toEqual([true, true, true]);
});
