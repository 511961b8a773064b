import type { FilteredColumnObservation } from '../../../measurement/database-health.ts';
import type { Derivation } from '../../../measurement/measurement.ts';
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
      own(`SELECT schemaname AS schema, tablename AS "table", attname AS "column",
             coalesce(most_common_freqs[1], 0)::float8 AS "commonestShare", n_distinct::float8 AS "distinct"
        FROM pg_stats WHERE tablename = ANY($1) AND NOT inherited`),
      [names],
    );
    return { observations: { [capability]: rows }, gaps: [] };
  },
};
