import { bytes, percent, quantity } from '../../../finding/wording.ts';
import { indexSql, quoteIdentifier } from '../../../ports/index-sql.ts';
import { counted, defineCheck, measured, nameFor, table, tableKey, type Complaint } from './check.ts';

/**
 * With correlation r a row lies about √(1 - r²) of the column's spread away from its place: at 0.99 a range is spread
 * over a seventh of the table, beyond which a BRIN index, which can only leave out whole ranges of pages, stops paying.
 */
const orderedCorrelation = 0.99;
/** Updates put new versions wherever there is room and end the order; a tenth is what the correlation above bears. */
const appendOnlyShare = 0.1;

export const timeSeriesTable = defineCheck({
  id: 'database/time-series-table',
  title: 'Large table that grows by time',
  documentation: {
    what: 'A table larger than memory is written in the order of a timestamp and hardly changed afterwards.',
    why: 'A B-tree over the timestamp is as large as it needs not be, old rows can only be removed row by row, and vacuum goes over all of it.',
    threshold:
      'Larger than the machine’s memory (manual 5.12: the point from which on partitioning is worth it), or four times shared_buffers where the memory is not known; a timestamp with a correlation of 0.99 or more, at which ranges are spread over no more than a seventh of the table; at most a tenth of the rows ever updated.',
    fix: 'Partition it by that column, so that old rows are dropped with their partition; a BRIN index on the column is a thousandth of the B-tree’s size and serves ranges.',
    falsePositives: 'It is not a defect where rows are only ever read by their key and never removed.',
    sources: ['PostgreSQL manual 5.12 Table Partitioning', 'PostgreSQL manual 65.5 BRIN Indexes'],
  },
  requires: ['postgres.table-health', 'postgres.time-columns', 'postgres.index-health', 'postgres.configuration', 'postgres.server'],
  examine(observations) {
    const { 'postgres.table-health': tables, 'postgres.time-columns': columns, 'postgres.server': server } = observations;
    const cacheBytes = observations['postgres.configuration']['shared_buffers']?.value ?? 128 * 1024 ** 2;
    const largeBytes = server.memoryBytes ?? 4 * cacheBytes;
    const large = tables.filter((row) => row.kind === 'table' && !row.isPartition && row.sizeBytes > largeBytes);
    const complaints = large.flatMap((row): Complaint[] => {
      const ordered = columns
        .filter(
          (column) =>
            tableKey(column.schema, column.table) === tableKey(row.schema, row.name) && Math.abs(column.correlation) >= orderedCorrelation,
        )
        .toSorted((one, other) => Math.abs(other.correlation) - Math.abs(one.correlation))[0];
      if (ordered === undefined || row.inserts === 0 || row.updates > appendOnlyShare * row.inserts) return [];
      const onColumn = observations['postgres.index-health'].filter(
        (index) => tableKey(index.schema, index.table) === tableKey(row.schema, row.name) && index.keys[0]?.column === ordered.column,
      );
      const btree = onColumn.find(({ method }) => method === 'btree');
      const hasBrin = onColumn.some(({ method }) => method === 'brin');
      const key = quoteIdentifier(ordered.column);
      const name = nameFor([row.name, ordered.column], 'brin');
      const definition = { schema: row.schema, table: row.name, keys: [key], method: 'brin', include: [], predicate: null } as const;
      return [
        {
          object: table(row),
          level: 'note',
          message: `${table(row).name} (${bytes(row.sizeBytes)}) grows by ${key}, in order (correlation ${quantity(ordered.correlation)}), and is hardly updated`,
          usedShare: 0,
          evidence: [
            measured('size', row.sizeBytes, 'By', 'pg_relation_size'),
            measured(
              'size from which on partitioning pays',
              largeBytes,
              'By',
              server.memoryBytes === null ? 'four times shared_buffers' : 'memory of the machine',
            ),
            measured(`correlation of ${ordered.column}`, ordered.correlation, '1', 'pg_stats'),
            measured('updated', row.updates / row.inserts, '1', 'pg_stat_get_tuples_updated, _inserted'),
            measured('deleted', row.deletes, '1', 'pg_stat_get_tuples_deleted'),
            ...(btree === undefined ? [] : [measured(`size of the B-tree ${btree.name}`, btree.sizeBytes, 'By', 'pg_relation_size')]),
          ],
          costIfIgnored: `Removing old rows goes on costing a delete and a vacuum of each${row.deletes > 0 ? ` (${percent(row.deletes / row.inserts)} so far)` : ''}, and every index on it grows without end.`,
          fix: {
            title: `Partition ${table(row).name} by ${key}${hasBrin ? '' : ', or index it with BRIN'}`,
            text:
              'Partitioning means a new table to which the rows move; its primary key has to include the column. ' +
              (hasBrin
                ? 'It has a BRIN index already.'
                : 'The BRIN index is built in one pass beside readers and writers, and is the small step to take first.'),
            up: hasBrin ? null : `${indexSql(definition, { name, concurrently: true })};`,
            ...(hasBrin ? {} : { down: `DROP INDEX CONCURRENTLY ${quoteIdentifier(row.schema)}.${quoteIdentifier(name)};` }),
          },
        },
      ];
    });
    return {
      complaints,
      otherwise: `${counted(large.length, 'table')} larger than ${bytes(largeBytes)}: none grows in the order of a timestamp`,
    };
  },
});
