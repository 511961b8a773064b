import { defineAccessRule, indexProposal } from './access-rule.ts';

export const unindexedJsonContainment = defineAccessRule({
  id: 'unindexed-json-containment',
  title: 'Containment without an inverted index',
  documentation: {
    what: 'A statement looks for documents or arrays that contain something (@>), and every one of them is read, unpacked and searched.',
    why: 'An inverted (GIN) index lists for each path and value the rows that hold it; a B-tree cannot.',
    threshold:
      "The index must make the plan clearly cheaper in PostgreSQL's own cost units (at most half), the reading must be most of the plan's cost (half or more), and the statement must certainly take the share of database time asked for (1 % by default, at the lower end of the 95 % interval of its number of calls).",
    fix: 'CREATE INDEX CONCURRENTLY ... USING gin, for documents with jsonb_path_ops, which is smaller and serves @> alone.',
    falsePositives:
      'It is not a defect where the table fits a few pages or most documents match; where documents are written more often than searched, the upkeep of the index can cost more than it saves.',
    sources: ['PostgreSQL manual 8.14.4 jsonb Indexing', 'PostgreSQL manual 65.4 GIN Indexes'],
  },
  complaint: ({ table, columns }) => `no inverted index serves the containment in ${table.name}.${columns.join(', ')}`,
  proposal: (cause) => indexProposal(cause, 'A GIN index finds the rows by what their values contain.'),
});
