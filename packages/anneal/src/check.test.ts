import pg from 'pg';
import { expect, test } from 'vitest';
import { createTestDatabase, type TestDatabase } from '../../../test/support/test-database.ts';
import { startEmbeddedPostgres } from './adapters/embedded-postgres.ts';
import { createOutside } from './adapters/outside.ts';
import { checkDatabaseAt, type CheckOptions } from './check.ts';
import { databaseChecks } from './domains/database/checks/index.ts';
import type { HealthReport } from './report/health-report.ts';
import type { Databases } from './ports/sql.ts';
import { silentProgress } from './ports/progress.ts';

async function check(url: string, options: Partial<CheckOptions> = {}): Promise<HealthReport> {
  return checkDatabaseAt(url, {
    outside: await createOutside(),
    progress: silentProgress,
    signal: new AbortController().signal,
    ...options,
  });
}

const ids = ({ findings }: HealthReport) => findings.map(({ ruleId, subject }) => `${ruleId} ${subject.key}`);

/** Of a check without data, why. */
const blindness = ({ silences }: HealthReport) =>
  new Map(silences.filter(({ reason }) => reason.startsWith('no data')).map(({ ruleId, reason }) => [ruleId, reason]));

const shop = `CREATE EXTENSION pg_stat_statements;
  CREATE TABLE customers (id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY, email text NOT NULL UNIQUE);
  CREATE TABLE orders (id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY, customer_id bigint NOT NULL REFERENCES customers, placed_at timestamptz NOT NULL, total numeric NOT NULL);
  CREATE INDEX orders_customer_placed ON orders (customer_id, placed_at DESC);
  INSERT INTO customers (email) SELECT 'c' || g || '@example.org' FROM generate_series(1, 2000) g;
  INSERT INTO orders (customer_id, placed_at, total) SELECT 1 + g % 2000, now() - g * interval '1 minute', g FROM generate_series(1, 20000) g;`;

test(
  'a healthy database in use, on a server as it is installed, is silent with a reason for every check',
  { timeout: 60_000 },
  async () => {
    await using postgres = await startEmbeddedPostgres();
    const client = new pg.Client({ connectionString: postgres.url });
    await client.connect();
    for (const statement of shop.split(';\n')) await client.query(statement);
    // Otherwise the inserts are counted after the ANALYZE that has seen them already.
    await client.query('SELECT pg_stat_force_next_flush()');
    await client.query('ANALYZE');
    for (let customer = 1; customer < 200; customer += 1)
      await client.query('SELECT * FROM orders WHERE customer_id = $1 ORDER BY placed_at DESC LIMIT 10', [customer]);
    await client.query('DELETE FROM orders WHERE id = 7');
    const report = await check(postgres.url);
    await client.end();
    expect(ids(report)).toEqual([]);
    expect(report.gaps).toEqual([]);
    expect(new Set(report.silences.map(({ ruleId }) => ruleId))).toEqual(new Set(databaseChecks.map(({ id }) => id)));
    expect(report.silences.filter(({ reason }) => reason.startsWith('no data'))).toEqual([]);
  },
);

test('nothing is written: the same counters, no object more, and a read-only session', async () => {
  await using database = await createTestDatabase(shop);
  const objects = async () =>
    (await database.client.query('SELECT count(*) AS objects, (SELECT sum(xact_commit) FROM pg_stat_database WHERE false) FROM pg_class'))
      .rows;
  const before = await objects();
  const texts: string[] = [];
  await check(database.url, { outside: await listening((text) => texts.push(text)) });
  expect(await objects()).toEqual(before);
  expect(texts.filter((text) => !/^(SELECT|WITH)\b/.test(text))).toEqual([]);
  // The server's own word for it: none of them may write.
  const { rows } = await database.client.query(
    "SELECT count(*)::int AS writing FROM pg_stat_activity WHERE application_name = 'anneal check' AND datname = current_database()",
  );
  expect(rows).toEqual([{ writing: 0 }]);
});

test('only the checks asked for are run, and only what they need is read', async () => {
  await using database = await createTestDatabase('CREATE TABLE nameless (a int)');
  const texts: string[] = [];
  const report = await check(database.url, {
    only: ['missing-primary-key', 'database/sequence-exhaustion'],
    outside: await listening((text) => texts.push(text)),
  });
  expect(ids(report)).toEqual(['database/missing-primary-key table public.nameless']);
  expect(report.silences.map(({ ruleId }) => ruleId)).toEqual(['database/sequence-exhaustion']);
  expect(texts.filter((text) => /pg_stat_activity|pg_prepared_xacts|pg_stat_statements/.test(text))).toEqual([]);
  await expect(check(database.url, { only: ['nonsense'] })).rejects.toMatchObject({
    code: 'ANNEAL_USAGE',
    message: expect.stringContaining('stale-statistics'),
  });
});

test.each(['mongodb+srv://root:geheim@h/x', 'mongodb://h/x', 'sqlserver://h;database=x', 'mssql://h/x'])(
  '%s is met with a plain word, without its password',
  async (url) => {
    const failure = await check(url).catch((error: unknown) => error);
    expect(failure).toMatchObject({
      code: 'ANNEAL_DATABASE_UNSUPPORTED',
      message: expect.stringMatching(/MongoDB|SQL Server/),
    });
    expect(String(failure)).not.toContain('geheim');
  },
);

test('names that bite come out so that the fix can be pasted', async () => {
  const names = ['weird ""name; drop', 'select', 'Ünïcødé 🐘', 'x'.repeat(63), 'a.b', "it''s", '\\'];
  await using database = await createTestDatabase(
    names
      .map(
        (name) =>
          `CREATE SCHEMA "${name}"; CREATE TABLE "${name}"."${name}" ("${name}" int); CREATE INDEX ON "${name}"."${name}" ("${name}"); CREATE INDEX ON "${name}"."${name}" ("${name}");`,
      )
      .join('\n'),
  );
  const report = await check(database.url, { only: ['missing-primary-key', 'duplicate-index'] });
  expect(report.findings).toHaveLength(2 * names.length);
  for (const { proposal } of report.findings) await database.client.query(proposal.code!);
  const after = await check(database.url, { only: ['missing-primary-key', 'duplicate-index'] });
  expect(after.findings).toEqual([]);
  for (const { proposal } of report.findings) await database.client.query(proposal.undo!);
  expect(
    ids(await check(database.url, { only: ['missing-primary-key', 'duplicate-index'] })).filter((id) => id.includes('duplicate')),
  ).toHaveLength(names.length);
});

test('five thousand tables take no more queries than one', { timeout: 90_000 }, async () => {
  await using database = await createTestDatabase();
  for (let part = 0; part < 10; part += 1) {
    // Locks of one transaction have a limit, so not all at once.
    await database.client.query(`DO $$ BEGIN FOR i IN 1..500 LOOP
      EXECUTE format('CREATE TABLE t_%s_%s (id int, a int, b text)', ${part}, i); EXECUTE format('CREATE INDEX ON t_%s_%s (a)', ${part}, i); END LOOP; END $$`);
  }
  const texts: string[] = [];
  const report = await check(database.url, { outside: await listening((text) => texts.push(text)) });
  process.stdout.write(`5,000 tables: ${Math.round(report.durationMs)} ms, ${texts.length} queries\n`);
  expect(texts.length).toBeLessThan(30);
  expect(report.gaps.filter(({ reason }) => !reason.includes('pg_stat_statements') && !reason.includes('history'))).toEqual([]);
  expect(report.findings.filter(({ ruleId }) => ruleId === 'database/missing-primary-key')).toHaveLength(5000);
});

test('a table that somebody holds exclusively is left out and told, and nothing waits for it', async () => {
  await using database = await createTestDatabase('CREATE TABLE held (a int); CREATE TABLE free (a int);');
  const holder = new pg.Client({ connectionString: database.url });
  await holder.connect();
  await holder.query('BEGIN; LOCK TABLE held');
  const report = await check(database.url);
  await holder.end();
  expect(ids(report).filter((id) => id.includes('missing-primary-key'))).toEqual(['database/missing-primary-key table public.free']);
  expect(report.gaps).toContainEqual({
    capability: 'postgres.table-health',
    reason: expect.stringContaining('exclusive lock: public.held'),
  });
});

test('a signal ends it with its own reason', async () => {
  await using database = await createTestDatabase();
  await expect(check(database.url, { signal: AbortSignal.abort(new Error('enough')) })).rejects.toThrow('enough');
});

/** Each view with the checks that are blind without it. */
const views: readonly (readonly [view: string, blind: readonly string[]])[] = [
  ['pg_stat_activity', ['lock-wait', 'idle-in-transaction', 'long-transaction', 'long-query']],
  ['pg_settings', ['durability-off', 'autovacuum-off', 'table-bloat', 'requested-checkpoints']],
  ['pg_stat_replication', ['default-memory', 'unused-index']],
  ['pg_replication_slots', ['replication-slot', 'unused-index']],
  ['pg_prepared_xacts', ['prepared-transaction']],
  ['pg_stat_database', ['cache-misses', 'temporary-files', 'connections-near-limit', 'unused-index']],
  ['pg_stat_checkpointer', ['requested-checkpoints']],
  ['pg_stat_wal', ['requested-checkpoints']],
  ['pg_database', ['transaction-id-age']],
  ['pg_stats', ['stale-statistics', 'vacuum-behind', 'table-bloat', 'index-bloat', 'time-series-table']],
  ['pg_stat_progress_create_index', ['invalid-index', 'duplicate-index', 'redundant-index']],
  ['pg_sequence', ['sequence-exhaustion']],
  ['pg_constraint', ['unindexed-foreign-key']],
  ['pg_statistic_ext', ['correlated-columns']],
];

/** A role that may log in and nothing else; `work` sees the database as that role. */
async function asStranger<T>(database: TestDatabase, work: (url: string) => Promise<T>): Promise<T> {
  const role = `${database.name}_stranger`;
  await database.client.query(`CREATE ROLE ${role} LOGIN PASSWORD 'stranger'`);
  try {
    return await work(Object.assign(new URL(database.url), { username: role, password: 'stranger' }).href);
  } finally {
    await database.client.query(`DROP ROLE ${role}`);
  }
}

test.each(views)('without the right to read %s its checks are silent with that reason, the others go on', async (view, blind) => {
  await using database = await createTestDatabase(shop);
  await database.client.query(`REVOKE SELECT ON pg_catalog.${view} FROM PUBLIC`);
  const report = await asStranger(database, (url) => check(url));
  const without = blindness(report);
  for (const id of blind) expect(without.get(`database/${id}`), id).toContain(view);
  expect(without.size).toBeLessThan(databaseChecks.length);
});

test('a role with nothing learns that sessions and statements are hidden, and accuses nobody', async () => {
  await using database = await createTestDatabase(shop);
  await database.client.query('SELECT 1');
  const report = await asStranger(database, (url) => check(url));
  expect(ids(report).filter((id) => !id.includes('durability-off'))).toEqual([]);
  const without = blindness(report);
  expect(without.get('database/lock-wait')).toMatch(/1 of 1 sessions are hidden: GRANT pg_read_all_stats/);
  expect(without.get('database/spilled-sorts')).toMatch(/statements of other roles are hidden: GRANT pg_read_all_stats/);
});

/** The world as it is, with every statement told. */
async function listening(hear: (text: string) => void): Promise<CheckOptions['outside']> {
  const outside = await createOutside();
  const databases: Databases = {
    async connect(url, options) {
      expect(options).toMatchObject({ readOnly: true });
      const sql = await outside.databases.connect(url, options);
      return {
        ...sql,
        query: (text, values, options) => {
          hear(text);
          return sql.query(text, values, options);
        },
      };
    },
  };
  return { ...outside, databases };
}
