import type { StatementHistoryObservation } from '../../../measurement/database-health.ts';
import { databaseProbe, own, ownMark } from './database-probe.ts';
import { findView, readStatement } from './server-statements.ts';

const capability = 'postgres.statement-history';

/**
 * What lies below the first five hundred by time is, in any workload that has a head, under a thousandth of the time
 * each; parsing them all would take longer than the whole health check may.
 */
const most = 500;

/** The role may not see the text: it is another role's statement. */
const isHidden = `(query = '<insufficient privilege>' OR queryid IS NULL)`;

/** The statements this database has spent most time on since pg_stat_statements was last reset. */
export const statementHistory = databaseProbe('statement history', [capability], async (sql, { sqlParser }) => async () => {
  const view = await findView(sql);
  if ('reason' in view) return { observations: {}, gaps: [{ capability, reason: view.reason }] };
  const { name, columns } = view;
  const time = columns.has('total_exec_time') ? 'total_exec_time' : 'total_time';
  const jit = ['generation', 'inlining', 'optimization', 'emission'].map((part) => `jit_${part}_time`);
  const { rows } = await sql.query<
    Omit<StatementHistoryObservation, 'id' | 'kind' | 'tables' | 'shape' | 'timeShare'> & {
      readonly allMs: number;
      readonly hidden: number;
      readonly hiddenMs: number;
    }
  >(
    own(`SELECT max(query) AS text, sum(calls)::float8 AS calls, sum(${time})::float8 AS "totalMs", sum(rows)::float8 AS rows,
           sum(shared_blks_hit + shared_blks_read)::float8 AS blocks, sum(temp_blks_written)::float8 AS "temporaryBlocksWritten",
           sum(temp_blks_read)::float8 AS "temporaryBlocksRead", ${columns.has(jit[0]!) ? `sum(${jit.join(' + ')})` : 'NULL'}::float8 AS "jitMs",
           (sum(sum(${time})) OVER ())::float8 AS "allMs", (sum(count(*) FILTER (WHERE ${isHidden})) OVER ())::int AS hidden,
           (sum(coalesce(sum(${time}) FILTER (WHERE ${isHidden}), 0)) OVER ())::float8 AS "hiddenMs"
      FROM ${name}.pg_stat_statements
     WHERE dbid = (SELECT oid FROM pg_database WHERE datname = current_database()) ${columns.has('toplevel') ? 'AND toplevel' : ''}
     GROUP BY queryid ORDER BY 3 DESC LIMIT ${most}`),
  );
  const { hidden = 0, hiddenMs = 0, allMs = 0 } = rows[0] ?? {};
  const reason = `${hidden} statements of other roles are hidden: GRANT pg_read_all_stats to the role of the database URL`;
  const gaps = hidden > 0 ? [{ capability, reason } as const] : [];
  // What is left would speak for a minority of the work.
  if (hiddenMs > allMs / 2) return { observations: {}, gaps };
  const observed = rows
    .filter(({ text }) => text !== null && text !== '<insufficient privilege>' && !text.includes(ownMark))
    .map(({ allMs: _all, hidden: _hidden, hiddenMs: _hiddenMs, ...row }): StatementHistoryObservation => ({
      ...row,
      ...readStatement(row.text, sqlParser),
      timeShare: allMs > 0 ? row.totalMs / allMs : 0,
    }));
  return { observations: { [capability]: observed }, gaps };
});
