import { expect, test } from 'vitest';
import { createTestDatabase } from '../../../../../../test/support/test-database.ts';
import { judge, paste } from '../fixtures/judged-health.ts';
import { redundantIndex } from './redundant-index.ts';

test('an index that another one begins with is found', async () => {
  await using database = await createTestDatabase(`CREATE TABLE trips (id int PRIMARY KEY, driver int, day date);
    CREATE INDEX trips_driver ON trips (driver); CREATE INDEX trips_driver_day ON trips (driver, day);`);
  const { findings } = await judge(redundantIndex, database.url);
  expect(findings).toMatchObject([
    { level: 'warning', subject: { name: 'public.trips_driver' }, proposal: { code: 'DROP INDEX CONCURRENTLY public.trips_driver;' } },
  ]);
  await paste(database.client, findings[0]!.proposal.code);
  expect((await judge(redundantIndex, database.url)).reasons).toEqual(['2 indexes looked at: none is the beginning of another']);
  await paste(database.client, findings[0]!.proposal.undo);
  expect((await judge(redundantIndex, database.url)).findings).toHaveLength(1);
});

test('a much wider index is only a question', async () => {
  await using database =
    await createTestDatabase(`CREATE TABLE trips (driver int, route text); INSERT INTO trips SELECT g % 50, md5(g::text) FROM generate_series(1, 20000) g;
    CREATE INDEX trips_driver ON trips (driver); CREATE INDEX trips_driver_route ON trips (driver, route);`);
  expect((await judge(redundantIndex, database.url)).findings).toMatchObject([{ level: 'note', subject: { name: 'public.trips_driver' } }]);
});

test('a unique index, another direction, another condition and a payload of its own are not redundant', async () => {
  await using database = await createTestDatabase(`CREATE TABLE trips (driver int, day date, fare int);
    CREATE UNIQUE INDEX ON trips (driver); CREATE INDEX ON trips (driver, day);
    CREATE INDEX ON trips (day DESC); CREATE INDEX ON trips (day, fare);
    CREATE INDEX ON trips (fare) WHERE fare > 0; CREATE INDEX ON trips (fare, day);
    CREATE INDEX ON trips (fare) INCLUDE (driver);`);
  expect((await judge(redundantIndex, database.url)).findings).toEqual([]);
});
