import { certainShare } from '../../../finding/evidence-rate.ts';
import { defineRule, type Evidence, type Rule, type RuleDocumentation, type RuleId, type RuleOutcome } from '../../../finding/finding.ts';
import { shorten } from '../../../finding/subject.ts';
import { milliseconds, percent } from '../../../finding/wording.ts';
import type { StatementObservation } from '../../../measurement/observations.ts';
import type { PlanNode } from '../../../ports/planner.ts';
import { printQuery } from '../../../ports/sql-print.ts';
import type { Query } from '../../../ports/sql-tree.ts';
import type { SchemaFacts } from '../index-candidates.ts';
import type { Rewritten, Rewriter } from '../rewrites/rewrite.ts';

/** A rule whose answer is another form of the statement. */
export interface RewriteRule extends Rule {
  readonly rewriter: Rewriter;
}

export interface RewriteWording {
  readonly id: RuleId;
  readonly title: string;
  readonly documentation: RuleDocumentation;
  readonly rewriter: Rewriter;
  readonly proposalTitle: string;
  /** What of the plan's cost the form is to blame for, or why nothing of it: the plan is the evidence, never the text alone. */
  readonly waste: (plan: PlanNode, query: Query, facts: SchemaFacts) => Waste | { readonly silent: string };
}

export interface Waste {
  /** Of the statement's plan cost, 0-1. */
  readonly costShare: number;
  /** As it continues "..., <share> of all database time": what the plan does for the form's sake. */
  readonly complaint: string;
  readonly evidence: readonly Evidence[];
}

const capabilities = ['postgres.statements', 'postgres.plans', 'postgres.tables', 'postgres.indexes', 'postgres.columns'] as const;

/**
 * The level is `note` until both forms have been run on a copy (`rewrites/prove-rewrites.ts`): a plan says what a form costs,
 * not what another one would.
 */
export function defineRewriteRule({ id, title, documentation, rewriter, proposalTitle, waste }: RewriteWording): RewriteRule {
  const rule = defineRule({
    id,
    title,
    documentation,
    requires: capabilities,
    diagnose(observations, settings) {
      const statements = observations['postgres.statements'];
      const facts: SchemaFacts = {
        columns: observations['postgres.columns'],
        indexes: observations['postgres.indexes'],
        tables: observations['postgres.tables'],
      };
      const totalMs = statements.reduce((sum, statement) => sum + statement.totalMs, 0);
      return statements.flatMap((statement): readonly RuleOutcome[] => {
        const query = statement.shape?.query ?? null;
        const plan = observations['postgres.plans'][statement.id]?.root;
        const rewritten = query === null ? null : rewriter(query, facts);
        if (query === null || rewritten === null) return [];
        const silent = (reason: string): RuleOutcome[] => [{ silent: { subject: shorten(statement.text), reason } }];
        if ('refused' in rewritten) return silent(`no other form is certain to give the same answer: ${rewritten.refused}`);
        if (plan === undefined) return silent('its plan is not known');
        const found = waste(plan, query, facts);
        if ('silent' in found) return silent(found.silent);
        const share = totalMs === 0 ? 0 : (statement.totalMs / totalMs) * found.costShare;
        const certain = certainShare(share, statement.calls);
        if (certain < settings.minimumShare)
          return silent(
            `${percent(share)} of database time over ${statement.calls} call(s): below the ${percent(settings.minimumShare)} asked for`,
          );
        return [outcome(statement, query, rewritten, found, { share, certain, proposalTitle })];
      });
    },
  });
  return { ...rule, rewriter };
}

function outcome(
  statement: StatementObservation,
  query: Query,
  rewritten: Rewritten,
  { complaint, costShare, evidence }: Waste,
  { share, certain, proposalTitle }: { readonly share: number; readonly certain: number; readonly proposalTitle: string },
): RuleOutcome {
  const measured = statement.source === 'server' ? 'pg_stat_statements' : 'agent';
  return {
    level: 'note',
    message: `${complaint}: ${milliseconds(statement.totalMs / statement.calls)} a call, ${percent(share)} of all database time.`,
    subject: {
      kind: 'statement',
      key: statement.id,
      statementId: statement.id,
      text: statement.text,
      tables: statement.tables,
      columns: [],
    },
    locations: statement.locations,
    impact: { resource: 'database-time', share, certainShare: certain },
    evidence: [
      { label: 'calls in the window', value: statement.calls, unit: '1', provenance: 'measured', source: measured },
      { label: 'time per call', value: statement.totalMs / statement.calls, unit: 'ms', provenance: 'measured', source: measured },
      { label: "share of the statement's plan cost", value: costShare, unit: '1', provenance: 'predicted', source: 'EXPLAIN' },
      ...evidence,
    ],
    costIfIgnored: `${percent(share)} of all database time stays spent on the form of the statement.`,
    proposal: {
      title: proposalTitle,
      text: `Write the statement in the other form: ${rewritten.because}.`,
      code: rewriteCode(query, rewritten.query),
      expected: null,
    },
  };
}

/** Both forms for people, without anybody's values: constants stand as `$n`, numbered behind the parameters. */
export function rewriteCode(original: Query, rewritten: Query): string {
  const print = (query: Query) => printQuery(query, { constants: 'masked', lines: true });
  return `-- rewrite: instead of\n${print(original).replaceAll(/^/gmu, '--   ')}\n-- write\n${print(rewritten)};`;
}

/** Every node of a plan, from the top. */
export function nodesOf(node: PlanNode): readonly PlanNode[] {
  return [node, ...(node.Plans ?? []).flatMap(nodesOf)];
}

/** The part of the whole plan's cost that a node and all below it have. */
export function costShareOf(node: PlanNode, root: PlanNode): number {
  return root['Total Cost'] <= 0 ? 0 : Math.min(1, node['Total Cost'] / root['Total Cost']);
}

export function planned(label: string, value: number): Evidence {
  return { label, value, unit: '1', provenance: 'predicted', source: 'EXPLAIN' };
}
