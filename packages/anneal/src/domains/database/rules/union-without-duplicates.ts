import { quantity } from '../../../finding/wording.ts';
import { unionToUnionAll } from '../rewrites/union-to-union-all.ts';
import { defineRewriteRule, nodesOf, planned } from './rewrite-rule.ts';

export const unionWithoutDuplicates = defineRewriteRule({
  id: 'database/union-without-duplicates',
  title: 'UNION that has nothing to remove',
  documentation: {
    what: 'A UNION removes equal rows, and its arms cannot hold any: a constant tells them apart and each holds a key of its table.',
    why: 'All rows of all arms are hashed or sorted before the first one is given, which also keeps a LIMIT from stopping early.',
    threshold: 'The cost of removing, in the plan, as far as it is certain to be above the share asked for.',
    fix: 'UNION ALL.',
    falsePositives: 'It is not a defect where an arm may repeat a row; then this rule says nothing.',
    sources: ['PostgreSQL manual 7.4 Combining Queries'],
  },
  rewriter: unionToUnionAll,
  proposalTitle: 'UNION ALL instead of UNION',
  waste(plan) {
    const removing = nodesOf(plan).find(
      ({ 'Node Type': type, Plans }) => /^(?:Unique|Aggregate)$/u.test(type) && below(Plans?.[0]) !== null,
    );
    const arms = below(removing?.Plans?.[0]);
    if (removing === undefined || arms === null) return { silent: 'its plan removes nothing' };
    return {
      costShare: Math.max(0, removing['Total Cost'] - arms['Total Cost']) / plan['Total Cost'],
      complaint: `${quantity(arms['Plan Rows'])} rows are compared with each other although no two can be equal`,
      evidence: [planned('rows compared', arms['Plan Rows'])],
    };
  },
});

type Node = Parameters<typeof nodesOf>[0];

/** The Append of the arms, under the sort that Unique needs. */
function below(node: Node | undefined): Node | null {
  if (node === undefined) return null;
  if (node['Node Type'].endsWith('Append')) return node;
  return node['Node Type'].endsWith('Sort') ? below(node.Plans?.[0]) : null;
}
