import { defineAccessRule, indexProposal } from './access-rule.ts';

export const unindexedTextSearch = defineAccessRule({
  id: 'unindexed-text-search',
  title: 'Pattern search without a trigram index',
  documentation: {
    what: 'A LIKE, ILIKE or regular expression may match anywhere in the text, and every row is read and searched for it.',
    why: 'An index of trigrams (pg_trgm) narrows the search to rows that hold the pieces of the pattern.',
    threshold:
      "The index must make the plan clearly cheaper in PostgreSQL's own cost units (at most half), the reading must be most of the plan's cost (half or more), and the statement must certainly take the share of database time asked for (1 % by default, at the lower end of the 95 % interval of its number of calls).",
    fix: 'CREATE EXTENSION pg_trgm and CREATE INDEX CONCURRENTLY ... USING gin (column gin_trgm_ops).',
    falsePositives:
      'It is not a defect where the table fits a few pages; patterns shorter than three letters gain nothing, and long texts that are written often make the index dear.',
    sources: ['PostgreSQL manual F.35 pg_trgm, Index Support'],
  },
  complaint: ({ table, columns }) =>
    `no index serves the pattern on ${table.name}.${columns.join(', ')}, which may match anywhere in the text`,
  proposal: (cause) =>
    indexProposal(cause, 'A trigram index finds the rows that hold the pieces of the pattern, whatever stands before them.'),
});
