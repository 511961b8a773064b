import { expect, test } from 'vitest';
import { createTestDatabase } from '../../../../../../test/support/test-database.ts';
import { flushCounters, judge, paste } from '../fixtures/judged-health.ts';
import { unindexedForeignKey } from './unindexed-foreign-key.ts';

const owned = `CREATE TABLE owners (id int PRIMARY KEY); CREATE TABLE pets (id int PRIMARY KEY, owner_id int REFERENCES owners ON DELETE CASCADE, name text);
  INSERT INTO owners SELECT generate_series(1, 500); INSERT INTO pets SELECT g, 1 + g % 400, repeat('x', 50) FROM generate_series(1, 5000) g; ANALYZE;`;

test('a reference without an index is found when referenced rows are deleted', async () => {
  await using database = await createTestDatabase(owned);
  await flushCounters(database.client);
  expect((await judge(unindexedForeignKey, database.url)).reasons).toEqual([
    expect.stringContaining('1 foreign key looked at, 1 without an index'),
  ]);
  await database.client.query('DELETE FROM owners WHERE id > 480');
  await flushCounters(database.client);
  const { findings } = await judge(unindexedForeignKey, database.url);
  expect(findings).toMatchObject([
    {
      subject: { name: 'public.pets (owner_id)' },
      proposal: { code: 'CREATE INDEX CONCURRENTLY pets_owner_id_idx ON public.pets (owner_id);' },
    },
  ]);
  expect(findings[0]!.message).toContain('each of 20 deletes');
  await paste(database.client, findings[0]!.proposal.code);
  expect((await judge(unindexedForeignKey, database.url)).findings).toEqual([]);
  await paste(database.client, findings[0]!.proposal.undo);
  expect((await judge(unindexedForeignKey, database.url)).findings).toHaveLength(1);
});

test.each([
  ['in another order, with more behind', 'CREATE INDEX ON parts (b, a, note)', true],
  ['without the nulls, which refer to nothing', 'CREATE INDEX ON parts (a, b) WHERE a IS NOT NULL', true],
  ['over other rows only', 'CREATE INDEX ON parts (a, b) WHERE note IS NOT NULL', false],
  ['that begins elsewhere', 'CREATE INDEX ON parts (note, a, b)', false],
])('of two columns, an index %s', async (_words, index, serves) => {
  await using database = await createTestDatabase(`CREATE TABLE wholes (a int, b int, PRIMARY KEY (a, b));
    CREATE TABLE parts (a int, b int, note text, FOREIGN KEY (a, b) REFERENCES wholes); ${index};
    INSERT INTO wholes SELECT g, g FROM generate_series(1, 1000) g; INSERT INTO parts SELECT g, g, repeat('x', 200) FROM generate_series(1, 900) g;
    ANALYZE; DELETE FROM wholes WHERE a > 950;`);
  await flushCounters(database.client);
  expect((await judge(unindexedForeignKey, database.url)).findings).toHaveLength(serves ? 0 : 1);
});

test('a small referring table is read as fast as an index', async () => {
  await using database =
    await createTestDatabase(`CREATE TABLE owners (id int PRIMARY KEY); CREATE TABLE pets (owner_id int REFERENCES owners);
    INSERT INTO owners SELECT generate_series(1, 100); INSERT INTO pets SELECT 1 FROM generate_series(1, 100); ANALYZE; DELETE FROM owners WHERE id > 50;`);
  await flushCounters(database.client);
  expect((await judge(unindexedForeignKey, database.url)).findings).toEqual([]);
});
