import { counted, defineCheck, measured, table } from './check.ts';

export const missingPrimaryKey = defineCheck({
  id: 'database/missing-primary-key',
  title: 'Table without a primary key',
  documentation: {
    what: 'Nothing in the table tells two rows apart: it has neither a primary key nor a unique index over columns that are never null.',
    why: 'Duplicates cannot be found or removed singly, an UPDATE of one row has to search for it, logical replication refuses updates and deletes, and online tools (pg_repack, change capture) refuse the table.',
    threshold:
      'Every table of rows; partitions count with their partitioned table. There is no size below which two equal rows can be told apart.',
    fix: 'Make the columns that identify a row its primary key; only where there are none, add an identity column.',
    falsePositives:
      'It is not a defect in a table that only collects (a log that is read as a whole, a staging table that is emptied after each load).',
    sources: ['PostgreSQL manual 5.5.4 Primary Keys', 'PostgreSQL manual 29.1.1 Replica Identity'],
  },
  requires: ['postgres.table-health'],
  examine({ 'postgres.table-health': tables }) {
    const looked = tables.filter(({ kind, isPartition }) => kind !== 'materialized-view' && !isPartition);
    const complaints = looked
      .filter(({ hasPrimaryKey, hasUniqueKey }) => !hasPrimaryKey && !hasUniqueKey)
      .map((row) => {
        const object = table(row);
        return {
          object,
          level: 'warning' as const,
          message: `${object.name} has neither a primary key nor another key that is never null`,
          usedShare: 0,
          evidence: [measured('rows', row.rows, '1', 'pg_class'), measured('keys', 0, '1', 'pg_index')] as const,
          costIfIgnored:
            'No row of it can be named, so a duplicate can be neither prevented nor removed singly, and logical replication of its changes fails.',
          fix: {
            title: `Give ${object.name} a primary key`,
            text:
              'Where columns identify a row already, make those the key (ADD PRIMARY KEY). Otherwise this adds one; it rewrites the table under an exclusive lock, so on a large table ' +
              'add a plain bigint column first, fill it in batches, index it CONCURRENTLY and attach the index with ADD PRIMARY KEY USING INDEX.',
            up: `ALTER TABLE ${object.name} ADD COLUMN id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY;`,
            down: `ALTER TABLE ${object.name} DROP COLUMN id;`,
          },
        };
      });
    return { complaints, otherwise: `${counted(looked.length, 'table')} looked at: all have a key` };
  },
});
