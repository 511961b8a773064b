import { bytes, percent, quantity } from '../../../finding/wording.ts';
import { defineCheck, measured } from './check.ts';

/**
 * A page from a solid-state disk takes about 100 µs, one from shared_buffers about 1 µs: at one miss in a hundred the
 * misses cost as much as all hits together, at one in ten ten times as much.
 */
const noticedMissShare = 0.01;
const heavyMissShare = 0.1;
/** Filling the cache once is no miss that a larger one would have saved; ten times over, it is turnover. */
const turnovers = 10;

export const cacheMisses = defineCheck({
  id: 'database/cache-misses',
  title: 'Cache smaller than what is in use',
  documentation: {
    what: 'More than one page access in a hundred misses shared_buffers, and the cache has been filled many times over.',
    why: 'What misses is read through the operating system, at best from its memory and at worst from the disk; both take many times as long and copy the page.',
    threshold:
      'A page from a solid-state disk takes some 100 µs and one from the cache some 1 µs, so at 1 % misses they cost as much as all the hits (a question), at 10 % ten times as much (a warning). Only when the database is larger than shared_buffers and ten times shared_buffers have been read: up to there it is the first filling.',
    fix: 'First the indexes: a scan of a large table is the usual reader. Then shared_buffers at a quarter of the memory, as the manual recommends.',
    falsePositives:
      'It is not a defect where reports read everything once, or where the operating system’s cache answers: with track_io_timing the evidence shows the time a read takes.',
    sources: ['PostgreSQL manual 19.4.1 shared_buffers', 'PostgreSQL manual 27.2.17 pg_stat_database'],
  },
  requires: ['postgres.activity', 'postgres.configuration', 'postgres.server'],
  examine({ 'postgres.activity': activity, 'postgres.configuration': settings, 'postgres.server': server }) {
    const { blocksHit, blocksRead, blockReadMs } = activity;
    const cacheBytes = settings['shared_buffers']?.value ?? 128 * 1024 ** 2;
    const blockBytes = settings['block_size']?.value ?? 8192;
    const missShare = blocksRead / Math.max(blocksHit + blocksRead, 1);
    const readBytes = blocksRead * blockBytes;
    const fits = server.databaseSizeBytes !== null && server.databaseSizeBytes <= cacheBytes;
    if (fits || missShare < noticedMissShare || readBytes < turnovers * cacheBytes) {
      const reason = fits
        ? `the database (${bytes(server.databaseSizeBytes)}) fits shared_buffers (${bytes(cacheBytes)})`
        : `${percent(missShare)} of page accesses missed the cache, ${quantity(readBytes / cacheBytes)} times its size in all`;
      return { complaints: [], otherwise: reason };
    }
    const quarter = server.memoryBytes === null ? null : Math.floor(server.memoryBytes / 4 / 1024 ** 2);
    const isRoom = quarter !== null && quarter * 1024 ** 2 > 1.5 * cacheBytes;
    return {
      complaints: [
        {
          object: { type: 'setting', name: 'shared_buffers' },
          level: missShare >= heavyMissShare ? 'warning' : 'note',
          message: `${percent(missShare)} of page accesses miss shared_buffers (${bytes(cacheBytes)}): ${bytes(readBytes)} read, ${quantity(readBytes / cacheBytes)} times the cache`,
          usedShare: missShare,
          evidence: [
            measured('pages found in the cache', blocksHit, '1', 'pg_stat_database'),
            measured('pages read', blocksRead, '1', 'pg_stat_database'),
            measured('size of the cache', cacheBytes, 'By', 'shared_buffers'),
            ...(server.databaseSizeBytes === null
              ? []
              : [measured('size of the database', server.databaseSizeBytes, 'By', 'pg_database_size')]),
            ...(blockReadMs > 0 ? [measured('time per page read', blockReadMs / blocksRead, 'ms', 'pg_stat_database.blk_read_time')] : []),
            ...(server.memoryBytes === null ? [] : [measured('memory of the machine', server.memoryBytes, 'By', 'operating system')]),
          ],
          costIfIgnored: `${percent(missShare)} of page accesses go on taking a read each${blockReadMs > 0 ? `, ${quantity(blockReadMs / 1000)} s in the time counted` : ''}.`,
          fix: {
            title: isRoom ? 'Give the cache a quarter of the memory' : 'Read fewer pages',
            text:
              'Look at the statements that read most (`anneal diagnose`) before memory is bought for them. ' +
              (isRoom
                ? 'The setting takes a restart.'
                : 'Where they are as they should be, shared_buffers at a quarter of the machine’s memory is the manual’s advice.'),
            up: isRoom ? `ALTER SYSTEM SET shared_buffers = '${quarter}MB'; -- takes a restart` : null,
            ...(isRoom
              ? { down: `ALTER SYSTEM SET shared_buffers = '${settings['shared_buffers']?.shown ?? '128MB'}'; -- takes a restart` }
              : {}),
          },
        },
      ],
      otherwise: '',
    };
  },
});
