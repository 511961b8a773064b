import pg from 'pg';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { createTestDatabase } from '../../../../test/support/test-database.ts';
import type { CommittedTransaction } from '../ports/change-stream.ts';
import { createChangeStreams } from './change-stream.ts';
import { startEmbeddedPostgres, type EmbeddedPostgres } from './embedded-postgres.ts';
import { parseChange } from './test-decoding.ts';

let server: EmbeddedPostgres;
beforeAll(async () => {
  server = await startEmbeddedPostgres({ settings: { wal_level: 'logical' } });
});
afterAll(() => server.stop());

test('every commit is told with its transaction and its rows, and no rollback; the slot goes with the stream', async () => {
  const client = new pg.Client({ connectionString: server.url });
  await client.connect();
  try {
    await client.query('CREATE TABLE posts (id int PRIMARY KEY, title text)');
    const told: CommittedTransaction[] = [];
    let alive = 0;
    const stream = await createChangeStreams().follow(server.url, {
      committed: (transactions) => told.push(...transactions),
      alive: () => {
        alive += 1;
      },
      lost: () => expect.fail('the stream was lost'),
    });
    await client.query("INSERT INTO posts VALUES (1, 'it''s [a]: id[integer]:9')");
    await client.query('BEGIN; UPDATE posts SET id = 7; ROLLBACK');
    const { rows } = await client
      .query<{ id: string }>('BEGIN; UPDATE posts SET id = 2; DELETE FROM posts; SELECT pg_current_xact_id()::text AS id; COMMIT')
      .then((results) => (results as unknown as { rows: { id: string }[] }[])[3]!);
    await expect.poll(() => told.length, { timeout: 5_000 }).toBe(2);
    await expect.poll(() => alive, { timeout: 5_000 }).toBeGreaterThan(0);
    expect(told[0]!.changes).toEqual([
      {
        table: 'public.posts',
        action: 'insert',
        row: new Map([
          ['id', '1'],
          ['title', "it's [a]: id[integer]:9"],
        ]),
      },
    ]);
    expect(told[1]).toMatchObject({
      id: Number(rows[0]!.id),
      changes: [
        { action: 'update', row: new Map() },
        { action: 'delete', row: new Map([['id', '2']]) },
      ],
    });
    await stream.close();
    const slots = async () => (await client.query('SELECT slot_name FROM pg_replication_slots')).rows;
    await expect.poll(slots, { timeout: 5_000 }).toEqual([]);
  } finally {
    await client.end();
  }
});

describe('a stream that is not to be had', () => {
  const listener = { committed: () => undefined, alive: () => undefined, lost: () => undefined };

  test('says why: the log is not made for it, or the role may not', async () => {
    await using database = await createTestDatabase('CREATE ROLE powerless LOGIN PASSWORD $$x$$');
    await expect(createChangeStreams().follow(database.url, listener)).rejects.toMatchObject({ code: 'ANNEAL_CHANGES_UNAVAILABLE' });
    await database.client.query('DROP ROLE powerless');
  });

  test('is told as lost when the server ends it', async () => {
    const client = new pg.Client({ connectionString: server.url });
    await client.connect();
    let reason = '';
    await createChangeStreams().follow(server.url, {
      ...listener,
      lost: (why) => {
        reason = why;
      },
    });
    await client.query("SELECT pg_terminate_backend(pid) FROM pg_stat_replication WHERE application_name = 'anneal changes'");
    await expect.poll(() => reason, { timeout: 5_000 }).not.toBe('');
    await client.end();
  });
});

test.each([
  [
    'table public."Odd ""name": DELETE: "a b"[uuid]:\'00000000-0000-0000-0000-000000000001\'',
    { table: 'public.Odd "name', action: 'delete', row: new Map([['a b', '00000000-0000-0000-0000-000000000001']]) },
  ],
  [
    'table public.posts: UPDATE: old-key: id[integer]:1 new-tuple: id[integer]:2',
    { table: 'public.posts', action: 'update', row: new Map() },
  ],
  ['table public.a, public.b: TRUNCATE: (no-flags)', { table: null, action: 'truncate', row: new Map() }],
  ['table public.posts: DELETE: (no-tuple-data)', { table: 'public.posts', action: 'delete', row: new Map() }],
])('the line %s is read', (line, change) => {
  expect(parseChange(line)).toEqual(change);
});
