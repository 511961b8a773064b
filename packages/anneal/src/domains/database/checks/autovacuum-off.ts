import { quantity } from '../../../finding/wording.ts';
import { autovacuumThreshold } from './autovacuum-threshold.ts';
import { counted, defineCheck, measured, table, type Complaint } from './check.ts';

export const autovacuumOff = defineCheck({
  id: 'database/autovacuum-off',
  title: 'Autovacuum switched off',
  documentation: {
    what: 'Autovacuum, or the counting it depends on, is off for the server or for a table that is written.',
    why: 'Nothing removes dead rows or renews statistics any more, until the vacuum against transaction-id wraparound comes, at a time of its own choosing and over everything at once.',
    threshold:
      'Any server where autovacuum or track_counts is off. A table with autovacuum_enabled=false once more rows changed in it than would make autovacuum act (manual 24.1.6): before that the switch has had no effect.',
    fix: 'Switch it on again. Where it was in the way, make it gentler (autovacuum_vacuum_cost_delay) or earlier and thereby shorter, not absent.',
    falsePositives:
      'It is not a defect while a bulk load runs that ends with VACUUM and switches it on again, or where a job of your own vacuums the table.',
    sources: ['PostgreSQL manual 24.1.6 The Autovacuum Daemon', 'PostgreSQL manual 19.10 Vacuuming'],
  },
  requires: ['postgres.configuration', 'postgres.table-health'],
  examine({ 'postgres.configuration': settings, 'postgres.table-health': tables }) {
    const server = ['autovacuum', 'track_counts']
      .filter((name) => settings[name]?.shown === 'off')
      .map((name): Complaint => ({
        object: { type: 'setting', name },
        level: 'error',
        message: `${name} is off: no table is vacuumed or analysed by itself`,
        usedShare: 1,
        evidence: [measured(name, 'off', '', 'pg_settings')],
        costIfIgnored: 'Dead rows and outdated statistics pile up in every table until the forced vacuum against wraparound.',
        fix: {
          title: `Switch ${name} on`,
          text: 'It takes effect with a reload of the configuration.',
          up: `ALTER SYSTEM SET ${name} = on;\nSELECT pg_reload_conf();`,
          down: `ALTER SYSTEM SET ${name} = off;\nSELECT pg_reload_conf();`,
        },
      }));
    const off = tables.filter((row) => row.options['autovacuum_enabled'] === 'false' || row.options['autovacuum_enabled'] === 'off');
    const neglected = off
      .filter(
        (row) =>
          row.deadRows > autovacuumThreshold('vacuum', row, settings) || row.modifiedRows > autovacuumThreshold('analyze', row, settings),
      )
      .map((row): Complaint => {
        const object = table(row);
        return {
          object,
          level: 'warning',
          message: `autovacuum is off for ${object.name}, which has ${quantity(row.deadRows)} dead rows and ${quantity(row.modifiedRows)} changes since its last ANALYZE`,
          usedShare: row.deadRows / Math.max(row.deadRows + row.liveRows, 1),
          evidence: [
            measured('autovacuum_enabled', row.options['autovacuum_enabled']!, '', 'pg_class.reloptions'),
            measured('dead rows', row.deadRows, '1', 'pg_stat_get_dead_tuples'),
            measured('rows changed since the last ANALYZE', row.modifiedRows, '1', 'pg_stat_get_mod_since_analyze'),
          ],
          costIfIgnored: `${object.name} grows with every update and its plans are made for the data of another day.`,
          fix: {
            title: `Switch autovacuum on for ${object.name}`,
            text: 'Autovacuum takes the table up within its next round.',
            up: `ALTER TABLE ${object.name} RESET (autovacuum_enabled);`,
            down: `ALTER TABLE ${object.name} SET (autovacuum_enabled = false);`,
          },
        };
      });
    return {
      complaints: [...server, ...neglected],
      otherwise: `autovacuum and track_counts are on; ${counted(off.length, 'table')} with autovacuum off, none of them due`,
    };
  },
});
