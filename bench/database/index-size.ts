/**
 * How large indexes really are, and how large they were said to be: builds laboratories of indexes on the embedded PostgreSQL and holds the size
 * model against each, beside the usual formula. The model was made while looking at the first laboratory, and corrected after the
 * second had been built (64 of 68 within 15 % before that). The others are made by chance, from seeds that the model was never changed for.
 *
 *     node --conditions=@anneal/source bench/database/index-size.ts
 */

import pg from 'pg';
import { startEmbeddedPostgres } from '../../packages/anneal/src/adapters/embedded-postgres.ts';
import { createDatabases } from '../../packages/anneal/src/adapters/pg.ts';
import { createSqlParser } from '../../packages/anneal/src/adapters/sql-parser.ts';
import { generateIndexLab } from '../../packages/anneal/src/domains/database/fixtures/generated-index-lab.ts';
import { type IndexLab, indexLab } from '../../packages/anneal/src/domains/database/fixtures/index-lab.ts';
import { secondIndexLab } from '../../packages/anneal/src/domains/database/fixtures/second-index-lab.ts';
import { predictIndexSize, tableStatistics, type TableStatistics } from '../../packages/anneal/src/domains/database/index-size.ts';
import { takeSnapshot } from '../../packages/anneal/src/domains/database/snapshot/take-snapshot.ts';
import type { DatabaseSnapshot } from '../../packages/anneal/src/ports/database-snapshot.ts';
import { seededRandom } from '../../packages/anneal/src/stats/random.ts';
import { indexSql } from '../../packages/anneal/src/ports/index-sql.ts';
import type { IndexDefinition } from '../../packages/anneal/src/ports/planner.ts';
import { type BenchRow, writeBenchResults } from '../result-table.ts';

const pageBytes = 8192;
const tolerance = 0.15;
/**
 * Seeds the model was never tuned on. Six others are spent, because what they missed (mostly GIN, a hash index) corrected it: there 344 of
 * 360 indexes came within 15 % at first sight. Of these three the worst factors of GIN (8.9, 0.42, 0.57) were known when inverted entries were
 * corrected on the GIN indexes of seeds 3000 to 3009.
 */
const seeds = [2032, 2033, 2034];

interface Comparison {
  readonly definition: IndexDefinition;
  readonly kind: string;
  readonly realPages: number;
  readonly pages: number;
  readonly withoutValues: number;
  /** Null for a method that the formula does not know. */
  readonly usualPages: number | null;
}

await using postgres = await startEmbeddedPostgres({ settings: { fsync: 'off', shared_buffers: '256MB' } });
const rows: BenchRow[] = [];
for (const [name, lab] of [
  ['first laboratory', indexLab],
  ['second laboratory', secondIndexLab],
] as const) {
  const comparisons = await compare(`lab_${rows.length}`, lab);
  print(name, comparisons);
  rows.push(...figures(name, comparisons));
}
// Judged together: of 60 indexes alone the target is three misses, and four of them would be luck as often as a fault.
const drawn: Comparison[] = [];
for (const seed of seeds) {
  const comparisons = await compare(`lab_${seed}`, generateIndexLab(seededRandom(seed), 60));
  print(`made by chance, seed ${seed}`, comparisons);
  drawn.push(...comparisons);
}
rows.push(...figures('made by chance', drawn));
await writeBenchResults('database-index-size', rows);

async function compare(name: string, lab: IndexLab): Promise<readonly Comparison[]> {
  await run(postgres.url, [`CREATE DATABASE ${name}`]);
  const url = postgres.databaseUrl(name);
  await run(url, lab.statements);
  const [kept, leftOut] = [await snapshotOf(url, 'kept'), await snapshotOf(url, 'left-out')];
  const client = new pg.Client({ connectionString: url });
  await client.connect();
  try {
    const comparisons: Comparison[] = [];
    for (const { definition, kind, unique } of lab.indexes) {
      await client.query(indexSql(definition, { name: 'lab_index' }));
      const { rows: sizes } = await client.query<{ pages: number }>(`SELECT (pg_relation_size('lab_index') / $1)::int AS pages`, [
        pageBytes,
      ]);
      await client.query('DROP INDEX lab_index');
      const pagesFrom = (snapshot: DatabaseSnapshot) => predictIndexSize(definition, statisticsIn(snapshot, definition), { unique })!.pages;
      comparisons.push({
        definition,
        kind,
        realPages: sizes[0]!.pages,
        pages: pagesFrom(kept),
        withoutValues: pagesFrom(leftOut),
        usualPages: usualPages(definition, statisticsIn(kept, definition)),
      });
    }
    return comparisons;
  } finally {
    await client.end();
  }
}

function statisticsIn(snapshot: DatabaseSnapshot, { schema, table }: IndexDefinition): TableStatistics {
  return tableStatistics(snapshot, schema, table)!;
}

/**
 * The usual estimate of a B-tree, as HypoPG 1.x makes it: every row has an entry of its columns' average widths, 8 bytes of header per
 * column and its line pointers, and pages are a fifth bloated on top of the fill factor. It gets the same number of rows as ours.
 */
function usualPages(definition: IndexDefinition, table: TableStatistics): number | null {
  if (definition.method !== 'btree') return null;
  const columns = [...definition.keys, ...definition.include].map((key) => table.columns.find(({ name }) => key.split(' ')[0] === name));
  const widthBytes = columns.reduce((sum, column) => sum + (column?.statistics?.averageWidthBytes ?? 32), 0);
  const entryBytes = widthBytes + 8 * columns.length + Math.ceil((4 * columns.length) / 8) * 8;
  const { rows: indexed } = predictIndexSize(definition, table)!;
  return Math.max(1, Math.floor((indexed * entryBytes * 1.3) / (pageBytes - 24 - 16)));
}

function figures(name: string, comparisons: readonly Comparison[]): readonly BenchRow[] {
  const trees = comparisons.filter(({ usualPages }) => usualPages !== null);
  const errors = (of: (comparison: Comparison) => number, among = comparisons) =>
    among.map((comparison) => Math.abs(Math.log(of(comparison) / comparison.realPages))).sort((a, b) => a - b);
  const factor = (error: number | undefined) => Math.exp(error ?? Number.NaN);
  const within = (of: (comparison: Comparison) => number, among = comparisons) =>
    among.filter((comparison) => Math.abs(of(comparison) / comparison.realPages - 1) <= tolerance).length / among.length;
  const [ours, usual] = [({ pages }: Comparison) => pages, ({ usualPages }: Comparison) => usualPages ?? Number.NaN];
  const at = (sorted: readonly number[], share: number) => sorted[Math.floor(share * (sorted.length - 1))];
  const row = (what: string, value: number, unit: string, target: BenchRow['target'], peers: BenchRow['peers'] = {}): BenchRow => ({
    name: `${name}, ${comparisons.length} indexes: ${what}`,
    value,
    unit,
    target,
    peers,
  });
  return [
    row('share within 15 % of the real size', within(ours), '1', '>= 0.95'),
    row('share of B-trees within 15 %', within(ours, trees), '1', '>= 0.95', { 'usual formula': within(usual, trees) }),
    row('median factor off, B-trees', factor(at(errors(ours, trees), 0.5)), '1', '<= 1.05', {
      'usual formula': factor(at(errors(usual, trees), 0.5)),
    }),
    row('largest factor off, B-trees', factor(errors(ours, trees).at(-1)), '1', null, {
      'usual formula': factor(errors(usual, trees).at(-1)),
    }),
    row('largest factor off, all methods', factor(errors(ours).at(-1)), '1', null),
    row(
      'share within 15 % from a snapshot without values',
      within(({ withoutValues }) => withoutValues),
      '1',
      null,
    ),
  ];
}

function print(name: string, comparisons: readonly Comparison[]): void {
  console.log(`\n${name}: pages real, predicted, ratio; the usual formula's ratio`);
  for (const { definition, kind, realPages, pages, usualPages } of comparisons) {
    const ratio = (predicted: number | null) => (predicted === null ? '' : (predicted / realPages).toFixed(2)).padStart(7);
    console.log(
      `${definition.method.padEnd(6)} ${kind.padEnd(46)} ${String(realPages).padStart(6)} ${String(pages).padStart(6)} ${ratio(pages)} ${ratio(usualPages)}`,
    );
  }
  console.log('');
}

async function run(url: string, statements: readonly string[]): Promise<void> {
  const client = new pg.Client({ connectionString: url });
  await client.connect();
  try {
    for (const statement of statements) await client.query(statement);
  } finally {
    await client.end();
  }
}

async function snapshotOf(url: string, values: DatabaseSnapshot['values']): Promise<DatabaseSnapshot> {
  const sql = await createDatabases().connect(url, { applicationName: 'anneal bench', readOnly: true });
  try {
    return await takeSnapshot(sql, { values, sqlParser: await createSqlParser(), takenAt: new Date().toISOString() });
  } finally {
    await sql.close();
  }
}
