import { quantity } from '../../../finding/wording.ts';
import { joinToSemiJoin } from '../rewrites/join-to-semi-join.ts';
import { costShareOf, defineRewriteRule, nodesOf, planned } from './rewrite-rule.ts';

export const joinMadeDistinct = defineRewriteRule({
  id: 'database/join-made-distinct',
  title: 'A join whose copies are thrown away',
  documentation: {
    what: 'A table is joined only to ask whether it has a row, and DISTINCT or GROUP BY removes the copies the join has made.',
    why: 'Every match makes a row that is built, sorted or hashed and then dropped; a semi-join stops at the first match.',
    threshold: 'The plan removes at least half of the rows the join gives: with fewer, both forms do about the same work.',
    fix: 'EXISTS in WHERE. DISTINCT goes where the result holds a key and stays where it does not.',
    falsePositives: 'It is not a defect where nearly every row has one match.',
    sources: ['PostgreSQL manual 9.24.1 EXISTS', 'PostgreSQL manual 7.3.3 DISTINCT'],
  },
  rewriter: joinToSemiJoin,
  proposalTitle: 'EXISTS instead of a join and DISTINCT',
  waste(plan) {
    const removing = nodesOf(plan).find(
      ({ 'Node Type': type, Plans }) => /^(?:Unique|Aggregate|Group)$/u.test(type) && Plans?.[0] !== undefined,
    );
    if (removing === undefined) return { silent: 'its plan removes no rows' };
    const [given, kept] = [removing.Plans![0]!['Plan Rows'], removing['Plan Rows']];
    if (kept * 2 > given) return { silent: `its plan keeps ${quantity(kept)} of ${quantity(given)} joined rows: there are few copies` };
    return {
      costShare: costShareOf(removing, plan) * (1 - kept / given),
      complaint: `a join gives ${quantity(given)} rows of which ${quantity(kept)} are different`,
      evidence: [planned('rows of the join', given), planned('different rows', kept)],
    };
  },
});
