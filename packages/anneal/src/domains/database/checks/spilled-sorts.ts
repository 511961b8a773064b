import { bytes, percent, quantity } from '../../../finding/wording.ts';
import { shorten } from '../../../finding/subject.ts';
import { quoteIdentifier } from '../../../ports/index-sql.ts';
import { counted, defineCheck, measured, type Complaint } from './check.ts';

/** A row in memory has a header and pointers that a row on tape has not: what spilled needs about twice the room (tuplesort.c). */
const memoryFactor = 2;
/** Beyond this the statement should sort less: a hundred sessions with it are 25 GB. */
const largestMb = 256;
/** As everywhere in Anneal: less than a hundredth of the time is not worth a change. */
const noticedShare = 0.01;

export const spilledSorts = defineCheck({
  id: 'database/spilled-sorts',
  title: 'Sorts and hashes that do not fit work_mem',
  documentation: {
    what: 'A statement that runs again and again writes temporary files: its sort or hash does not fit work_mem.',
    why: 'Each page that spills is written and read again, some hundred times as dear as keeping it, and the cache of the operating system is emptied for it.',
    threshold:
      'Statements that take at least a hundredth of all database time, whose temporary pages are at least a tenth of the pages they touch: a temporary page costs a write and a read, so from there on they weigh more than any cache miss rate one would accept.',
    fix: 'An index that gives the order, fewer columns or rows; otherwise work_mem for the role or the transaction that runs it, never for all at once.',
    falsePositives: 'It is not a defect in a report that runs once a night and may take its time.',
    sources: ['PostgreSQL manual 19.4.1 work_mem', 'PostgreSQL manual F.32 pg_stat_statements'],
  },
  requires: ['postgres.statement-history', 'postgres.configuration', 'postgres.server'],
  examine({ 'postgres.statement-history': history, 'postgres.configuration': settings, 'postgres.server': { database } }) {
    const blockBytes = settings['block_size']?.value ?? 8192;
    const workMemBytes = settings['work_mem']?.value ?? 4 * 1024 ** 2;
    // An index build sorts in maintenance_work_mem, and what ran once may have been a migration that never runs again.
    const spilling = history.filter(
      ({ kind, calls, temporaryBlocksWritten }) => kind !== 'other' && calls > 1 && temporaryBlocksWritten > 0,
    );
    const complaints = spilling.flatMap((statement): Complaint[] => {
      const temporary = statement.temporaryBlocksWritten + statement.temporaryBlocksRead;
      if (statement.timeShare < noticedShare || temporary < 0.1 * (statement.blocks + temporary)) return [];
      const spilledBytes = (statement.temporaryBlocksWritten * blockBytes) / statement.calls;
      const neededMb = Math.ceil((workMemBytes + memoryFactor * spilledBytes) / 1024 ** 2);
      const target = quoteIdentifier(database);
      const isModest = neededMb <= largestMb;
      return [
        {
          object: { type: 'setting', name: `work_mem for ${shorten(statement.text)}` },
          level: 'warning',
          message: `each call spills ${bytes(spilledBytes)} to disk beyond work_mem (${bytes(workMemBytes)}), in a statement with ${percent(statement.timeShare)} of all database time`,
          usedShare: statement.timeShare,
          evidence: [
            measured('statement', statement.text, '', 'pg_stat_statements'),
            measured('calls', statement.calls, '1', 'pg_stat_statements'),
            measured('temporary pages written', statement.temporaryBlocksWritten, '1', 'pg_stat_statements'),
            measured('temporary pages read', statement.temporaryBlocksRead, '1', 'pg_stat_statements'),
            measured('pages of tables touched', statement.blocks, '1', 'pg_stat_statements'),
            measured('work_mem', workMemBytes, 'By', 'pg_settings'),
          ],
          costIfIgnored: `Every call writes and reads ${bytes(spilledBytes)} for nothing.`,
          fix: isModest
            ? {
                title: `work_mem of ${neededMb} MB where it runs`,
                text:
                  'Estimated at twice what spilled. Best in its own transaction (SET LOCAL work_mem) or for its role; this is for the whole database, where every sort of every session may take it ' +
                  `(${quantity(settings['max_connections']?.value ?? 100)} connections).`,
                up: `ALTER DATABASE ${target} SET work_mem = '${neededMb}MB';`,
                down: `ALTER DATABASE ${target} RESET work_mem;`,
              }
            : {
                title: 'Sort less',
                text: `It would take about ${neededMb} MB for each session: too much for many. Give it an index in its order, a LIMIT, fewer columns, or run it as a job with a work_mem of its own.`,
                up: null,
              },
        },
      ];
    });
    return {
      complaints,
      otherwise: `${counted(history.length, 'statement')} looked at, ${spilling.length} spilled more than once: none of weight does so for a tenth of its pages`,
    };
  },
});
