import { describe, expect, test } from 'vitest';
import { diagnosing } from '../fixtures/observed-database.ts';
import { countForExistence } from './count-for-existence.ts';
import { functionOnIndexedColumn } from './function-on-indexed-column.ts';
import { joinMadeDistinct } from './join-made-distinct.ts';
import { notInSubquery } from './not-in-subquery.ts';
import { orAcrossColumns } from './or-across-columns.ts';
import type { RewriteRule } from './rewrite-rule.ts';
import { rewriteRules } from './rewrite-rules.ts';
import { unionWithoutDuplicates } from './union-without-duplicates.ts';

/** Trips of a bicycle hire, so little work_mem that lists do not fit. */
const hire = `
  CREATE TABLE riders (id int PRIMARY KEY, email text NOT NULL, city text);
  CREATE TABLE trips (id int PRIMARY KEY, rider_id int, bike_id int NOT NULL, note text, begun_at timestamptz NOT NULL);
  CREATE TABLE bikes (plate text, bought_on timestamp);
  CREATE TABLE blocked (rider_id int, reason text);
  INSERT INTO riders SELECT g, 'r' || g || '@example.org', 'c' || g % 50 FROM generate_series(1, 20000) g;
  INSERT INTO trips SELECT g, 1 + g * 7 % 20000, g % 300, 'trip ' || g, timestamptz '2026-01-01' + g * interval '1 minute' FROM generate_series(1, 60000) g;
  INSERT INTO blocked SELECT g, 'r' FROM generate_series(1, 20000, 2) g;
  CREATE INDEX trips_rider ON trips (rider_id);
  CREATE INDEX trips_begun ON trips (begun_at);
  CREATE INDEX riders_email ON riders (email);
  ANALYZE;
  DO $$ BEGIN EXECUTE format('ALTER DATABASE %I SET work_mem = ''64kB''', current_database()); END $$;`;

const said = diagnosing(...rewriteRules);

const found: readonly (readonly [RewriteRule, string, string, readonly unknown[], string])[] = [
  [
    notInSubquery,
    'a list that does not fit into work_mem',
    'SELECT id FROM riders WHERE id NOT IN (SELECT rider_id FROM blocked)',
    [],
    'NOT EXISTS (SELECT 1 FROM blocked WHERE riders.id = blocked.rider_id)',
  ],
  [
    notInSubquery,
    'a long list for a few rows',
    'SELECT id FROM riders WHERE city = $1 AND id NOT IN (SELECT rider_id FROM trips WHERE bike_id < 3)',
    ['c7'],
    'NOT EXISTS (SELECT 1 FROM trips WHERE',
  ],
  [
    orAcrossColumns,
    'alternatives over two tables',
    'SELECT t.id FROM trips t JOIN riders r ON r.id = t.rider_id WHERE r.email = $1 OR t.bike_id = $2',
    ['r5@example.org', 4],
    'UNION ALL',
  ],
  [
    functionOnIndexedColumn,
    'a day of timestamps with time zone',
    `SELECT note FROM trips WHERE date_trunc('day', begun_at) = $1`,
    ['2026-01-05'],
    "begun_at >= $1::timestamptz - '1 day'::interval",
  ],
  [
    countForExistence,
    'a count that is only compared',
    'SELECT count(*) > 0 AS busy FROM trips WHERE bike_id = $1',
    [7],
    'SELECT EXISTS (SELECT 1 FROM trips WHERE bike_id = $1) AS busy',
  ],
  [
    joinMadeDistinct,
    'a join to ask for a row',
    'SELECT DISTINCT r.id, r.email FROM riders r JOIN trips t ON t.rider_id = r.id WHERE t.bike_id < $1 AND r.city = $2',
    [250, 'c7'],
    'EXISTS (SELECT 1 FROM trips AS t WHERE',
  ],
  [
    unionWithoutDuplicates,
    'arms that a word tells apart',
    `SELECT id, 'trip' AS kind FROM trips UNION SELECT id, 'rider' FROM riders`,
    [],
    'UNION ALL',
  ],
];

describe('found, with the other form as proposal', () => {
  test.each(found)('$id', async (rule, _, text, values, written) => {
    const outcome = (await said(hire, { text, values: [values] })).findings.find(({ id }) => id === rule.id)?.outcome;
    expect(outcome).toMatchObject({
      level: 'note',
      locations: [{ file: 'src/store.ts', line: 7 }],
      impact: { resource: 'database-time' },
      proposal: { code: expect.stringContaining(written) },
    });
  });
});

const silences: readonly (readonly [RewriteRule, string, string, readonly unknown[], RegExp])[] = [
  [
    notInSubquery,
    'a list that fits',
    `SELECT id FROM riders WHERE id NOT IN (SELECT rider_id FROM blocked WHERE reason = 'x')`,
    [],
    /hashed/,
  ],
  [orAcrossColumns, 'a missing index', `SELECT id FROM trips WHERE bike_id = 3 OR note = 'x'`, [], /checks no OR on a join/],
  [
    functionOnIndexedColumn,
    'no index on the column',
    'SELECT plate FROM bikes WHERE bought_on::date = $1',
    ['2026-01-05'],
    /no index begins with the column/,
  ],
  [countForExistence, 'a count of a key', 'SELECT count(*) > 0 FROM riders WHERE id = $1', [5], /one row at most/],
  [
    joinMadeDistinct,
    'few copies',
    'SELECT DISTINCT t.id FROM trips t JOIN riders r ON r.id = t.rider_id WHERE r.city IS NOT NULL',
    [],
    /few copies/,
  ],
  [unionWithoutDuplicates, 'rows that may be equal', `SELECT rider_id FROM trips UNION SELECT id FROM riders`, [], /may hold equal rows/],
];

describe('silent, with the reason', () => {
  test.each(silences)('$id', async (rule, _, text, values, reason) => {
    const { silent, findings } = await said(hire, { text, values: [values] });
    expect(findings.map(({ id }) => id)).not.toContain(rule.id);
    expect(silent[rule.id] ?? '').toMatch(reason);
  });

  test('a function nobody knows is called as often as it was', async () => {
    const { silent } = await said(hire, {
      text: 'SELECT id FROM riders WHERE id NOT IN (SELECT rider_id FROM blocked) AND random() < 0.5',
    });
    expect(silent['database/not-in-subquery']).toContain('random(), which may answer differently each time');
  });
});

test('no value of the text is in what a finding says', async () => {
  const text = `SELECT DISTINCT r.id FROM riders r JOIN trips t ON t.rider_id = r.id WHERE t.note LIKE 'secret%' OR t.bike_id <> 4711`;
  expect(JSON.stringify((await said(hire, { text, values: [[]] })).findings)).not.toMatch(/secret|4711/);
});
