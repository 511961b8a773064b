import { bytes, percent } from '../../../finding/wording.ts';
import { counted, defineCheck, estimated, measured, table, type Complaint } from './check.ts';
import { wastedRoom } from './wasted-room.ts';

export const tableBloat = defineCheck({
  id: 'database/table-bloat',
  title: 'Table file that is mostly empty',
  documentation: {
    what: 'A table takes far more pages than its rows need.',
    why: 'Sequential scans read the empty room, and pages that are half empty take whole places in the cache. Vacuum makes the room usable again but gives it back only at the end of the file.',
    threshold:
      'At least half of the pages are not needed, and what is wasted is more than a tenth of shared_buffers. The need is estimated from column widths in pg_stats with the worst padding alignment can cause, so the waste is a lower bound, but for statistics that are out of date; pgstattuple measures it where it is installed and the table is small enough to read.',
    fix: 'pg_repack or pg_squeeze rewrite it online; VACUUM FULL does under an exclusive lock. Then find out why it grew: a vacuum that was held up, or a mass delete.',
    falsePositives: 'It is not a defect where the room will be filled again soon, as in a queue or a table that is reloaded nightly.',
    sources: [
      'PostgreSQL manual 24.1.2 Recovering Disk Space',
      'PostgreSQL manual 66.6 Database Page Layout',
      'PostgreSQL manual F.33 pgstattuple',
    ],
  },
  requires: ['postgres.table-health', 'postgres.configuration'],
  examine({ 'postgres.table-health': tables, 'postgres.configuration': settings }) {
    const known = tables.filter(({ neededPages }) => neededPages !== null);
    const complaints = known.flatMap((row): Complaint[] => {
      const waste = wastedRoom(row.pages, row.neededPages!, settings);
      if (waste === null) return [];
      const object = table(row);
      const say = row.neededPagesSource === 'pgstattuple' ? measured : estimated;
      const source = row.neededPagesSource === 'pgstattuple' ? 'pgstattuple_approx' : 'pg_stats (lower bound of the waste)';
      return [
        {
          object,
          level: 'warning',
          message: `${object.name}: at least ${bytes(waste.wastedBytes)} of ${bytes(waste.fileBytes)} are empty (${percent(waste.share)})`,
          usedShare: waste.share,
          evidence: [
            measured('pages', row.pages, '1', 'pg_class'),
            say('pages needed', row.neededPages!, '1', source),
            measured('rows', row.rows, '1', 'pg_class'),
            measured('dead rows', row.deadRows, '1', 'pg_stat_get_dead_tuples'),
          ],
          costIfIgnored: `A scan of ${object.name} reads ${bytes(waste.wastedBytes)} of nothing, and its pages fill the cache half empty.`,
          fix: {
            title: `Rewrite ${object.name}`,
            text: 'This locks out readers and writers until it is done and needs room for a second copy. pg_repack does the same beside them.',
            up: `VACUUM (FULL, ANALYZE) ${object.name};`,
          },
        },
      ];
    });
    return {
      complaints,
      otherwise: `${counted(known.length, 'table')} with statistics looked at: none wastes half of its pages and a tenth of the cache`,
    };
  },
});
