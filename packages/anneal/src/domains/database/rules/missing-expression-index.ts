import { defineAccessRule, indexProposal } from './access-rule.ts';

export const missingExpressionIndex = defineAccessRule({
  id: 'missing-expression-index',
  title: 'Condition on an expression without an index',
  description:
    'A condition compares an expression such as lower(email), and an index on the plain column cannot answer it, so every row is read and computed. ' +
    'An index on the same expression can; it also gives the planner statistics about its values, which it otherwise guesses. ' +
    'It is not a defect where the table fits a few pages, or where the expression keeps most rows.',
  // Where the plain column has an index, a range on it serves, and costs no second one.
  yieldsTo: ['database/function-on-indexed-column'],
  complaint: ({ table, candidate }) => `no index serves ${candidate?.definition.keys.join(', ') ?? 'the expression'} of ${table.name}`,
  proposal: (cause) =>
    indexProposal(
      cause,
      'The index must hold the very expression the statement compares. Run ANALYZE afterwards: the statistics of an expression come with its index.',
    ),
});
