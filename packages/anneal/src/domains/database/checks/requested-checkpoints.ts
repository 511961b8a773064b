import { bytes, percent, quantity } from '../../../finding/wording.ts';
import { defineCheck, measured } from './check.ts';

/** An hour of checkpoints at the default distance of five minutes: fewer are a restart, a backup or a load. */
const enough = 12;
/** checkpoint_completion_target, the default from version 14 on. */
const completionTarget = 0.9;

export const requestedCheckpoints = defineCheck({
  id: 'database/requested-checkpoints',
  title: 'Checkpoints forced by the log',
  documentation: {
    what: 'Most checkpoints come because max_wal_size is full, not because their time has come.',
    why: 'After each checkpoint the first change of every page writes the whole page to the log, so more checkpoints make more log, which makes more checkpoints; and the writing comes in bursts that answers wait behind.',
    threshold:
      'More than the timed ones, of at least twelve: an hour at the default distance; fewer may be a restart, a backup or one bulk load. Of the requested ones no more are counted than the log written can have forced: one for each max_wal_size / 1.9, where the server begins (checkpoint_completion_target 0.9).',
    fix: 'max_wal_size large enough for twice the log of one checkpoint_timeout.',
    falsePositives:
      'It is not a defect where backups, DROP DATABASE or an operator ask for checkpoints: those count as requested as well, and before version 14 nothing tells how much log there was.',
    sources: ['PostgreSQL manual 28.5 WAL Configuration', 'PostgreSQL manual 19.5.2 Checkpoints'],
  },
  requires: ['postgres.checkpoints', 'postgres.configuration', 'postgres.server'],
  examine({
    'postgres.checkpoints': { timed, requested, walBytesPerSecond, countedMs },
    'postgres.configuration': settings,
    'postgres.server': server,
  }) {
    const nowBytes = settings['max_wal_size']?.value ?? 1024 ** 3;
    const loggedBytes = walBytesPerSecond === null ? null : (walBytesPerSecond * countedMs) / 1000;
    // A checkpoint is asked for early enough to be over when the log is full (manual, 28.5).
    const forced = loggedBytes === null ? requested : Math.min(requested, Math.floor((loggedBytes * (1 + completionTarget)) / nowBytes));
    const share = forced / Math.max(timed + forced, 1);
    const otherwise = server.isReplica
      ? 'a replica makes restart points, not checkpoints'
      : `${quantity(requested)} of ${quantity(timed + requested)} checkpoints were requested, ${quantity(forced)} of these can have been forced by the log`;
    if (server.isReplica || forced <= timed || timed + forced < enough) return { complaints: [], otherwise };
    const distanceMs = settings['checkpoint_timeout']?.value ?? 300_000;
    const askedBytes = Math.max(2 * nowBytes, (2 * ((walBytesPerSecond ?? 0) * distanceMs)) / 1000);
    const asked = `${Math.ceil(askedBytes / 1024 ** 3)}GB`;
    return {
      complaints: [
        {
          object: { type: 'setting', name: 'max_wal_size' },
          level: 'warning',
          message: `${quantity(forced)} of ${quantity(timed + forced)} checkpoints came because max_wal_size (${bytes(nowBytes)}) was full (${percent(share)})`,
          usedShare: share,
          evidence: [
            measured('requested checkpoints', requested, '1', 'pg_stat_checkpointer, before version 17 pg_stat_bgwriter'),
            measured('timed checkpoints', timed, '1', 'pg_stat_checkpointer, before version 17 pg_stat_bgwriter'),
            measured('time counted', countedMs, 'ms', 'pg_stat_checkpointer, before version 17 pg_stat_bgwriter'),
            measured('max_wal_size', nowBytes, 'By', 'pg_settings'),
            ...(walBytesPerSecond === null ? [] : [measured('log written per second', walBytesPerSecond, 'By/s', 'pg_stat_wal')]),
          ],
          costIfIgnored: 'The log goes on being larger than the changes in it, and writes come in bursts.',
          fix: {
            title: `max_wal_size of ${asked}`,
            text: 'It takes that much disk beside the data, and makes recovery after a crash longer in proportion. A reload is enough.',
            up: `ALTER SYSTEM SET max_wal_size = '${asked}';\nSELECT pg_reload_conf();`,
            down: `ALTER SYSTEM SET max_wal_size = '${settings['max_wal_size']?.shown ?? '1GB'}';\nSELECT pg_reload_conf();`,
          },
        },
      ],
      otherwise,
    };
  },
});
