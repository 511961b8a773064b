import { setTimeout as sleep } from 'node:timers/promises';
import pg from 'pg';
import { afterAll, beforeAll, describe, expect, test, vi } from 'vitest';
import { cacheCounters, countersKnowledge, countersSql } from '../../../../agent/test/counters.ts';
import { hostileTraffic, writerThrough } from '../../../../agent/test/hostile-traffic.ts';
import { startObservedApp } from '../../../../../test/support/observed-app.ts';
import { createAgents } from '../../adapters/agent-listener.ts';
import { createChangeStreams } from '../../adapters/change-stream.ts';
import { startEmbeddedPostgres, type EmbeddedPostgres } from '../../adapters/embedded-postgres.ts';
import { createDatabases } from '../../adapters/pg.ts';
import { createSqlParser } from '../../adapters/sql-parser.ts';
import type { AgentControl } from '../../ports/agent.ts';
import { cacheKnowledge } from './knowledge/cache-knowledge.ts';
import { readTables } from './knowledge/read-catalogue.ts';
import { outsideWriters } from './outside-writers.ts';

const thorough = process.env['ANNEAL_THOROUGH'] !== undefined;
const reads = thorough ? 16_000 : 1_500;

let server: EmbeddedPostgres;
let admin: pg.Client;
beforeAll(async () => {
  server = await startEmbeddedPostgres({ settings: { wal_level: 'logical' } });
  admin = new pg.Client({ connectionString: server.url });
  await admin.connect();
  await admin.query(countersSql);
});
afterAll(async () => {
  await admin.end();
  await server.stop();
});

interface Backend extends AsyncDisposable {
  readonly port: number;
  readonly agent: AgentControl;
  readonly figures: () => Promise<Readonly<Record<string, number>>>;
}

/** The backend with its agent, the policy on what Anneal itself found out, and the stream that feeds it. */
async function startBackend({ followed = true } = {}): Promise<Backend> {
  const agents = createAgents();
  const listener = await agents.listen();
  const app = await startObservedApp('counters.cjs', server.url, agents, listener);
  const { agent } = app;
  const port = Number(new URL(app.url).port);
  for (const path of ['/counters/1', '/transactions/counters/1', '/total']) await (await fetch(`http://127.0.0.1:${port}${path}`)).text();
  for (const form of ['autocommit', 'transaction']) await fetch(`http://127.0.0.1:${port}/counters/20?form=${form}`, { method: 'POST' });
  const { statementTexts } = await agent.flush();
  await using sql = await createDatabases().connect(server.url, { applicationName: 'anneal test', readOnly: true });
  const samples = new Map(statementTexts.map(({ template, sample }) => [template, [{ text: sample, values: null }]]));
  const statements = await cacheKnowledge(sql, await createSqlParser(), samples);
  expect(statements.map(({ template }) => template)).toEqual(
    expect.arrayContaining(
      countersKnowledge(server.url)
        .statements.slice(0, 1)
        .map(({ template }) => template),
    ),
  );
  await agent.apply('cache', cacheCounters(countersKnowledge(server.url, { statements, outsideWriters: 'streamed' })));
  const stream = followed ? await createChangeStreams().follow(server.url, outsideWriters(agent, 'cache', await readTables(sql))) : null;
  const figures = async () => {
    const { policies, problems } = await agent.flush();
    if (policies[0] === undefined) throw new Error(`the policy has ended: ${problems.join('; ')}`);
    return policies[0].figures;
  };
  const hits = async () => {
    await valueAt(port);
    return (await figures())['hits'];
  };
  // Nothing is kept before the stream has come to the end of the log.
  if (followed) await vi.waitUntil(async () => ((await hits()) ?? 0) > 0, { timeout: 20_000 });
  return {
    port,
    agent,
    figures,
    async [Symbol.asyncDispose]() {
      await stream?.close();
      await app.stop();
      await listener[Symbol.asyncDispose]();
    },
  };
}

const truth = async (counter: number) => {
  const { rows } = await admin.query<{ value: number }>('SELECT value FROM counters WHERE id = $1', [counter + 1]);
  return rows[0]!.value;
};
const valueAt = async (port: number) => ((await (await fetch(`http://127.0.0.1:${port}/counters/1`)).json()) as { value: number }).value;

describe('writers that the agent does not see', () => {
  test('leave no stale answer, and those of the backend none at any time', async () => {
    await using backend = await startBackend();
    const outside = await Promise.all(
      [1, 2].map(async () => {
        const client = new pg.Client({ connectionString: server.url });
        await client.connect();
        return client;
      }),
    );
    let turn = 0;
    const writers = outside.map((client) => async (counter: number) => {
      turn += 1;
      await client.query('BEGIN');
      const { rows } = await client.query<{ value: number }>('UPDATE counters SET value = value + 1 WHERE id = $1 RETURNING value', [
        counter + 1,
      ]);
      await sleep(Math.random() * 4);
      await client.query(turn % 10 === 0 ? 'ROLLBACK' : 'COMMIT');
      return turn % 10 === 0 ? false : rows[0]!.value;
    });
    const ports = [backend.port];
    const found = await hostileTraffic({
      ports,
      counters: 5,
      reads,
      readers: 8,
      writers: [writerThrough(ports)],
      path: (counter) => `/counters/${counter + 1}`,
      truth,
      // What the stream may be late by on a machine whose cores are all taken; the median is some milliseconds.
      lateWriters: { writers, lagMs: 1_000 },
    });
    const figures = await backend.figures();
    if (thorough)
      process.stderr.write(
        `outside writers: ${JSON.stringify({ ...found, hitShare: Number((figures['hits']! / found.reads).toFixed(2)), ...figures })}\n`,
      );
    expect(found).toMatchObject({ notReadYourWrites: 0, staleAtRest: 0 });
    expect(figures['hits']! / found.reads).toBeGreaterThan(0.1);
    await Promise.all(outside.map((client) => client.end()));
  });

  test('that wait for a standby are told of before anybody sees what they wrote: nothing is kept from that time', async () => {
    await using backend = await startBackend();
    const writer = new pg.Client({ connectionString: server.url });
    await writer.connect();
    const { rows } = await writer.query<{ pid: number }>('SELECT pg_backend_pid() AS pid');
    await admin.query('SET synchronous_commit = off');
    await admin.query("ALTER SYSTEM SET synchronous_standby_names = 'ghost'");
    await admin.query('SELECT pg_reload_conf()');
    try {
      await sleep(200);
      const before = await valueAt(backend.port);
      const written = writer.query('UPDATE counters SET value = value + 1 WHERE id = 1');
      await sleep(500);
      // The log has the commit, readers still see the row as it was.
      for (let time = 0; time < 5; time += 1) expect(await valueAt(backend.port)).toBe(before);
      await admin.query('SELECT pg_cancel_backend($1)', [rows[0]!.pid]);
      await written;
      expect(await valueAt(backend.port)).toBe(before + 1);
    } finally {
      await admin.query('ALTER SYSTEM RESET synchronous_standby_names');
      await admin.query('SELECT pg_reload_conf()');
      await writer.end();
    }
  });

  test('that nobody follows keep everything from being kept', async () => {
    await using backend = await startBackend({ followed: false });
    for (let time = 0; time < 5; time += 1) await valueAt(backend.port);
    expect(await backend.figures()).toMatchObject({ hits: 0, bypasses: 5, keptAnswers: 0 });
  });

  test('that are no longer followed end all answers from memory at once', async () => {
    await using backend = await startBackend();
    const before = await valueAt(backend.port);
    await valueAt(backend.port);
    expect(await backend.figures()).toMatchObject({ keptAnswers: 1 });
    await admin.query("SELECT pg_terminate_backend(pid) FROM pg_stat_replication WHERE application_name = 'anneal changes'");
    await expect.poll(async () => (await backend.figures())['keptAnswers']).toBe(0);
    await admin.query('UPDATE counters SET value = value + 1 WHERE id = 1');
    expect(await valueAt(backend.port)).toBe(before + 1);
    expect(await backend.figures()).toMatchObject({ keptAnswers: 0, hits: 0 });
  });
});
