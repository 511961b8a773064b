import { bytes, percent, quantity } from '../../../finding/wording.ts';
import type { SettingObservation, TableHealthObservation } from '../../../measurement/database-health.ts';
import { counted, defineCheck, measured, table, type Complaint } from './check.ts';
import { autovacuumThreshold, isAutovacuumsTurn } from './autovacuum-threshold.ts';

/** A table without statistics is planned as ten pages long (estimate_rel_size): up to there the guess is right. */
const guessedPages = 10;
/** Autovacuum looks at a database once a minute by default, so a threshold just crossed is no neglect; twice over is. */
const overdueFactor = 2;

export const staleStatistics = defineCheck({
  id: 'database/stale-statistics',
  title: 'Statistics missing or out of date',
  documentation: {
    what: 'A table was never analysed, or so many of its rows have changed since that its statistics describe another table.',
    why: 'The planner chooses indexes, join orders and memory by these statistics; with wrong ones it picks plans that are slower by orders of magnitude, and no index helps.',
    threshold:
      'Rows changed since the last ANALYZE against the threshold at which autovacuum analyses (autovacuum_analyze_threshold + autovacuum_analyze_scale_factor × rows, manual 24.1.6): twice that, because autovacuum comes round once in autovacuum_naptime and the threshold may just have been crossed; and not within that time of the last ANALYZE. Never analysed counts from 10 pages on, which is what the planner assumes of a table it knows nothing of.',
    fix: 'ANALYZE the table. Where it happens again, let autovacuum come earlier for this table, or run ANALYZE at the end of the job that loads it.',
    falsePositives:
      'It is not a defect where a table is emptied and filled within minutes and nobody plans on it in between. Where the counters know of no ANALYZE although there are statistics (a copy, a restored or crashed server) nothing is said: autovacuum may not have had its turn since.',
    sources: ['PostgreSQL manual 24.1.3 Updating Planner Statistics', 'PostgreSQL manual 24.1.6 The Autovacuum Daemon'],
  },
  requires: ['postgres.table-health', 'postgres.configuration'],
  examine({ 'postgres.table-health': tables, 'postgres.configuration': settings }) {
    const stored = tables.filter(({ kind }) => kind !== 'partitioned');
    return {
      complaints: stored.flatMap((row) => complaint(row, settings)),
      otherwise: `${counted(stored.length, 'table')} looked at: none has changed by more than twice its threshold since its last ANALYZE`,
    };
  },
});

function complaint(row: TableHealthObservation, settings: Readonly<Record<string, SettingObservation>>): Complaint[] {
  const threshold = autovacuumThreshold('analyze', row, settings);
  // An ANALYZE that found no rows leaves no statistics behind either: then the table was looked at, and its length noted.
  const isMissing = row.isAnalysed === false && row.sizeBytes > guessedPages * 8192 && (row.pages === 0 || row.rows > 0);
  // Statistics that are older than the counters: since when the rows have changed is not known.
  const isUndated = row.isAnalysed === true && row.analysedAgoMs === null;
  if (
    !isMissing &&
    (isUndated ||
      isAutovacuumsTurn(row.analysedAgoMs, row, settings) ||
      row.modifiedRows <= overdueFactor * threshold ||
      row.modifiedRows === 0)
  )
    return [];
  const object = table(row);
  const staleShare = isMissing ? 1 : row.modifiedRows / Math.max(row.liveRows, row.modifiedRows);
  return [
    {
      object,
      level: 'warning',
      message: isMissing
        ? `${object.name} has no statistics: the planner guesses about its ${bytes(row.sizeBytes)}`
        : `${quantity(row.modifiedRows)} rows of ${object.name} changed since its last ANALYZE, ${quantity(row.modifiedRows / threshold)} times what autovacuum waits for`,
      usedShare: staleShare,
      evidence: [
        measured('rows changed since the last ANALYZE', row.modifiedRows, '1', 'pg_stat_get_mod_since_analyze'),
        measured('rows', row.liveRows, '1', 'pg_stat_get_live_tuples'),
        measured('changes at which autovacuum analyses', threshold, '1', 'pg_settings, reloptions'),
        ...(row.analysedAgoMs === null
          ? []
          : [measured('time since the last ANALYZE', row.analysedAgoMs, 'ms', 'pg_stat_get_last_analyze_time')]),
      ],
      costIfIgnored: `Plans for ${object.name} go on being chosen for other data: ${isMissing ? 'everything about it is guessed' : `${percent(staleShare)} of its rows are not in its statistics`}.`,
      fix: {
        title: `Analyse ${object.name}`,
        text: 'ANALYZE reads a sample and takes no lock that readers or writers notice. It replaces statistics; there is nothing to take back.',
        up: `ANALYZE ${object.name};`,
      },
    },
  ];
}
