import { bytes, percent } from '../../../finding/wording.ts';
import { counted, defineCheck, measured, table, tableKey, type Complaint } from './check.ts';

/** From four fifths on, a row read whole is mostly its out-of-line values: each a search in the TOAST index and further pages. */
const heavyFactor = 4;
const noticedShare = 0.01;

export const toastHeavyTable = defineCheck({
  id: 'database/toast-heavy-table',
  title: 'Large values fetched with every row',
  documentation: {
    what: 'Most of a table is large values stored out of line (TOAST), and statements select every column of it.',
    why: 'Each such value costs a search in the TOAST index, the pages of its pieces and unpacking, also for callers that show a title only.',
    threshold:
      'At least four fifths of the table’s bytes are out of line, and statements with SELECT * on it take at least a hundredth of all database time: then the large values are most of what they read.',
    fix: 'Name the columns that are used; where the large one is rarely used, move it into a table of its own.',
    falsePositives: 'It is not a defect where the large values are what is asked for.',
    sources: ['PostgreSQL manual 66.2 TOAST'],
  },
  requires: ['postgres.table-health', 'postgres.statement-history'],
  examine({ 'postgres.table-health': tables, 'postgres.statement-history': history }) {
    const heavy = tables.filter(({ toastBytes, sizeBytes }) => toastBytes >= heavyFactor * sizeBytes && sizeBytes > 0);
    const complaints = heavy.flatMap((row): Complaint[] => {
      const names = new Set([row.name, `${row.schema}.${row.name}`]);
      const greedy = history.filter(({ shape, tables }) => shape?.selectsStar === true && tables.some((name) => names.has(name)));
      const share = greedy.reduce((sum, { timeShare }) => sum + timeShare, 0);
      const [first] = greedy;
      if (first === undefined || share < noticedShare) return [];
      return [
        {
          object: table(row),
          level: 'note',
          message: `${tableKey(row.schema, row.name)} keeps ${bytes(row.toastBytes)} out of line beside ${bytes(row.sizeBytes)} of rows, and SELECT * on it takes ${percent(share)} of all database time`,
          usedShare: share,
          evidence: [
            measured('out of line', row.toastBytes, 'By', 'pg_relation_size of the TOAST table'),
            measured('rows themselves', row.sizeBytes, 'By', 'pg_relation_size'),
            measured('statement', first.text, '', 'pg_stat_statements'),
            measured('calls', first.calls, '1', 'pg_stat_statements'),
          ],
          costIfIgnored: 'Every row read brings values that may not be used, each by a search of its own.',
          fix: {
            title: 'Select the columns that are used',
            text: 'Replace the star by names, beginning with the statement above.',
            up: null,
          },
        },
      ];
    });
    return {
      complaints,
      otherwise: `${counted(heavy.length, 'table')} with four fifths out of line: none is read by a SELECT * of weight`,
    };
  },
});
