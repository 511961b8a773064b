import { quantity } from '../../../finding/wording.ts';
import type {
  FilteredColumnObservation,
  StatementHistoryObservation,
  TableHealthObservation,
} from '../../../measurement/database-health.ts';
import { qualifiedName, quoteIdentifier } from '../../../ports/index-sql.ts';
import { createStatisticsSql, mayListCombinations } from '../column-group-statistics.ts';
import { counted, defineCheck, estimated, measured, nameFor, tableKey, type Complaint } from './check.ts';

/** From ten times on plans change: a join that was to run for one row runs for ten (pev2 marks misestimates from here on). */
const misestimateFactor = 10;

export const correlatedColumns = defineCheck({
  id: 'database/correlated-columns',
  title: 'Columns that vary together, planned as if they did not',
  documentation: {
    what: 'A statement compares two or more columns that belong together (city and postcode), and there are no extended statistics on them.',
    why: 'The planner multiplies the share of each condition as if they were independent, expects far too few rows, and chooses nested loops that run many times as often as planned.',
    threshold:
      "Rows a call really returned, against the most that independent columns could give: the table's rows times, for each column, the share of its commonest value. Ten times more cannot be explained by popular values, and is where join choices turn.",
    fix: 'CREATE STATISTICS on the columns together, with a list of the commonest combinations where none of the columns has more values than it holds, then ANALYZE.',
    falsePositives:
      'It is not a defect where the statement joins nothing and has one possible plan anyway: then the wrong estimate changes nothing.',
    sources: ['PostgreSQL manual 14.2.2 Extended Statistics', 'PostgreSQL manual 69.2 Multivariate Statistics Examples'],
  },
  requires: ['postgres.statement-history', 'postgres.filtered-columns', 'postgres.extended-statistics', 'postgres.table-health'],
  examine(observations) {
    const { 'postgres.statement-history': history, 'postgres.filtered-columns': columns, 'postgres.table-health': tables } = observations;
    const known = observations['postgres.extended-statistics'];
    const candidates = history.flatMap((statement) => {
      const group = groupOf(statement, columns, tables);
      return group === null ? [] : [group];
    });
    const complaints = candidates
      .filter((group) => group.actualRows >= misestimateFactor * group.mostIfIndependent)
      .filter(
        ({ row, columns }) =>
          !known.some(
            (statistics) =>
              statistics.schema === row.schema &&
              statistics.table === row.name &&
              columns.every((column) => statistics.columns.includes(column)),
          ),
      )
      .map(complaint);
    return {
      complaints,
      otherwise: `${counted(candidates.length, 'statement')} that compare several columns of one table at once: none returns ten times what independent columns would give, or extended statistics cover it`,
    };
  },
});

interface Group {
  readonly statement: StatementHistoryObservation;
  readonly row: TableHealthObservation;
  readonly columns: readonly string[];
  readonly actualRows: number;
  readonly mostIfIndependent: number;
  /** Whether a list of the commonest combinations would hold the columns' values. */
  readonly mcv: boolean;
}

/** Only where what a call returns is what the conditions keep: one table, no limit, no grouping, all conditions equalities joined by AND. */
function groupOf(
  statement: StatementHistoryObservation,
  known: readonly FilteredColumnObservation[],
  tables: readonly TableHealthObservation[],
): Group | null {
  const { shape, calls } = statement;
  if (shape === null || shape.kind !== 'select' || shape.tables.length !== 1 || calls === 0) return null;
  if (shape.hasLimit || shape.hasOffset || shape.aggregates || shape.groups || shape.predicates.length < 2) return null;
  if (shape.predicates.some(({ operator, column, alternative }) => operator !== '=' || column === null || alternative === true))
    return null;
  const { schema, name } = shape.tables[0]!;
  const named = tables.filter((row) => row.name === name && (schema === null || row.schema === schema));
  const [row] = named;
  // Without a schema the same name in two of them could be either.
  if (row === undefined || named.length > 1 || row.rows <= 0) return null;
  const columns = [...new Set(shape.predicates.map(({ column }) => column!))].toSorted();
  const compared = columns.flatMap((column) =>
    known.filter((other) => other.schema === row.schema && other.table === row.name && other.column === column && other.distinct !== 0),
  );
  if (columns.length < 2 || compared.length < columns.length) return null;
  const shares = compared.map(({ distinct, commonestShare }) =>
    Math.max(commonestShare, 1 / (distinct > 0 ? distinct : -distinct * row.rows)),
  );
  const mostIfIndependent = Math.max(
    1,
    shares.reduce((rows, share) => rows * share, row.rows),
  );
  return { statement, row, columns, actualRows: statement.rows / calls, mostIfIndependent, mcv: mayListCombinations(compared, row.rows) };
}

function complaint({ statement, row, columns, actualRows, mostIfIndependent, mcv }: Group): Complaint {
  const tableName = tableKey(row.schema, row.name);
  const list = columns.map(quoteIdentifier).join(', ');
  const name = nameFor([row.name, ...columns], 'stat');
  return {
    object: { type: 'table', name: `${tableName} (${list})` },
    level: 'warning',
    message: `${list} of ${tableName} vary together: a call returns ${quantity(actualRows)} rows where independent columns give at most ${quantity(mostIfIndependent)}`,
    usedShare: statement.timeShare,
    evidence: [
      measured('rows returned per call', actualRows, '1', 'pg_stat_statements'),
      estimated('rows per call if the columns were independent, at most', mostIfIndependent, '1', 'pg_stats'),
      measured('calls', statement.calls, '1', 'pg_stat_statements'),
      measured('statement', statement.text, '', 'pg_stat_statements'),
    ],
    costIfIgnored: `Every plan over these conditions is made for ${quantity(actualRows / mostIfIndependent)} times fewer rows than come.`,
    fix: {
      title: `Extended statistics on ${tableName} (${list})`,
      text: 'They cost a little of each ANALYZE and of planning. What they change is the estimate; whether a plan changes with it is seen by EXPLAIN.',
      up: `${createStatisticsSql({ schema: row.schema, table: row.name, columns, name, mcv })};\nANALYZE ${tableName};`,
      down: `DROP STATISTICS ${qualifiedName(row.schema, name)};`,
    },
  };
}
