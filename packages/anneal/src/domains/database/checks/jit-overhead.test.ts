import { expect, test } from 'vitest';
import { createTestDatabase } from '../../../../../../test/support/test-database.ts';
import type { Observations } from '../../../measurement/observations.ts';
import { judge, paste } from '../fixtures/judged-health.ts';
import { jitOverhead } from './jit-overhead.ts';

/** The server of the tests has no compiler, so the times it would have taken are put in; all else is as it was read. */
const compiled =
  (jitShare: number) =>
  ({ 'postgres.statement-history': history, 'postgres.configuration': settings }: Observations): Partial<Observations> => ({
    'postgres.configuration': { ...settings, jit: { shown: 'on', value: null, source: 'default' } },
    'postgres.statement-history': history.map((statement) => ({
      ...statement,
      jitMs: statement.text.includes('bills') ? jitShare * statement.totalMs : 0,
    })),
  });

const bills =
  'CREATE EXTENSION pg_stat_statements; CREATE TABLE bills (id int, total int); INSERT INTO bills SELECT g, g FROM generate_series(1, 20000) g;';

test('statements that compile longer than they run speak for switching it off', async () => {
  await using database = await createTestDatabase(bills);
  for (let call = 0; call < 20; call += 1) await database.client.query('SELECT sum(total) FROM bills');
  const { findings } = await judge(jitOverhead, database.url, compiled(0.6));
  expect(findings).toMatchObject([{ level: 'warning', subject: { name: 'jit' } }]);
  await paste(database.client, findings[0]!.proposal.code);
  await paste(database.client, findings[0]!.proposal.undo);
  expect((await judge(jitOverhead, database.url, compiled(0.4))).reasons).toEqual([
    expect.stringContaining('none of weight for half of its time'),
  ]);
});

test('a server that does not count what compiling takes is not called free of it', async () => {
  await using database = await createTestDatabase(bills);
  const uncounted = (read: Observations): Partial<Observations> => ({
    'postgres.configuration': compiled(0)(read)['postgres.configuration']!,
    'postgres.statement-history': read['postgres.statement-history'].map((statement) => ({ ...statement, jitMs: null })),
  });
  expect((await judge(jitOverhead, database.url, uncounted)).reasons).toEqual([
    expect.stringContaining('does not count the time spent compiling'),
  ]);
});
