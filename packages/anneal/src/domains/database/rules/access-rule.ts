import { certainShare } from '../../../finding/evidence-rate.ts';
import {
  defineRule,
  type DiagnoseSettings,
  type Evidence,
  type Finding,
  type Level,
  type Rule,
  type RuleDocumentation,
  type RuleId,
  type RuleOutcome,
} from '../../../finding/finding.ts';
import { levelOf } from '../../../finding/level.ts';
import { shorten } from '../../../finding/subject.ts';
import { milliseconds, percent, quantity } from '../../../finding/wording.ts';
import { indexSql, quoteIdentifier } from '../../../ports/index-sql.ts';
import { accessOutcomes } from '../access/access-causes.ts';
import { accessCapabilities, type AccessCause, type AccessObservations, type AccessRule } from '../access/access-outcome.ts';
import type { SchemaFacts } from '../index-candidates.ts';
import { writeBill, type WriteBill } from '../index-economy.ts';

/** What distinguishes one rule about access paths from another: its words. */
export interface AccessWording {
  readonly id: AccessRule;
  readonly title: string;
  readonly documentation: RuleDocumentation;
  /** Rules that know a cheaper way than an index. */
  readonly yieldsTo?: readonly RuleId[];
  /** The first half of the message: what is missing where. */
  readonly complaint: (cause: AccessCause) => string;
  readonly proposal: (
    cause: AccessCause,
    facts: SchemaFacts,
  ) => { readonly title: string; readonly text: string; readonly code: string | null };
}

export function defineAccessRule({ id, complaint, proposal, ...words }: AccessWording): Rule {
  return defineRule({
    id: `database/${id}`,
    ...words,
    requires: accessCapabilities,
    diagnose(observations: AccessObservations, settings: DiagnoseSettings): readonly RuleOutcome[] {
      const outcomes = accessOutcomes(observations);
      const causes = outcomes.filter((outcome) => 'cost' in outcome);
      const totalMs = observations['postgres.statements'].reduce((sum, { totalMs }) => sum + totalMs, 0);
      return outcomes
        .filter(({ rule }) => rule === id)
        .map((outcome): RuleOutcome => {
          const silent = (reason: string): RuleOutcome => ({ silent: { subject: shorten(outcome.statement.text), reason } });
          if ('silent' in outcome) return silent(outcome.silent);
          const share = totalMs === 0 ? 0 : (outcome.statement.totalMs / totalMs) * outcome.costShare;
          const certain = certainShare(share, outcome.statement.calls);
          if (certain < settings.minimumShare) {
            return silent(
              `${percent(share)} of database time over ${outcome.statement.calls} call(s): ${percent(certain)} is certain, below the ${percent(settings.minimumShare)} asked for`,
            );
          }
          const economy = economyOf(outcome, causes, observations);
          if (economy !== null && economy.ratio >= hopelessRatio) {
            return silent(
              `an index on ${outcome.table.name} would cost its writes ${milliseconds(economy.bill.extraMs)} in the window and save ${milliseconds(economy.savedMs)}`,
            );
          }
          return findingFor(outcome, {
            share,
            certain,
            economy,
            complaint: complaint(outcome),
            proposal: proposal(outcome, factsOf(observations)),
          });
        });
    },
  });
}

function factsOf(observations: AccessObservations): SchemaFacts {
  const { 'postgres.columns': columns, 'postgres.indexes': indexes, 'postgres.tables': tables } = observations;
  return { columns, indexes, tables };
}

interface Economy {
  readonly bill: WriteBill;
  /** Database time in the window that all statements with this cause would save. */
  readonly savedMs: number;
  readonly ratio: number;
}

/** The bill is an upper bound and the gain an estimate: from half on, either could be the larger one. */
const openRatio = 0.5;
/** Both figures can be off by a factor of three; beyond ten no such error turns the result round. */
const hopelessRatio = 10;

function economyOf(cause: AccessCause, causes: readonly AccessCause[], observations: AccessObservations): Economy | null {
  if (cause.candidate === null) return null;
  const { definition } = cause.candidate;
  const savedMs = causes
    .filter(
      ({ candidate }) =>
        candidate?.definition.schema === definition.schema &&
        candidate.definition.table === definition.table &&
        candidate.definition.keys[0] === definition.keys[0],
    )
    .reduce((sum, { statement, costShare, cost, betterCost }) => sum + statement.totalMs * costShare * (1 - betterCost / cost), 0);
  const bill = writeBill(
    definition,
    observations['postgres.statements'],
    cause.table,
    observations['postgres.indexes'],
    observations['postgres.columns'],
  );
  return { bill, savedMs, ratio: savedMs === 0 ? Number.POSITIVE_INFINITY : bill.extraMs / savedMs };
}

interface Judgement {
  readonly share: number;
  readonly certain: number;
  readonly economy: Economy | null;
  readonly complaint: string;
  readonly proposal: { readonly title: string; readonly text: string; readonly code: string | null };
}

function findingFor(
  cause: AccessCause,
  { share, certain, economy, complaint, proposal }: Judgement,
): Omit<Finding, 'ruleId' | 'fingerprint'> {
  const { statement, table, columns, rowsRead, rowsKept, cost, betterCost } = cause;
  const isOpen = economy !== null && economy.ratio >= openRatio;
  const level: Level = isOpen ? 'note' : levelOf(certain);
  const doubt = isOpen
    ? ` Keeping the index up may cost the table's writes ${milliseconds(economy.bill.extraMs)} of the ${milliseconds(economy.savedMs)} it saves: only a trial can decide.`
    : '';
  const saving = share * (1 - betterCost / cost);
  return {
    level,
    message:
      `${complaint}: each call reads ${quantity(rowsRead)} rows of ${table.name} for ${quantity(rowsKept)}, ` +
      `${milliseconds(statement.totalMs / statement.calls)} a call and ${percent(share)} of all database time.${doubt}`,
    subject: {
      kind: 'statement',
      key: statement.id,
      statementId: statement.id,
      text: statement.text,
      tables: [`${table.schema}.${table.name}`],
      columns,
    },
    locations: statement.locations,
    impact: { resource: 'database-time', share, certainShare: certain },
    evidence: evidenceFor(cause, economy),
    costIfIgnored: `Every call goes on reading ${quantity(rowsRead)} rows, and more as ${table.name} grows; ${percent(share)} of all database time stays spent on it.`,
    proposal: {
      ...proposal,
      // The planner's costs rank plans: what is certain is that no more than the cause's whole share can be saved.
      expected: { point: -saving, lower: -share, upper: 0, confidenceLevel: 0.95 },
    },
  };
}

function evidenceFor(cause: AccessCause, economy: Economy | null): readonly [Evidence, ...Evidence[]] {
  const { statement, plan, table, rowsRead, rowsKept, rowsKeptMeasured, cost, betterCost, costShare, page } = cause;
  const measured = statement.source === 'server' ? 'pg_stat_statements' : 'agent';
  const planned = plan.generic ? 'EXPLAIN (GENERIC_PLAN)' : 'EXPLAIN with parameters seen';
  const blocks = statement.sharedBlocksHit + statement.sharedBlocksRead;
  return [
    { label: 'calls in the window', value: statement.calls, unit: '1', provenance: 'measured', source: measured },
    { label: 'time per call', value: statement.totalMs / statement.calls, unit: 'ms', provenance: 'measured', source: measured },
    { label: 'rows returned per call', value: statement.rows / statement.calls, unit: '1', provenance: 'measured', source: measured },
    ...(statement.source === 'server'
      ? [{ label: 'pages touched per call', value: blocks / statement.calls, unit: '1', provenance: 'measured', source: measured } as const]
      : []),
    { label: 'rows read per call', value: rowsRead, unit: '1', provenance: 'predicted', source: planned },
    rowsKeptMeasured
      ? { label: 'rows kept per call', value: rowsKept, unit: '1', provenance: 'measured', source: measured }
      : { label: 'rows kept per call', value: rowsKept, unit: '1', provenance: 'predicted', source: planned },
    ...(page !== null && page.skippedRows > 0
      ? [{ label: 'rows skipped by OFFSET', value: page.skippedRows, unit: '1', provenance: 'predicted', source: planned } as const]
      : []),
    { label: `rows of ${table.name}`, value: table.liveRows, unit: '1', provenance: 'measured', source: 'pg_class' },
    { label: "share of the statement's plan cost", value: costShare, unit: '1', provenance: 'predicted', source: planned },
    { label: 'plan cost now', value: cost, unit: '1', provenance: 'predicted', source: planned },
    { label: 'plan cost as proposed', value: betterCost, unit: '1', provenance: 'predicted', source: "the planner's cost formulas" },
    ...(economy === null
      ? []
      : ([
          {
            label: 'database time saved in the window',
            value: economy.savedMs,
            unit: 'ms',
            provenance: 'predicted',
            source: `${measured}, ${planned}`,
          },
          {
            label: 'database time its upkeep adds in the window',
            value: economy.bill.extraMs,
            unit: 'ms',
            provenance: 'predicted',
            source: measured,
          },
          { label: 'rows whose entries it keeps up', value: economy.bill.rows, unit: '1', provenance: 'measured', source: measured },
        ] as const)),
  ];
}

/** `CREATE INDEX CONCURRENTLY`, which lets writes go on while it builds, and why these keys. */
export function indexProposal(
  cause: AccessCause,
  reason: string,
): { readonly title: string; readonly text: string; readonly code: string | null } {
  const { candidate, table } = cause;
  if (candidate === null) return indexesForEachArm(cause);
  const keys = candidate.definition.keys.join(', ');
  const extension = candidate.extension === null ? '' : `CREATE EXTENSION IF NOT EXISTS ${candidate.extension};\n`;
  return {
    title: `Index ${table.name} (${keys})`,
    text: `${reason} Keys: ${candidate.reason}`,
    code: `${extension}${indexSql(candidate.definition, { concurrently: true })};`,
  };
}

/** The planner joins the rows of several indexes with a bitmap (manual, 11.5), but only where every arm of the OR has one. */
function indexesForEachArm({ table: { schema, name }, columns }: AccessCause): {
  readonly title: string;
  readonly text: string;
  readonly code: string;
} {
  const plain = { schema, table: name, method: 'btree', include: [], predicate: null } as const;
  return {
    title: `Index ${name} on each of ${columns.join(', ')}`,
    text: 'Each arm of the OR needs an index of its own; one without makes the whole condition a scan. Or write it as a UNION of two statements that are indexed.',
    code: columns.map((column) => `${indexSql({ ...plain, keys: [quoteIdentifier(column)] }, { concurrently: true })};`).join('\n'),
  };
}
