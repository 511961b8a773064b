import { bytes } from '../../../../finding/wording.ts';
import { counted, defineCheck, type Complaint } from '../../checks/check.ts';
import { definitionEvidence, dropProposal, indexObject, sizeEvidence, twinOf } from './index-facts.ts';

export const duplicateIndex = defineCheck({
  id: 'mysql/duplicate-index',
  title: 'Two indexes that are the same',
  documentation: {
    what: 'Two indexes of a table have the same columns in the same order, prefix lengths and directions, and are of the same kind.',
    why: 'Every write is made twice, and the second one answers nothing the first does not.',
    threshold: 'Equality; no size below which writing twice is of use. The primary key and the unique one of the two stay.',
    fix: 'Hide the spare one (INVISIBLE, IGNORED), and drop it when nothing misses it.',
    falsePositives: 'It is not a defect while one of the two is being brought in to replace the other.',
    sources: ['MySQL 8.0 manual 10.3.12 Invisible Indexes', 'MariaDB: Ignored Indexes'],
  },
  requires: ['mysql.server', 'mysql.indexes'],
  examine({ 'mysql.server': { product }, 'mysql.indexes': indexes }) {
    const byTable = Map.groupBy(indexes, ({ table }) => table);
    const complaints = indexes.flatMap((index): Complaint[] => {
      const kept = twinOf(index, byTable.get(index.table)!);
      if (kept === undefined || index.isIgnored) return [];
      return [
        {
          object: indexObject(index),
          level: 'warning',
          message: `${index.table}.${index.name}${index.sizeBytes === null ? '' : ` (${bytes(index.sizeBytes)})`} is the same as ${kept.name}`,
          usedShare: 0.5,
          evidence: [definitionEvidence(index), definitionEvidence(kept, 'definition of the other'), ...sizeEvidence(index)],
          costIfIgnored: `Every row written to ${index.table} is entered into both.`,
          fix: dropProposal(index, product, `${kept.name} answers all that it answers.`),
        },
      ];
    });
    return { complaints, otherwise: `${counted(indexes.length, 'index')} looked at: no two are the same` };
  },
});
