import { percent, quantity } from '../../../finding/wording.ts';
import { autovacuumThreshold, isAutovacuumsTurn } from './autovacuum-threshold.ts';
import { counted, defineCheck, measured, table, type Complaint } from './check.ts';

/** As for statistics: once over may be this minute's work, twice over is a vacuum that did not come or could not clean. */
const overdueFactor = 2;

export const vacuumBehind = defineCheck({
  id: 'database/vacuum-behind',
  title: 'Dead rows that no vacuum removes',
  documentation: {
    what: 'A table holds far more dead row versions than autovacuum is set to leave.',
    why: 'Scans read dead rows and throw them away, indexes point at them, and their pages fill the cache. Vacuum is off, too slow for the writes, or kept from cleaning by an old transaction, slot or prepared transaction.',
    threshold:
      'Dead rows above twice the threshold at which autovacuum vacuums (autovacuum_vacuum_threshold + autovacuum_vacuum_scale_factor × rows, manual 24.1.6), and not within autovacuum_naptime of the last vacuum. An error from the point on where at least half of all row versions are dead: then a scan reads twice what it needs.',
    fix: 'First end what holds the oldest snapshot (see database/long-transaction, database/idle-in-transaction, database/replication-slot). Then VACUUM, and let autovacuum come earlier for this table.',
    falsePositives: 'It is not a defect while a large delete or update has only just been committed and the vacuum is on its way.',
    sources: ['PostgreSQL manual 24.1.2 Recovering Disk Space', 'PostgreSQL manual 24.1.6 The Autovacuum Daemon'],
  },
  requires: ['postgres.table-health', 'postgres.configuration'],
  examine({ 'postgres.table-health': tables, 'postgres.configuration': settings }) {
    const complaints = tables.flatMap((row): Complaint[] => {
      const threshold = autovacuumThreshold('vacuum', row, settings);
      if (row.deadRows <= overdueFactor * threshold || isAutovacuumsTurn(row.vacuumedAgoMs, row, settings)) return [];
      const object = table(row);
      const deadShare = row.deadRows / (row.deadRows + row.liveRows);
      return [
        {
          object,
          level: deadShare >= 0.5 ? 'error' : 'warning',
          message: `${object.name} holds ${quantity(row.deadRows)} dead rows beside ${quantity(row.liveRows)} live ones, ${quantity(row.deadRows / threshold)} times what autovacuum waits for`,
          usedShare: deadShare,
          evidence: [
            measured('dead rows', row.deadRows, '1', 'pg_stat_get_dead_tuples'),
            measured('live rows', row.liveRows, '1', 'pg_stat_get_live_tuples'),
            measured('dead rows at which autovacuum cleans', threshold, '1', 'pg_settings, reloptions'),
            ...(row.vacuumedAgoMs === null
              ? []
              : [measured('time since the last vacuum', row.vacuumedAgoMs, 'ms', 'pg_stat_get_last_vacuum_time')]),
          ],
          costIfIgnored: `${percent(deadShare)} of the row versions that scans of ${object.name} read are dead, and the file keeps the size it grows to.`,
          fix: {
            title: `Vacuum ${object.name}, and earlier from now on`,
            text: 'VACUUM runs beside readers and writers. If the dead rows stay, something holds an old snapshot: end that first. The storage parameter lets autovacuum come at a twentieth of the rows.',
            up: `VACUUM (ANALYZE) ${object.name};\nALTER TABLE ${object.name} SET (autovacuum_vacuum_scale_factor = 0.05);`,
            down:
              row.options['autovacuum_vacuum_scale_factor'] === undefined
                ? `ALTER TABLE ${object.name} RESET (autovacuum_vacuum_scale_factor);`
                : `ALTER TABLE ${object.name} SET (autovacuum_vacuum_scale_factor = ${row.options['autovacuum_vacuum_scale_factor']});`,
          },
        },
      ];
    });
    return {
      complaints,
      otherwise: `${counted(tables.length, 'table')} looked at: none has more than twice the dead rows autovacuum waits for`,
    };
  },
});
