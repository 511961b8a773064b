import { defineAccessRule, indexProposal } from './access-rule.ts';

export const missingIndex = defineAccessRule({
  id: 'missing-index',
  title: 'Selective condition without an index',
  documentation: {
    what: 'A condition keeps few rows of a table, and the table is read from end to end to find them.',
    why: 'The cost of a call grows with the table instead of with its answer, and the pages it reads push others out of memory.',
    threshold:
      "The index must make the plan clearly cheaper in PostgreSQL's own cost units (at most half), the reading must be most of the plan's cost (half or more), and the statement must certainly take the share of database time asked for (1 % by default, at the lower end of the 95 % interval of its number of calls). A table whose pages cost no more to read than one look-up in an index is left alone.",
    fix: 'CREATE INDEX CONCURRENTLY with the columns compared for equality first, then one range or the order asked for.',
    falsePositives:
      'It is not a defect where the table fits a few pages, where the condition keeps so many rows that fetching them one by one costs as much, or where the statement hardly ever runs.',
    sources: ['PostgreSQL manual 11.3 Multicolumn Indexes', 'PostgreSQL manual 19.7.2 Planner Cost Constants'],
  },
  complaint: ({ table, columns }) => `no index serves the condition on ${table.name}.${columns.join(', ')}`,
  proposal: (cause) => indexProposal(cause, 'An index on the compared columns leads to the rows the condition keeps.'),
});
