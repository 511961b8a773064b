import type { Gap } from '../../../measurement/measurement.ts';
import type { StatementObservation } from '../../../measurement/observations.ts';
import type { Sql } from '../../../ports/sql.ts';
import type { SqlParser, StatementShape } from '../../../ports/sql-parser.ts';
import { counted, databaseProbe, own, ownMark } from './database-probe.ts';

const capability = 'postgres.server-statements';

/** What pg_stat_statements counted between two readings. It is never reset: somebody else may be reading it too. */
export const serverStatements = databaseProbe('pg_stat_statements', [capability], async (sql, { sqlParser }) => {
  const view = await findView(sql);
  if ('reason' in view) return async () => ({ observations: {}, gaps: [{ capability, reason: view.reason }] });
  const before = await readCounters(sql, view, false);
  return async () => {
    const after = await readCounters(sql, view, true);
    return { observations: { [capability]: statementsBetween(before.rows, after.rows, sqlParser) }, gaps: gapsOf(view, before, after) };
  };
});

interface View {
  /** Quoted, with its schema: extensions are often installed outside `public`. */
  readonly name: string;
  readonly columns: ReadonlySet<string>;
  readonly hasInfo: boolean;
}

export async function findView(sql: Sql): Promise<View | { readonly reason: string }> {
  const { rows } = await sql.query<{ schema: string; columns: readonly string[]; hasInfo: boolean }>(
    own(`SELECT quote_ident(n.nspname) AS schema,
           ARRAY(SELECT a.attname::text FROM pg_attribute a WHERE a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped) AS columns,
           EXISTS (SELECT FROM pg_class i WHERE i.relnamespace = n.oid AND i.relname = 'pg_stat_statements_info') AS "hasInfo"
      FROM pg_extension e
      JOIN pg_namespace n ON n.oid = e.extnamespace
      JOIN pg_class c ON c.relnamespace = n.oid AND c.relname = 'pg_stat_statements'
     WHERE e.extname = 'pg_stat_statements'`),
  );
  const [found] = rows;
  if (found === undefined) return { reason: 'the extension pg_stat_statements is not installed: CREATE EXTENSION pg_stat_statements' };
  try {
    await sql.query(own(`SELECT FROM ${found.schema}.pg_stat_statements(false) LIMIT 1`));
  } catch (error) {
    // 55000, object_not_in_prerequisite_state: the library is not loaded. 42501: no privilege on the view.
    return { reason: `pg_stat_statements cannot be read: ${error instanceof Error ? error.message : String(error)}` };
  }
  return { name: found.schema, columns: new Set(found.columns), hasInfo: found.hasInfo };
}

interface Counters {
  readonly key: string;
  /** Null in a reading without texts, and where the role may not see it. */
  readonly text: string | null;
  readonly hidden: boolean;
  readonly calls: number;
  readonly totalMs: number;
  readonly rows: number;
  readonly hit: number;
  readonly read: number;
  readonly temp: number;
  readonly wal: number;
}

interface Reading {
  readonly rows: readonly Counters[];
  /** How often the least used statements were forgotten to make room; null before PostgreSQL 14. */
  readonly evictions: number | null;
}

/** Columns by version of the extension (manual, F.32): `total_time` until 1.7, WAL from 1.8 on, `toplevel` from 1.9 on. */
async function readCounters(sql: Sql, { name, columns, hasInfo }: View, withTexts: boolean): Promise<Reading> {
  const { rows } = await sql.query<Counters>(
    own(`SELECT concat_ws('/', userid, queryid) AS key, query AS text, coalesce(query = '<insufficient privilege>', queryid IS NULL) AS hidden,
           calls::float8 AS calls, ${columns.has('total_exec_time') ? 'total_exec_time' : 'total_time'} AS "totalMs", rows::float8 AS rows,
           shared_blks_hit::float8 AS hit, shared_blks_read::float8 AS read, temp_blks_written::float8 AS temp,
           ${columns.has('wal_bytes') ? 'wal_bytes::float8' : '0::float8'} AS wal
      FROM ${name}.pg_stat_statements(${withTexts})
     WHERE dbid = (SELECT oid FROM pg_database WHERE datname = current_database())
       ${columns.has('toplevel') ? 'AND toplevel' : ''}`),
  );
  const info = hasInfo
    ? await sql.query<{ evictions: number }>(own(`SELECT dealloc::float8 AS evictions FROM ${name}.pg_stat_statements_info`))
    : null;
  return { rows, evictions: info?.rows[0]?.evictions ?? null };
}

function statementsBetween(before: readonly Counters[], after: readonly Counters[], parser: SqlParser): readonly StatementObservation[] {
  const opening = new Map(before.map((row) => [row.key, row]));
  return after.flatMap((row) => {
    // A reset or an eviction in between starts the counters again: all of them count from zero then.
    const earlier = opening.get(row.key);
    const start = earlier !== undefined && earlier.calls <= row.calls ? earlier : undefined;
    const calls = counted(start?.calls, row.calls);
    if (calls === 0 || row.hidden || row.text === null || row.text.includes(ownMark)) return [];
    return [
      {
        ...readStatement(row.text, parser),
        calls,
        totalMs: counted(start?.totalMs, row.totalMs),
        source: 'server',
        rows: counted(start?.rows, row.rows),
        sharedBlocksHit: counted(start?.hit, row.hit),
        sharedBlocksRead: counted(start?.read, row.read),
        tempBlocksWritten: counted(start?.temp, row.temp),
        walBytes: counted(start?.wal, row.wal),
        locations: [],
        routes: [],
      },
    ];
  });
}

/** What the text of one entry says. It is `query` of the view, and may be no SQL: constants in it are replaced by place. */
export function readStatement(
  query: string,
  parser: SqlParser,
): Pick<StatementObservation, 'id' | 'text' | 'kind' | 'tables'> & { readonly shape: StatementShape | null } {
  const shape = parser.shape(query);
  const text = parser.normalise(query);
  return {
    // Not the text's own: the agent sees the statement as it was before its constants were replaced.
    id: parser.fingerprint(query) ?? text,
    text,
    kind: shape?.kind ?? 'other',
    tables: [...new Set((shape?.tables ?? []).map(({ schema, name }) => (schema === null ? name : `${schema}.${name}`)))],
    shape,
  };
}

function gapsOf({ columns }: View, before: Reading, after: Reading): readonly Gap[] {
  const hidden = after.rows.filter((row) => row.hidden).length;
  const evicted = (after.evictions ?? 0) - (before.evictions ?? 0);
  return [
    ...(hidden > 0
      ? [
          {
            capability,
            reason: `${hidden} statements of other roles are hidden: GRANT pg_read_all_stats to the role of DATABASE_URL`,
          } as const,
        ]
      : []),
    ...(evicted > 0
      ? [{ capability, reason: `pg_stat_statements dropped entries ${evicted} times in the window: raise pg_stat_statements.max` } as const]
      : []),
    ...(columns.has('wal_bytes')
      ? []
      : [
          {
            capability,
            reason:
              'this pg_stat_statements does not count what statements write to the log, as it does from version 1.8 on (PostgreSQL 13): what a change adds to it is not known',
          } as const,
        ]),
  ];
}
