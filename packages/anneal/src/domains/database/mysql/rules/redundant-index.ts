import { bytes } from '../../../../finding/wording.ts';
import { counted, defineCheck, type Complaint } from '../../checks/check.ts';
import { definitionEvidence, dropProposal, indexObject, isPrefix, sizeEvidence, twinOf } from './index-facts.ts';

export const redundantIndex = defineCheck({
  id: 'mysql/redundant-index',
  title: 'Index that another one begins with',
  documentation: {
    what: 'The columns of a B-tree are the first columns of another B-tree on the same table, in the same order, prefix lengths and directions.',
    why: 'The longer index finds and sorts by its first columns just as well, so the shorter one is written for nothing.',
    threshold:
      'A strict prefix, not unique, neither of the two hidden, and the longer one a secondary index: the primary key holds whole rows, and a scan of it reads them all.',
    fix: 'Hide the shorter one (INVISIBLE, IGNORED), and drop it when nothing has become slower.',
    falsePositives:
      'It is not a defect where the shorter one is much smaller and scanned for wide ranges, or where statements need its rows in the order of the primary key, which InnoDB appends to each index.',
    sources: ['MySQL 8.0 manual 10.3.6 Multiple-Column Indexes', 'MySQL 8.0 manual 10.3.12 Invisible Indexes', 'MariaDB: Ignored Indexes'],
  },
  requires: ['mysql.server', 'mysql.indexes'],
  examine({ 'mysql.server': { product }, 'mysql.indexes': indexes }) {
    const trees = indexes.filter(({ kind, isIgnored }) => kind === 'BTREE' && !isIgnored);
    const byTable = Map.groupBy(trees, ({ table }) => table);
    const complaints = trees.flatMap((index): Complaint[] => {
      const siblings = byTable.get(index.table)!;
      const longer = siblings.find((other) => !other.isPrimary && other.keys.length > index.keys.length && isPrefix(index, other));
      // A twin is reported as such, and nothing is reported twice.
      if (longer === undefined || index.isUnique || twinOf(index, siblings) !== undefined) return [];
      return [
        {
          object: indexObject(index),
          level: 'warning',
          message: `${index.table}.${index.name}${index.sizeBytes === null ? '' : ` (${bytes(index.sizeBytes)})`} is the beginning of ${longer.name}, which answers for both`,
          usedShare: index.keys.length / (index.keys.length + longer.keys.length),
          evidence: [definitionEvidence(index), definitionEvidence(longer, 'definition of the longer'), ...sizeEvidence(index)],
          costIfIgnored: `Every row written to ${index.table} is entered into both.`,
          fix: dropProposal(index, product, `Statements that used it use ${longer.name}.`),
        },
      ];
    });
    return { complaints, otherwise: `${counted(trees.length, 'index')} looked at: none is the beginning of another` };
  },
});
