import { expect, test } from 'vitest';
import { createTestDatabase } from '../../../../../../test/support/test-database.ts';
import { costSettings, indexReadCost } from './read-cost.ts';

/** What PostgreSQL itself charges, with the index really there. */
test('the price of reading through an index is near what the planner asks once the index exists', async () => {
  await using database = await createTestDatabase(`
    CREATE TABLE parcels (id int, depot int, route int, label text);
    INSERT INTO parcels SELECT g, (g::bigint * 7919) % 4000, (g::bigint * 104729) % 150, md5(g::text) FROM generate_series(1, 40000) g;
    CREATE INDEX ON parcels (depot);
    CREATE INDEX ON parcels (route);
    ANALYZE parcels;`);
  const { rows } = await database.client.query<{ pages: number }>(`SELECT relpages AS pages FROM pg_class WHERE relname = 'parcels'`);
  const settings = costSettings({ seq_page_cost: '1', random_page_cost: '4' });
  for (const condition of ['depot = 7', 'depot < 40', 'route = 3', 'route < 15']) {
    await database.client.query('SET enable_seqscan = off');
    const explained = await database.client.query<{
      'QUERY PLAN': [{ Plan: { 'Total Cost': number; 'Plan Rows': number; 'Node Type': string } }];
    }>(`EXPLAIN (FORMAT JSON) SELECT * FROM parcels WHERE ${condition}`);
    const plan = explained.rows[0]!['QUERY PLAN'][0].Plan;
    expect(plan['Node Type']).toBe('Bitmap Heap Scan');
    const cost = indexReadCost(
      { tableRows: 40_000, tablePages: rows[0]!.pages, rows: plan['Plan Rows'], lookUps: 1, ordered: false },
      settings,
    );
    expect(cost / plan['Total Cost']).toBeGreaterThan(0.75);
    expect(cost / plan['Total Cost']).toBeLessThan(1.35);
  }
});

test("the server's own prices are used, PostgreSQL's defaults where they are unknown", () => {
  expect(costSettings({ random_page_cost: '1.1' })).toMatchObject({ randomPage: 1.1, sequentialPage: 1 });
});
