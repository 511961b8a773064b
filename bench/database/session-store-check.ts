import pg from 'pg';
import { startEmbeddedPostgres } from '../../packages/anneal/src/adapters/embedded-postgres.ts';
import { createDatabases } from '../../packages/anneal/src/adapters/pg.ts';
import { createShadowPlanner } from '../../packages/anneal/src/adapters/shadow-planner.ts';
import { answerTo, openQuestion } from '../../packages/anneal/src/domains/database/advisor/question.ts';
import { factsByTable, factsOf } from '../../packages/anneal/src/domains/database/advisor/snapshot-facts.ts';
import { nameOf } from '../../packages/anneal/src/domains/database/advisor/why-not.ts';
import { adviseWorkload } from '../../packages/anneal/src/domains/database/advisor/workload.ts';
import { indexSizes } from '../../packages/anneal/src/domains/database/index-size.ts';
import { takeSnapshot } from '../../packages/anneal/src/domains/database/snapshot/take-snapshot.ts';
import type { DatabaseSnapshot } from '../../packages/anneal/src/ports/database-snapshot.ts';
import { indexSql } from '../../packages/anneal/src/ports/index-sql.ts';
import type { IndexDefinition } from '../../packages/anneal/src/ports/planner.ts';
import type { SqlParser } from '../../packages/anneal/src/ports/sql-parser.ts';
import { seededRandom } from '../../packages/anneal/src/stats/random.ts';
import type { BenchRow } from '../result-table.ts';
import { sessionStore } from './workloads/session-store.ts';

/** One in ten of the calls is enough to see what a set costs. */
const share = 0.1;
const rounds = 3;

interface Run {
  readonly elapsedMs: number;
  readonly walBytes: number;
  readonly heapOnlyShare: number;
}

/**
 * The session store on a real PostgreSQL, with the advised set built, with the set that an advisor builds which looks at reads alone,
 * and with none: what the same calls then take, and what they log.
 */
export async function checkSessionStore(parser: SqlParser): Promise<readonly BenchRow[]> {
  await using postgres = await startEmbeddedPostgres({ settings: { fsync: 'off', full_page_writes: 'off', autovacuum: 'off' } });
  const url = postgres.databaseUrl('postgres');
  await execute(url, sessionStore.schema);
  await runMix(url, 0, 0); // The counters of heap-only updates are part of what the advisor reads.
  const snapshot = await snapshotOf(url, parser);
  const [own, readsOnly] = [await setFor(snapshot, parser, true), await setFor(snapshot, parser, false)];
  console.log(`session store: ${own.map(nameOf).join('; ')}\n  reads only: ${readsOnly.map(nameOf).join('; ')}`);
  const sets = { none: [], own, readsOnly };
  const runs: Record<keyof typeof sets, Run[]> = { none: [], own: [], readsOnly: [] };
  for (let round = 1; round <= rounds; round += 1) {
    for (const [name, set] of Object.entries(sets) as [keyof typeof sets, readonly IndexDefinition[]][]) {
      await execute(url, ['VACUUM sessions', ...set.map((definition, at) => indexSql(definition, { name: `advised_${at}` }))]);
      const day = 1 + Object.values(runs).reduce((sum, { length }) => sum + length, 0);
      runs[name].push(await runMix(url, round, day));
      await execute(
        url,
        set.map((_, at) => `DROP INDEX advised_${at}`),
      );
    }
  }
  const least = (name: keyof typeof sets, figure: (run: Run) => number) => Math.min(...runs[name].map(figure));
  const time = ({ elapsedMs }: Run) => elapsedMs;
  const log = ({ walBytes }: Run) => walBytes / 1e6;
  const heapOnly = (name: keyof typeof sets) => Math.round(100 * least(name, ({ heapOnlyShare }) => heapOnlyShare));
  return [
    row('session store, real PostgreSQL: time of the calls', least('own', time), 'ms', `<= ${Math.floor(least('none', time))}`, {
      'no index': least('none', time),
      'the set that reads alone ask for': least('readsOnly', time),
    }),
    row('  write-ahead log of the calls', least('own', log), 'MB', `<= ${floored(least('readsOnly', log))}`, {
      'no index': least('none', log),
      'the set that reads alone ask for': least('readsOnly', log),
    }),
    row('  updates that stay heap-only', heapOnly('own'), '%', `>= ${heapOnly('none') - 1}`, {
      'no index': heapOnly('none'),
      'the set that reads alone ask for': heapOnly('readsOnly'),
    }),
  ];
}

async function snapshotOf(url: string, parser: SqlParser): Promise<DatabaseSnapshot> {
  await using sql = await createDatabases().connect(url, { applicationName: 'anneal bench', readOnly: true });
  const snapshot = await takeSnapshot(sql, { values: 'kept', sqlParser: parser, takenAt: '2026-01-01T00:00:00.000Z' });
  return { ...snapshot, statements: sessionStore.statements.map((statement) => ({ ...statement, totalMs: 0 })) };
}

async function setFor(snapshot: DatabaseSnapshot, parser: SqlParser, withWrites: boolean): Promise<readonly IndexDefinition[]> {
  const sizeOf = indexSizes(snapshot);
  await using planner = await createShadowPlanner(snapshot, { sizeOf });
  const workload = adviseWorkload(snapshot, parser, factsByTable(factsOf(snapshot)));
  const question = await openQuestion({ snapshot, planner, workload, sizeOf, budgetBytes: 100e6, width: 3 });
  const problem = withWrites ? question.problem : { ...question.problem, upkeepOf: () => 0 };
  const limits = { plans: 2_000, signal: AbortSignal.timeout(60_000), thresholdShare: 0, seed: 1 };
  const { answer } = await answerTo({ ...question, problem }, limits);
  return answer.indexes.map(({ definition }) => definition);
}

/** The same calls in the same order whatever the set. Every run writes a day of its own: an update that changes no value would stay heap-only. */
async function runMix(url: string, round: number, day: number): Promise<Run> {
  const random = seededRandom(round, 'session store');
  const calls = random.shuffle(
    sessionStore.statements.flatMap((statement) =>
      Array.from({ length: Math.max(1, Math.round(statement.calls * share)) }, () => statement),
    ),
  );
  const client = new pg.Client({ connectionString: url });
  await client.connect();
  try {
    const state = async () =>
      (
        await client.query<{ log: number; updates: number; hot: number }>(
          `SELECT pg_wal_lsn_diff(pg_current_wal_insert_lsn(), '0/0')::float8 AS log, pg_stat_get_tuples_updated(oid)::float8 AS updates,
                  pg_stat_get_tuples_hot_updated(oid)::float8 AS hot FROM pg_class, pg_stat_force_next_flush() WHERE relname = 'sessions'`,
        )
      ).rows[0]!;
    await state();
    const before = await state();
    const startedAt = performance.now();
    for (const [at, { id, text }] of calls.entries()) {
      await client.query({ name: id, text, values: valuesFor(id, random.integer(1, 100_000), day * 86_400 + at) });
    }
    const elapsedMs = performance.now() - startedAt;
    await state();
    const after = await state();
    return {
      elapsedMs,
      walBytes: after.log - before.log,
      heapOnlyShare: (after.hot - before.hot) / Math.max(1, after.updates - before.updates),
    };
  } finally {
    await client.end();
  }
}

function valuesFor(id: (typeof sessionStore.statements)[number]['id'], session: number, second: number): unknown[] {
  if (id === 'touch') return [session, new Date(Date.UTC(2026, 1, 1) + second * 1000).toISOString()];
  if (id === 'sessions of an account') return [session % 20_000];
  return id === 'by token' ? ['c4ca4238a0b923820dcc509a6f75849b'] : ['2026-01-01 01:00Z'];
}

async function execute(url: string, statements: readonly string[]): Promise<void> {
  const client = new pg.Client({ connectionString: url });
  await client.connect();
  try {
    for (const statement of statements) await client.query(statement);
  } finally {
    await client.end();
  }
}

function floored(value: number): number {
  return Math.floor(value * 100) / 100;
}

function row(name: string, value: number, unit: string, target: BenchRow['target'], peers: BenchRow['peers']): BenchRow {
  return { name, value, unit, target, peers };
}
