import { readFileSync } from 'node:fs';
import type {
  ColumnStatistics,
  DatabaseSnapshot,
  SnapshotColumn,
  SnapshotTable,
} from '../../packages/anneal/src/ports/database-snapshot.ts';
import type { IndexDefinition, StatementSample } from '../../packages/anneal/src/ports/planner.ts';

/** A query of the workload, and what PostgreSQL 15 said it costs without any index. */
export interface TpchQuery {
  readonly id: string;
  readonly weight: number;
  readonly sample: StatementSample;
  readonly costWithoutIndexes: number;
}

/** TPC-H at scale factor 1 as a snapshot: `tpch/README.md` says where it is from. */
export function tpchSnapshot(): DatabaseSnapshot {
  const { relations, columns } = read('statistics.json') as Statistics;
  const { postgres, settings } = read('queries.json') as Queries;
  const shapes = tableShapes();
  return {
    formatVersion: 1,
    takenAt: '2026-11-21T00:00:00.000Z',
    server: { version: postgres, versionNumber: 150_018 },
    collation: 'C',
    values: 'kept',
    settings: {
      ...Object.fromEntries(Object.entries(settings).map(([name, value]) => [name, String(value)])),
      search_path: 'public',
    },
    extensions: [],
    prerequisites: [],
    tables: relations.map((relation): SnapshotTable => {
      const shape = shapes.get(relation.name)!;
      return {
        schema: 'public',
        name: relation.name,
        kind: 'table',
        parent: null,
        partitionKey: null,
        columns: shape.map((column) => ({
          ...column,
          statistics: statisticsOf(columns.find(({ tablename, attname }) => tablename === relation.name && attname === column.name)!),
        })),
        pages: relation.relpages,
        rows: relation.reltuples,
        allVisiblePages: relation.relallvisible,
        filePages: relation.bytes / 8192,
        options: [],
        inserts: 0,
        updates: 0,
        hotUpdates: 0,
        deletes: 0,
      };
    }),
    indexes: [],
    foreignKeys: [],
    views: [],
    extendedStatistics: [],
    statements: tpchQueries().map(({ id, weight, sample }) => ({
      id,
      text: sample.text,
      calls: weight,
      totalMs: 0,
      rows: 0,
      samples: [[]],
    })),
    gaps: [],
  };
}

export function tpchQueries(): readonly TpchQuery[] {
  return (read('queries.json') as Queries).queries.map(({ id, weight, sql, costWithoutIndexes }) => ({
    id,
    weight,
    sample: { text: selectOf(sql), values: [] },
    costWithoutIndexes,
  }));
}

/** An index of the workload in a word: `tpchIndex('lineitem', 'l_partkey', 'l_shipmode')`. */
export function tpchIndex(table: string, ...keys: readonly string[]): IndexDefinition {
  return { schema: 'public', table, keys, method: 'btree', include: [], predicate: null };
}

interface Statistics {
  readonly relations: readonly {
    readonly name: string;
    readonly bytes: number;
    readonly relpages: number;
    readonly reltuples: number;
    readonly relallvisible: number;
  }[];
  readonly columns: readonly ColumnRow[];
}

interface ColumnRow {
  readonly tablename: string;
  readonly attname: string;
  readonly inherited: boolean;
  readonly null_frac: number;
  readonly avg_width: number;
  readonly n_distinct: number;
  readonly correlation: number | null;
  readonly most_common_vals: string | null;
  readonly most_common_freqs: readonly number[] | null;
  readonly histogram_bounds: string | null;
}

interface Queries {
  readonly postgres: string;
  readonly settings: Readonly<Record<string, string | number>>;
  readonly queries: readonly { readonly id: string; readonly weight: number; readonly sql: string; readonly costWithoutIndexes: number }[];
}

function read(name: string): unknown {
  return JSON.parse(readFileSync(new URL(`tpch/${name}`, import.meta.url), 'utf8'));
}

function statisticsOf(row: ColumnRow): ColumnStatistics {
  return {
    inherited: row.inherited,
    nullShare: row.null_frac,
    averageWidthBytes: row.avg_width,
    distinct: row.n_distinct,
    correlation: row.correlation,
    mostCommonValues: row.most_common_vals,
    mostCommonFrequencies: row.most_common_freqs,
    histogramBounds: row.histogram_bounds,
    mostCommonElements: null,
    mostCommonElementFrequencies: null,
    elementCountHistogram: null,
  };
}

/** The file holds `CREATE TABLE` with one column on each line, as pg_dump writes it. */
function tableShapes(): ReadonlyMap<string, readonly SnapshotColumn[]> {
  const schema = readFileSync(new URL('tpch/schema.sql', import.meta.url), 'utf8');
  const tables = schema.matchAll(/CREATE TABLE public\.(\w+) \(\n([\s\S]*?)\n\);/gu);
  return new Map(
    [...tables].map(([, name, body]) => [
      name!,
      body!.split('\n').map((line): SnapshotColumn => {
        const [, column, type, notNull] = /^\s*(\w+) (.*?)( NOT NULL)?,?$/u.exec(line)!;
        return {
          name: column!,
          type: type!,
          notNull: notNull !== undefined,
          collation: null,
          expression: null,
          generated: null,
          // The benchmark's other types, numeric, character and character varying, are all of variable length.
          fixedLengthBytes: type === 'integer' || type === 'date' ? 4 : -1,
          alignment: 'i',
          statistics: null,
        };
      }),
    ]),
  );
}

/** Query 15 creates a view, reads it twice and drops it: here its text stands in both places. */
function selectOf(sql: string): string {
  const view = /create view (\w+) (\(.*\)) as([\s\S]*?);([\s\S]*?);/u.exec(sql);
  if (view === null) return sql.slice(0, sql.indexOf(';')).trim();
  const [, name, columns, body, query] = view;
  const inPlace = (alias: string) => `(${body!.trim()}) AS ${alias} ${columns}`;
  let places = 0;
  return query!.trim().replaceAll(new RegExp(`\\b${name}\\b`, 'gu'), () => inPlace(`${name}_${(places += 1)}`));
}
