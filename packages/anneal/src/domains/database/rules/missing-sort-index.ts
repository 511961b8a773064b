import { defineAccessRule, indexProposal } from './access-rule.ts';

export const missingSortIndex = defineAccessRule({
  id: 'missing-sort-index',
  title: 'Sorted page without an index in its order',
  documentation: {
    what: 'A statement asks for the first rows of an order, and far more rows are read, and sorted or filtered, than are returned.',
    why: 'An index that begins with the compared columns and goes on in the order asked for lets the scan stop after the page.',
    threshold:
      "The index must make the plan clearly cheaper in PostgreSQL's own cost units (at most half), the reading must be most of the plan's cost (half or more), and the statement must certainly take the share of database time asked for (1 % by default, at the lower end of the 95 % interval of its number of calls). Reading in the order of the index must also be clearly cheaper than finding the matching rows by an index and sorting them.",
    fix: 'CREATE INDEX CONCURRENTLY with the compared columns first and the order asked for behind them.',
    falsePositives: 'It is not a defect where the conditions leave hardly more rows than the page holds: sorting those costs nothing.',
    sources: ['PostgreSQL manual 11.4 Indexes and ORDER BY'],
  },
  complaint: ({ table, columns, page }) =>
    page?.sort === null
      ? `an index of ${table.name} gives the order asked for but not the conditions, so most of what it delivers is thrown away`
      : `no index of ${table.name} gives its rows by ${columns.join(', ')}, so all that match are found and sorted for one page`,
  proposal: (cause) => indexProposal(cause, 'Read in the order of the page, the scan ends with its last row and nothing is sorted.'),
});
