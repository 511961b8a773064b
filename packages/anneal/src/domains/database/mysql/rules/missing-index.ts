import { defineRule, type RuleOutcome } from '../../../../finding/finding.ts';
import { quantity } from '../../../../finding/wording.ts';
import { addIndexSql, dropIndexSql, indexNameFor } from '../index-sql.ts';
import { accessNeeds, judgeAccess, lookupFactor, type WastefulStatement } from '../scanned-step.ts';
import { allFine, measured, planned, statementOutcome } from '../statement-finding.ts';

export const missingIndex = defineRule({
  id: 'mysql/missing-index',
  title: 'Condition without an index',
  documentation: {
    what: 'A statement examines many rows of a table for each row it gives, and no index begins with the columns it compares.',
    why: 'The cost of a call grows with the table instead of with its answer, and what it reads pushes other pages out of the buffer pool.',
    threshold:
      'More than 11 rows examined for each row given: by the server’s own cost constants (0.1 to judge a row, 1 to read a page) a row found through an index costs at the worst as much as 11 read in a row. Not where the table fits 10 pages.',
    fix: 'An index on the columns compared for equality, then those of the sort a LIMIT ends, else one range. It is built in place, hidden, and switched on when it is complete.',
    falsePositives:
      'It is not a defect where the statement hardly ever runs, or where the table is written far more often than read. Where rows are summed up or sorted before a LIMIT, how many the condition keeps is not counted, and the finding is a question.',
    sources: [
      'MySQL 8.0 manual 10.9.5 The Optimizer Cost Model',
      'MySQL 8.0 manual 10.3.6 Multiple-Column Indexes',
      'MariaDB: Performance Schema events_statements_summary_by_digest',
    ],
  },
  requires: accessNeeds,
  diagnose(observations, settings) {
    const outcomes = observations['mysql.statements'].flatMap((statement): readonly RuleOutcome[] => {
      const judged = judgeAccess(statement, observations);
      if ('fine' in judged || 'none' in judged.candidate || !judged.candidate.filters) return [];
      return [statementOutcome(statement, complain(judged, judged.candidate, observations['mysql.indexes']), settings)];
    });
    return allFine(outcomes, observations['mysql.statements'].length);
  },
});

/** What is said of an index that would serve; the rule about sorts says it too. */
export function complain(
  { examinedPerCall, keptPerCall, isKeptKnown, step, stepShare, table }: WastefulStatement,
  { columns, reason }: { readonly columns: readonly string[]; readonly reason: string },
  indexes: readonly { readonly table: string; readonly name: string }[],
) {
  const name = indexNameFor(
    columns,
    indexes.filter((index) => index.table === table.name).map((index) => index.name),
  );
  const way = step.access === 'ALL' ? 'the whole table' : `index ${step.index ?? ''} (${step.access})`;
  return {
    message: `no index on ${table.name} begins with ${columns.join(', ')}: each call examines ${quantity(examinedPerCall)} rows for ${quantity(keptPerCall)}`,
    share: stepShare,
    ...(isKeptKnown ? {} : { level: 'note' as const }),
    tables: [table.name],
    columns,
    evidence: [
      measured('rows examined per call', examinedPerCall, '1'),
      measured('rows given per call', keptPerCall, '1'),
      planned(`way to ${table.name}`, way, ''),
      planned('rows read by it', step.rows, '1'),
    ],
    costIfIgnored: `Every call goes on examining ${quantity(examinedPerCall)} rows, and more as ${table.name} grows.`,
    proposal: {
      title: `Index ${table.name} (${columns.join(', ')})`,
      text:
        `Columns: ${reason}.` +
        (isKeptKnown ? '' : ' How many rows the condition keeps is not counted by the server: look at the plan with it before it stays.'),
      code: `${addIndexSql(table.name, name, columns)};`,
      undo: `${dropIndexSql(table.name, name)};`,
    },
    savedShare: isKeptKnown ? Math.max(1 - (lookupFactor * Math.max(keptPerCall, 1)) / examinedPerCall, 0) : null,
  };
}
