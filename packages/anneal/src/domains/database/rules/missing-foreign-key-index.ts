import { defineAccessRule, indexProposal } from './access-rule.ts';

export const missingForeignKeyIndex = defineAccessRule({
  id: 'missing-foreign-key-index',
  title: 'Reference without an index',
  documentation: {
    what: 'A statement follows a reference (a declared foreign key, or a column named like one) from the referenced side, and the whole table is read to find the few rows that refer.',
    why: 'PostgreSQL indexes the referenced key but not the referring column, so the cost grows with the table, for reads and for every DELETE of a referenced row.',
    threshold:
      "The index must make the plan clearly cheaper in PostgreSQL's own cost units (at most half), the reading must be most of the plan's cost (half or more), and the statement must certainly take the share of database time asked for (1 % by default, at the lower end of the 95 % interval of its number of calls). A table whose pages cost no more to read than one look-up in an index is left alone. Where keeping the index up would cost the writes more than half of what it saves the finding is a question; from ten times on it is none.",
    fix: 'CREATE INDEX CONCURRENTLY on the referring columns, joined by what else the statement compares and sorts by.',
    falsePositives:
      'It is not a defect where the table fits a few pages, where most rows match, or where the table is written far more than it is read this way.',
    sources: ['PostgreSQL manual 5.5.5 Foreign Keys', 'PostgreSQL manual 19.7.2 Planner Cost Constants'],
  },
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
