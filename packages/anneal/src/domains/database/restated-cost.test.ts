import { describe, expect, test } from 'vitest';
import { createTestDatabase } from '../../../../../test/support/test-database.ts';
import { createDatabases } from '../../adapters/pg.ts';
import { explainStatement } from '../../adapters/explain-statement.ts';
import { createSqlParser } from '../../adapters/sql-parser.ts';
import { seenStatement } from './fixtures/observed-database.ts';
import { costForObservedRows, pricesWherePagesWere } from './restated-cost.ts';

const sqlParser = await createSqlParser();

describe('the price of a page', () => {
  const server = { seq_page_cost: '1', random_page_cost: '4' };

  test('is the server’s own where pages came from the disk, and the same in any order where they were in memory', () => {
    expect(pricesWherePagesWere({ sharedBlocksHit: 0, sharedBlocksRead: 10 }, server)?.settings).toEqual(server);
    const { seq_page_cost: sequential, random_page_cost: random } = pricesWherePagesWere(
      { sharedBlocksHit: 10, sharedBlocksRead: 0 },
      server,
    )!.settings;
    expect(sequential).toBe(random);
    expect(Number(random)).toBeLessThan(1);
  });

  test('never rises above the server’s own, and is not guessed where nobody counted', () => {
    const cheap = { seq_page_cost: '0.05', random_page_cost: '0.06' };
    expect(pricesWherePagesWere({ sharedBlocksHit: 9, sharedBlocksRead: 1 }, cheap)?.settings).toMatchObject({ seq_page_cost: '0.05' });
    expect(pricesWherePagesWere({ sharedBlocksHit: 0, sharedBlocksRead: 0 }, server)).toBeNull();
  });
});

test('a look-up that finds less than was guessed costs less, one that finds more and one behind a count cost what was planned', async () => {
  await using database = await createTestDatabase(`
    CREATE TABLE crates (id int PRIMARY KEY, label jsonb NOT NULL);
    INSERT INTO crates SELECT n, jsonb_build_object('bay', n) FROM generate_series(1, 40000) n;
    CREATE INDEX ON crates USING gin (label jsonb_path_ops);
    ANALYZE crates`);
  await using sql = await createDatabases().connect(database.url, { applicationName: 'anneal test', readOnly: true });
  const costs = await sql.readOnly(async (reading) => {
    const restated = async (text: string, rowsPerCall: number) => {
      const statement = seenStatement(sqlParser, { text, calls: 10, rows: rowsPerCall });
      const plan = await explainStatement(reading, { text, values: ['{"bay": 7}'] });
      return costForObservedRows(plan!, statement) / plan!.totalCost;
    };
    const look = 'SELECT id, label FROM crates WHERE label @> $1';
    return {
      fewer: await restated(look, 1),
      more: await restated(look, 30_000),
      counted: await restated('SELECT count(*) FROM crates WHERE label @> $1', 1),
    };
  });
  expect(costs.fewer).toBeLessThan(0.5);
  expect([costs.more, costs.counted]).toEqual([1, 1]);
});
