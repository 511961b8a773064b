import { quantity } from '../../../finding/wording.ts';
import { notInToNotExists } from '../rewrites/not-in-to-not-exists.ts';
import { costShareOf, defineRewriteRule, nodesOf, planned } from './rewrite-rule.ts';

export const notInSubquery = defineRewriteRule({
  id: 'database/not-in-subquery',
  title: 'NOT IN that reads its whole list',
  documentation: {
    what: 'A condition NOT IN (SELECT ...) reads all of its list: once a call where it fits into work_mem, else again for every row it is asked about.',
    why: 'A NULL in the list changes the meaning of NOT IN, so PostgreSQL cannot plan it as an anti-join, which could look up just the rows asked about; without a hash table its cost is the product of both sides.',
    threshold:
      'The plan evaluates the subquery per row (a SubPlan that is not hashed), or hashes a list of more rows than the condition keeps.',
    fix: 'NOT EXISTS. Where neither side can be NULL it means the same; where one can, the questions about NULL are written out, so that the answer stays what it was.',
    falsePositives: 'It is not a defect where the list is a handful of rows.',
    sources: ['PostgreSQL manual 9.24.2 IN', 'PostgreSQL manual 14.1 Using EXPLAIN'],
  },
  rewriter: notInToNotExists,
  proposalTitle: 'NOT EXISTS instead of NOT IN',
  waste(plan) {
    const asked = nodesOf(plan).find(({ Filter: filter }) => filter !== undefined && /\bNOT \(/u.test(filter) && /SubPlan/u.test(filter));
    if (asked === undefined) return { silent: 'its plan asks no subquery per row' };
    const list = asked.Plans?.find((child) => child['Parent Relationship'] === 'SubPlan');
    const rows = list?.['Plan Rows'] ?? 0;
    const isHashed = /hashed SubPlan/u.test(asked.Filter!);
    if (isHashed && rows <= asked['Plan Rows'])
      return { silent: `the list is hashed once a call and holds no more rows (${quantity(rows)}) than are asked about` };
    return {
      costShare: costShareOf(asked, plan),
      complaint: isHashed
        ? `NOT IN reads a list of ${quantity(rows)} rows whole to keep ${quantity(asked['Plan Rows'])}`
        : `NOT IN reads a list of ${quantity(rows)} rows again for every row it is asked about`,
      evidence: [
        planned('rows of the list', rows),
        planned('rows kept', asked['Plan Rows']),
        planned('plan cost of the condition', asked['Total Cost']),
      ],
    };
  },
});
