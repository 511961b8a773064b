import { defineRule, type RuleOutcome } from '../../../../finding/finding.ts';
import { quantity } from '../../../../finding/wording.ts';
import { allFine, measured, statementOutcome } from '../statement-finding.ts';

export const diskTemporaryTable = defineRule({
  id: 'mysql/disk-temporary-table',
  title: 'Intermediate results on disk',
  documentation: {
    what: 'Calls of a statement put an intermediate result (GROUP BY, DISTINCT, UNION, a derived table) into a temporary table on disk.',
    why: 'Rows are written and read again through the file system, where memory would do or an index would make the step needless.',
    threshold:
      'At least half of its calls: it is then what the statement does, and not what a rare set of values makes of it. Its cost is at most the statement’s whole time, and is told as that.',
    fix: 'Leave TEXT and BLOB columns out of what is grouped and join them afterwards; an index in the order of the GROUP BY; a larger tmp_table_size only where the rows are small and the limit is what they meet.',
    falsePositives: 'It is not a defect in a report that runs now and then.',
    sources: ['MySQL 8.0 manual 10.4.4 Internal Temporary Table Use in MySQL', 'MariaDB: Created_tmp_disk_tables, tmp_memory_table_size'],
  },
  requires: ['mysql.statements'],
  diagnose({ 'mysql.statements': statements }, settings) {
    const outcomes = statements.flatMap((statement): readonly RuleOutcome[] => {
      const { calls, diskTemporaryTables, temporaryTables, shape } = statement;
      const perCall = diskTemporaryTables / calls;
      if (perCall < 0.5) return [];
      return [
        statementOutcome(
          statement,
          {
            message: `its intermediate result goes to disk: ${quantity(perCall)} of ${quantity(temporaryTables / calls)} temporary tables in each call`,
            share: Math.min(perCall, 1),
            tables: shape?.tables.flatMap(({ table }) => table ?? []) ?? [],
            columns: [],
            evidence: [
              measured('temporary tables on disk per call', perCall, '1'),
              measured('temporary tables per call', temporaryTables / calls, '1'),
            ],
            costIfIgnored: 'Every such call writes its intermediate rows to files and reads them again.',
            proposal: {
              title: 'Keep the intermediate result in memory, or make it needless',
              text: 'Select TEXT and BLOB columns after grouping, not before; an index in the order of GROUP BY needs no temporary table at all; tmp_table_size and max_heap_table_size bound what may stay in memory.',
              code: null,
            },
            savedShare: null,
          },
          settings,
        ),
      ];
    });
    return allFine(outcomes, statements.length);
  },
});
