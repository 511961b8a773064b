import { execFileSync, spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { existsSync } from 'node:fs';
import { chown, mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { createTestDatabase, type TestDatabase } from '../../../../test/support/test-database.ts';
import { AnnealError } from '../errors.ts';
import type { IndexDefinition, Planner, StatementSample } from '../ports/planner.ts';
import type { Sql } from '../ports/sql.ts';
import { createBuiltPlanner } from './built-planner.ts';
import { takeSnapshot } from '../domains/database/snapshot/take-snapshot.ts';
import { createHypopgPlanner } from './hypopg-planner.ts';
import { createDatabases } from './pg.ts';
import { createShadowPlanner } from './shadow-planner.ts';
import { createSqlParser } from './sql-parser.ts';

const schemaSql = `
  CREATE TABLE shipments (id bigserial PRIMARY KEY, customer_id int, weight int, code text, labels jsonb, sent_at timestamptz);
  INSERT INTO shipments (customer_id, weight, code, labels, sent_at)
  SELECT n % 500, n % 11, 'Code-' || n, jsonb_build_object('depot', n % 400), timestamptz '2026-01-01' + n * interval '1 minute'
    FROM generate_series(1, 20000) n;
  VACUUM ANALYZE shipments`;

const byCustomer = define(['customer_id']);
const byCustomerAndTime = define(['customer_id', 'sent_at DESC']);
const statement: StatementSample = { text: 'SELECT * FROM shipments WHERE customer_id = $1 ORDER BY sent_at DESC LIMIT 10', values: [7] };

function define(keys: readonly string[], rest: Partial<IndexDefinition> = {}): IndexDefinition {
  return { schema: 'public', table: 'shipments', keys, method: 'btree', include: [], predicate: null, ...rest };
}

async function schemaOf(sql: Sql): Promise<unknown> {
  const { rows } = await sql.query(
    `SELECT indexrelid::regclass::text AS name, pg_get_indexdef(indexrelid) AS definition FROM pg_index WHERE indrelid = 'shipments'::regclass
     UNION ALL SELECT extname, extversion FROM pg_extension ORDER BY 1`,
  );
  return rows;
}

/** What any engine must answer, whatever it is made of. */
function anyEngine(planner: () => Planner, sql: () => Sql) {
  test('without indexes it gives the plan as it is', async () => {
    const { plans, uses, indexes } = await planner().whatIf([statement], []);
    expect(plans[0]).toMatchObject({ generic: false });
    expect(JSON.stringify(plans[0])).toContain('Seq Scan');
    expect([uses, indexes]).toEqual([[[]], []]);
  });

  test('an index makes the plan cheaper, and of two the planner takes the one that sorts too', async () => {
    const [before, alone, both] = [[], [byCustomer], [byCustomer, byCustomerAndTime]].map((indexes) =>
      planner().whatIf([statement], indexes),
    );
    const cost = async (answer: ReturnType<Planner['whatIf']> | undefined) => (await answer)!.plans[0]!.totalCost;
    expect(await cost(alone)).toBeLessThan(await cost(before));
    expect(await cost(both)).toBeLessThan(await cost(alone));
    expect((await both)!.uses).toEqual([[1]]);
  });

  test('an index nobody needs is used by nobody', async () => {
    const { uses } = await planner().whatIf(
      [statement, { text: 'SELECT count(*) FROM shipments WHERE weight >= $1', values: [0] }],
      [define(['code'])],
    );
    expect(uses).toEqual([[], []]);
  });

  test('values decide the plan, and without values it is generic and says so', async () => {
    const range = 'SELECT * FROM shipments WHERE weight > $1';
    const { plans, uses } = await planner().whatIf(
      [
        { text: range, values: [100] },
        { text: range, values: [-1] },
        { text: range, values: null },
      ],
      [define(['weight'])],
    );
    expect(uses.slice(0, 2)).toEqual([[0], []]);
    expect(plans.map((plan) => plan?.generic)).toEqual([false, false, true]);
  });

  test('partial, expression and covering indexes are understood', async () => {
    const { uses } = await planner().whatIf(
      [
        { text: 'SELECT id FROM shipments WHERE lower(code) = $1', values: ['code-5'] },
        { text: 'SELECT * FROM shipments WHERE weight = 3 AND customer_id = $1', values: [5] },
      ],
      [define(['lower(code)']), define(['customer_id'], { predicate: 'weight = 3', include: ['sent_at'] })],
    );
    expect(uses).toEqual([[0], [1]]);
  });

  test('writes are planned and never carried out; what cannot be planned has no plan and disturbs nothing', async () => {
    const { plans } = await planner().whatIf(
      [
        { text: 'DELETE FROM shipments WHERE customer_id = $1', values: [7] },
        { text: 'SELECT nothing FROM nowhere', values: null },
        { text: 'SELECT 1; DELETE FROM shipments', values: null },
        { text: 'SELECT $1::no_such_type', values: null },
        { text: 'VACUUM shipments', values: null },
        statement,
      ],
      [byCustomer],
    );
    expect(plans.map((plan) => plan !== null)).toEqual([true, false, false, false, false, true]);
    const { rows } = await sql().query<{ count: number }>('SELECT count(*)::int AS count FROM shipments');
    expect(rows[0]!.count).toBe(20_000);
  });

  test('nothing stays', async () => {
    const before = await schemaOf(sql());
    await planner().whatIf([statement], [byCustomer, define(['code'])]);
    expect(await schemaOf(sql())).toEqual(before);
  });
}

describe('the engine that builds', () => {
  let database: TestDatabase;
  let planner: Planner;
  let sql: Sql;
  beforeAll(async () => {
    database = await createTestDatabase();
    for (const part of schemaSql.split(';\n')) await database.client.query(part);
    sql = await createDatabases().connect(database.url, { applicationName: 'anneal test', readOnly: true });
    planner = createBuiltPlanner(await createDatabases().connect(database.url, { applicationName: 'anneal planner', readOnly: false }));
  });
  afterAll(async () => {
    await planner[Symbol.asyncDispose]();
    await sql.close();
    await database[Symbol.asyncDispose]();
  });

  anyEngine(
    () => planner,
    () => sql,
  );

  test('it measures size and build time, and knows inverted indexes and the extension they need', async () => {
    const before = await schemaOf(sql);
    const trigrams = define(['code public.gin_trgm_ops'], { method: 'gin' });
    const { indexes, uses } = await planner.whatIf(
      [
        { text: 'SELECT * FROM shipments WHERE labels @> $1', values: [{ depot: 7 }] },
        { text: 'SELECT * FROM shipments WHERE code ILIKE $1', values: ['%e-1234%'] },
      ],
      [define(['labels jsonb_path_ops'], { method: 'gin' }), trigrams],
    );
    expect(uses).toEqual([[0], [1]]);
    expect(indexes.every(({ sizeBytes, buildMs }) => sizeBytes! > 8192 && buildMs! > 0)).toBe(true);
    expect(await schemaOf(sql)).toEqual(before);
  });

  test('a definition PostgreSQL refuses has no size, and the other indexes are still judged', async () => {
    const { indexes, uses } = await planner.whatIf([statement], [define([`date_trunc('day', sent_at)`]), byCustomer]);
    expect(indexes.map(({ sizeBytes }) => sizeBytes !== null)).toEqual([false, true]);
    expect(uses).toEqual([[1]]);
  });
});

describe('the engine that has no database (the shadow)', () => {
  let database: TestDatabase;
  let planner: Planner;
  let sql: Sql;
  beforeAll(async () => {
    database = await createTestDatabase();
    for (const part of schemaSql.split(';\n')) await database.client.query(part);
    sql = await createDatabases().connect(database.url, { applicationName: 'anneal test', readOnly: true });
    const snapshot = await takeSnapshot(sql, { values: 'kept', sqlParser: await createSqlParser(), takenAt: '2026-01-01T00:00:00.000Z' });
    planner = await createShadowPlanner(snapshot);
  });
  afterAll(async () => {
    await planner[Symbol.asyncDispose]();
    await sql.close();
    await database[Symbol.asyncDispose]();
  });

  anyEngine(
    () => planner,
    () => sql,
  );

  test('a definition PostgreSQL refuses has no size, and the other indexes are still judged', async () => {
    const { indexes, uses } = await planner.whatIf([statement], [define([`date_trunc('day', sent_at)`]), byCustomer]);
    expect(indexes.map(({ sizeBytes }) => sizeBytes !== null)).toEqual([false, true]);
    expect(uses).toEqual([[1]]);
  });
});

test('where HypoPG is not installed its engine says how to get it', async () => {
  await using database = await createTestDatabase();
  await using sql = await createDatabases().connect(database.url, { applicationName: 'anneal test', readOnly: true });
  const failure = await createHypopgPlanner(sql).catch((error: unknown) => error);
  expect(failure).toBeInstanceOf(AnnealError);
  expect(failure).toMatchObject({ code: 'ANNEAL_EXTENSION_MISSING', hint: expect.stringContaining('CREATE EXTENSION hypopg') });
});

/** A server of the system that has HypoPG, as `pg_config` finds it. */
function hypopgBinaries(): string | null {
  try {
    const ask = (option: string) => execFileSync('pg_config', [option], { encoding: 'utf8' }).trim();
    const isThere = existsSync(join(ask('--sharedir'), 'extension', 'hypopg.control')) && existsSync(join(ask('--bindir'), 'initdb'));
    return isThere ? ask('--bindir') : null;
  } catch {
    return null;
  }
}

const binaries = hypopgBinaries();
if (binaries === null) {
  process.stderr.write('SKIPPED: no PostgreSQL with HypoPG on this machine (Debian: postgresql-15-hypopg), so its engine is not tested\n');
}

describe.skipIf(binaries === null)('the engine that imagines (HypoPG)', () => {
  let folder: string;
  let server: ChildProcess;
  let planner: Planner;
  let sql: Sql;
  beforeAll(async () => {
    folder = await mkdtemp(join(tmpdir(), 'anneal-hypopg-'));
    const id = (option: string) => Number(execFileSync('id', [option, 'nobody'], { encoding: 'utf8' }));
    // PostgreSQL refuses to run as root.
    const account = process.getuid?.() === 0 ? { uid: id('-u'), gid: id('-g') } : null;
    if (account !== null) await chown(folder, account.uid, account.gid);
    const data = join(folder, 'data');
    execFileSync(join(binaries!, 'initdb'), ['-D', data, '-U', 'anneal', '-A', 'trust', '-E', 'UTF8', '--locale=C', '--no-sync'], {
      ...account,
      stdio: 'ignore',
      cwd: folder,
    });
    const settings = ['listen_addresses=', `unix_socket_directories=${folder}`, 'fsync=off'].flatMap((setting) => ['-c', setting]);
    server = spawn(join(binaries!, 'postgres'), ['-D', data, ...settings], {
      ...account,
      cwd: folder,
      stdio: ['ignore', 'ignore', 'pipe'],
    });
    await new Promise<void>((resolve, reject) => {
      server.stderr!.on('data', (chunk: Buffer) => chunk.includes('ready to accept connections') && resolve());
      server.once('exit', (code) => reject(new Error(`PostgreSQL ended with code ${code}`)));
    });
    const url = `postgres://anneal@localhost/postgres?host=${encodeURIComponent(folder)}`;
    sql = await createDatabases().connect(url, { applicationName: 'anneal test', readOnly: false });
    for (const part of [...schemaSql.split(';\n'), 'CREATE EXTENSION hypopg']) await sql.query(part);
    planner = await createHypopgPlanner(await createDatabases().connect(url, { applicationName: 'anneal planner', readOnly: true }));
  });
  afterAll(async () => {
    await planner[Symbol.asyncDispose]();
    await sql.close();
    const gone = once(server, 'exit');
    server.kill('SIGINT');
    await gone;
    await rm(folder, { recursive: true, force: true });
  });

  anyEngine(
    () => planner,
    () => sql,
  );

  test('what it cannot imagine it does not judge', async () => {
    const { plans, uses, indexes } = await planner.whatIf([statement], [define(['labels jsonb_path_ops'], { method: 'gin' })]);
    expect([plans, uses]).toEqual([[null], [[]]]);
    expect(indexes[0]).toMatchObject({ sizeBytes: null, buildMs: null });
    expect((await planner.whatIf([statement], [define(['no_such_column'])])).plans).toEqual([null]);
  });
});
