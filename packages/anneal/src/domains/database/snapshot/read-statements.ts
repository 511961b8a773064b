import type { SnapshotStatement } from '../../../ports/database-snapshot.ts';
import type { Sql } from '../../../ports/sql.ts';
import type { SqlParser } from '../../../ports/sql-parser.ts';
import { own, ownMark } from '../probes/database-probe.ts';
import { findView, readStatement } from '../probes/server-statements.ts';

/** The default of `pg_stat_statements.max`: whoever keeps more has its long tail cut, which no index is advised from. */
const mostStatements = 5000;

interface Row {
  readonly text: string | null;
  readonly calls: number;
  readonly totalMs: number;
  readonly rows: number;
}

/** The workload as pg_stat_statements counted it since it was last reset, most time first. Utility statements keep their literals, so they stay out. */
export async function readStatements(
  sql: Sql,
  parser: SqlParser,
): Promise<{ readonly statements: readonly SnapshotStatement[]; readonly gaps: readonly string[] }> {
  const view = await findView(sql);
  if ('reason' in view) return { statements: [], gaps: [`no workload: ${view.reason}`] };
  const time = view.columns.has('total_exec_time') ? 'total_exec_time' : 'total_time';
  const { rows } = await sql.query<Row>(
    own(`SELECT max(query) AS text, sum(calls)::float8 AS calls, sum(${time})::float8 AS "totalMs", sum(rows)::float8 AS rows
      FROM ${view.name}.pg_stat_statements
     WHERE dbid = (SELECT oid FROM pg_database WHERE datname = current_database()) ${view.columns.has('toplevel') ? 'AND toplevel' : ''}
     GROUP BY queryid ORDER BY 3 DESC LIMIT ${mostStatements}`),
  );
  const hidden = rows.filter(({ text }) => text === null || text === '<insufficient privilege>').length;
  const statements = rows.flatMap((row): readonly SnapshotStatement[] => {
    if (row.text === null || row.text.includes(ownMark)) return [];
    const { id, text, kind } = readStatement(row.text, parser);
    return kind === 'other' ? [] : [{ id, text, calls: row.calls, totalMs: row.totalMs, rows: row.rows, samples: [] }];
  });
  const gaps =
    hidden === 0 ? [] : [`${hidden} statements of other roles are hidden: GRANT pg_read_all_stats to the role of the database URL`];
  return { statements, gaps };
}
