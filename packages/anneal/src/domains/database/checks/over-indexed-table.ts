import { bytes, quantity } from '../../../finding/wording.ts';
import { counted, defineCheck, measured, table, tableKey, type Complaint } from './check.ts';
import { createSql, dropSql, entriesWritten, isDroppable } from './index-roles.ts';

/** Writing an entry descends the tree and dirties a leaf: about four pages touched (three levels down, one changed). */
const pagesPerEntry = 4;
/** A week holds the usual rhythm of a workload; over less, an index for a weekly report looks like waste. */
const windowMs = 7 * 24 * 3_600_000;

export const overIndexedTable = defineCheck({
  id: 'database/over-indexed-table',
  title: 'Indexes whose upkeep outweighs their scans',
  documentation: {
    what: 'A table is written so much, and some of its indexes are scanned so rarely, that keeping them costs more pages than their scans save.',
    why: 'Each row written touches every index; the rare scan would be cheaper as a scan of the table than all those writes are together.',
    threshold:
      'Over at least a week: entries written × 4 pages (three levels of a tree and a changed leaf) above scans × all pages of the table, which is the most a scan of the index can have saved.',
    fix: 'Drop them, or move what needs them to a replica. Whether the rare statement may take that long is for its owner to say.',
    falsePositives: 'It is not a defect where the rare scan is one that a person waits for: the balance counts pages, not patience.',
    sources: ['PostgreSQL manual 11.1 Indexes, Introduction: overhead of keeping them', 'dexter issue 6: handling write-heavy tables'],
  },
  requires: ['postgres.index-health', 'postgres.table-health', 'postgres.activity', 'postgres.server'],
  examine({ 'postgres.index-health': indexes, 'postgres.table-health': tables, 'postgres.activity': activity, 'postgres.server': server }) {
    if (activity.countedMs < windowMs || server.isReplica) {
      const days = quantity(activity.countedMs / (24 * 3_600_000));
      return {
        complaints: [],
        otherwise: server.isReplica
          ? 'a replica writes nothing of its own'
          : `writes and scans have been counted for ${days} days, less than a week`,
      };
    }
    const byTable = Map.groupBy(indexes, (row) => tableKey(row.schema, row.table));
    const complaints = tables.flatMap((row): Complaint[] => {
      const written = entriesWritten(row);
      // Those without any scan are database/unused-index's.
      const costly = (byTable.get(tableKey(row.schema, row.name)) ?? []).filter(
        (one) => one.scans > 0 && isDroppable(one) && !one.isUnique && one.isValid && written * pagesPerEntry > one.scans * row.pages,
      );
      const [first] = costly.toSorted((one, other) => one.scans - other.scans);
      if (first === undefined) return [];
      const scans = costly.reduce((sum, one) => sum + one.scans, 0);
      return [
        {
          object: table(row),
          level: 'note',
          message: `${counted(costly.length, 'index')} of ${table(row).name} took ${quantity(written * costly.length)} entries for ${quantity(scans)} scans: upkeep outweighs what they save`,
          usedShare: costly.reduce((sum, one) => sum + one.sizeBytes, 0) / Math.max(row.sizeBytes, 1),
          evidence: [
            measured('entries written per index', written, '1', 'pg_stat_get_tuples_inserted, _updated'),
            measured('pages of the table', row.pages, '1', 'pg_class'),
            ...costly.map((one) => measured(`scans of ${one.name} (${bytes(one.sizeBytes)})`, one.scans, '1', 'pg_stat_get_numscans')),
          ],
          costIfIgnored: `Each row written to ${table(row).name} goes on touching ${costly.length * pagesPerEntry} pages more than it has to.`,
          fix: {
            title: `Try ${table(row).name} without ${costly.map(({ name }) => name).join(', ')}`,
            text: 'On a copy under the same traffic: only a trial tells whether the rare scans may take longer.',
            up: costly.map(dropSql).join('\n'),
            down: costly.map(createSql).join('\n'),
          },
        },
      ];
    });
    return {
      complaints,
      otherwise: `${counted(tables.length, 'table')} looked at: no index costs more pages in writes than its scans can have saved`,
    };
  },
});
