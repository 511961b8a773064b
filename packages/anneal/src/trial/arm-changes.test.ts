import pg from 'pg';
import { expect, test } from 'vitest';
import { createChangeStreams } from '../adapters/change-stream.ts';
import { startEmbeddedPostgres } from '../adapters/embedded-postgres.ts';
import { ArmChanges } from './arm-changes.ts';

test('an arm’s streams end before it does, one by one or all: only then can its database be dropped', async () => {
  await using server = await startEmbeddedPostgres({ settings: { wal_level: 'logical' } });
  const admin = new pg.Client({ connectionString: server.url });
  await admin.connect();
  try {
    await admin.query('CREATE DATABASE arm');
    const changes = new ArmChanges(createChangeStreams(), server.databaseUrl('arm'));
    let alive = 0;
    const listener = {
      committed: () => undefined,
      alive: () => {
        alive += 1;
      },
      lost: () => undefined,
    };
    const slots = async () => (await admin.query('SELECT slot_name FROM pg_replication_slots')).rows.length;
    await changes.follow('one', listener);
    await changes.follow('one', listener);
    await changes.follow('other', listener);
    await expect.poll(slots, { timeout: 5_000 }).toBe(2);
    expect(alive).toBeGreaterThanOrEqual(3);
    await expect(admin.query('DROP DATABASE arm WITH (FORCE)')).rejects.toThrow('logical replication slot');
    await changes.follow('one', null);
    await expect.poll(slots, { timeout: 5_000 }).toBe(1);
    await changes.close();
    await admin.query('DROP DATABASE arm WITH (FORCE)');
  } finally {
    await admin.end();
  }
});
