import { randomBytes } from 'node:crypto';
import { mkdtempDisposable } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { createTestDatabase } from '../../../../test/support/test-database.ts';
import { createOutside } from '../adapters/outside.ts';
import { openLedger, type OpenLedger } from '../ledger/open-ledger.ts';
import type { Sql } from '../ports/sql.ts';
import { defineRemedy, type Remedy } from '../remedy/remedy.ts';
import { databaseName, withDatabaseName } from '../target/database-url.ts';
import { copyName, databaseIdentity, sessionName } from './database-copies.ts';
import { keptChanges, openRuns, type LedgerEvent } from './events.ts';
import { underIntent } from './intent.ts';
import { recover, rollbackKept } from './recovery.ts';

const outside = await createOutside();

/** The smallest change that a database can hold: a table of a given name. */
const addTable: Remedy = defineRemedy<{ readonly table: string }>({
  id: 'test/add-table',
  title: 'Add a table',
  addresses: [],
  scope: 'database',
  risk: 'low',
  effort: 'none',
  contract: 'transparent',
  plan: async () => null,
  predict: () => Promise.reject(new Error('predicts nothing')),
  async inspect({ table }, { sql }) {
    return (await sql!.query('SELECT 1 FROM pg_class WHERE relname = $1', [table])).rowCount === 1 ? 'present' : 'absent';
  },
  async apply({ table }, { sql }) {
    await sql!.query(`CREATE TABLE IF NOT EXISTS ${table} (id int)`);
  },
  async revert({ table }, { sql }) {
    await sql!.query(`DROP TABLE IF EXISTS ${table}`);
  },
  cost: async () => ({ diskBytes: 0, buildMs: 0, memoryBytes: 0, connections: 0 }),
  touches: () => ({ statementIds: [], routes: [], writtenTables: [] }),
  describe: ({ table }) => ({ title: `Table ${table}`, sql: null, lasting: null }),
});

interface Scene extends AsyncDisposable {
  readonly url: string;
  readonly ledger: OpenLedger<LedgerEvent>;
  readonly run: string;
  readonly sql: Sql;
  /** Applied to the target itself; kept as well unless the run is to be interrupted in between. */
  change(table: string, options: { readonly kept: boolean }): Promise<void>;
  tables(): Promise<readonly string[]>;
}

/** A run on a target's database, open as it is in the middle of a trial. */
async function scene(): Promise<Scene> {
  const place = await mkdtempDisposable(join(tmpdir(), 'anneal-recovery-'));
  const database = await createTestDatabase();
  const { url } = database;
  const ledger = await openLedger<LedgerEvent>(outside, join(place.path, 'ledger.jsonl'));
  const sql = await outside.databases.connect(url, { applicationName: 'anneal test', readOnly: false });
  const run = randomBytes(4).toString('hex');
  const reference = { name: databaseName(url)!, identity: await databaseIdentity(sql) };
  await ledger.append(run, { type: 'run-opened', command: 'optimize', target: 'tiny', database: reference, workload: null });
  return {
    url,
    ledger,
    run,
    sql,
    async change(table, { kept }) {
      const change = { trialId: `${run}-${table}`, remedyId: addTable.id, plan: { table } };
      await underIntent({ ledger, run }, { kind: 'apply', where: 'target', ...change }, () =>
        addTable.apply(change.plan, { sql, agent: null }),
      );
      if (kept) await ledger.append(run, { type: 'kept', ...change, description: addTable.describe(change.plan) });
    },
    async tables() {
      const { rows } = await sql.query<{ name: string }>(
        `SELECT relname AS name FROM pg_class WHERE relkind = 'r' AND relnamespace = 'public'::regnamespace ORDER BY 1`,
      );
      return rows.map(({ name }) => name);
    },
    async [Symbol.asyncDispose]() {
      await ledger.close();
      await sql.close();
      await database[Symbol.asyncDispose]();
      await place[Symbol.asyncDispose]();
    },
  };
}

test('what was not kept is taken back, what was kept stays, and the run is closed', async () => {
  await using here = await scene();
  await here.change('kept_one', { kept: true });
  await here.change('open_one', { kept: false });
  const report = await recover(outside, here.ledger, { databaseUrl: here.url, remedies: [addTable] });
  expect(report.runs).toMatchObject([{ run: here.run, reverted: [{ trialId: `${here.run}-open_one` }] }]);
  expect(await here.tables()).toEqual(['kept_one']);
  expect(openRuns(await here.ledger.entries())).toEqual([]);
});

test('a database other than the one the run worked on is left alone, and the run stays open until the right one is given', async () => {
  await using here = await scene();
  await using other = await createTestDatabase('CREATE TABLE open_one (id int)');
  await here.change('open_one', { kept: false });
  await expect(recover(outside, here.ledger, { databaseUrl: other.url, remedies: [addTable] })).rejects.toMatchObject({
    code: 'ANNEAL_ROLLBACK_INCOMPLETE',
    details: { remains: `${here.run}-open_one (test/add-table)` },
  });
  expect((await other.client.query(`SELECT 1 FROM pg_class WHERE relname = 'open_one'`)).rowCount).toBe(1);
  expect(openRuns(await here.ledger.entries())).toEqual([here.run]);
  await recover(outside, here.ledger, { databaseUrl: here.url, remedies: [addTable] });
  expect(await here.tables()).toEqual([]);
});

test.for([
  { missing: 'no database is configured', options: { databaseUrl: null, remedies: [addTable] }, problem: 'no database is configured' },
  { missing: 'the remedy is unknown', options: { remedies: [] }, problem: 'no remedy named test/add-table' },
])('where $missing the error says what remains', async ({ options, problem }) => {
  await using here = await scene();
  await here.change('open_one', { kept: false });
  const recovering = recover(outside, here.ledger, { databaseUrl: here.url, ...options });
  await expect(recovering).rejects.toMatchObject({
    code: 'ANNEAL_ROLLBACK_INCOMPLETE',
    details: { problem: expect.stringContaining(problem), remains: `${here.run}-open_one (test/add-table)` },
  });
  expect(await here.tables()).toEqual(['open_one']);
});

test('an undo that fails does not keep the others from being done', async () => {
  await using here = await scene();
  await here.change('first', { kept: false });
  await here.change('second', { kept: false });
  await here.change('third', { kept: false });
  await here.sql.query('CREATE VIEW needs_second AS SELECT * FROM second');
  await expect(recover(outside, here.ledger, { databaseUrl: here.url, remedies: [addTable] })).rejects.toMatchObject({
    details: { remains: `${here.run}-second (test/add-table)` },
  });
  expect(await here.tables()).toEqual(['second']);
  await here.sql.query('DROP VIEW needs_second');
  const { runs } = await recover(outside, here.ledger, { databaseUrl: here.url, remedies: [addTable] });
  expect(runs[0]!.reverted.map(({ trialId }) => trialId)).toEqual([`${here.run}-second`]);
});

test('a copy that the server is still making for a killed run is ended and does not come to be', async () => {
  await using here = await scene();
  const name = copyName(here.run, 'baseline');
  const source = databaseName(here.url)!;
  await here.sql.close();
  await using beside = await outside.databases.connect(withDatabaseName(here.url, 'postgres'), {
    applicationName: 'anneal test',
    readOnly: false,
  });
  await using orphan = await outside.databases.connect(here.url, { applicationName: sessionName(here.run), readOnly: false });
  // The lock of an open COMMENT keeps the copy from finishing, and the waiting copy keeps everyone out of its source.
  await beside.query('BEGIN');
  await beside.query(`COMMENT ON DATABASE "${source}" IS 'held'`);
  await here.ledger.append(here.run, { type: 'intent', act: { kind: 'create-database', name, source } });
  const copying = orphan.query(`CREATE DATABASE "${name}" TEMPLATE "${source}"`).catch((error: unknown) => error);
  await expect
    .poll(
      async () =>
        (
          await beside.query('SELECT 1 FROM pg_locks WHERE NOT granted AND objid = (SELECT oid FROM pg_database WHERE datname = $1)', [
            source,
          ])
        ).rowCount,
    )
    .toBe(1);

  const report = await recover(outside, here.ledger, { databaseUrl: here.url, remedies: [] });
  expect(await copying).toMatchObject({ code: '57P01' });
  await beside.query('ROLLBACK');
  expect(report.runs).toMatchObject([{ databasesDropped: [name] }]);
  expect((await beside.query('SELECT 1 FROM pg_database WHERE datname = $1', [name])).rowCount).toBe(0);
});

test('a process of a killed run is ended, and one that only has its pid is not', async () => {
  await using here = await scene();
  const spec = { command: 'sleep 60', cwd: tmpdir(), env: {} };
  await using left = await outside.processes.start(spec);
  await using stranger = await outside.processes.start(spec);
  const earlier = { pid: stranger.identity.pid, startTicks: stranger.identity.startTicks - 100 };
  await here.ledger.append(here.run, { type: 'process-started', role: 'baseline', identity: left.identity });
  await here.ledger.append(here.run, { type: 'process-started', role: 'candidate', identity: earlier });
  const { runs } = await recover(outside, here.ledger, { databaseUrl: here.url, remedies: [] });
  expect(runs).toMatchObject([{ processesEnded: ['baseline'] }]);
  expect(await outside.processes.usage(left.identity.pid)).toBeNull();
  expect(await outside.processes.identify(stranger.identity.pid)).toEqual(stranger.identity);
});

test('kept changes are rolled back one by one or all at once, as runs of their own', async () => {
  await using here = await scene();
  for (const table of ['one', 'two', 'three']) await here.change(table, { kept: true });
  await here.ledger.append(here.run, { type: 'run-closed', outcome: 'done' });
  const options = { databaseUrl: here.url, remedies: [addTable] };

  await expect(rollbackKept(outside, here.ledger, [`${here.run}-one`, 'nonsense'], { ...options, run: 'b0' })).rejects.toMatchObject({
    code: 'ANNEAL_TRIAL_UNKNOWN',
  });
  expect(await here.tables()).toEqual(['one', 'three', 'two']);

  await rollbackKept(outside, here.ledger, [`${here.run}-two`], { ...options, run: 'b1' });
  expect(await here.tables()).toEqual(['one', 'three']);

  await here.sql.query('DROP TABLE one');
  const { rolledBack } = await rollbackKept(outside, here.ledger, 'all', { ...options, run: 'b2' });
  expect(rolledBack.map(({ trialId }) => trialId)).toEqual([`${here.run}-three`, `${here.run}-one`]);
  expect(await here.tables()).toEqual([]);
  expect(keptChanges(await here.ledger.entries())).toEqual([]);
  expect(openRuns(await here.ledger.entries())).toEqual([]);
  expect(await rollbackKept(outside, here.ledger, 'all', { ...options, run: 'b3' })).toEqual({ rolledBack: [] });
});

test('a rollback that could not be finished is finished by recover', async () => {
  await using here = await scene();
  await here.change('one', { kept: true });
  await here.ledger.append(here.run, { type: 'run-closed', outcome: 'done' });
  await here.sql.query('CREATE VIEW needs_one AS SELECT * FROM one');
  const options = { databaseUrl: here.url, remedies: [addTable] };
  await expect(rollbackKept(outside, here.ledger, 'all', { ...options, run: 'back' })).rejects.toMatchObject({
    code: 'ANNEAL_ROLLBACK_INCOMPLETE',
  });
  expect(openRuns(await here.ledger.entries())).toEqual(['back']);
  expect(keptChanges(await here.ledger.entries())).toHaveLength(1);
  await here.sql.query('DROP VIEW needs_one');
  await recover(outside, here.ledger, options);
  expect(await here.tables()).toEqual([]);
  expect(keptChanges(await here.ledger.entries())).toEqual([]);
});
