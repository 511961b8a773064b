import { defineAccessRule, indexProposal } from './access-rule.ts';

export const missingExpressionIndex = defineAccessRule({
  id: 'missing-expression-index',
  title: 'Condition on an expression without an index',
  documentation: {
    what: 'A condition compares an expression such as lower(email), and an index on the plain column cannot answer it, so every row is read and computed.',
    why: 'An index on the same expression can; it also gives the planner statistics about its values, which it otherwise guesses.',
    threshold:
      "The index must make the plan clearly cheaper in PostgreSQL's own cost units (at most half), the reading must be most of the plan's cost (half or more), and the statement must certainly take the share of database time asked for (1 % by default, at the lower end of the 95 % interval of its number of calls).",
    fix: 'CREATE INDEX CONCURRENTLY on the expression as the statement writes it, which must be immutable; ANALYZE afterwards gathers its statistics.',
    falsePositives: 'It is not a defect where the table fits a few pages, or where the expression keeps most rows.',
    sources: ['PostgreSQL manual 11.7 Indexes on Expressions'],
  },
  // Where the plain column has an index, a range on it serves, and costs no second one.
  yieldsTo: ['database/function-on-indexed-column'],
  complaint: ({ table, candidate }) => `no index serves ${candidate?.definition.keys.join(', ') ?? 'the expression'} of ${table.name}`,
  proposal: (cause) =>
    indexProposal(
      cause,
      'The index must hold the very expression the statement compares. Run ANALYZE afterwards: the statistics of an expression come with its index.',
    ),
});
