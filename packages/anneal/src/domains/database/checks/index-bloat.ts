import { bytes, percent } from '../../../finding/wording.ts';
import { qualifiedName } from '../../../ports/index-sql.ts';
import { counted, defineCheck, estimated, index, measured, type Complaint } from './check.ts';
import { wastedRoom } from './wasted-room.ts';

export const indexBloat = defineCheck({
  id: 'database/index-bloat',
  title: 'B-tree that is mostly empty',
  documentation: {
    what: 'A B-tree takes far more pages than its entries need.',
    why: 'Pages of an index are given back only when they are wholly empty, so after many updates or deletes each holds a few entries: the index fills the cache with room and range scans read it.',
    threshold:
      'At least half of the pages are not needed, and what is wasted is more than a tenth of shared_buffers. A B-tree under random inserts is 69 % full by nature (Yao 1978), against 90 % when built: a quarter is normal. The need is estimated from pg_stats without deduplication, so the waste is a lower bound.',
    fix: 'REINDEX INDEX CONCURRENTLY builds it anew beside readers and writers.',
    falsePositives: 'It is not a defect where the entries come back soon, as in the index of a queue.',
    sources: [
      'PostgreSQL manual 24.2 Routine Reindexing',
      'PostgreSQL manual 65.1.4 B-Tree implementation',
      'Yao, On random 2-3 trees, Acta Informatica 9 (1978)',
    ],
  },
  requires: ['postgres.index-health', 'postgres.configuration'],
  examine({ 'postgres.index-health': indexes, 'postgres.configuration': settings }) {
    const known = indexes.filter(({ neededPages, isValid }) => neededPages !== null && isValid);
    const complaints = known.flatMap((row): Complaint[] => {
      const waste = wastedRoom(row.pages, row.neededPages!, settings);
      if (waste === null) return [];
      const object = index(row);
      return [
        {
          object,
          level: 'warning',
          message: `${object.name}: at least ${bytes(waste.wastedBytes)} of ${bytes(waste.fileBytes)} are empty (${percent(waste.share)})`,
          usedShare: waste.share,
          evidence: [
            measured('pages', row.pages, '1', 'pg_class'),
            estimated('pages needed', row.neededPages!, '1', 'pg_stats (lower bound of the waste)'),
          ],
          costIfIgnored: `${bytes(waste.wastedBytes)} of cache and of every long scan go to empty pages of ${object.name}.`,
          fix: {
            title: `Rebuild ${object.name}`,
            text: 'Nothing waits for it but other changes to the table. It needs room for a second copy.',
            up: `REINDEX INDEX CONCURRENTLY ${qualifiedName(row.schema, row.name)};`,
          },
        },
      ];
    });
    return {
      complaints,
      otherwise: `${counted(known.length, 'B-tree')} with statistics looked at: none wastes half of its pages and a tenth of the cache`,
    };
  },
});
