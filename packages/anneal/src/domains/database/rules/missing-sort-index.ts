import { defineAccessRule, indexProposal } from './access-rule.ts';

export const missingSortIndex = defineAccessRule({
  id: 'missing-sort-index',
  title: 'Sorted page without an index in its order',
  description:
    'A statement asks for the first rows of an order, and far more rows are read, and sorted or filtered, than are returned. ' +
    'An index that begins with the compared columns and goes on in the order asked for lets the scan stop after the page. ' +
    'It is not a defect where the conditions leave hardly more rows than the page holds: sorting those costs nothing.',
  complaint: ({ table, columns, page }) =>
    page?.sort === null
      ? `an index of ${table.name} gives the order asked for but not the conditions, so most of what it delivers is thrown away`
      : `no index of ${table.name} gives its rows by ${columns.join(', ')}, so all that match are found and sorted for one page`,
  proposal: (cause) => indexProposal(cause, 'Read in the order of the page, the scan ends with its last row and nothing is sorted.'),
});
