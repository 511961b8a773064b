import { certainShare } from '../../../finding/evidence-rate.ts';
import type { DiagnoseSettings, Evidence, Finding, Level, Proposal, RuleOutcome } from '../../../finding/finding.ts';
import { levelOf } from '../../../finding/level.ts';
import { shorten } from '../../../finding/subject.ts';
import { percent, quantity } from '../../../finding/wording.ts';
import type { MysqlStatementObservation } from '../../../measurement/mysql-observations.ts';

export interface StatementComplaint {
  readonly message: string;
  /** Of the statement's own time, 0-1. */
  readonly share: number;
  /** Where given, the finding is a question and not a judgement. */
  readonly level?: Level;
  readonly tables: readonly string[];
  readonly columns: readonly string[];
  readonly evidence: readonly Evidence[];
  readonly costIfIgnored: string;
  readonly proposal: Omit<Proposal, 'expected'>;
  /** Of the time complained of, what the proposal saves at its best guess; null where nothing supports a number. */
  readonly savedShare: number | null;
}

export const digestSource = 'events_statements_summary_by_digest';
export const explainSource = 'EXPLAIN with stand-ins';

/** A finding about a statement, or a silence where its cost is too small or too seldom seen to matter. */
export function statementOutcome(
  statement: MysqlStatementObservation,
  complaint: StatementComplaint,
  { minimumShare }: DiagnoseSettings,
): RuleOutcome {
  const share = statement.timeShare * complaint.share;
  const certain = certainShare(share, statement.calls);
  if (certain < minimumShare) {
    return silent(
      statement,
      `${percent(share)} of database time over ${quantity(statement.calls)} call(s): ${percent(certain)} is certain, below the ${percent(minimumShare)} asked for`,
    );
  }
  return {
    level: complaint.level ?? levelOf(certain),
    message: `${complaint.message}; ${percent(share)} of all database time`,
    subject: {
      kind: 'statement',
      key: statement.id,
      statementId: statement.id,
      text: statement.text,
      tables: complaint.tables,
      columns: complaint.columns,
    },
    locations: [],
    impact: { resource: 'database-time', share, certainShare: certain },
    evidence: [
      measured('calls', statement.calls, '1'),
      measured('time per call', statement.totalMs / statement.calls, 'ms'),
      measured('seen for', statement.countedMs, 'ms'),
      ...complaint.evidence,
    ],
    costIfIgnored: complaint.costIfIgnored,
    proposal: {
      ...complaint.proposal,
      // Costs rank ways of reading, they do not time them: certain is only that no more than the share can be saved.
      expected:
        complaint.savedShare === null ? null : { point: -share * complaint.savedShare, lower: -share, upper: 0, confidenceLevel: 0.95 },
    },
  } satisfies Omit<Finding, 'ruleId' | 'fingerprint'>;
}

export function silent(statement: MysqlStatementObservation, reason: string): RuleOutcome {
  return { silent: { subject: shorten(statement.text), reason } };
}

/** One silence speaks for all statements that are in order. */
export function allFine(outcomes: readonly RuleOutcome[], looked: number): readonly RuleOutcome[] {
  return outcomes.length > 0 ? outcomes : [{ silent: { subject: 'the statements', reason: `${looked} looked at: none does this` } }];
}

export function measured(label: string, value: number, unit: string, source: string = digestSource): Evidence {
  return { label, value, unit, provenance: 'measured', source };
}

export function planned(label: string, value: number | string, unit: string): Evidence {
  return { label, value, unit, provenance: 'predicted', source: explainSource };
}
