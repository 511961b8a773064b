import { bytes, percent } from '../../../finding/wording.ts';
import { defineCheck, measured } from './check.ts';

/** As for cache misses: a temporary page costs about a hundred hits, so at one in a hundred they cost as much as all hits. */
const noticedShare = 0.01;

export const temporaryFiles = defineCheck({
  id: 'database/temporary-files',
  title: 'Much work goes through temporary files',
  documentation: {
    what: 'A noticeable part of the pages this database works with are temporary ones, written by sorts and hashes that did not fit work_mem.',
    why: 'Each is written and read again; they compete with the tables for the disk and, when many come at once, can fill it.',
    threshold:
      'Temporary pages against all page accesses: from 1 % on they cost as much as all hits of the cache together (a page on disk takes about a hundred times as long).',
    fix: 'Find the statements (database/spilled-sorts; log_temp_files = 0 logs each with its statement) and give those an index, fewer rows or a work_mem of their own. temp_file_limit keeps one of them from filling the disk.',
    falsePositives: 'It is not a defect where nightly reports or index builds make nearly all of them.',
    sources: ['PostgreSQL manual 27.2.17 pg_stat_database', 'PostgreSQL manual 19.4.1 work_mem, temp_file_limit'],
  },
  requires: ['postgres.activity', 'postgres.configuration'],
  examine({ 'postgres.activity': activity, 'postgres.configuration': settings }) {
    const blockBytes = settings['block_size']?.value ?? 8192;
    const pages = activity.temporaryBytes / blockBytes;
    const share = pages / Math.max(activity.blocksHit + activity.blocksRead + pages, 1);
    const otherwise = `${percent(share)} of page accesses were temporary ones`;
    if (share < noticedShare || activity.temporaryFiles === 0) return { complaints: [], otherwise };
    return {
      complaints: [
        {
          object: { type: 'setting', name: 'work_mem' },
          level: 'note',
          message: `${activity.temporaryFiles.toLocaleString('en')} temporary files took ${bytes(activity.temporaryBytes)}, ${percent(share)} of all pages worked with`,
          usedShare: share,
          evidence: [
            measured('temporary files', activity.temporaryFiles, '1', 'pg_stat_database'),
            measured('written to them', activity.temporaryBytes, 'By', 'pg_stat_database'),
            measured('work_mem', settings['work_mem']?.shown ?? 'not known', '', 'pg_settings'),
          ],
          costIfIgnored: 'What spills goes on being written and read again, and nothing limits how much disk one statement may take.',
          fix: {
            title: 'Log the statements that spill',
            text: 'Each temporary file is logged with its statement. Change the statements, and work_mem where they run.',
            up: 'ALTER SYSTEM SET log_temp_files = 0;\nSELECT pg_reload_conf();',
            down: 'ALTER SYSTEM RESET log_temp_files;\nSELECT pg_reload_conf();',
          },
        },
      ],
      otherwise,
    };
  },
});
