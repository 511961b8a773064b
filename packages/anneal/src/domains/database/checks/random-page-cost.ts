import { milliseconds, quantity } from '../../../finding/wording.ts';
import { quoteIdentifier } from '../../../ports/index-sql.ts';
import { defineCheck, measured } from './check.ts';

/** A disk that turns needs at least 2 ms to come round (15,000 turns a minute) before it reads: what is below a millisecond does not turn. */
const fastReadMs = 1;
/** Enough reads that the mean is the device's and not a few cached files'. */
const enoughReads = 10_000;

export const randomPageCost = defineCheck({
  id: 'database/random-page-cost',
  title: 'Planner set for a disk that turns',
  documentation: {
    what: 'random_page_cost says that a page out of order costs four times a page in order, on storage where both cost the same.',
    why: 'Index scans look dearer than they are, so the planner reads whole tables where an index would be faster.',
    threshold:
      'random_page_cost at its default of 4 (or above), and pages were read in less than a millisecond on average over at least 10,000 reads: a turning disk needs 2 ms for half a turn before it can read anything, so this is not one.',
    fix: 'Try 1.1 for this database under its own traffic, with the plans of all statements looked at; the value is a question until a trial has answered it.',
    falsePositives:
      'It is not a defect where the reads were fast only because the operating system had the pages, and the data have since outgrown it.',
    sources: ['PostgreSQL manual 19.7.2 Planner Cost Constants'],
  },
  requires: ['postgres.configuration', 'postgres.activity', 'postgres.server'],
  examine({ 'postgres.configuration': settings, 'postgres.activity': { blocksRead, blockReadMs }, 'postgres.server': { database } }) {
    const cost = settings['random_page_cost']?.value ?? 4;
    const ratio = cost / (settings['seq_page_cost']?.value ?? 1);
    const readMs = blockReadMs / Math.max(blocksRead, 1);
    if (ratio < 4) return { complaints: [], otherwise: `random_page_cost is ${quantity(ratio)} times seq_page_cost` };
    if (blockReadMs === 0)
      return { complaints: [], otherwise: 'how fast the storage reads is not known: track_io_timing is off, or nothing was read' };
    if (blocksRead < enoughReads)
      return { complaints: [], otherwise: `only ${quantity(blocksRead)} pages were read: too few to judge the storage by` };
    if (readMs >= fastReadMs) return { complaints: [], otherwise: `a page takes ${milliseconds(readMs)} to read, as on a disk that turns` };
    const target = quoteIdentifier(database);
    return {
      complaints: [
        {
          object: { type: 'setting', name: 'random_page_cost' },
          level: 'note',
          message: `random_page_cost is ${quantity(cost)}, and a page takes ${milliseconds(readMs)} to read: no disk that turns is that fast`,
          usedShare: 0,
          evidence: [
            measured('random_page_cost', cost, '1', 'pg_settings'),
            measured('time per page read', readMs, 'ms', 'pg_stat_database.blk_read_time'),
            measured('pages read', blocksRead, '1', 'pg_stat_database'),
          ],
          costIfIgnored: 'Plans go on reading whole tables in cases where an index is faster.',
          fix: {
            title: 'Try random_page_cost = 1.1',
            text: 'It moves every plan at once, not only the slow ones: prove it on a copy under the real traffic first. It counts for new sessions.',
            up: `ALTER DATABASE ${target} SET random_page_cost = 1.1;`,
            down: `ALTER DATABASE ${target} RESET random_page_cost;`,
          },
        },
      ],
      otherwise: '',
    };
  },
});
