import { defineRule, type RuleOutcome } from '../../../../finding/finding.ts';
import { quantity } from '../../../../finding/wording.ts';
import { accessNeeds, judgeAccess, lookupFactor } from '../scanned-step.ts';
import { allFine, measured, planned, statementOutcome } from '../statement-finding.ts';

export const fullScan = defineRule({
  id: 'mysql/full-scan',
  title: 'Table read from end to end for a few rows',
  documentation: {
    what: 'Most calls of a statement read a table, or a whole index, without finding their way in, for few rows; and no index on plain columns would help as it is written.',
    why: 'Each call costs as much as the table is long.',
    threshold: `More than ${lookupFactor} rows examined for each row given (see mysql/missing-index), in at least half of the calls without an index, on a table of more than 10 pages.`,
    fix: 'Depends on the reason, which the finding names: a column inside a function, an OR over several columns, a pattern, an index that is not taken, or no condition at all (keep the total, or the answer, instead of counting again).',
    falsePositives: 'It is not a defect in a report that must read everything and runs now and then.',
    sources: ['MySQL 8.0 manual 10.2.1.23 Avoiding Full Table Scans', 'MySQL 8.0 manual 10.3.1 How MySQL Uses Indexes'],
  },
  requires: accessNeeds,
  yieldsTo: ['mysql/missing-index', 'mysql/late-sort'],
  diagnose(observations, settings) {
    const outcomes = observations['mysql.statements'].flatMap((statement): readonly RuleOutcome[] => {
      const judged = judgeAccess(statement, observations);
      if ('fine' in judged || !('none' in judged.candidate)) return [];
      const { examinedPerCall, keptPerCall, step, stepShare, table, candidate } = judged;
      // SUM_NO_INDEX_USED is counted for SELECT alone; there the plan must do.
      const scans = statement.kind === 'select' ? statement.noIndexCalls >= statement.calls / 2 : ['ALL', 'index'].includes(step.access);
      if (!scans) return [];
      return [
        statementOutcome(
          statement,
          {
            message: `${table.name} is read from end to end: each call examines ${quantity(examinedPerCall)} rows for ${quantity(keptPerCall)}, because ${candidate.none}`,
            share: stepShare,
            tables: [table.name],
            columns: [],
            evidence: [
              measured('rows examined per call', examinedPerCall, '1'),
              measured('rows given per call', keptPerCall, '1'),
              measured('calls without an index', statement.noIndexCalls, '1'),
              planned('rows read of it', step.rows, '1'),
            ],
            costIfIgnored: `Every call goes on examining ${quantity(examinedPerCall)} rows, and more as ${table.name} grows.`,
            proposal: { title: `Give ${table.name} a way in`, text: `The reason: ${candidate.none}.`, code: null },
            savedShare: null,
          },
          settings,
        ),
      ];
    });
    return allFine(outcomes, observations['mysql.statements'].length);
  },
});
