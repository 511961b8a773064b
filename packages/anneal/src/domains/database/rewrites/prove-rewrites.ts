import type { Evidence, Finding, Silence } from '../../../finding/finding.ts';
import { levelOf } from '../../../finding/level.ts';
import { subjectName } from '../../../finding/subject.ts';
import { printQuery } from '../../../ports/sql-print.ts';
import type { Query } from '../../../ports/sql-tree.ts';
import type { PlanningContext } from '../../../remedy/remedy.ts';
import type { SchemaFacts } from '../index-candidates.ts';
import type { RewriteRule } from '../rules/rewrite-rule.ts';
import { isTotalOrder, namesOf, outputs } from './names.ts';
import type { Refused } from './rewrite.ts';
import { cornerSets, type ParameterSet } from './parameter-sets.ts';
import { type RewriteProof, verifyRewrite } from './verify-rewrite.ts';

export interface ProvenFindings {
  readonly findings: readonly Finding[];
  /** Proposals that did not stand the test, each with the reason. */
  readonly withdrawn: readonly Silence[];
}

/**
 * Runs what rewrite rules propose beside what the application sends, on a scratch copy. What gives the same rows in less
 * time stays, with the proof; what does not is withdrawn. Other findings pass through.
 */
export async function proveRewrites(
  findings: readonly Finding[],
  rules: readonly RewriteRule[],
  context: PlanningContext,
): Promise<ProvenFindings> {
  const proven: Finding[] = [];
  const withdrawn: Silence[] = [];
  for (const finding of findings) {
    const rule = rules.find(({ id }) => id === finding.ruleId);
    const proof = rule === undefined ? null : await proofOf(finding, rule, context);
    if (proof === null) {
      proven.push(finding);
      continue;
    }
    const judged = withProof(finding, proof);
    if ('refused' in judged) withdrawn.push({ ruleId: finding.ruleId, subject: subjectName(finding.subject), reason: judged.refused });
    else proven.push(judged);
  }
  return { findings: proven, withdrawn };
}

async function proofOf({ subject }: Finding, { rewriter }: RewriteRule, context: PlanningContext): Promise<RewriteProof | null> {
  const { sql, sqlParser, samples, measurement } = context;
  if (sql === null || subject.kind !== 'statement') return null;
  const { observations } = measurement;
  const facts: SchemaFacts = {
    columns: observations['postgres.columns'] ?? [],
    indexes: observations['postgres.indexes'] ?? [],
    tables: observations['postgres.tables'] ?? [],
  };
  const [sample] = samples.get(subject.statementId) ?? [];
  if (sample === undefined) return { result: 'unknown', reason: 'nobody saw the statement as it is sent' };
  const query = sqlParser.shape(sample.text)?.query ?? null;
  const rewritten = query === null ? null : rewriter(query, facts);
  if (query === null || rewritten === null || 'refused' in rewritten)
    return { result: 'unknown', reason: 'the statement is sent in several forms' };
  const captured = (samples.get(subject.statementId) ?? []).flatMap(({ text, values }) =>
    text === sample.text && values !== null ? [values] : [],
  );
  const corners = await cornerSets(sql, query, facts, captured);
  if (corners === null) return { result: 'unknown', reason: 'no parameters were seen, and some are compared with no column' };
  const seen = captured.map((values): ParameterSet => ({ values, origin: 'a parameter set that was seen' }));
  const sets = [...seen, ...corners];
  const print = (one: Query) => printQuery(one, { constants: 'shown' });
  const pair = { original: print(query), rewritten: print(rewritten.query), ordered: isOrdered(query, facts) };
  return verifyRewrite(sql, pair, sets.length === 0 ? [{ values: [], origin: 'the statement as it is' }] : sets);
}

function isOrdered(query: Query, facts: SchemaFacts): boolean {
  if (query.kind !== 'select' || query.orderBy.length === 0) return false;
  const names = namesOf(query, facts);
  const result = 'refused' in names ? null : outputs(query.targets, names);
  return result !== null && !('refused' in names) && isTotalOrder(query.orderBy, result, names);
}

type Equal = Extract<RewriteProof, { result: 'equal' }>;

function setsAndRows({ parameterSets, rows }: Equal): string {
  return `${parameterSets.toLocaleString('en')} parameter set${parameterSets === 1 ? '' : 's'}, ${rows.toLocaleString('en')} rows`;
}

/** `x0.12 (0.11 .. 0.13)` */
function ratio({ point, lower, upper }: Equal['time']): string {
  const times = (change: number) => (1 + change).toPrecision(2);
  return `x${times(point)} (${times(lower)} .. ${times(upper)})`;
}

/** Faster means: beyond what the original seems to differ from itself. */
function withProof(finding: Finding, proof: RewriteProof): Finding | Refused {
  const { proposal, impact, evidence } = finding;
  if (proof.result === 'different')
    return { refused: `the other form was run beside it and does not give the same answer: ${proof.difference}` };
  if (proof.result === 'unknown')
    return { ...finding, proposal: { ...proposal, text: `${proposal.text} It could not be run beside the original: ${proof.reason}.` } };
  if (proof.time.upper >= Math.min(0, proof.noise.lower))
    return {
      refused: `the other form gives the same answer (${setsAndRows(proof)}) and is not certain to be faster: server time ${ratio(proof.time)}`,
    };
  const sentence = `Verified on a copy of the database: equal on ${setsAndRows(proof)}; server time ${ratio(proof.time)}.`;
  const source = 'both forms in turns on a copy';
  const added: readonly Evidence[] = [
    { label: 'parameter sets with equal answers', value: proof.parameterSets, unit: '1', provenance: 'measured', source },
    { label: 'rows compared', value: proof.rows, unit: '1', provenance: 'measured', source },
    { label: 'server time of the other form', value: 1 + proof.time.point, unit: '1', provenance: 'measured', source },
  ];
  const saved = (change: number) => impact.share * change;
  const { point, lower, upper, confidenceLevel } = proof.time;
  return {
    ...finding,
    level: levelOf(impact.certainShare),
    evidence: [evidence[0], ...evidence.slice(1), ...added],
    proposal: {
      ...proposal,
      text: `${proposal.text} ${sentence}`,
      code: proposal.code === null ? null : `-- ${sentence}\n${proposal.code}`,
      expected: { point: saved(point), lower: saved(lower), upper: saved(upper), confidenceLevel },
    },
  };
}
