import type { FilteredColumnObservation } from '../../../measurement/database-health.ts';
import type { Derivation } from '../../../measurement/measurement.ts';
import { statisticsTargetSql } from '../column-group-statistics.ts';
import { own } from '../probes/database-probe.ts';

const capability = 'postgres.filtered-columns';

/** The commonest value's share, for the columns of tables whose statements compare several at once. No value is read. */
export const filteredColumns: Derivation = {
  id: 'filtered columns',
  provides: [capability],
  async derive({ sql }, { 'postgres.statement-history': history }) {
    if (sql === null) return { observations: {}, gaps: [{ capability, reason: 'the target has no database' }] };
    if (history === undefined) return { observations: {}, gaps: [{ capability, reason: 'the history of statements cannot be read' }] };
    const filtering = history.filter(
      ({ shape }) => shape !== null && shape.predicates.filter(({ operator }) => operator === '=').length >= 2,
    );
    const names = [...new Set(filtering.flatMap(({ shape }) => shape!.tables.map(({ name }) => name)))];
    if (names.length === 0) return { observations: { [capability]: [] }, gaps: [] };
    const { rows } = await sql.query<FilteredColumnObservation>(
      own(`SELECT s.schemaname AS schema, s.tablename AS "table", s.attname AS "column",
             coalesce(s.most_common_freqs[1], 0)::float8 AS "commonestShare", s.n_distinct::float8 AS "distinct",
             ${statisticsTargetSql} AS "statisticsTarget"
        FROM pg_stats s
        JOIN pg_namespace n ON n.nspname = s.schemaname
        JOIN pg_class c ON c.relnamespace = n.oid AND c.relname = s.tablename
        JOIN pg_attribute a ON a.attrelid = c.oid AND a.attname = s.attname
       WHERE s.tablename = ANY($1) AND NOT s.inherited`),
      [names],
    );
    return { observations: { [capability]: rows }, gaps: [] };
  },
};
