import { defineRule, type RuleOutcome } from '../../../../finding/finding.ts';
import { quantity } from '../../../../finding/wording.ts';
import type { MysqlForeignKeyObservation, MysqlStatementObservation } from '../../../../measurement/mysql-observations.ts';
import { allFine, measured, statementOutcome } from '../statement-finding.ts';

/** Fewer than three rows make no loop worth writing otherwise; the agent's rule counts from three too. */
const fewestRows = 3;
/** Digests are read while calls are under way, and keys that are NULL are not looked up. */
const toleranceShare = 0.1;

export const nPlusOne = defineRule({
  id: 'mysql/n-plus-one',
  title: 'One lookup for each row of another statement',
  documentation: {
    what: 'A statement that looks up by equality ran as often as another one, over a table that a foreign key ties to its own, has given rows: what a loop with a query in it leaves behind.',
    why: 'Each call is a round trip; one statement with all the keys, or a join, makes one.',
    threshold:
      'The other statement gives at least 3 rows a call, and the two counts agree within a tenth. The foreign key is asked for because among many statements some counts agree by chance.',
    fix: 'Collect the keys and fetch with one IN (...), or join.',
    falsePositives:
      'It is not proven: a digest does not know which request a call belongs to, so this is a question; following single requests would answer it, and the agent does not follow the drivers of MySQL yet. It is not a defect where the counts agree by chance.',
    sources: ['MariaDB: Performance Schema events_statements_summary_by_digest'],
  },
  requires: ['mysql.statements', 'mysql.foreign-keys'],
  diagnose({ 'mysql.statements': statements, 'mysql.foreign-keys': keys }, settings) {
    const outcomes = statements.flatMap((child): readonly RuleOutcome[] => {
      const lookedUp = lookupTable(child);
      if (lookedUp === null) return [];
      const parents = statements.filter((parent) => feeds(parent, child, lookedUp, keys));
      const parent = parents.toSorted((one, other) => distance(one, child) - distance(other, child))[0];
      return parent === undefined ? [] : [statementOutcome(child, complain(child, parent, lookedUp), settings)];
    });
    return allFine(outcomes, statements.length);
  },
});

/** The one table a statement looks up in by equality alone; null for others. */
function lookupTable({ kind, shape }: MysqlStatementObservation): string | null {
  const looks =
    kind === 'select' &&
    shape?.tables.length === 1 &&
    shape.conditions.length > 0 &&
    shape.conditions.every((condition) => condition.kind === 'equal');
  return looks ? shape.tables[0]!.table : null;
}

function feeds(
  parent: MysqlStatementObservation,
  child: MysqlStatementObservation,
  lookedUp: string,
  keys: readonly MysqlForeignKeyObservation[],
): boolean {
  const tied = new Set(
    keys.flatMap(({ table, referencedTable }) => (table === lookedUp ? [referencedTable] : referencedTable === lookedUp ? [table] : [])),
  );
  return (
    parent.id !== child.id &&
    parent.kind === 'select' &&
    parent.rowsSent / parent.calls >= fewestRows &&
    (parent.shape?.tables ?? []).some(({ table }) => table !== null && tied.has(table)) &&
    distance(parent, child) <= toleranceShare
  );
}

function distance(parent: MysqlStatementObservation, child: MysqlStatementObservation): number {
  return Math.abs(child.calls - parent.rowsSent) / Math.max(parent.rowsSent, 1);
}

function complain(child: MysqlStatementObservation, parent: MysqlStatementObservation, lookedUp: string) {
  const rows = parent.rowsSent / parent.calls;
  return {
    level: 'note' as const,
    message: `perhaps a query for each row: ${lookedUp} was looked up ${quantity(child.calls)} times, and “${parent.text}” gave ${quantity(parent.rowsSent)} rows in ${quantity(parent.calls)} calls`,
    share: 1,
    tables: [lookedUp],
    columns: child.shape!.conditions.flatMap((condition) => (condition.kind === 'equal' ? [condition.column] : [])),
    evidence: [
      measured('rows given per call', child.rowsSent / child.calls, '1'),
      measured('calls of the statement that feeds it', parent.calls, '1'),
      measured('rows it gave', parent.rowsSent, '1'),
      measured('rows it gave per call', rows, '1'),
    ],
    costIfIgnored: `If so, each of its calls is followed by ${quantity(rows)} round trips, as many as there are rows.`,
    proposal: {
      title: `Fetch from ${lookedUp} for all rows at once`,
      text: 'Collect the keys of the rows and ask once with IN (...), or join. To find the line, look for a query inside a loop over the rows of the other statement.',
      code: null,
    },
    savedShare: null,
  };
}
