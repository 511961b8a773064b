import { quantity } from '../../../finding/wording.ts';
import type { IndexHealthObservation } from '../../../measurement/database-health.ts';
import { indexSql, qualifiedName, quoteIdentifier } from '../../../ports/index-sql.ts';
import { counted, defineCheck, measured, nameFor, table, tableKey, type Complaint } from './check.ts';

/** An index costs about three page reads to descend; reading ten pages in a row costs no more than that. */
const smallPages = 10;

export const unindexedForeignKey = defineCheck({
  id: 'database/unindexed-foreign-key',
  title: 'Foreign key that deletes have to search for',
  documentation: {
    what: 'Rows of a referenced table are deleted, and the referring columns have no index.',
    why: 'For each deleted row PostgreSQL looks for referring rows (to refuse, cascade or set null) and reads the whole referring table, holding the lock on the deleted row meanwhile.',
    threshold:
      'The referenced table saw deletes since the statistics were reset, and the referring table is longer than 10 pages: up to there reading it costs no more than descending an index.',
    fix: 'An index that begins with the referring columns, in any order among themselves.',
    falsePositives:
      'It is not a defect where nothing is ever deleted from the referenced table; reads along the reference are judged by database/missing-foreign-key-index.',
    sources: ['PostgreSQL manual 5.5.5 Foreign Keys, last paragraphs'],
  },
  requires: ['postgres.foreign-keys', 'postgres.table-health', 'postgres.index-health'],
  examine({ 'postgres.foreign-keys': foreignKeys, 'postgres.table-health': tables, 'postgres.index-health': indexes }) {
    const byName = new Map(tables.map((row) => [tableKey(row.schema, row.name), row]));
    const byTable = Map.groupBy(indexes, (index) => tableKey(index.schema, index.table));
    const bare = foreignKeys.filter(
      (key) => !(byTable.get(tableKey(key.schema, key.table)) ?? []).some((index) => serves(index, key.columns)),
    );
    const complaints = bare.flatMap((key): Complaint[] => {
      const child = byName.get(tableKey(key.schema, key.table));
      const parent = byName.get(tableKey(key.referencedSchema, key.referencedTable));
      // The partitioned table speaks for its partitions.
      if (child === undefined || parent === undefined || child.isPartition || parent.deletes === 0 || child.pages <= smallPages) return [];
      const columns = key.columns.map(quoteIdentifier).join(', ');
      const definition = {
        schema: key.schema,
        table: key.table,
        keys: key.columns.map(quoteIdentifier),
        method: 'btree',
        include: [],
        predicate: null,
      } as const;
      const name = nameFor([key.table, ...key.columns], 'idx');
      return [
        {
          object: { type: 'table', name: `${table(child).name} (${columns})` },
          level: 'warning',
          message: `each of ${quantity(parent.deletes)} deletes from ${table(parent).name} read all ${quantity(child.pages)} pages of ${table(child).name}: ${columns} has no index`,
          usedShare: 0,
          evidence: [
            measured(`rows deleted from ${parent.name}`, parent.deletes, '1', 'pg_stat_get_tuples_deleted'),
            measured(`pages of ${child.name}`, child.pages, '1', 'pg_class'),
            measured('foreign key', key.name, '', 'pg_constraint'),
          ],
          costIfIgnored: `A delete from ${table(parent).name} takes longer the larger ${table(child).name} grows, and holds its locks for that time.`,
          fix: {
            title: `Index ${table(child).name} (${columns})`,
            text: 'Built beside readers and writers. Every insert into the referring table then writes one entry more.',
            // One statement builds no index concurrently over partitions (manual, CREATE INDEX).
            up: `${indexSql(definition, { name, concurrently: child.kind !== 'partitioned' })};`,
            down: `DROP INDEX ${child.kind === 'partitioned' ? '' : 'CONCURRENTLY '}${qualifiedName(key.schema, name)};`,
          },
        },
      ];
    });
    return {
      complaints,
      otherwise: `${counted(foreignKeys.length, 'foreign key')} looked at, ${bare.length} without an index: none of these has both deletes of referenced rows and a referring table of more than ${smallPages} pages`,
    };
  },
});

/** The columns are, in any order, the index's first; a partial index may only leave out nulls, which refer to nothing. */
function serves(index: IndexHealthObservation, columns: readonly string[]): boolean {
  const leading = new Set(index.keys.slice(0, columns.length).map(({ column }) => column));
  const allowed = new Set(columns.map((column) => `${quoteIdentifier(column)} IS NOT NULL`));
  const isWhole = index.predicate === null || index.predicate.split(' AND ').every((condition) => allowed.has(condition));
  return index.isValid && index.method === 'btree' && isWhole && columns.every((column) => leading.has(column));
}
