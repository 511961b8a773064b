import { bytes } from '../../../finding/wording.ts';
import { counted, defineCheck, index, measured, type Complaint } from './check.ts';
import { createSql, dropSql } from './index-roles.ts';

export const invalidIndex = defineCheck({
  id: 'database/invalid-index',
  title: 'Left-over of an index build that failed',
  documentation: {
    what: 'An index is marked invalid: CREATE INDEX CONCURRENTLY or REINDEX CONCURRENTLY was cancelled, met a duplicate or a deadlock, and left it behind.',
    why: 'No query may use it, but writes may have to maintain it, and whoever believes the index is there finds out by the slow query.',
    threshold: 'Every invalid index that no build in progress can be at work on: there is no use for one.',
    fix: 'Drop it and build it again, as the manual says; a left-over of REINDEX (name ending in _ccnew or _ccold) is only dropped.',
    falsePositives: 'It is not a defect while the build is running, nor in an index over partitions that waits for the partitions’ own.',
    sources: [
      'PostgreSQL manual, CREATE INDEX, Building Indexes Concurrently',
      'PostgreSQL manual, REINDEX, Rebuilding Indexes Concurrently',
    ],
  },
  requires: ['postgres.index-health'],
  examine({ 'postgres.index-health': indexes }) {
    const complaints = indexes
      .filter(({ isValid, mayBeInBuild, isPart }) => !isValid && !mayBeInBuild && !isPart)
      .map((row): Complaint => {
        const object = index(row);
        const isOfReindex = /_cc(new|old)\d*$/.test(row.name);
        return {
          object,
          level: 'warning',
          message: row.isPartitioned
            ? `${object.name} is invalid: some partitions of ${row.table} lack their part of it`
            : `${object.name} (${bytes(row.sizeBytes)}) is invalid: no query uses it`,
          usedShare: 1,
          evidence: [
            measured('definition', row.definition, '', 'pg_get_indexdef'),
            measured('valid', 'false', '', 'pg_index'),
            measured('size', row.sizeBytes, 'By', 'pg_relation_size'),
          ],
          costIfIgnored: `Queries that were to be served by it go without, and writes to ${row.table} may go on maintaining it.`,
          fix: row.isPartitioned
            ? {
                title: `Complete ${object.name}`,
                text: 'Build the index on each partition that lacks it, CONCURRENTLY, and attach it with ALTER INDEX ... ATTACH PARTITION; with the last one the whole becomes valid.',
                up: null,
              }
            : {
                title: isOfReindex ? `Drop ${object.name}` : `Build ${object.name} again`,
                text: isOfReindex
                  ? 'It is what REINDEX CONCURRENTLY left behind. Where the name ends in _ccnew, run the REINDEX again afterwards.'
                  : 'A unique index that failed for duplicates will fail again until those are gone.',
                up: isOfReindex ? dropSql(row) : `${dropSql(row)}\n${createSql(row)}`,
              },
        };
      });
    return { complaints, otherwise: `${counted(indexes.length, 'index')} looked at: all valid, or being built` };
  },
});
