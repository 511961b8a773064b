import { expect, test } from 'vitest';
import { createTestDatabase } from '../../../../../../test/support/test-database.ts';
import { judge, paste } from '../fixtures/judged-health.ts';
import { sequenceExhaustion } from './sequence-exhaustion.ts';

test('an integer column fed by a bigint sequence ends with the column', async () => {
  await using database =
    await createTestDatabase(`CREATE SEQUENCE ticket_numbers AS bigint; CREATE TABLE tickets (id integer PRIMARY KEY DEFAULT nextval('ticket_numbers'));
    SELECT setval('ticket_numbers', 1500000000);`);
  const { findings } = await judge(sequenceExhaustion, database.url);
  expect(findings).toMatchObject([{ level: 'warning', subject: { type: 'sequence', name: 'public.ticket_numbers' } }]);
  expect(findings[0]!.message).toContain('feeds public.tickets.id (integer), has given 69.8 % of its values: 647,483,647 are left');
  await paste(database.client, findings[0]!.proposal.code);
  expect((await judge(sequenceExhaustion, database.url)).findings).toEqual([]);
  await paste(database.client, findings[0]!.proposal.undo);
});

test('serial and identity columns, small types and sequences that count down are read as they are', async () => {
  await using database = await createTestDatabase(`CREATE TABLE a (id serial PRIMARY KEY); SELECT setval('a_id_seq', 2000000000);
    CREATE TABLE b (id smallint GENERATED ALWAYS AS IDENTITY); SELECT setval('b_id_seq', 20000);
    CREATE SEQUENCE down INCREMENT -1 MINVALUE -100 MAXVALUE -1 START -1; SELECT setval('down', -95);
    CREATE TABLE fresh (id serial); CREATE SEQUENCE round MAXVALUE 10 CYCLE; SELECT setval('round', 10);
    CREATE TABLE young (id serial); SELECT setval('young_id_seq', 1000000000);`);
  const { findings } = await judge(sequenceExhaustion, database.url);
  expect(findings.map(({ subject, level }) => [subject.key, level])).toEqual([
    ['sequence public.a_id_seq', 'error'],
    ['sequence public.b_id_seq', 'warning'],
    ['sequence public.down', 'error'],
  ]);
  for (const { proposal } of findings) await paste(database.client, proposal.code);
  expect((await judge(sequenceExhaustion, database.url)).findings).toEqual([]);
});

test('sequences that may not be read are told', async () => {
  await using database = await createTestDatabase('CREATE TABLE a (id serial)');
  const role = `${database.name}_stranger`;
  await database.client.query(`CREATE ROLE ${role} LOGIN PASSWORD 'x'`);
  try {
    const url = Object.assign(new URL(database.url), { username: role, password: 'x' });
    expect((await judge(sequenceExhaustion, url.href)).reasons).toEqual([expect.stringContaining('1 may not be read by this role')]);
  } finally {
    await database.client.query(`DROP ROLE ${role}`);
  }
});
