import { expect, test } from 'vitest';
import { createTestDatabase } from '../../../../../../test/support/test-database.ts';
import { judge, paste } from '../fixtures/judged-health.ts';
import { duplicateIndex } from './duplicate-index.ts';

test('of two equal indexes the one that nothing hangs on is to go', async () => {
  await using database = await createTestDatabase(`CREATE TABLE mails (id int PRIMARY KEY, sender text UNIQUE, body text);
    CREATE INDEX mails_id_again ON mails (id); CREATE UNIQUE INDEX mails_sender_again ON mails (sender);
    CREATE INDEX mails_low_1 ON mails (lower(body) DESC) WHERE body <> ''; CREATE INDEX mails_low_2 ON mails (lower(body) DESC) WHERE body <> '';`);
  const { findings } = await judge(duplicateIndex, database.url);
  const dropped = findings.map(({ subject }) => subject.key);
  expect(dropped).toHaveLength(3);
  expect(dropped).toEqual(expect.arrayContaining(['index public.mails_id_again', 'index public.mails_sender_again']));
  for (const { proposal } of findings) await paste(database.client, proposal.code);
  expect((await judge(duplicateIndex, database.url)).reasons).toEqual(['3 indexes looked at: no two are the same']);
  for (const { proposal } of findings) await paste(database.client, proposal.undo);
  expect((await judge(duplicateIndex, database.url)).findings).toHaveLength(3);
});

test('what differs in order, class, payload, condition or method is not the same; two constraints are left alone', async () => {
  await using database = await createTestDatabase(`CREATE TABLE mails (id int, sender text, UNIQUE (id, sender), UNIQUE (id, sender));
    CREATE INDEX ON mails (sender); CREATE INDEX ON mails (sender DESC); CREATE INDEX ON mails (sender text_pattern_ops); CREATE INDEX ON mails (sender COLLATE "C");
    CREATE INDEX ON mails (sender) INCLUDE (id); CREATE INDEX ON mails (sender) WHERE id > 0; CREATE INDEX ON mails USING hash (sender);`);
  expect((await judge(duplicateIndex, database.url)).findings).toEqual([]);
});

test('indexes of partitions go with those of their table', async () => {
  await using database = await createTestDatabase(`CREATE TABLE events (at date) PARTITION BY RANGE (at);
    CREATE TABLE events_a PARTITION OF events FOR VALUES FROM ('2026-01-01') TO ('2027-01-01'); CREATE INDEX one ON events (at); CREATE INDEX two ON events (at);`);
  const { findings } = await judge(duplicateIndex, database.url);
  expect(findings).toHaveLength(1);
  await paste(database.client, findings[0]!.proposal.code);
  expect((await judge(duplicateIndex, database.url)).findings).toEqual([]);
});
