import { defineRule, type RuleOutcome } from '../../../../finding/finding.ts';
import { quantity } from '../../../../finding/wording.ts';
import type { MysqlStatementObservation } from '../../../../measurement/mysql-observations.ts';
import { accessNeeds, judgeAccess } from '../scanned-step.ts';
import { allFine, measured, statementOutcome } from '../statement-finding.ts';
import { complain } from './missing-index.ts';

export const lateSort = defineRule({
  id: 'mysql/late-sort',
  title: 'Sorted to give the first few, or on disk',
  documentation: {
    what: 'A statement sorts the rows of a table (filesort) to give those before its LIMIT, though an index could give them in order; or its sorts do not fit the sort buffer and are merged on disk.',
    why: 'Every row is read and compared before the first one is given. A sort that spills writes and reads its rows once more for each pass.',
    threshold:
      'A sort before a LIMIT speaks where more than 11 rows are examined for each row given (see mysql/missing-index); a spill where there was at least one merge pass for each call: below, only exceptional calls spill.',
    fix: 'An index with the columns of ORDER BY behind those compared for equality; for a spill without a LIMIT, fewer or narrower rows to sort, or a larger sort_buffer_size for that session.',
    falsePositives:
      'It is not a defect in a report that must sort everything, nor where the statement hardly ever runs. A larger buffer for all sessions is memory for each of them.',
    sources: ['MySQL 8.0 manual 10.2.1.16 ORDER BY Optimization', 'MariaDB: sort_buffer_size, Sort_merge_passes'],
  },
  requires: accessNeeds,
  yieldsTo: ['mysql/missing-index'],
  diagnose(observations, settings) {
    const outcomes = observations['mysql.statements'].flatMap((statement): readonly RuleOutcome[] => {
      if (statement.sorts === 0) return [];
      const judged = judgeAccess(statement, observations);
      if (!('fine' in judged) && 'sorts' in judged.candidate && judged.candidate.sorts && judged.step.sortsByFile) {
        const complaint = complain(judged, judged.candidate, observations['mysql.indexes']);
        const message = `${judged.table.name} is sorted by ${judged.candidate.columns.at(-1)} to give the first ${quantity(judged.keptPerCall)} of ${quantity(judged.examinedPerCall)} rows`;
        return [statementOutcome(statement, { ...complaint, message }, settings)];
      }
      return statement.sortMergePasses >= statement.calls ? [statementOutcome(statement, spill(statement), settings)] : [];
    });
    return allFine(outcomes, observations['mysql.statements'].length);
  },
});

function spill({ calls, sorts, sortMergePasses, rowsSent, shape }: MysqlStatementObservation) {
  const passes = sortMergePasses / calls;
  return {
    message: `its sorts do not fit the sort buffer: ${quantity(passes)} merge passes on disk for each call`,
    share: 1,
    tables: shape?.tables.flatMap(({ table }) => table ?? []) ?? [],
    columns: [],
    evidence: [
      measured('sorts per call', sorts / calls, '1'),
      measured('merge passes per call', passes, '1'),
      measured('rows given per call', rowsSent / calls, '1'),
    ],
    costIfIgnored: 'What is sorted is written to temporary files and read again, in every call.',
    proposal: {
      title: 'Sort less, or in memory',
      text: 'Ask for fewer or narrower rows, let an index give them in order, or raise sort_buffer_size in the session that runs this statement; it is allocated for each sort.',
      code: null,
    },
    savedShare: null,
  };
}
