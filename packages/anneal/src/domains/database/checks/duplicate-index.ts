import { bytes } from '../../../finding/wording.ts';
import type { IndexHealthObservation } from '../../../measurement/database-health.ts';
import { counted, defineCheck, index, measured, type Complaint } from './check.ts';
import { createSql, dropSql, isDroppable, twins } from './index-roles.ts';

export const duplicateIndex = defineCheck({
  id: 'database/duplicate-index',
  title: 'The same index twice',
  documentation: {
    what: 'Two indexes of a table have the same method, keys, order, operator classes, payload and condition.',
    why: 'Each write maintains both, vacuum cleans both, and both compete for the cache, while one answers everything.',
    threshold:
      'Equality of all that decides what an index can answer. The one that backs a constraint, is unique, is the replica identity or is scanned more stays; one that enforces something is never the one to drop.',
    fix: 'DROP INDEX CONCURRENTLY on the other one.',
    falsePositives:
      'It is not a defect while the second is built to take the place of a bloated first, in the hour before that is dropped.',
    sources: ['PostgreSQL manual 52.26 pg_index'],
  },
  requires: ['postgres.index-health'],
  examine({ 'postgres.index-health': indexes }) {
    const complaints = twins(indexes).flatMap(([kept, ...others]) => {
      return others.filter((other) => isDroppable(other) && (!other.isUnique || kept!.isUnique)).map((other) => complaint(other, kept!));
    });
    return { complaints, otherwise: `${counted(indexes.length, 'index')} looked at: no two are the same` };
  },
});

function complaint(row: IndexHealthObservation, kept: IndexHealthObservation): Complaint {
  const object = index(row);
  return {
    object,
    level: 'warning',
    message: `${object.name} (${bytes(row.sizeBytes)}) is the same as ${index(kept).name}`,
    usedShare: row.sizeBytes / Math.max(row.sizeBytes + kept.sizeBytes, 1),
    evidence: [
      measured('definition', row.definition, '', 'pg_get_indexdef'),
      measured('definition of the other', kept.definition, '', 'pg_get_indexdef'),
      measured('size', row.sizeBytes, 'By', 'pg_relation_size'),
      measured('scans', row.scans, '1', 'pg_stat_get_numscans'),
      measured('scans of the other', kept.scans, '1', 'pg_stat_get_numscans'),
    ],
    costIfIgnored: `Every write to ${row.table} is made twice, and ${bytes(row.sizeBytes)} of disk and cache hold nothing new.`,
    fix: { title: `Drop ${object.name}`, text: `${index(kept).name} answers all that it answers.`, up: dropSql(row), down: createSql(row) },
  };
}
