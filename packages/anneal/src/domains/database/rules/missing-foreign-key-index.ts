import { defineAccessRule, indexProposal } from './access-rule.ts';

export const missingForeignKeyIndex = defineAccessRule({
  id: 'missing-foreign-key-index',
  title: 'Reference without an index',
  description:
    'A statement follows a reference (a declared foreign key, or a column named like one) from the referenced side, and the whole table is read to find the few rows that refer. ' +
    'PostgreSQL indexes the referenced key but not the referring column, so the cost grows with the table, for reads and for every DELETE of a referenced row. ' +
    'It is not a defect where the table fits a few pages, where most rows match, or where the table is written far more than it is read this way.',
  complaint: ({ table, columns, foreignKey }) =>
    foreignKey === null
      ? `${table.name}.${columns.join(', ')} looks like a reference and has no index`
      : `${table.name}.${foreignKey.columns.join(', ')} refers to ${foreignKey.referencedTable} and has no index`,
  proposal: (cause) =>
    indexProposal(
      cause,
      'An index on the referring column finds the rows directly; deleting or re-keying a referenced row uses it as well.',
    ),
});
