import { expect, test } from 'vitest';
import { createTestDatabase } from '../../../../../../test/support/test-database.ts';
import { judge, paste } from '../fixtures/judged-health.ts';
import { correlatedColumns } from './correlated-columns.ts';

const places = `CREATE EXTENSION pg_stat_statements;
  CREATE TABLE addresses (id int PRIMARY KEY, city int NOT NULL, postcode int NOT NULL, colour int NOT NULL);
  INSERT INTO addresses SELECT g, g % 200, g % 200 + 10000, (g / 200) % 50 FROM generate_series(1, 20000) g; ANALYZE addresses;`;

test('columns that vary together are found by the rows that come back, and covered by extended statistics', async () => {
  await using database = await createTestDatabase(places);
  for (let city = 0; city < 20; city += 1) {
    await database.client.query('SELECT id FROM addresses WHERE city = $1 AND postcode = $2', [city, city + 10000]);
  }
  const { findings } = await judge(correlatedColumns, database.url);
  expect(findings).toMatchObject([{ level: 'warning', subject: { type: 'table', name: 'public.addresses (city, postcode)' } }]);
  expect(findings[0]!.message).toContain('returns 100 rows where independent columns give at most 1');
  await paste(database.client, findings[0]!.proposal.code);
  const { rows } = await database.client.query('EXPLAIN (FORMAT JSON) SELECT id FROM addresses WHERE city = 7 AND postcode = 10007');
  expect(rows[0]['QUERY PLAN'][0].Plan['Plan Rows']).toBeGreaterThan(50);
  expect((await judge(correlatedColumns, database.url)).findings).toEqual([]);
  await paste(database.client, findings[0]!.proposal.undo);
  expect((await judge(correlatedColumns, database.url)).findings).toHaveLength(1);
});

test('a list of the commonest combinations is proposed where it holds the values of every column', async () => {
  await using database = await createTestDatabase(places);
  for (let city = 0; city < 20; city += 1) {
    await database.client.query('SELECT id FROM addresses WHERE city = $1 AND postcode = $2', [city, city + 10000]);
  }
  const proposed = async () => (await judge(correlatedColumns, database.url)).findings[0]!.proposal.code;
  // 200 values of each, of which statistics list 100 unless told otherwise.
  expect(await proposed()).toContain('(ndistinct, dependencies) ON city, postcode');
  await database.client.query('ALTER TABLE addresses ALTER city SET STATISTICS 300');
  expect(await proposed()).toContain('(ndistinct, dependencies, mcv) ON city, postcode');
});

test('independent columns, limits and popular values are no correlation', async () => {
  await using database = await createTestDatabase(`${places}
    CREATE TABLE orders (id int PRIMARY KEY, state int NOT NULL, shop int NOT NULL);
    INSERT INTO orders SELECT g, CASE WHEN g % 100 = 0 THEN g ELSE 1 END, CASE WHEN g % 50 = 0 THEN g ELSE 2 END FROM generate_series(1, 20000) g; ANALYZE orders;`);
  await database.client.query('SELECT id FROM addresses WHERE city = $1 AND colour = $2', [3, 4]);
  await database.client.query('SELECT id FROM addresses WHERE city = $1 AND postcode = $2 LIMIT 60', [3, 10003]);
  await database.client.query('SELECT id FROM addresses WHERE city = $1 OR postcode = $2', [3, 10003]);
  // Nearly all rows have both values: popular ones, not related ones.
  await database.client.query('SELECT id FROM orders WHERE state = $1 AND shop = $2', [1, 2]);
  expect(await judge(correlatedColumns, database.url)).toEqual({
    findings: [],
    reasons: [expect.stringContaining('2 statements that compare several columns')],
  });
});
