import { quantity } from '../../../finding/wording.ts';
import { countToExists } from '../rewrites/count-to-exists.ts';
import { defineRewriteRule, nodesOf, planned } from './rewrite-rule.ts';

export const countForExistence = defineRewriteRule({
  id: 'database/count-for-existence',
  title: 'Counts everything to see whether there is anything',
  documentation: {
    what: 'A count is only compared with nought.',
    why: 'All matching rows are read and counted, where the first one answers the question.',
    threshold: 'The plan counts more than one row; the saving is the share of the rows behind the first.',
    fix: 'EXISTS, or NOT EXISTS.',
    falsePositives: 'It is not a defect where a unique key keeps the count at nought or one.',
    sources: ['PostgreSQL manual 9.24.1 EXISTS'],
  },
  rewriter: countToExists,
  proposalTitle: 'EXISTS instead of a count',
  waste(plan) {
    const counting = nodesOf(plan).filter((node) => node['Node Type'] === 'Aggregate' && node.Plans?.[0] !== undefined);
    const rows = Math.max(0, ...counting.map((node) => node.Plans![0]!['Plan Rows']));
    if (rows <= 1) return { silent: 'it counts one row at most' };
    return {
      costShare: 1 - 1 / rows,
      complaint: `${quantity(rows)} rows are counted to learn whether there is one`,
      evidence: [planned('rows counted', rows)],
    };
  },
});
