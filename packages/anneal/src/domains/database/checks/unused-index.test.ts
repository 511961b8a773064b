import { expect, test } from 'vitest';
import { createTestDatabase } from '../../../../../../test/support/test-database.ts';
import type { Observations } from '../../../measurement/observations.ts';
import { afterDays, flushCounters, judge, paste } from '../fixtures/judged-health.ts';
import { unusedIndex } from './unused-index.ts';

const crowd = `CREATE TABLE people (id int PRIMARY KEY, email text NOT NULL, city int, team_id int, region int);
  CREATE TABLE teams (id int PRIMARY KEY); ALTER TABLE people ADD FOREIGN KEY (team_id) REFERENCES teams;
  CREATE UNIQUE INDEX people_email ON people (email); CREATE INDEX people_city ON people (city); CREATE INDEX people_team ON people (team_id);
  CREATE INDEX people_region ON people (region); ALTER TABLE people REPLICA IDENTITY USING INDEX people_email;
  CREATE TABLE tiny (id int); CREATE INDEX tiny_id ON tiny (id); INSERT INTO tiny VALUES (1);
  INSERT INTO people SELECT g, 'p' || g, g % 90, NULL, g FROM generate_series(1, 5000) g; ANALYZE;`;

test('an index that nothing read for five weeks is found; what enforces, identifies or is referred to stays', async () => {
  await using database = await createTestDatabase(crowd);
  await database.client.query('SET enable_seqscan = off');
  await database.client.query('SELECT FROM people WHERE region = 7');
  await flushCounters(database.client);
  const { findings } = await judge(unusedIndex, database.url, afterDays(40));
  expect(findings.map(({ subject, level }) => [subject.key, level])).toEqual([['index public.people_city', 'warning']]);
  expect(findings[0]!.message).toContain('not scanned once in 40 days, while 5,000 entries were written');
  await paste(database.client, findings[0]!.proposal.code);
  expect((await judge(unusedIndex, database.url, afterDays(40))).findings).toEqual([]);
  await paste(database.client, findings[0]!.proposal.undo);
  expect((await judge(unusedIndex, database.url, afterDays(40))).findings).toHaveLength(1);
});

test('before five weeks have been counted no index is called unused', async () => {
  await using database = await createTestDatabase(crowd);
  expect(await judge(unusedIndex, database.url, afterDays(34))).toEqual({
    findings: [],
    reasons: ['scans have been counted for 34 days; below 35 no index can be called unused'],
  });
});

test('replicas may use it: with them it is a question, on one it is nothing', async () => {
  await using database = await createTestDatabase(crowd);
  const withServer = (change: Partial<Observations['postgres.server']>) => (read: Observations) => ({
    ...afterDays(40)(read),
    'postgres.server': { ...read['postgres.server'], ...change },
  });
  const { findings } = await judge(unusedIndex, database.url, withServer({ replicas: 2 }));
  expect(findings.map(({ level }) => level)).toEqual(['note', 'note']);
  expect(findings[0]!.message).toContain('2 replicas may scan it');
  expect((await judge(unusedIndex, database.url, withServer({ isReplica: true }))).reasons).toEqual([
    expect.stringContaining('this is a replica'),
  ]);
});
