import { quantity } from '../../../finding/wording.ts';
import { indexLeadsWith, sargableColumns, sargableRange } from '../rewrites/sargable-range.ts';
import { costShareOf, defineRewriteRule, nodesOf, planned } from './rewrite-rule.ts';

export const functionOnIndexedColumn = defineRewriteRule({
  id: 'database/function-on-indexed-column',
  title: 'A function hides a column from its index',
  documentation: {
    what: 'A condition wraps a date or timestamp (date_trunc, ::date, EXTRACT(year ...)), so the index on the column cannot find it.',
    why: "An index on a column is ordered by the column and not by what a function makes of it. An expression index would need an immutable function, which those on timestamptz are not: they depend on the session's time zone.",
    threshold: 'The condition is a filter in the plan, and an index that begins with the column exists.',
    fix: 'Write the range that the condition implies beside it. The condition stays and decides, so the range need not be exact.',
    falsePositives: 'It is not a defect where the condition keeps most of the table.',
    sources: ['PostgreSQL manual 11.7 Indexes on Expressions', 'PostgreSQL manual 9.9.2 date_trunc'],
  },
  rewriter: sargableRange,
  proposalTitle: 'The range beside the condition',
  waste(plan, query, facts) {
    const columns = sargableColumns(query, facts);
    const scan = nodesOf(plan).find((node) =>
      columns.some(({ name }) => node.Filter !== undefined && node.Filter.includes(name) && node['Relation Name'] !== undefined),
    );
    if (scan === undefined) return { silent: 'its plan has the condition in an index already, or nowhere' };
    if (!columns.some((column) => indexLeadsWith(column, facts)))
      return { silent: 'no index begins with the column: a range would have none to use' };
    const rows =
      facts.tables.find(({ schema, name }) => name === scan['Relation Name'] && schema === (scan.Schema ?? schema))?.liveRows ?? 0;
    return {
      costShare: costShareOf(scan, plan),
      complaint: `${columns.map(({ name }) => name).join(', ')} is wrapped in a function, so ${quantity(rows)} rows of ${scan['Relation Name']} are read although an index knows the order`,
      evidence: [planned('rows kept', scan['Plan Rows']), planned('rows of the table', rows)],
    };
  },
});
