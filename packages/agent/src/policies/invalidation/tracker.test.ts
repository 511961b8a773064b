import { promisify } from 'node:util';
import pg from 'pg';
import { describe, expect, test } from 'vitest';
import { createTestDatabase } from '../../../../../test/support/test-database.ts';
import { countersKnowledge, countersSql } from '../../../test/counters.ts';
import { Observer } from '../../observer.ts';
import type { CacheKnowledge } from './knowledge.ts';
import { Tracker, trackerFor } from './tracker.ts';

const read = 'SELECT value FROM counters WHERE id = $1';
const write = 'UPDATE counters SET value = value + 1 WHERE id = $1 RETURNING value';

/** A tracker in this very process, on the real driver and a real server. */
async function tracked(more: Partial<CacheKnowledge> = {}) {
  const database = await createTestDatabase(countersSql);
  const observer = new Observer();
  observer.drivers.pgClients.add(pg.Client.prototype);
  observer.drivers.pgPools.add(pg.Pool.prototype);
  const tracker = new Tracker({ observer, drivers: observer.drivers }, countersKnowledge(database.url, more));
  const dependent = { clear: () => undefined };
  const leave = tracker.join(dependent);
  tracker.switch(dependent, true);
  const pool = new pg.Pool({ connectionString: database.url, max: 4 });
  pool.on('error', () => undefined);
  const client = await pool.connect();
  client.on('error', () => undefined);
  return {
    tracker,
    pool,
    client,
    observer,
    /** Reads a counter as an answer would be made; null where it is not kept. */
    async keep(id: unknown = 1, by: Pick<pg.Pool, 'query'> | pg.PoolClient = pool) {
      const reading = tracker.begin(null);
      await tracker.within(reading, () => by.query(read, [id]));
      return tracker.end(reading) ? { tags: [...reading.tags], snapshots: reading.snapshots, at: reading.at, sharedAt: 0 } : null;
    },
    verdict: (kept: { readonly tags: readonly Parameters<Tracker['verdict']>[0]['tags'][number][]; readonly at: number } | null) =>
      kept === null ? 'not kept' : tracker.verdict({ ...kept, sharedAt: 0, snapshots: [] }, null),
    async [Symbol.asyncDispose]() {
      leave();
      client.release(true);
      await pool.end();
      await database[Symbol.asyncDispose]();
    },
  };
}

describe('what was read', () => {
  test('stands while a write to it is open, is not served while it commits, and is gone before the writer knows', async () => {
    await using it = await tracked();
    const kept = await it.keep();
    const other = await it.keep(2);
    await it.client.query('BEGIN');
    await it.client.query(write, [1]);
    expect(it.verdict(kept)).toBe('fresh');
    expect(await it.keep()).toBeNull();
    const committed = it.client.query('COMMIT');
    expect(it.verdict(kept)).toBe('passing');
    await committed;
    expect(it.verdict(kept)).toBe('stale');
    expect(it.verdict(other)).toBe('fresh');
    expect(it.verdict(await it.keep())).toBe('fresh');
  });

  test.each<[string, (client: pg.PoolClient) => Promise<unknown>]>([
    ['a text and values', (client) => client.query(write, [1])],
    ['a configuration', (client) => client.query({ text: write, values: ['01'] })],
    ['a prepared statement', (client) => client.query({ name: 'w', text: write, values: [1n] })],
    [
      'a callback',
      (client) =>
        promisify(client.query.bind(client) as (text: string, values: unknown[], done: (error: Error) => void) => void)(write, [1]),
    ],
    [
      'a submitted query',
      (client) => new Promise((resolve) => void client.query(new pg.Query({ text: write, values: [1] }, resolve as never))),
    ],
    ['several statements in one text', (client) => client.query('SELECT 1; UPDATE counters SET value = 2')],
    [
      'a transaction that goes on',
      async (client) => {
        await client.query('BEGIN');
        await client.query(write, [1]);
        await client.query('COMMIT AND CHAIN');
      },
    ],
    ['a block of code', (client) => client.query('DO $$ BEGIN UPDATE counters SET value = 2; END $$')],
    [
      'statements that nobody waited for',
      (client) => {
        void client.query('BEGIN');
        void client.query(write, [1]);
        return client.query('COMMIT');
      },
    ],
    [
      'a savepoint rolled back behind it',
      async (client) => {
        await client.query('BEGIN');
        await client.query(write, [1]);
        await client.query('SAVEPOINT a');
        await client.query('ROLLBACK TO SAVEPOINT a');
        await client.query('END');
      },
    ],
  ])('is gone when it was written by %s', async (_form, written) => {
    await using it = await tracked();
    const kept = await it.keep();
    expect(it.verdict(kept)).toBe('fresh');
    await written(it.client);
    expect(it.verdict(kept)).toBe('stale');
  });

  test('is kept again after a write that failed, was rolled back, or whose connection was lost before it committed', async () => {
    await using it = await tracked();
    await expect(it.client.query(write, ['no number'])).rejects.toThrow('invalid input syntax');
    // The error comes before the server says that its transaction ended, and until then the write counts as open.
    await expect.poll(() => it.keep(), { timeout: 5_000 }).not.toBeNull();
    await it.client.query('BEGIN');
    await it.client.query(write, [1]);
    await it.client.query('ROLLBACK');
    expect(await it.keep()).not.toBeNull();
    const lost = await it.pool.connect();
    lost.on('error', () => undefined);
    await lost.query('BEGIN');
    await lost.query(write, [1]);
    const kept = await it.keep(2);
    (lost as unknown as { connection: { stream: { destroy(): void } } }).connection.stream.destroy();
    await expect.poll(() => it.keep(), { timeout: 5_000 }).not.toBeNull();
    expect(it.verdict(kept)).toBe('fresh');
    lost.release(true);
  });

  test('is never kept again when a connection is lost with its commit on the way, and that is told', async () => {
    await using it = await tracked();
    const lost = await it.pool.connect();
    lost.on('error', () => undefined);
    await lost.query('BEGIN');
    await lost.query(write, [1]);
    const outcome = lost.query('COMMIT').catch((error: Error) => error.message);
    (lost as unknown as { connection: { stream: { destroy(): void } } }).connection.stream.destroy();
    expect(await outcome).toContain('Connection terminated');
    expect(await it.keep()).toBeNull();
    expect(it.verdict(await it.keep(2))).toBe('fresh');
    expect(it.observer.problems.take().join()).toContain('a connection was lost while a write was on its way');
    lost.release(true);
  });

  test('is not kept when it was read in a transaction that wrote, one older than the reader, or with settings of its own', async () => {
    await using it = await tracked();
    await it.client.query('BEGIN ISOLATION LEVEL REPEATABLE READ');
    expect(await it.keep(1, it.client)).not.toBeNull();
    await it.pool.query(write, [2]);
    // The transaction began before: it sees no write since.
    expect(await it.keep(2, it.client)).toBeNull();
    await it.client.query('ROLLBACK');
    await it.client.query('BEGIN');
    await it.client.query(write, [3]);
    expect(await it.keep(1, it.client)).toBeNull();
    await it.client.query('COMMIT');
    expect(await it.keep(1, it.client)).not.toBeNull();
    await it.client.query("SET datestyle TO 'German'");
    expect(await it.keep(1, it.client)).toBeNull();
  });

  test('over another server than the known one is not kept', async () => {
    await using it = await tracked({ connection: { host: 'elsewhere', port: 5432, database: 'x', user: 'y' } });
    expect(await it.keep()).toBeNull();
  });

  test('is not kept while a statement of nobody runs beside it', async () => {
    await using it = await tracked();
    const reading = it.tracker.begin(null);
    await it.tracker.within(reading, () => it.pool.query(read, [1]));
    await it.client.query(read, [2]);
    expect(it.tracker.end(reading)).toBe(false);
  });
});

test('a second copy of the driver ends it: its writes are not seen', async () => {
  await using it = await tracked();
  expect(it.tracker.trusted).toBe(true);
  it.observer.drivers.pgClients.add(class extends pg.Client {}.prototype);
  expect(it.tracker.trusted).toBe(false);
  expect(it.observer.problems.take().join()).toContain('another copy of pg was loaded');
});

test('a wrapper that came later and answers by itself is noticed', async () => {
  await using it = await tracked();
  const own = Object.getOwnPropertyDescriptor(pg.Pool.prototype, 'query')!;
  Object.defineProperty(pg.Pool.prototype, 'query', { ...own, value: () => Promise.resolve() });
  expect(it.tracker.trusted).toBe(false);
  Object.defineProperty(pg.Pool.prototype, 'query', own);
  expect(it.tracker.trusted).toBe(true);
});

test('nothing of it is left when it goes', async () => {
  const before = [pg.Client.prototype, pg.Pool.prototype].map((prototype) => Object.getOwnPropertyDescriptors(prototype));
  {
    await using it = await tracked();
    await it.keep();
  }
  expect([pg.Client.prototype, pg.Pool.prototype].map((prototype) => Object.getOwnPropertyDescriptors(prototype))).toEqual(before);
});

test('nothing is kept in a process that has a driver loaded whose writes it would notice too late', () => {
  const observer = new Observer();
  const context = { observer, drivers: observer.drivers };
  const knowledge = countersKnowledge('postgresql://user@localhost:5432/database');
  expect(trackerFor(context, knowledge)).toMatch(/^pg, the only driver/);
  observer.drivers.pgClients.add(pg.Client.prototype);
  observer.hooks.add('postgres 3.4.9');
  expect(trackerFor(context, knowledge)).toMatch(/^postgres 3\.4\.9 is loaded too/);
});
