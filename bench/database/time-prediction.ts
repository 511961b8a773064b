/**
 * How honest a predicted time is. The laboratory runs under its own traffic; every SELECT seen there is
 * timed as it is, predicted for indexes that could serve it (planned on a shadow from a snapshot, turned
 * into milliseconds by its own measured time), and timed again with the index really built.
 *
 *     node --conditions=@anneal/source bench/database/time-prediction.ts
 */

import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { plazaTarget, seedPlaza } from '../../lab/plaza/lab.ts';
import { createPlazaWorkload } from '../../lab/plaza/workload.ts';
import { startEmbeddedPostgres } from '../../packages/anneal/src/adapters/embedded-postgres.ts';
import { createOutside } from '../../packages/anneal/src/adapters/outside.ts';
import { createDatabases } from '../../packages/anneal/src/adapters/pg.ts';
import { createShadowPlanner } from '../../packages/anneal/src/adapters/shadow-planner.ts';
import { resolveSettings } from '../../packages/anneal/src/config.ts';
import { indexCandidates } from '../../packages/anneal/src/domains/database/index-candidates.ts';
import { costForObservedRows, pricesWherePagesWere } from '../../packages/anneal/src/domains/database/restated-cost.ts';
import { takeSnapshot } from '../../packages/anneal/src/domains/database/snapshot/take-snapshot.ts';
import { measureTarget } from '../../packages/anneal/src/loop.ts';
import type { Measured } from '../../packages/anneal/src/measurement/measure.ts';
import type { Observations, StatementObservation } from '../../packages/anneal/src/measurement/observations.ts';
import { indexSql, qualifiedName } from '../../packages/anneal/src/ports/index-sql.ts';
import type { IndexDefinition, Planner, StatementSample } from '../../packages/anneal/src/ports/planner.ts';
import { silentProgress } from '../../packages/anneal/src/ports/progress.ts';
import type { Sql } from '../../packages/anneal/src/ports/sql.ts';
import { looksUpBeyondPages, predictExecutionMs } from '../../packages/anneal/src/prediction/plan-cost.ts';
import { writeBenchResults } from '../result-table.ts';

const confidenceLevel = 0.9;
/** The shortest of a few: what the machine's other work adds is never less than nothing. */
const timings = 5;
const mostCandidates = 3;
const mostSamples = 3;

interface Case {
  readonly statement: string;
  readonly index: string;
  readonly beforeMs: number;
  readonly predictedMs: { readonly point: number; readonly lower: number; readonly upper: number };
  readonly afterMs: number;
}

await using postgres = await startEmbeddedPostgres({ settings: { shared_buffers: '512MB', fsync: 'off' } });
const url = postgres.databaseUrl('postgres');
console.error('filling the laboratory');
await seedPlaza(url, { size: 1, fix: 'none' });
console.error('watching its traffic');
const observed = await watch(url);
await using sql = await createDatabases().connect(url, { applicationName: 'anneal bench', readOnly: false });
const { sqlParser } = await createOutside();
const snapshot = await takeSnapshot(sql, { values: 'kept', sqlParser, takenAt: new Date().toISOString() });
await using planner = await createShadowPlanner(snapshot);
// The shadow has no parallel workers, so what it predicts for is a server without them.
await sql.query('SET max_parallel_workers_per_gather = 0');
await report(await examine(observed, planner, sql));

async function watch(databaseUrl: string): Promise<Measured> {
  const folder = await mkdtemp(join(tmpdir(), 'anneal-bench-'));
  const settings = resolveSettings(
    {
      target: {
        start: plazaTarget.startCommand,
        cwd: plazaTarget.workingDirectory,
        ready: plazaTarget.readyPath,
        env: { [plazaTarget.fixVariable]: 'none' },
      },
      database: { url: databaseUrl },
      workload: createPlazaWorkload(1),
      output: folder,
    },
    folder,
    {},
  );
  try {
    let seen: Measured | null = null;
    const outside = await createOutside();
    await measureTarget(settings, {
      outside,
      progress: silentProgress,
      signal: new AbortController().signal,
      onMeasured: (measured) => {
        seen = measured;
      },
    });
    return seen!;
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}

async function examine({ measurement, samples }: Measured, planner: Planner, sql: Sql): Promise<readonly Case[]> {
  const { observations } = measurement;
  const facts = {
    columns: observations['postgres.columns'] ?? [],
    indexes: observations['postgres.indexes'] ?? [],
    tables: observations['postgres.tables'] ?? [],
  };
  const cases: Case[] = [];
  const selects = (observations['postgres.statements'] ?? []).filter(({ kind, shape }) => kind === 'select' && shape !== null);
  const fixedMs = await cheapestMs(sql, selects, samples);
  for (const statement of selects) {
    const known = (samples.get(statement.id) ?? []).filter(({ values }) => values !== null).slice(0, mostSamples);
    const plan = observations['postgres.plans']?.[statement.id] ?? null;
    const candidates = indexCandidates(statement.shape!, plan, facts).filter(({ extension }) => extension === null);
    for (const { definition } of candidates.slice(0, mostCandidates)) {
      for (const sample of known) {
        const one = await compare({ definition, statement, sample, fixedMs }, planner, sql, observations);
        if (one !== null) cases.push({ ...one, statement: statement.text, index: `${definition.table} (${definition.keys.join(', ')})` });
      }
    }
  }
  return cases;
}

interface Question {
  readonly definition: IndexDefinition;
  readonly statement: StatementObservation;
  readonly sample: StatementSample;
  readonly fixedMs: number;
}

/** Null where the planner would not use the index: then there is nothing to predict. */
async function compare(
  { definition, statement, sample, fixedMs }: Question,
  planner: Planner,
  sql: Sql,
  observations: Partial<Observations>,
): Promise<Pick<Case, 'beforeMs' | 'predictedMs' | 'afterMs'> | null> {
  const { uses } = await planner.whatIf([sample], [definition]);
  if (uses[0]!.length === 0) return null;
  const prices = pricesWherePagesWere(statement, observations['postgres.settings'] ?? {}) ?? {};
  const [before] = (await planner.whatIf([sample], [], prices)).plans;
  const [planned] = (await planner.whatIf([sample], [definition], prices)).plans;
  if (before == null || planned == null) return null;
  const { sizeBytes } = observations['postgres.tables']!.find(
    ({ schema, name }) => schema === definition.schema && name === definition.table,
  )!;
  await sql.query('BEGIN');
  try {
    const beforeMs = await executionMs(sql, sample);
    await sql.query(indexSql(definition, { name: 'anneal_bench' }));
    if (definition.keys.some((key) => key.includes('('))) await sql.query(`ANALYZE ${qualifiedName(definition.schema, definition.table)}`);
    const afterMs = await executionMs(sql, sample);
    const predictedMs = predictExecutionMs(
      {
        measuredMs: beforeMs,
        costBefore: before.totalCost,
        costAfter: costForObservedRows(planned, statement),
        generic: false,
        manyLookUps: looksUpBeyondPages(planned, { schema: definition.schema, name: definition.table, sizeBytes }),
        rechecks: definition.method === 'gin',
        fixedMs,
      },
      confidenceLevel,
    );
    return { beforeMs, predictedMs, afterMs };
  } finally {
    await sql.query('ROLLBACK');
  }
}

async function executionMs(sql: Sql, { text, values }: StatementSample): Promise<number> {
  let shortest = Number.POSITIVE_INFINITY;
  for (let time = 0; time < timings; time += 1) {
    const { rows } = await sql.query<{ 'QUERY PLAN': readonly [{ readonly 'Execution Time': number }] }>(
      `EXPLAIN (ANALYZE, TIMING OFF, FORMAT JSON) ${text}`,
      values ?? [],
    );
    shortest = Math.min(shortest, rows[0]!['QUERY PLAN'][0]['Execution Time']);
  }
  return shortest;
}

/** What the cheapest statement of the workload takes on this server. */
async function cheapestMs(
  sql: Sql,
  statements: readonly StatementObservation[],
  samples: ReadonlyMap<string, readonly StatementSample[]>,
): Promise<number> {
  const byMean = statements
    .filter(({ calls }) => calls > 0)
    .toSorted((one, other) => one.totalMs / one.calls - other.totalMs / other.calls);
  const timed: number[] = [];
  for (const { id } of byMean.slice(0, 3)) {
    const sample = samples.get(id)?.find(({ values }) => values !== null);
    if (sample !== undefined) timed.push(await executionMs(sql, sample));
  }
  return timed.length === 0 ? 0 : Math.min(...timed);
}

async function report(cases: readonly Case[]): Promise<void> {
  for (const { statement, index, beforeMs, predictedMs, afterMs } of cases) {
    const isInside = afterMs >= predictedMs.lower && afterMs <= predictedMs.upper;
    const figures = [beforeMs, predictedMs.lower, predictedMs.point, predictedMs.upper, afterMs].map((ms) => ms.toPrecision(3).padStart(8));
    console.error(`${isInside ? ' ' : '!'} ${figures.join(' ')}  ${index.padEnd(50)} ${statement.replaceAll(/\s+/gu, ' ').slice(0, 60)}`);
  }
  const inside = cases.filter(({ predictedMs, afterMs }) => afterMs >= predictedMs.lower && afterMs <= predictedMs.upper);
  const errors = cases.map(({ predictedMs, afterMs }) => Math.abs(Math.log(afterMs / predictedMs.point))).sort((one, other) => one - other);
  await writeBenchResults('database-time', [
    {
      name: 'predicted statement times with the measured one inside their 90 % interval',
      value: (100 * inside.length) / cases.length,
      unit: '%',
      target: '>= 90',
      peers: {},
    },
    { name: 'index and statement pairs compared', value: cases.length, unit: '1', target: '>= 30', peers: {} },
    {
      name: 'median prediction off by a factor of',
      value: Math.exp(errors[Math.floor(errors.length / 2)] ?? Number.NaN),
      unit: '1',
      target: '<= 3',
      peers: {},
    },
  ]);
}
