import { expect, test } from 'vitest';
import { startEmbeddedPostgres } from '../../../adapters/embedded-postgres.ts';
import { createDatabases } from '../../../adapters/pg.ts';
import type { Observations } from '../../../measurement/observations.ts';
import { judge, paste } from '../fixtures/judged-health.ts';
import { preparedTransaction } from './prepared-transaction.ts';
import { minuteMs } from './session-words.ts';

const later =
  (ms: number) =>
  ({ 'postgres.prepared-transactions': prepared }: Observations): Partial<Observations> => ({
    'postgres.prepared-transactions': prepared.map((one) => ({ ...one, ageMs: one.ageMs + ms })),
  });

test('a prepared transaction that nobody finishes is found, and ended by the fix', { timeout: 60_000 }, async () => {
  await using postgres = await startEmbeddedPostgres({ settings: { max_prepared_transactions: '5' } });
  await using sql = await createDatabases().connect(postgres.url, { applicationName: 'app', readOnly: false });
  await paste(sql, "CREATE TABLE transfers (id int);\nBEGIN;\nINSERT INTO transfers VALUES (1);\nPREPARE TRANSACTION 'it''s \"mine\"';");
  expect((await judge(preparedTransaction, postgres.url)).reasons).toEqual(['1 prepared transaction, none older than a minute']);
  expect((await judge(preparedTransaction, postgres.url, later(minuteMs))).findings).toMatchObject([
    { level: 'warning', subject: { name: 'it\'s "mine"' } },
  ]);
  const { findings } = await judge(preparedTransaction, postgres.url, later(15 * minuteMs));
  expect(findings).toMatchObject([{ level: 'error' }]);
  await sql.query(findings[0]!.proposal.code!);
  expect((await judge(preparedTransaction, postgres.url, later(15 * minuteMs))).reasons).toEqual([
    '0 prepared transactions, none older than a minute',
  ]);
});
