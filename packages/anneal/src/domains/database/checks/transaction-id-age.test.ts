import { expect, test } from 'vitest';
import { createTestDatabase } from '../../../../../../test/support/test-database.ts';
import type { Observations } from '../../../measurement/observations.ts';
import { judge } from '../fixtures/judged-health.ts';
import { transactionIdAge } from './transaction-id-age.ts';

const aged =
  (transactionAge: number, multixactAge = 0) =>
  ({ 'postgres.server': { database }, 'postgres.table-health': tables }: Observations): Partial<Observations> => ({
    'postgres.transaction-ages': [{ database, transactionAge, multixactAge }],
    'postgres.table-health': tables.map((row) => ({ ...row, transactionAge: row.name === 'old' ? transactionAge : 5 })),
  });

test('a young database is silent with its age', async () => {
  await using database = await createTestDatabase('CREATE TABLE old (id int)');
  expect((await judge(transactionIdAge, database.url)).reasons).toEqual([
    expect.stringMatching(/^\d+ databases looked at: the oldest transaction id is/),
  ]);
});

test.each([
  [399_000_000, []],
  [400_000_000, ['warning']],
  [1_600_000_000, ['error']],
])('at an age of %i', async (age, levels) => {
  await using database = await createTestDatabase('CREATE TABLE old (id int); CREATE TABLE young (id int);');
  const { findings } = await judge(transactionIdAge, database.url, aged(age));
  expect(findings.map(({ level }) => level)).toEqual(levels);
  for (const { proposal } of findings) expect(proposal.code).toMatch(/^VACUUM \(FREEZE, VERBOSE\) public\.old;/);
});

test('multixact ids have limits of their own', async () => {
  await using database = await createTestDatabase();
  const { findings } = await judge(transactionIdAge, database.url, aged(1000, 900_000_000));
  expect(findings).toMatchObject([{ level: 'warning', subject: { type: 'database', name: database.name } }]);
  expect(findings[0]!.message).toContain('multixact id');
});
