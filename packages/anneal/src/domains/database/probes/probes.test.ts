import { expect, test } from 'vitest';
import { createTestDatabase, serverVersion } from '../../../../../../test/support/test-database.ts';
import { nodeClock } from '../../../adapters/node-clock.ts';
import { createDatabases } from '../../../adapters/pg.ts';
import { createSqlParser } from '../../../adapters/sql-parser.ts';
import { aProbeContext } from '../../../measurement/fixtures/probe-context.ts';
import type { Probe, ProbeReading } from '../../../measurement/measurement.ts';
import { flushCounters } from '../fixtures/judged-health.ts';
import { columns } from './columns.ts';
import { foreignKeys } from './foreign-keys.ts';
import { indexes } from './indexes.ts';
import { processes } from './processes.ts';
import { serverStatements } from './server-statements.ts';
import { settings } from './settings.ts';
import { tables } from './tables.ts';
import { waits } from './waits.ts';

const schema = `
  CREATE TABLE tenants (id int PRIMARY KEY, name text COLLATE "C" NOT NULL, settings jsonb NOT NULL);
  CREATE TABLE invoices (id int PRIMARY KEY, tenant_id int NOT NULL REFERENCES tenants, "Due Date" date, total numeric(12, 2), note text);
  CREATE INDEX invoices_open_idx ON invoices (tenant_id, "Due Date" DESC NULLS LAST, lower(note) text_pattern_ops) INCLUDE (total) WHERE total > 0;
  CREATE INDEX tenants_settings_idx ON tenants USING gin (settings jsonb_path_ops);
  INSERT INTO tenants SELECT g, 'tenant ' || g, '{}' FROM generate_series(1, 50) g;
  INSERT INTO invoices SELECT g, 1 + g % 50, date '2026-01-01' + g % 300, g, 'note ' || g FROM generate_series(1, 5000) g;
  ANALYZE;`;

/** What a probe reads over a window in which `work` happens. */
async function over(url: string, probe: Probe, work: () => Promise<unknown> = async () => {}): Promise<ProbeReading> {
  await using sql = await createDatabases().connect(url, { applicationName: 'anneal test', readOnly: true });
  const window = await probe.open(await aProbeContext({ sql, targetPid: process.pid }));
  await work();
  return await window.close();
}

test('statements are counted within the window only, by fingerprint, without those of Anneal', async () => {
  await using database = await createTestDatabase(`CREATE EXTENSION pg_stat_statements; ${schema}`);
  const query = 'SELECT total FROM invoices WHERE tenant_id = $1';
  await database.client.query(query, [1]);
  const { observations, gaps } = await over(database.url, serverStatements, async () => {
    for (let tenant = 1; tenant <= 3; tenant += 1) await database.client.query(query, [tenant]);
    await database.client.query('UPDATE tenants SET settings = settings WHERE id = 7');
  });
  const statements = observations['postgres.server-statements']!;
  const parser = await createSqlParser();
  expect(statements.find(({ id }) => id === parser.fingerprint(query))).toMatchObject({
    kind: 'select',
    calls: 3,
    rows: 300,
    source: 'server',
    tables: ['invoices'],
  });
  expect(statements.find(({ kind }) => kind === 'update')).toMatchObject({
    text: 'UPDATE tenants SET settings = settings WHERE id = $1',
    rows: 1,
  });
  expect(statements.filter(({ text }) => /pg_stat|pg_extension/.test(text))).toEqual([]);
  const countsLog = serverVersion >= 130_000;
  expect(statements.find(({ kind }) => kind === 'update')!.walBytes > 0).toBe(countsLog);
  expect(gaps.map(({ reason }) => reason).join('\n')).toMatch(
    countsLog ? /^$/u : /^this pg_stat_statements does not count what .* write to the log/u,
  );
});

test('statistics that were reset inside the window count from the reset', async () => {
  await using database = await createTestDatabase(`CREATE EXTENSION pg_stat_statements; ${schema}`);
  const query = 'SELECT count(*) FROM tenants';
  for (let call = 0; call < 5; call += 1) await database.client.query(query);
  const { observations } = await over(database.url, serverStatements, async () => {
    await database.client.query('SELECT pg_stat_statements_reset(0, (SELECT oid FROM pg_database WHERE datname = current_database()), 0)');
    await database.client.query(query);
  });
  expect(observations['postgres.server-statements']!.find(({ text }) => text === query)?.calls).toBe(1);
});

test('a database without the extension is a gap that says what to do', async () => {
  await using database = await createTestDatabase();
  const { observations, gaps } = await over(database.url, serverStatements);
  expect(observations).toEqual({});
  expect(gaps).toEqual([
    { capability: 'postgres.server-statements', reason: expect.stringContaining('CREATE EXTENSION pg_stat_statements') },
  ]);
});

test('a role that may not see the statements of others is told which privilege is missing', async () => {
  await using database = await createTestDatabase(`CREATE EXTENSION pg_stat_statements; ${schema}`);
  const role = `${database.name}_reader`;
  await database.client.query(`CREATE ROLE ${role} LOGIN PASSWORD 'reader'`);
  try {
    const url = new URL(database.url);
    url.username = role;
    url.password = 'reader';
    const { gaps } = await over(url.href, serverStatements, () => database.client.query('SELECT max(total) FROM invoices'));
    expect(gaps).toContainEqual({ capability: 'postgres.server-statements', reason: expect.stringContaining('pg_read_all_stats') });
  } finally {
    await database.client.query(`DROP ROLE ${role}`);
  }
});

test('a target without a database has gaps and no observations', async () => {
  for (const probe of [serverStatements, tables, indexes, columns, foreignKeys, settings, waits]) {
    const window = await probe.open(await aProbeContext());
    const { observations, gaps } = await window.close();
    expect(observations).toEqual({});
    expect(gaps).toEqual(probe.provides.map((capability) => ({ capability, reason: 'the target has no database' })));
  }
});

test('tables report their size and what was read and written in the window', async () => {
  await using database = await createTestDatabase(schema);
  await flushCounters(database.client);
  const { observations } = await over(database.url, tables, async () => {
    await database.client.query(`INSERT INTO invoices SELECT g, 1 FROM generate_series(9001, 9010) g`);
    await database.client.query('UPDATE tenants SET name = name WHERE id <= 4');
    await database.client.query('SELECT count(note) FROM invoices');
    await flushCounters(database.client);
  });
  const invoices = observations['postgres.tables']!.find(({ name }) => name === 'invoices')!;
  expect(invoices).toMatchObject({
    schema: 'public',
    liveRows: 5000,
    inserts: 10,
    updates: 0,
    sequentialScans: 1,
    sequentialRowsRead: 5010,
  });
  expect(invoices.sizeBytes).toBeGreaterThan(5000 * 24);
  expect(observations['postgres.tables']!.find(({ name }) => name === 'tenants')).toMatchObject({ liveRows: 50, updates: 4 });
});

test('index definitions come out key by key, as they would be written', async () => {
  await using database = await createTestDatabase(schema);
  const { observations } = await over(database.url, indexes);
  const found = new Map(observations['postgres.indexes']!.map((index) => [index.name, index]));
  expect(found.get('invoices_open_idx')?.definition).toEqual({
    schema: 'public',
    table: 'invoices',
    keys: ['tenant_id', '"Due Date" DESC NULLS LAST', 'lower(note) text_pattern_ops'],
    include: ['total'],
    predicate: 'total > 0::numeric',
    method: 'btree',
  });
  expect(found.get('tenants_settings_idx')?.definition).toMatchObject({
    method: 'gin',
    keys: ['settings jsonb_path_ops'],
    predicate: null,
  });
  expect(found.get('tenants_pkey')).toMatchObject({ primary: true, unique: true, valid: true });
});

test('columns, foreign keys and settings are read from the catalogue', async () => {
  await using database = await createTestDatabase(schema);
  const { observations } = await over(database.url, columns);
  const tenant = observations['postgres.columns']!.find(({ table, name }) => table === 'invoices' && name === 'tenant_id');
  expect(tenant).toEqual({
    schema: 'public',
    table: 'invoices',
    name: 'tenant_id',
    type: 'integer',
    averageWidthBytes: 4,
    distinct: 50,
    nullShare: 0,
    notNull: true,
  });
  expect((await over(database.url, foreignKeys)).observations['postgres.foreign-keys']).toEqual([
    {
      name: 'invoices_tenant_id_fkey',
      schema: 'public',
      table: 'invoices',
      columns: ['tenant_id'],
      referencedSchema: 'public',
      referencedTable: 'tenants',
      referencedColumns: ['id'],
    },
  ]);
  const read = (await over(database.url, settings)).observations['postgres.settings']!;
  expect(read).toMatchObject({ random_page_cost: '4', seq_page_cost: '1', enable_seqscan: 'on' });
  expect(Object.keys(read)).not.toContain('data_directory');
});

test('a session that waits for a lock shows up in the waits, an idle database shows none', async () => {
  await using database = await createTestDatabase(schema);
  await using blocked = await createDatabases().connect(database.url, { applicationName: 'app', readOnly: false });
  await database.client.query('BEGIN; LOCK TABLE invoices');
  const { observations } = await over(database.url, waits, async () => {
    const waiting = blocked.query('SELECT count(*) FROM invoices');
    await nodeClock.sleep(500);
    await database.client.query('COMMIT');
    await waiting;
  });
  expect(observations['postgres.waits']![0]).toMatchObject({ eventType: 'Lock', event: 'relation', share: expect.closeTo(1, 0) });
  expect((await over(database.url, waits)).observations['postgres.waits']).toEqual([]);
});

test.runIf(process.platform === 'linux')('processes are the target and the local backends of its database', async () => {
  await using database = await createTestDatabase(schema);
  const { observations, gaps } = await over(database.url, processes, () =>
    database.client.query('SELECT sum(total * t.id) FROM invoices, tenants t'),
  );
  const { rows } = await database.client.query<{ pid: number }>('SELECT pg_backend_pid() AS pid');
  const found = observations['system.processes']!;
  expect(found.find(({ role }) => role === 'target')).toMatchObject({ pid: process.pid });
  expect(found.filter(({ role }) => role === 'database').map(({ pid }) => pid)).toEqual([rows[0]!.pid]);
  expect(found.every(({ residentBytes }) => residentBytes > 0)).toBe(true);
  expect(gaps).toEqual([]);
});
