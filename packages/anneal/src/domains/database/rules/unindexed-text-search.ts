import { defineAccessRule, indexProposal } from './access-rule.ts';

export const unindexedTextSearch = defineAccessRule({
  id: 'unindexed-text-search',
  title: 'Pattern search without a trigram index',
  description:
    'A LIKE, ILIKE or regular expression may match anywhere in the text, and every row is read and searched for it. ' +
    'An index of trigrams (pg_trgm) narrows the search to rows that hold the pieces of the pattern. ' +
    'It is not a defect where the table fits a few pages; patterns shorter than three letters gain nothing, and long texts that are written often make the index dear.',
  complaint: ({ table, columns }) =>
    `no index serves the pattern on ${table.name}.${columns.join(', ')}, which may match anywhere in the text`,
  proposal: (cause) =>
    indexProposal(cause, 'A trigram index finds the rows that hold the pieces of the pattern, whatever stands before them.'),
});
