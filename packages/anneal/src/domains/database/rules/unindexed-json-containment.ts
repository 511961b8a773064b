import { defineAccessRule, indexProposal } from './access-rule.ts';

export const unindexedJsonContainment = defineAccessRule({
  id: 'unindexed-json-containment',
  title: 'Containment without an inverted index',
  description:
    'A statement looks for documents or arrays that contain something (@>), and every one of them is read, unpacked and searched. ' +
    'An inverted (GIN) index lists for each path and value the rows that hold it; a B-tree cannot. ' +
    'It is not a defect where the table fits a few pages or most documents match; where documents are written more often than searched, the upkeep of the index can cost more than it saves.',
  complaint: ({ table, columns }) => `no inverted index serves the containment in ${table.name}.${columns.join(', ')}`,
  proposal: (cause) => indexProposal(cause, 'A GIN index finds the rows by what their values contain.'),
});
