import { expect, test } from 'vitest';
import { startEmbeddedPostgres } from '../../../adapters/embedded-postgres.ts';
import { createDatabases } from '../../../adapters/pg.ts';
import { judge, paste } from '../fixtures/judged-health.ts';
import { replicationSlot } from './replication-slot.ts';
import { requestedCheckpoints } from './requested-checkpoints.ts';

test('a slot that nobody reads is found once it keeps more log than the server would', { timeout: 60_000 }, async () => {
  await using postgres = await startEmbeddedPostgres({ settings: { max_wal_size: '32MB' } });
  await using sql = await createDatabases().connect(postgres.url, { applicationName: 'app', readOnly: false });
  await sql.query("SELECT pg_create_physical_replication_slot('away', true)");
  expect((await judge(replicationSlot, postgres.url)).reasons).toEqual([
    expect.stringContaining('1 replication slot, none keeps more than max_wal_size'),
  ]);
  // Each switch ends a segment of 16 MB.
  for (let segment = 0; segment < 3; segment += 1) await paste(sql, 'SELECT pg_switch_wal();\nCREATE TABLE t ();\nDROP TABLE t;');
  const { findings } = await judge(replicationSlot, postgres.url);
  expect(findings).toMatchObject([{ level: 'error', subject: { type: 'replication slot', name: 'away' } }]);
  await paste(sql, findings[0]!.proposal.code);
  expect((await judge(replicationSlot, postgres.url)).findings).toEqual([]);

  // Checkpoints that somebody asks for on this server are not held against its log.
  for (let asked = 0; asked < 14; asked += 1) await paste(sql, 'CREATE TABLE t ();\nDROP TABLE t;\nCHECKPOINT;');
  expect((await judge(requestedCheckpoints, postgres.url)).reasons).toEqual([
    expect.stringMatching(/^\d+ of \d+ checkpoints were requested, 0 of these can have been forced/),
  ]);
});
