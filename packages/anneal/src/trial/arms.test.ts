import { mkdtempDisposable } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { expect, test } from 'vitest';
import { createTestDatabase } from '../../../../test/support/test-database.ts';
import { createOutside } from '../adapters/outside.ts';
import { openLedger } from '../ledger/open-ledger.ts';
import { silentProgress } from '../ports/progress.ts';
import type { Target } from '../target/target.ts';
import { openArms, openScratch, type TrialContext } from './arms.ts';
import type { LedgerEvent } from './events.ts';
import { outstandingOf } from './outstanding.ts';

const outside = await createOutside();
const answering = `require('node:http').createServer((_request, response) => response.end(process.env.DATABASE_URL ?? 'none')).listen(process.env.PORT, '127.0.0.1')`;

function targetOn(databaseUrl: string | null, script = answering): Target {
  return {
    name: 'tiny',
    startCommand: `exec "${process.execPath}" -e "$SCRIPT"`,
    workingDirectory: tmpdir(),
    env: { SCRIPT: script },
    portVariable: 'PORT',
    readyPath: '/',
    readyTimeoutMs: 20_000,
    database: databaseUrl === null ? null : { url: databaseUrl, urlVariable: 'DATABASE_URL', allowRemoteChange: false },
  };
}

interface Bench extends AsyncDisposable {
  readonly context: TrialContext;
  readonly database: string;
  readonly abort: AbortController;
  /** What the ledger says is still there, and what the server has. */
  outstanding(): Promise<readonly unknown[]>;
  copies(): Promise<readonly string[]>;
}

async function bench(run: string, script?: string): Promise<Bench> {
  const place = await mkdtempDisposable(join(tmpdir(), 'anneal-arms-'));
  const database = await createTestDatabase('CREATE TABLE posts (id int)');
  await database.client.end();
  const ledger = await openLedger<LedgerEvent>(outside, join(place.path, 'ledger.jsonl'));
  const abort = new AbortController();
  return {
    context: { outside, ledger, run, target: targetOn(database.url, script), signal: abort.signal, progress: silentProgress },
    database: database.name,
    abort,
    async outstanding() {
      const { processes, copies, changes } = outstandingOf(await ledger.entries(), run);
      return [...processes, ...copies, ...changes];
    },
    async copies() {
      await using sql = await outside.databases.connect(database.url, { applicationName: 'anneal test', readOnly: true });
      const { rows } = await sql.query<{ datname: string }>('SELECT datname FROM pg_database WHERE starts_with(datname, $1)', [
        `anneal_${run}_`,
      ]);
      return rows.map(({ datname }) => datname);
    },
    async [Symbol.asyncDispose]() {
      await ledger.close();
      await database[Symbol.asyncDispose]();
      await place[Symbol.asyncDispose]();
    },
  };
}

test('each arm is its own process on its own copy, and closing takes everything away again', async () => {
  await using here = await bench('armsopen');
  const arms = await openArms(here.context, { baseDatabase: here.database, roles: ['baseline', 'candidate'], withAgent: false });
  const answers = await Promise.all(arms.all.map(async ({ target }) => (await fetch(target.baseUrl)).text()));
  expect(answers).toEqual(arms.all.map(({ databaseUrl }) => databaseUrl));
  await arms.get('candidate').sql!.query('CREATE INDEX ON posts (id)');
  expect((await arms.get('baseline').sql!.query('SELECT 1 FROM pg_index WHERE indrelid = $1::regclass', ['posts'])).rowCount).toBe(0);
  expect((await here.copies()).toSorted()).toEqual(['anneal_armsopen_baseline', 'anneal_armsopen_candidate']);

  await arms.close();
  expect(await here.copies()).toEqual([]);
  expect(await here.outstanding()).toEqual([]);
  for (const { target } of arms.all) {
    expect(await outside.processes.usage(target.pid!)).toBeNull();
    expect(target.crashed()).toBeNull();
  }
});

test('a target that does not start leaves no copy, no process and nothing outstanding in the ledger', async () => {
  await using here = await bench('armsfail', 'process.exit(1)');
  const opening = openArms(here.context, { baseDatabase: here.database, roles: ['baseline', 'candidate'], withAgent: false });
  await expect(opening).rejects.toMatchObject({ code: 'ANNEAL_TARGET_EXITED' });
  expect(await here.copies()).toEqual([]);
  expect(await here.outstanding()).toEqual([]);
});

test('aborting while the arms are opened rejects with the reason and takes everything back', async () => {
  await using here = await bench('armsabort', 'setInterval(() => {}, 1000)');
  const opening = openArms(here.context, { baseDatabase: here.database, roles: ['baseline', 'candidate'], withAgent: false });
  const reason = new Error('enough');
  const isStarting = async () => (await here.context.ledger.entries()).some(({ event }) => event.type === 'process-started');
  const outcome = opening.catch((error: unknown) => error);
  await expect.poll(isStarting).toBe(true);
  here.abort.abort(reason);
  expect(await outcome).toBe(reason);
  expect(await here.copies()).toEqual([]);
  expect(await here.outstanding()).toEqual([]);
});

test('what cannot be taken away is named, and the rest is taken away all the same', async () => {
  await using here = await bench('armsstuck');
  const databases: TrialContext['outside']['databases'] = {
    async connect(url, options) {
      const sql = await outside.databases.connect(url, options);
      const refusing: typeof sql = Object.assign(Object.create(sql), {
        query: (text: string, ...rest: []) =>
          text.startsWith('DROP DATABASE') && text.includes('baseline') ? Promise.reject(new Error('no answer')) : sql.query(text, ...rest),
      });
      return refusing;
    },
  };
  const context = { ...here.context, outside: { ...outside, databases } };
  const arms = await openArms(context, { baseDatabase: here.database, roles: ['baseline', 'candidate'], withAgent: false });
  await expect(arms.close()).rejects.toMatchObject({
    code: 'ANNEAL_ROLLBACK_INCOMPLETE',
    details: { problem: 'no answer', remains: 'the database anneal_armsstuck_baseline' },
  });
  expect(await here.copies()).toEqual(['anneal_armsstuck_baseline']);
  expect(await here.outstanding()).toEqual(['anneal_armsstuck_baseline']);
  await using sql = await outside.databases.connect(here.context.target.database!.url, { applicationName: 'anneal test', readOnly: false });
  await sql.query('DROP DATABASE anneal_armsstuck_baseline');
});

test('a target without a database has arms too', async () => {
  await using here = await bench('armsnone');
  const context = { ...here.context, target: targetOn(null) };
  await using arms = await openArms(context, { baseDatabase: null, roles: ['baseline', 'candidate'], withAgent: false });
  expect(arms.all).toMatchObject([
    { sql: null, databaseName: null },
    { sql: null, databaseName: null },
  ]);
  expect((await fetch(arms.get('candidate').target.baseUrl)).status).toBe(200);
});

test('a database elsewhere is not copied without permission', async () => {
  await using here = await bench('armsremote');
  const context = { ...here.context, target: targetOn('postgres://u:p@db.example/app') };
  await expect(openScratch(context, { baseDatabase: 'app' })).rejects.toMatchObject({ code: 'ANNEAL_DATABASE_NOT_OURS' });
  expect(await here.context.ledger.entries()).toEqual([]);
});

test('a scratch copy can be changed at will and is gone when closed', async () => {
  await using here = await bench('armsscratch');
  {
    await using scratch = await openScratch(here.context, { baseDatabase: here.database });
    await scratch.sql.query('DROP TABLE posts');
    expect(await here.copies()).toEqual([scratch.databaseName]);
  }
  expect(await here.copies()).toEqual([]);
  expect(await here.outstanding()).toEqual([]);
});

test('what sessions take up when they connect is done to a copy before its process connects', async () => {
  const pool = `const { Client } = require(${JSON.stringify(fileURLToPath(import.meta.resolve('pg')))});
    const client = new Client({ connectionString: process.env.DATABASE_URL });
    const ready = client.connect();
    require('node:http').createServer(async (_request, response) => {
      await ready;
      response.end((await client.query('SHOW work_mem')).rows[0].work_mem);
    }).listen(process.env.PORT, '127.0.0.1')`;
  await using one = await bench('settled', pool);
  await using arms = await openArms(one.context, {
    baseDatabase: one.database,
    roles: ['baseline', 'candidate'],
    withAgent: false,
    async beforeStart(arm, sql) {
      if (arm === 'candidate') await sql.query(`ALTER DATABASE anneal_settled_candidate SET work_mem = '77MB'`);
    },
  });
  const answers = await Promise.all(arms.all.map(async ({ target }) => (await fetch(target.baseUrl)).text()));
  expect(answers).toEqual(['4MB', '77MB']);
});
