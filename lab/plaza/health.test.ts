import { beforeAll, expect, test } from 'vitest';
import { isAbout } from '../../packages/anneal/src/demo.ts';
import { checkDatabase } from '../../packages/anneal/src/index.ts';
import { createTestDatabase, type TestDatabase } from '../../test/support/test-database.ts';
import { loadLabels, seedPlaza } from './lab.ts';
import { lastOfEachDay } from './src/posts/last-posts.ts';
import { matchSchema } from './src/schema-forms.ts';

/** What `anneal check database` can see: the labels that name a part of the database. */
const seen = loadLabels().defects.filter(({ objects }) => objects !== undefined);

let database: TestDatabase;
let found: Awaited<ReturnType<typeof check>>;

beforeAll(async () => {
  database = await createTestDatabase();
  await seedPlaza(database.url, { size: 0.25, fix: 'none' });
  await forgetStatements();
  // What plaza would have asked of its database in a while. Little memory stands for the rows that a quarter of plaza lacks.
  const { client } = database;
  for (const id of [11, 12, 13]) await client.query('DELETE FROM comments WHERE id = $1', [id]);
  for (const id of [1, 2, 3]) {
    const { rows } = await client.query<{ country: string; city: string }>('SELECT country, city FROM meetups WHERE id = $1', [id]);
    await client.query('SELECT id, title FROM meetups WHERE country = $1 AND city = $2', [rows[0]!.country, rows[0]!.city]);
  }
  await client.query("SET work_mem = '1MB'");
  for (let call = 0; call < 3; call += 1) await client.query(lastOfEachDay);
  await client.query('SELECT pg_stat_force_next_flush()');
  found = await check();
  return () => database[Symbol.asyncDispose]();
}, 120_000);

/** What is held against plaza itself: the server that tests run on does without fsync. */
async function check() {
  const { findings } = await checkDatabase(database.url);
  return findings.filter(({ ruleId }) => ruleId !== 'database/durability-off');
}

async function forgetStatements(): Promise<void> {
  await database.client.query('SELECT pg_stat_statements_reset(0, oid, 0) FROM pg_database WHERE datname = current_database()');
}

test.each(seen.map((defect) => ({ id: defect.id, defect })))('$id is found at its object', ({ defect }) => {
  expect(found.filter((finding) => isAbout(finding, defect))).toHaveLength(1);
});

test('nothing else is held against plaza, least of all what only looks like a weakness', () => {
  const others = found.filter((finding) => finding.level !== 'note' && !seen.some((defect) => isAbout(finding, defect)));
  expect(others.map(({ message }) => message)).toEqual([]);
});

test('nothing is found once it is mended', async () => {
  await matchSchema(database.url, 'all');
  await forgetStatements();
  expect((await check()).filter((finding) => seen.some((defect) => isAbout(finding, defect)))).toEqual([]);
});
