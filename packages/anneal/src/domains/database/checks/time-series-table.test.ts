import { expect, test } from 'vitest';
import { createTestDatabase } from '../../../../../../test/support/test-database.ts';
import type { Observations } from '../../../measurement/observations.ts';
import { flushCounters, judge, paste } from '../fixtures/judged-health.ts';
import { timeSeriesTable } from './time-series-table.ts';

/** A machine whose memory is a megabyte, so that the tables of a test are large. */
const smallMachine = ({ 'postgres.server': server }: Observations): Partial<Observations> => ({
  'postgres.server': { ...server, memoryBytes: 1024 ** 2 },
});

test('a large table that grows by time is a question, with the index that is small', async () => {
  await using database =
    await createTestDatabase(`CREATE TABLE samples (id int PRIMARY KEY, at timestamptz NOT NULL, value int); CREATE INDEX samples_at ON samples (at);
    INSERT INTO samples SELECT g, timestamptz '2026-01-01' + g * interval '1 second', g FROM generate_series(1, 30000) g; ANALYZE;`);
  await flushCounters(database.client);
  const { findings } = await judge(timeSeriesTable, database.url, smallMachine);
  expect(findings).toMatchObject([
    {
      level: 'note',
      subject: { name: 'public.samples' },
      proposal: { code: 'CREATE INDEX CONCURRENTLY samples_at_brin ON public.samples USING brin (at);' },
    },
  ]);
  expect(findings[0]!.evidence).toContainEqual(expect.objectContaining({ label: 'size of the B-tree samples_at' }));
  await paste(database.client, findings[0]!.proposal.code);
  await paste(database.client, findings[0]!.proposal.undo);
});

test('rows in no order, rows that change and small tables are left alone', async () => {
  await using database = await createTestDatabase(`
    CREATE TABLE mixed (at date); INSERT INTO mixed SELECT date '2026-01-01' + (g * 7919) % 900 FROM generate_series(1, 50000) g;
    CREATE TABLE touched (at date, n int); INSERT INTO touched SELECT date '2026-01-01' + g / 100, 0 FROM generate_series(1, 50000) g; UPDATE touched SET n = 1 WHERE at < '2026-06-01';
    CREATE TABLE small (at date); INSERT INTO small SELECT date '2026-01-01' + g FROM generate_series(1, 100) g; ANALYZE;`);
  await flushCounters(database.client);
  expect((await judge(timeSeriesTable, database.url, smallMachine)).reasons).toEqual([
    expect.stringMatching(/^2 tables larger than .*none grows in the order of a timestamp/),
  ]);
});
