import { bytes, percent } from '../../../finding/wording.ts';
import { qualifiedName } from '../../../ports/index-sql.ts';
import { counted, defineCheck, estimated, index, measured, type Complaint } from './check.ts';

/**
 * Under random inserts a B-tree settles at ln 2 = 69 % full (Yao, Acta Informatica 9, 1978) where a fresh one has
 * 90 %: a quarter of its pages is no neglect. Half is.
 */
const wastedShare = 0.5;
const cacheShare = 0.1;

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
    const cacheBytes = settings['shared_buffers']?.value ?? 128 * 1024 ** 2;
    const blockBytes = settings['block_size']?.value ?? 8192;
    const known = indexes.filter(({ neededPages, isValid }) => neededPages !== null && isValid);
    const complaints = known.flatMap((row): Complaint[] => {
      const wastedPages = row.pages - row.neededPages!;
      const wasted = wastedPages * blockBytes;
      if (wastedPages < wastedShare * row.pages || wasted < cacheShare * cacheBytes) return [];
      const object = index(row);
      return [
        {
          object,
          level: 'warning',
          message: `${object.name}: at least ${bytes(wasted)} of ${bytes(row.pages * blockBytes)} are empty (${percent(wastedPages / row.pages)})`,
          usedShare: wastedPages / row.pages,
          evidence: [
            measured('pages', row.pages, '1', 'pg_class'),
            estimated('pages needed', row.neededPages!, '1', 'pg_stats (lower bound of the waste)'),
          ],
          costIfIgnored: `${bytes(wasted)} of cache and of every long scan go to empty pages of ${object.name}.`,
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
