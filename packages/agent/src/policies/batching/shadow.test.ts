import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { describe, expect, test } from 'vitest';
import { createTestDatabase } from '../../../../../test/support/test-database.ts';
import { hookedPg, outcome, policyFor, poolOn, putInForce, schemaSql } from '../../../test/batching.ts';

const { observer, request } = hookedPg();

describe('the shadow', () => {
  test('ends the policy where a batch does not answer as its calls do', async () => {
    await using database = await createTestDatabase(schemaSql);
    await using pool = poolOn(database.url);
    const text = 'SELECT id FROM posts WHERE author_id = $1 AND words = $2 ORDER BY id';
    const policy = await policyFor(database.client, text);
    const swapped = { ...policy, parametersAt: policy.parametersAt.map(({ at, number }) => ({ at, number: 3 - number })) };
    using inForce = putInForce(observer, swapped);
    for (let round = 0; round < 2_000 && inForce.ended.length === 0; round += 1) {
      await request(() => Promise.all([1, 2, 3, 4].map((words) => pool.query(text, [1 + ((words * 7) % 50), words]))));
    }
    expect(inForce.ended).toEqual(['a batch and its original answered differently']);
    expect(await request(() => outcome(pool.query(text, [8, 1])))).toStrictEqual(await outcome(pool.query(text, [8, 1])));
  });

  test('does not take for wrong what another process has written meanwhile', async () => {
    await using database = await createTestDatabase(schemaSql);
    await using pool = poolOn(database.url);
    const read = 'SELECT value FROM counters WHERE id = $1';
    using inForce = putInForce(observer, await policyFor(database.client, read));
    const writing = `const { Client } = require('pg'); const client = new Client(process.argv[1]);
      client.on('error', () => {}); client.connect().then(async () => { for (;;) await client.query('UPDATE counters SET value = value + 1'); })`;
    const writer = spawn(process.execPath, ['-e', writing, database.url], { stdio: 'ignore', env: {} });
    try {
      let explained = 0;
      for (let round = 0; round < 3_000 && explained === 0; round += 1) {
        await request(() => Promise.all([1, 2, 3].map((id) => pool.query(read, [id]))));
        explained += inForce.take()['shadowsExplained']!;
      }
      expect(explained).toBeGreaterThan(0);
      expect(inForce.ended).toEqual([]);
    } finally {
      writer.kill();
      await once(writer, 'exit');
    }
  });

  test('agrees with batches that answer rightly', async () => {
    await using database = await createTestDatabase(schemaSql);
    await using pool = poolOn(database.url);
    const read = 'SELECT value FROM counters WHERE id = $1';
    using inForce = putInForce(observer, await policyFor(database.client, read));
    // One batch of fifty has a shadow; that none of a thousand has one does not happen.
    for (let round = 0; round < 1_000; round += 1) await request(() => Promise.all([1, 2, 3].map((id) => pool.query(read, [id]))));
    expect(inForce.ended).toEqual([]);
    const { shadowsEqual, shadowsExplained, shadowsFailed } = inForce.take();
    expect(shadowsEqual).toBeGreaterThan(0);
    expect({ shadowsExplained, shadowsFailed }).toEqual({ shadowsExplained: 0, shadowsFailed: 0 });
  });
});
