import { quoteName } from '../../../../ports/mysql.ts';
import { counted, defineCheck, measured } from '../../checks/check.ts';

export const missingPrimaryKey = defineCheck({
  id: 'mysql/missing-primary-key',
  title: 'Table without a primary key',
  documentation: {
    what: 'A table has neither a primary key nor a unique index over columns that are never null.',
    why: 'InnoDB then orders its rows by a hidden number that is drawn under one lock for all such tables; no row can be named, and row-based replication finds each changed row by a scan of the table.',
    threshold: 'Every table of InnoDB; there is no size below which two equal rows can be told apart.',
    fix: 'Make the columns that identify a row its primary key; only where there are none, add a number.',
    falsePositives: 'It is not a defect in a table that only collects and is emptied as a whole.',
    sources: ['MySQL 8.0 manual 17.6.2.1 Clustered and Secondary Indexes', 'MySQL 8.0 manual: Replication and Row Searches'],
  },
  requires: ['mysql.tables', 'mysql.columns', 'mysql.indexes'],
  examine({ 'mysql.tables': tables, 'mysql.columns': columns, 'mysql.indexes': indexes }) {
    const nullable = new Set(columns.filter((column) => column.nullable).map(({ table, name }) => JSON.stringify([table, name])));
    const keyed = new Set(
      indexes
        .filter(
          ({ isPrimary, isUnique, keys, table }) =>
            isPrimary || (isUnique && keys.every(({ column }) => column !== null && !nullable.has(JSON.stringify([table, column])))),
        )
        .map(({ table }) => table),
    );
    const looked = tables.filter(({ engine }) => engine === 'InnoDB');
    const complaints = looked
      .filter(({ name }) => !keyed.has(name))
      .map(({ name, rows }) => ({
        object: { type: 'table' as const, name },
        level: 'warning' as const,
        message: `${name} has neither a primary key nor another key that is never null`,
        usedShare: 0,
        evidence: [
          measured('keys', 0, '1', 'information_schema.STATISTICS'),
          measured('rows', rows, '1', 'information_schema.TABLES'),
        ] as const,
        costIfIgnored: 'No row of it can be named; each row changed costs a replica a scan of the table.',
        fix: {
          title: `Give ${name} a primary key`,
          text: 'Where columns identify a row already, make those the key. Otherwise this adds one; it rewrites the table, and writes wait meanwhile.',
          up: `ALTER TABLE ${quoteName(name)} ADD COLUMN id bigint UNSIGNED NOT NULL AUTO_INCREMENT PRIMARY KEY;`,
          down: `ALTER TABLE ${quoteName(name)} DROP COLUMN id;`,
        },
      }));
    return { complaints, otherwise: `${counted(looked.length, 'table')} looked at: all have a key` };
  },
});
