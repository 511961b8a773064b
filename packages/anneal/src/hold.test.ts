import { fork, spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, rm } from 'node:fs/promises';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { setTimeout as sleep } from 'node:timers/promises';
import { silenceMs, templateHash, textHash } from '@anneal/agent/protocol';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { createTestDatabase, type TestDatabase } from '../../../test/support/test-database.ts';
import { countersKnowledge, countersSql } from '../../agent/test/counters.ts';
import { appFile } from '../../agent/test/target.ts';
import { startEmbeddedPostgres, type EmbeddedPostgres } from './adapters/embedded-postgres.ts';
import { createOutside } from './adapters/outside.ts';
import { domains } from './domains/index.ts';
import { readHistory, rollbackChanges } from './history.ts';
import { holdPolicies, type HoldOptions } from './hold.ts';
import { openLedger } from './ledger/open-ledger.ts';
import { silentProgress } from './ports/progress.ts';
import type { Json } from './remedy/remedy.ts';
import { ledgerPath } from './run.ts';
import { schemaKnowledge } from './target/schema-knowledge.ts';
import type { LedgerEvent } from './trial/events.ts';
import type { HeldOutcome } from './trial/held-policies.ts';

const isThorough = process.env['ANNEAL_THOROUGH'] === '1';
if (!isThorough) process.stderr.write('SKIPPED: kept answers in force, and a holder that hangs; `make test-hold` runs them\n');

const outside = await createOutside();
const main = join(import.meta.dirname, 'cli/main.ts');
const loopProcess = join(import.meta.dirname, 'domains/api/fixtures/loop-process.ts');

const schemaSql = `
  CREATE EXTENSION pg_stat_statements;
  CREATE TABLE authors (id int PRIMARY KEY, name text NOT NULL);
  CREATE TABLE posts (id int PRIMARY KEY, author_id int NOT NULL);
  INSERT INTO authors SELECT n, 'author ' || n FROM generate_series(1, 40) n;
  INSERT INTO posts SELECT n, 1 + (n * 7) % 40 FROM generate_series(1, 400) n;
`;
const list = 'SELECT id, author_id FROM posts WHERE id > $1 ORDER BY id LIMIT 20';
const look = 'SELECT name FROM authors WHERE id = $1';
const trialId = '20260101-000000-aaaa-1';

/** As `anneal optimize` plans it for the loop of `loop-process.ts`. */
const plan: Json = {
  statementId: 'look',
  statement: look,
  batchedStatementId: null,
  policy: {
    textHash: textHash(look),
    parametersAt: outside.sqlParser.parametersAt(look)!.map(({ at, number }) => ({ at, number })),
    parameterTypes: ['pg_catalog.int4'],
    hasOffset: false,
    isOrdered: false,
    parent: templateHash(list),
    oldestMs: 100,
    readOnly: [look, list].map(templateHash).toSorted(),
  },
  proof: { parameterSets: 5, rows: 5 },
  lasting: 'collect the keys and ask once',
};
const remedyId = 'api/batch-statements';

let database: TestDatabase;
let folder: string;
let backends: ChildProcess[] = [];

beforeAll(async () => {
  database = await createTestDatabase(schemaSql);
});
afterAll(() => database[Symbol.asyncDispose]());

beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'hold-'));
  await using sql = await outside.databases.connect(database.url, { applicationName: 'anneal test', readOnly: true });
  const remedy = domains.flatMap(({ remedies }) => remedies).find(({ id }) => id === remedyId)!;
  await using ledger = await openLedger<LedgerEvent>(outside, ledgerPath(folder));
  const run = '20260101-000000-aaaa';
  const change = { trialId, remedyId, plan };
  const events: readonly LedgerEvent[] = [
    { type: 'run-opened', command: 'optimize', target: 'shop', database: null, workload: null },
    { type: 'trial-planned', ...change, title: 'batch', findingFingerprint: null, prediction: null, where: 'arm' },
    { type: 'verdict', trialId, verdict: { decision: 'keep', performance: 'improved', equality: 'match' } },
    { type: 'proven', ...change, description: remedy.describe(plan), schema: await schemaKnowledge(sql) },
    { type: 'run-closed', outcome: 'done' },
  ];
  for (const event of events) await ledger.append(run, event);
});

afterEach(async () => {
  for (const child of backends.splice(0)) {
    if (child.exitCode === null && child.signalCode === null && child.kill('SIGKILL')) await once(child, 'exit');
  }
  await rm(folder, { recursive: true, force: true });
});

const socketPath = () => join(folder, 'hold.sock');
const place = () => ({ outputFolder: folder, databaseUrl: database.url });

/** The backend as somebody else starts it. */
async function backend() {
  const child = fork(loopProcess, {
    execArgv: ['--conditions=@anneal/source', '--import', outside.agents.importSpecifier],
    env: { ...process.env, ANNEAL_HOLD: socketPath(), DATABASE_URL: database.url },
  });
  backends.push(child);
  const [{ port }] = (await once(child, 'message')) as [AddressInfo];
  const answers = async () => {
    const found: unknown[] = [];
    for (let from = 0; from < 12; from += 1) found.push(await (await fetch(`http://127.0.0.1:${port}/sequential?from=${from}`)).json());
    return found;
  };
  /** Statements that the server ran for twelve requests, beside the twelve lists, and what they were answered. */
  const looks = async () => {
    await database.client.query('SELECT pg_stat_statements_reset(0, oid, 0) FROM pg_database WHERE datname = current_database()');
    const answered = await answers();
    const { rows } = await database.client.query<{ calls: number }>(
      `SELECT coalesce(sum(calls), 0)::int AS calls FROM pg_stat_statements
        WHERE dbid = (SELECT oid FROM pg_database WHERE datname = current_database()) AND query LIKE '%authors%' AND query NOT LIKE '%pg_stat%'`,
    );
    return { answered, calls: rows[0]!.calls };
  };
  return { child, looks };
}

async function holding(options: Partial<HoldOptions> = {}) {
  const ending = new AbortController();
  const listening = Promise.withResolvers<void>();
  const notes: string[] = [];
  const held = holdPolicies(place(), {
    outside,
    progress: { ...silentProgress, note: (sentence) => void notes.push(sentence) },
    signal: ending.signal,
    ids: [],
    durationMs: null,
    onListening: () => listening.resolve(),
    ...options,
  });
  await Promise.race([listening.promise, held]);
  const end = async (): Promise<readonly HeldOutcome[]> => {
    ending.abort(new Error('enough'));
    return held;
  };
  return { held, notes, end, inForce: () => expect.poll(() => notes.join('\n'), { timeout: 10_000 }).toContain('in force in process') };
}

const stateOfTrial = async () =>
  (await readHistory(folder, { outside })).flatMap(({ trials }) => trials).find(({ id }) => id === trialId)!.state;

/** Twenty looks a request. */
const unbatched = 240;

test('what was proven is in force in a backend that somebody else started, with equal answers, until it is let go', async () => {
  const served = await backend();
  const before = await served.looks();
  expect(before.calls).toBe(unbatched);

  const holder = await holding();
  await holder.inForce();
  expect(await stateOfTrial()).toBe('held');
  await served.looks();
  const during = await served.looks();
  expect(during.answered).toEqual(before.answered);
  expect(during.calls).toBeLessThan(unbatched / 5);

  const [outcome] = await holder.end();
  expect(outcome).toMatchObject({ trialId, ended: null, processes: 1 });
  expect(outcome!.figures['callsAhead']).toBeGreaterThan(200);
  expect(await served.looks()).toEqual(before);
  expect(await stateOfTrial()).toBe('proven');

  // It comes again, and the same process is met again.
  const again = await holding();
  await again.inForce();
  await served.looks();
  expect((await served.looks()).calls).toBeLessThan(unbatched / 5);

  await rollbackChanges({ ...place(), databaseUrl: null }, [trialId], {
    outside,
    progress: silentProgress,
    signal: new AbortController().signal,
  });
  expect(await again.held).toMatchObject([{ trialId, ended: 'rolled back on request' }]);
  expect(await served.looks()).toEqual(before);
  expect(await stateOfTrial()).toBe('rolled back');
  await expect(holding()).rejects.toMatchObject({ code: 'ANNEAL_HOLD_NOTHING' });
});

/** The command, as a process of its own. */
function command() {
  const child = spawn(process.execPath, ['--conditions=@anneal/source', main, 'hold', '--output', folder], {
    cwd: folder,
    env: { ...process.env, DATABASE_URL: database.url, NO_COLOR: '1' },
    stdio: ['ignore', 'ignore', 'pipe'],
  });
  backends.push(child);
  const said: string[] = [];
  createInterface(child.stderr).on('line', (line) => said.push(line));
  return { child, inForce: () => expect.poll(() => said.join('\n'), { timeout: 20_000 }).toContain('in force in process') };
}

test('a holder that is killed leaves the backend as it was without it', async () => {
  const served = await backend();
  const before = await served.looks();
  const { child, inForce } = command();
  await inForce();
  await served.looks();
  expect((await served.looks()).calls).toBeLessThan(unbatched / 5);
  child.kill('SIGKILL');
  await once(child, 'exit');
  await expect.poll(async () => (await served.looks()).calls, { timeout: silenceMs }).toBe(unbatched);
  expect(await served.looks()).toEqual(before);
  expect(await stateOfTrial()).toBe('proven');
});

test.skipIf(!isThorough)('so does one that hangs; when it goes on, so do its policies', async () => {
  const served = await backend();
  const before = await served.looks();
  const { child, inForce } = command();
  await inForce();
  child.kill('SIGSTOP');
  await sleep(silenceMs + 500);
  expect(await served.looks()).toEqual(before);
  child.kill('SIGCONT');
  const isOn = async () => {
    await served.looks();
    return (await served.looks()).calls < unbatched / 2;
  };
  await expect.poll(isOn, { timeout: 5_000 }).toBe(true);
});

test('a schema that changes ends what rests on it, and it is not held again', async () => {
  const served = await backend();
  const holder = await holding();
  await holder.inForce();
  await database.client.query('CREATE INDEX posts_author ON posts (author_id)');
  await sleep(1_200);
  expect(holder.notes.join('\n')).not.toContain('schema');
  await database.client.query('ALTER TABLE authors ADD COLUMN motto text');
  try {
    expect(await holder.held).toMatchObject([{ trialId, ended: expect.stringContaining('schema') as string, processes: 1 }]);
    expect((await served.looks()).calls).toBe(unbatched);
    await expect(holding()).rejects.toMatchObject({ code: 'ANNEAL_HOLD_NOTHING', message: expect.stringContaining('schema') as string });
  } finally {
    await database.client.query('ALTER TABLE authors DROP COLUMN motto; DROP INDEX posts_author');
  }
});

test('time that is given is kept, a second holder at one socket is refused, and what is not proven is not held', async () => {
  const holder = await holding({ durationMs: 800 });
  await expect(holding()).rejects.toMatchObject({ code: 'ANNEAL_HOLD_SOCKET' });
  expect(await holder.held).toMatchObject([{ trialId, ended: null, processes: 0 }]);
  await expect(holding({ ids: ['nobody'] })).rejects.toMatchObject({ code: 'ANNEAL_TRIAL_UNKNOWN' });
});

describe.skipIf(!isThorough)('kept answers', () => {
  let server: EmbeddedPostgres;
  beforeAll(async () => {
    server = await startEmbeddedPostgres({ settings: { wal_level: 'logical' } });
    await using sql = await outside.databases.connect(server.url, { applicationName: 'anneal test', readOnly: false });
    for (const statement of countersSql.split(';').filter((text) => text.trim() !== '')) await sql.query(statement);
  });
  afterAll(() => server.stop());

  async function counting() {
    const child = spawn(process.execPath, [appFile('counters.cjs')], {
      env: {
        ...process.env,
        NODE_OPTIONS: `--conditions=@anneal/source --import=${outside.agents.importSpecifier}`,
        ANNEAL_HOLD: socketPath(),
        DATABASE_URL: server.url,
      },
      stdio: ['ignore', 'pipe', 'inherit'],
    });
    backends.push(child);
    const [line] = (await once(createInterface(child.stdout), 'line')) as [string];
    const url = `http://127.0.0.1:${line.split(' ')[1]!}/counters/1`;
    return { child, url, value: async () => ((await (await fetch(url)).json()) as { value: number }).value };
  }

  test('others that write are heard of, a second process ends it in both, and the last one has it again', async () => {
    await using sql = await outside.databases.connect(server.url, { applicationName: 'anneal test', readOnly: false });
    const id = '20260101-000000-bbbb-1';
    await using ledger = await openLedger<LedgerEvent>(outside, ledgerPath(folder));
    const remedy = domains.flatMap(({ remedies }) => remedies).find((candidate) => candidate.id === 'cache/cache-responses')!;
    const { statements } = countersKnowledge(server.url);
    const kept = {
      route: '/counters/:id',
      statements,
      location: null,
      shared: null,
      ownRedis: null,
      ignoredHeaders: [],
    } as unknown as Json;
    await ledger.append('20260101-000000-bbbb', {
      type: 'proven',
      trialId: id,
      remedyId: remedy.id,
      plan: kept,
      description: remedy.describe(kept),
      schema: await schemaKnowledge(sql),
    });
    await ledger.close();

    const first = await counting();
    await first.value();
    const ending = new AbortController();
    const notes: string[] = [];
    const held = holdPolicies(
      { outputFolder: folder, databaseUrl: server.url },
      {
        outside,
        progress: { ...silentProgress, note: (sentence) => void notes.push(sentence) },
        signal: ending.signal,
        ids: [id],
        durationMs: null,
      },
    );
    const told = (sentence: string, times: number) =>
      expect.poll(() => notes.filter((note) => note.includes(sentence)).length, { timeout: 10_000 }).toBe(times);
    await told('in force in process', 1);
    await sleep(500);
    for (let value = 1; value <= 20; value += 1) {
      for (let time = 0; time < 20; time += 1) await first.value();
      await sql.query('UPDATE counters SET value = $1 WHERE id = 1', [value]);
      await expect.poll(first.value, { timeout: 1_000, interval: 5 }).toBe(value);
    }
    const second = await counting();
    await told('off in process', 1);
    // Each is told at once what the other wrote: nothing is answered from memory.
    for (let time = 0; time < 20; time += 1) {
      const written = ((await (await fetch(`${second.url}?form=autocommit`, { method: 'POST' })).json()) as { value: number }).value;
      expect(await first.value()).toBe(written);
    }
    second.child.kill('SIGKILL');
    await told('in force in process', 2);
    await sleep(500);
    for (let time = 0; time < 50; time += 1) await first.value();
    ending.abort(new Error('enough'));
    const [outcome] = await held;
    expect(outcome).toMatchObject({ trialId: id, ended: null });
    expect(outcome!.figures['hits']).toBeGreaterThan(30);
    expect((await sql.query('SELECT slot_name FROM pg_replication_slots')).rows).toEqual([]);
  });
});
