import { defineAccessRule, indexProposal } from './access-rule.ts';

export const missingIndex = defineAccessRule({
  id: 'missing-index',
  title: 'Selective condition without an index',
  description:
    'A condition keeps few rows of a table, and the table is read from end to end to find them. ' +
    'The cost of a call grows with the table instead of with its answer, and the pages it reads push others out of memory. ' +
    'It is not a defect where the table fits a few pages, where the condition keeps so many rows that fetching them one by one costs as much, or where the statement hardly ever runs.',
  complaint: ({ table, columns }) => `no index serves the condition on ${table.name}.${columns.join(', ')}`,
  proposal: (cause) => indexProposal(cause, 'An index on the compared columns leads to the rows the condition keeps.'),
});
