import { quantity } from '../../../finding/wording.ts';
import { orToUnion } from '../rewrites/or-to-union.ts';
import { costShareOf, defineRewriteRule, nodesOf, planned } from './rewrite-rule.ts';

export const orAcrossColumns = defineRewriteRule({
  id: 'database/or-across-columns',
  title: 'OR that no index can answer as a whole',
  documentation: {
    what: 'Alternatives on several columns or tables are checked row by row, although each of them alone could use an index.',
    why: 'Indexes of one table can be joined by a bitmap; alternatives over two tables, or under an order that another index gives, cannot: every row of the join, or of the ordered index, is looked at.',
    threshold:
      'The plan has the OR as a filter of a join, or of an index scan that is read for its order. A filter of a sequential scan is a missing index (database/missing-index).',
    fix: 'One SELECT per alternative, added by UNION ALL; each leaves out what an earlier one keeps, so rows that several hold for come once and equal rows as often as before.',
    falsePositives: 'It is not a defect where the alternatives keep most rows: then reading all of them once is the cheapest.',
    sources: ['PostgreSQL manual 11.5 Combining Multiple Indexes', 'pganalyze Query Advisor: OR join'],
  },
  rewriter: orToUnion,
  proposalTitle: 'One SELECT per alternative, added by UNION ALL',
  waste(plan) {
    const isOr = (text: unknown) => typeof text === 'string' && / OR /u.test(text);
    const filtering = nodesOf(plan).find((node) => {
      const { 'Join Filter': joinFilter } = node as { readonly 'Join Filter'?: string };
      const readsInOrder = /^Index (?:Only )?Scan/u.test(node['Node Type']) && node['Index Cond'] === undefined;
      return isOr(joinFilter) || (isOr(node.Filter) && (/Join|Nested Loop/u.test(node['Node Type']) || readsInOrder));
    });
    if (filtering === undefined) return { silent: 'its plan checks no OR on a join or an ordered index' };
    const [first] = filtering.Plans ?? [];
    return {
      costShare: costShareOf(filtering, plan),
      complaint: `an OR over several columns is checked row by row${first === undefined ? '' : ` on a join of ${quantity(first['Plan Rows'])} rows or more`}`,
      evidence: [planned('rows it keeps', filtering['Plan Rows']), planned('plan cost of the filtered node', filtering['Total Cost'])],
    };
  },
});
