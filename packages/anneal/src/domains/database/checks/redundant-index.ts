import { bytes, quantity } from '../../../finding/wording.ts';
import type { IndexHealthObservation } from '../../../measurement/database-health.ts';
import { counted, defineCheck, index, measured, tableKey, type Complaint } from './check.ts';
import { createSql, dropSql, isDroppable, isSameKey, twins } from './index-roles.ts';

/** A scan of the wider index reads its pages: from twice as many on that may cost more than the writes saved. */
const muchWiderFactor = 2;

export const redundantIndex = defineCheck({
  id: 'database/redundant-index',
  title: 'Index that another one begins with',
  documentation: {
    what: 'The keys of a B-tree are the first keys of another B-tree on the same table, in the same order and with the same condition.',
    why: 'The longer index finds and sorts by its first keys just as well, so the shorter one is written and vacuumed for nothing.',
    threshold:
      'A strict prefix in equal operator classes, collations and directions, not unique, not behind a constraint, with no payload the longer one lacks. Where the longer one has more than twice the pages it is only a question: range scans over it read more.',
    fix: 'DROP INDEX CONCURRENTLY on the shorter one.',
    falsePositives:
      'It is not a defect where the shorter one is much smaller and scanned for wide ranges, so that it stays in the cache and the longer one would not.',
    sources: ['PostgreSQL manual 11.3 Multicolumn Indexes'],
  },
  requires: ['postgres.index-health'],
  examine({ 'postgres.index-health': indexes }) {
    // Of two that are the same, one is database/duplicate-index's; the other may be the beginning of a third.
    const kept = twins(indexes).map(([first]) => first!);
    const byTable = Map.groupBy(
      kept.filter(({ method }) => method === 'btree'),
      (row) => tableKey(row.schema, row.table),
    );
    const complaints = [...byTable.values()].flatMap((group) =>
      group.flatMap((row): Complaint[] => {
        if (row.isUnique || !isDroppable(row)) return [];
        const longer = group.filter((other) => covers(other, row)).toSorted((one, other) => one.pages - other.pages)[0];
        return longer === undefined ? [] : [complaint(row, longer)];
      }),
    );
    return { complaints, otherwise: `${counted(indexes.length, 'index')} looked at: none is the beginning of another` };
  },
});

function covers(longer: IndexHealthObservation, shorter: IndexHealthObservation): boolean {
  const held = new Set([...longer.keys.map(({ column }) => column), ...longer.include]);
  return (
    longer.keys.length > shorter.keys.length &&
    longer.predicate === shorter.predicate &&
    shorter.keys.every((key, place) => isSameKey(key, longer.keys[place]!)) &&
    shorter.include.every((column) => held.has(column))
  );
}

function complaint(row: IndexHealthObservation, longer: IndexHealthObservation): Complaint {
  const object = index(row);
  return {
    object,
    level: longer.pages > muchWiderFactor * row.pages ? 'note' : 'warning',
    message: `${object.name} (${bytes(row.sizeBytes)}) is the beginning of ${index(longer).name}, which answers for both`,
    usedShare: row.sizeBytes / Math.max(row.sizeBytes + longer.sizeBytes, 1),
    evidence: [
      measured('definition', row.definition, '', 'pg_get_indexdef'),
      measured('definition of the longer', longer.definition, '', 'pg_get_indexdef'),
      measured('pages', row.pages, '1', 'pg_class'),
      measured('pages of the longer', longer.pages, '1', 'pg_class'),
      measured('scans', row.scans, '1', 'pg_stat_get_numscans'),
    ],
    costIfIgnored: `Every write to ${row.table} maintains ${bytes(row.sizeBytes)} that answer nothing the longer index does not.`,
    fix: {
      title: `Drop ${object.name}`,
      text: `Statements that used it use ${index(longer).name}, which has ${quantity(longer.pages / Math.max(row.pages, 1))} times its pages.`,
      up: dropSql(row),
      down: createSql(row),
    },
  };
}
