import { percent, quantity } from '../../../finding/wording.ts';
import { defineCheck, measured } from './check.ts';

/** As for cache misses: from one access in a hundred on, reads cost as much as all the hits. */
const noticedMissShare = 0.01;
const enoughReads = 10_000;

export const ioTimingOff = defineCheck({
  id: 'database/io-timing-off',
  title: 'Time of reads not measured',
  documentation: {
    what: 'track_io_timing is off in a database that reads from its storage.',
    why: 'Nothing then tells whether a slow statement waits for the disk or computes: neither EXPLAIN (BUFFERS), nor pg_stat_statements, nor the checks of the cache and of random_page_cost.',
    threshold: 'Only where reads matter: at least 1 % of page accesses and 10,000 reads. Elsewhere the times would be of nothing.',
    fix: 'Switch it on, after pg_test_timing has shown that reading the clock takes well under 100 ns, as it does on nearly all machines.',
    falsePositives: 'It is not a defect on a machine whose clock is slow to read (pg_test_timing says so).',
    sources: ['PostgreSQL manual 19.9 track_io_timing', 'PostgreSQL manual, pg_test_timing'],
  },
  requires: ['postgres.configuration', 'postgres.activity'],
  examine({ 'postgres.configuration': settings, 'postgres.activity': { blocksHit, blocksRead } }) {
    const missShare = blocksRead / Math.max(blocksHit + blocksRead, 1);
    const setting = settings['track_io_timing']?.shown ?? 'on';
    const otherwise =
      setting === 'on' ? 'track_io_timing is on' : `${percent(missShare)} of page accesses were reads: their time would tell little`;
    if (setting === 'on' || missShare < noticedMissShare || blocksRead < enoughReads) return { complaints: [], otherwise };
    return {
      complaints: [
        {
          object: { type: 'setting', name: 'track_io_timing' },
          level: 'note',
          message: `${quantity(blocksRead)} pages were read from storage (${percent(missShare)}), and nobody knows how long that took: track_io_timing is off`,
          usedShare: 0,
          evidence: [measured('pages read', blocksRead, '1', 'pg_stat_database'), measured('track_io_timing', setting, '', 'pg_settings')],
          costIfIgnored: 'Whether statements wait for the disk stays a guess.',
          fix: {
            title: 'Switch track_io_timing on',
            text: 'A reload is enough.',
            up: 'ALTER SYSTEM SET track_io_timing = on;\nSELECT pg_reload_conf();',
            down: 'ALTER SYSTEM RESET track_io_timing;\nSELECT pg_reload_conf();',
          },
        },
      ],
      otherwise,
    };
  },
});
