import { bytes, quantity } from '../../../../finding/wording.ts';
import { counted, defineCheck, measured, type Complaint } from '../../checks/check.ts';
import { definitionEvidence, dropProposal, indexObject, servesForeignKey, sizeEvidence } from './index-facts.ts';

const dayMs = 24 * 3_600_000;
/** The longest usual cycle of work is a month; a few days more let one month's end fall inside whatever day it began. */
const windowMs = 35 * dayMs;
/** A table this small is read whole rather than through an index, which it will need once it has grown. */
const smallPages = 10;

export const unusedIndex = defineCheck({
  id: 'mysql/unused-index',
  title: 'Index that nothing reads',
  documentation: {
    what: 'No row was found through an index since performance_schema began to count.',
    why: 'Every insert and delete, and every update of its columns, writes it; it takes disk and buffer pool, and deletes leave it work for the purge.',
    threshold:
      'Not one row in at least 35 days: a month, so that the work of a month’s end is inside, and a few days. Never the primary key, a unique index, one that begins with the columns of a foreign key, or FULLTEXT; never where the table fits 10 pages.',
    fix: 'Hide it (INVISIBLE, IGNORED), and drop it when nothing misses it.',
    falsePositives:
      'It is not a defect where a replica, a yearly job or a query for emergencies uses it, or where somebody truncated the counters or switched the instrument on late: the server tells only how long it runs.',
    sources: [
      'MySQL 8.0 manual 29.12.20.8.2 table_io_waits_summary_by_index_usage',
      'MySQL 8.0 manual, sys schema: schema_unused_indexes',
      'MariaDB: Ignored Indexes',
    ],
  },
  requires: ['mysql.server', 'mysql.tables', 'mysql.indexes', 'mysql.foreign-keys', 'mysql.index-usage'],
  examine(observations) {
    const { 'mysql.server': server, 'mysql.index-usage': usage, 'mysql.foreign-keys': keys } = observations;
    const days = usage.countedMs / dayMs;
    if (usage.countedMs < windowMs) {
      return {
        complaints: [],
        otherwise: `uses have been counted for ${quantity(days)} days at the most; below 35 no index can be called unused`,
      };
    }
    if (server.isReadOnly)
      return { complaints: [], otherwise: 'this server is read-only, so it may be a replica: what it does not use its primary may' };
    const read = new Set(usage.uses.filter(({ reads }) => reads > 0).map(({ table, index }) => JSON.stringify([table, index])));
    const tables = new Map(observations['mysql.tables'].map((table) => [table.name, table]));
    const complaints = observations['mysql.indexes'].flatMap((index): Complaint[] => {
      const table = tables.get(index.table);
      const isNeeded = index.isUnique || index.isPrimary || index.kind !== 'BTREE' || servesForeignKey(index, keys);
      if (isNeeded || index.isIgnored || table === undefined || read.has(JSON.stringify([index.table, index.name]))) return [];
      if (table.dataBytes <= smallPages * server.pageBytes) return [];
      const writes = usage.writes[table.name] ?? 0;
      return [
        {
          object: indexObject(index),
          level: 'warning',
          message: `no row was found through ${index.table}.${index.name}${index.sizeBytes === null ? '' : ` (${bytes(index.sizeBytes)})`} in up to ${quantity(days)} days, while ${quantity(writes)} rows of its table were written`,
          usedShare: (index.sizeBytes ?? 0) / Math.max(table.dataBytes + table.indexBytes, 1),
          evidence: [
            measured('rows found through it', 0, '1', 'table_io_waits_summary_by_index_usage'),
            measured('counted for at most', usage.countedMs, 'ms', 'Uptime'),
            measured('rows of its table written', writes, '1', 'table_io_waits_summary_by_index_usage'),
            definitionEvidence(index),
            ...sizeEvidence(index),
          ],
          costIfIgnored: `Every row inserted into ${index.table} or deleted from it is entered into it for nobody.`,
          fix: dropProposal(index, server.product, 'Ask replicas and rare jobs first.'),
        },
      ];
    });
    return { complaints, otherwise: `${counted(observations['mysql.indexes'].length, 'index')} looked at: all are read, needed or small` };
  },
});
