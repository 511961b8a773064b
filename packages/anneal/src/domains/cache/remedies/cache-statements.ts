import { snapshotText, sqlTemplate } from '@anneal/agent/protocol';
import type { Finding } from '../../../finding/finding.ts';
import { shareOf } from '../../../finding/request-time.ts';
import { shorten } from '../../../finding/subject.ts';
import { percent, quantity } from '../../../finding/wording.ts';
import type { Measurement } from '../../../measurement/measurement.ts';
import type { StatementObservation } from '../../../measurement/observations.ts';
import type { Prediction } from '../../../prediction/prediction.ts';
import { chosenBy, type Refused } from '../../../remedy/choice.ts';
import { whyOutOfReach } from '../../../remedy/driver-within-reach.ts';
import { defineRemedy, type PlanningContext } from '../../../remedy/remedy.ts';
import { predictStatementHits, routeName } from '../hit-model.ts';
import { hearingOfOthers, keptByAgent, planKeeping, reservationsOf, shadowShare, whyNoLog, type KeepingPlan } from '../kept-by-agent.ts';

/** A type, not an interface, so that it is Json. */
export type CacheStatementsPlan = KeepingPlan & {
  readonly statementId: string;
  /** Normalised: no constant of the application is in it. */
  readonly statement: string;
  /** As the agent knows it: one for each way of writing it. */
  readonly templates: readonly string[];
  readonly routes: readonly string[];
  readonly location: { readonly file: string; readonly line: number } | null;
  /** What is asked of the database before each read that may be kept, by its fingerprint. */
  readonly snapshotId: string | null;
};

const id = 'cache/cache-statements';

/** Of one statement's results: some ten thousand rows. A dozen such policies take no more than a tenth of a small machine's heap. */
const maximumBytes = 8_000_000;

/**
 * What the server takes for the snapshot before a read that is kept. Assumed from our own measurement (pg_stat_statements of an
 * idle PostgreSQL 18, means of 3,000): 0.003 ms, beside 0.008 ms for a row by its key.
 */
const snapshotMs = 0.003;

export const cacheStatements = defineRemedy<CacheStatementsPlan>({
  id,
  title: 'Keep results until what they were read from is written',
  addresses: ['cache/repeated-statement'],
  scope: 'process',
  risk: 'medium',
  effort: 'none',
  contract: 'transparent',

  ...chosenBy(choose),

  predict: async (plan, _finding, context) => predicted(plan, context),

  ...keptByAgent(
    id,
    policyId,
    ({ templates }, knowledge) => ({ kind: 'cache-statements', templates, knowledge, maximumBytes, shadowShare }),
    maximumBytes,
  ),

  touches: ({ statementId, snapshotId, routes }) => ({
    // The snapshots are what it is paid for with: they count against it.
    statementIds: snapshotId === null ? [statementId] : [statementId, snapshotId],
    routes,
    writtenTables: [],
  }),

  describe(plan) {
    const where = plan.location === null ? '' : ` at ${plan.location.file}:${plan.location.line}`;
    return {
      title: `Results of "${shorten(plan.statement)}" are kept until what they were read from is written`,
      sql: null,
      lasting:
        `Keep the rows${where} by parameters. Note a generation per table before reading, keep only what was read within one, and count it up after each commit before the writer is answered. ` +
        hearingOfOthers(plan),
      reservations: [
        ...reservationsOf(plan),
        'Only what is sent by `pool.query(text, values)` of node-postgres is kept: statements inside of transactions, on connections that the application took out, and those of ORMs that ask for rows as arrays pass.',
        'One result of fifty is read anew for ever and compared; one that differs without a write to explain it ends the policy.',
      ],
    };
  },
});

async function choose(finding: Finding, context: PlanningContext): Promise<CacheStatementsPlan | Refused> {
  const { measurement, samples, sql, sqlParser } = context;
  const statement = finding.subject.kind === 'statement' ? statementOf(measurement, finding.subject.statementId) : null;
  if (statement === null) return { refused: 'the statement was not observed' };
  if (sql === null) return { refused: 'there is no database to ask what it reads' };
  const templates = [...new Set((samples.get(statement.id) ?? []).map(({ text }) => sqlTemplate(text).text))];
  if (templates.length === 0) return { refused: 'it was not seen as it is sent' };
  const unheard = whyOutOfReach(measurement) ?? (await whyNoLog(sql));
  if (unheard !== null) return { refused: unheard };
  const keeping = await planKeeping(context, sql);
  const known = keeping.statements.filter(({ template }) => templates.includes(template));
  if (known.length < templates.length || known.some(({ reads }) => reads === null)) {
    return { refused: 'its answer depends on more than tables, or nothing shows that it does not' };
  }
  const [place] = statement.locations;
  const plan: CacheStatementsPlan = {
    statementId: statement.id,
    statement: statement.text,
    templates,
    routes: routesOf(measurement, statement.id),
    location: place === undefined ? null : { file: place.file, line: place.line },
    snapshotId: sqlParser.fingerprint(snapshotText),
    ...keeping,
  };
  if (predicted(plan, context).change.point < 0) return plan;
  return { refused: 'what would be kept is dropped too often, or read as quickly as what has to be asked before a read that is kept' };
}

/** Only holds statements together, or is of one session: the agent knows these by themselves. */
const bracket = /^\s*(?:BEGIN|START\s+TRANSACTION|COMMIT|END|ROLLBACK|ABORT|SAVEPOINT|RELEASE|SET)\b/i;

/** How often something was sent of which nothing says what it writes: the agent then drops all that is kept. */
function unknownCalls(
  { statements }: CacheStatementsPlan,
  { measurement, samples }: Pick<PlanningContext, 'measurement' | 'samples'>,
): number {
  const known = new Set(statements.map(({ template }) => template));
  return (measurement.observations['agent.statements'] ?? [])
    .filter(({ id: other, text }) => !bracket.test(text) && samples.get(other)?.some((sample) => !known.has(sqlTemplate(sample.text).text)))
    .reduce((sum, { calls }) => sum + calls, 0);
}

/** By the database's time where the server counts it, else by what the routes wait for it. */
function predicted(plan: CacheStatementsPlan, context: Pick<PlanningContext, 'measurement' | 'samples' | 'sliceMs'>): Prediction {
  const { statementId, routes } = plan;
  const { measurement, sliceMs } = context;
  const { 'agent.routes': seen = [], 'agent.statements': statements = [], 'postgres.statements': counted = [] } = measurement.observations;
  const statement = statementOf(measurement, statementId)!;
  const server = counted.find(({ id, source, calls }) => id === statementId && source === 'server' && calls > 0);
  // Nothing is kept when a slice of its trial begins.
  const slices = sliceMs === undefined ? 0 : measurement.durationMs / sliceMs;
  const unknown = unknownCalls(plan, context);
  const hits = predictStatementHits(statement, statements, slices + unknown);
  const readAgain = (share: number) => share * (1 - shadowShare);
  const most = readAgain(hits?.repeatedShare ?? 0);
  const point = readAgain(hits?.least ?? 0);
  const assumptions = [
    `calls repeat as they did: ${percent(hits?.repeatedShare ?? 0)} of them had been made before with the same parameters`,
    `calls with the same parameters and the ${quantity(hits?.writes ?? 0)} writes to its tables come independently of each other (Poisson), and every write drops all that is kept of it`,
    ...(unknown === 0 ? [] : [`${quantity(unknown)} calls of statements of which nothing says what they write drop it too`]),
    ...(slices === 0 ? [] : ['nothing is kept when a slice of its trial begins']),
  ];
  if (server !== undefined) {
    const meanMs = server.totalMs / server.calls;
    const change = (share: number) => (1 - share) * Math.min(snapshotMs / meanMs, 1) - share;
    return {
      metric: `database.time:${shorten(statement.text)}`,
      change: { point: change(point), lower: -most, upper: Math.max(change(point / 2), change(point)), confidenceLevel: 0.95 },
      model: 'queueing',
      assumptions: [...assumptions, `a read that is kept asks for a snapshot first, ${snapshotMs} ms of the server (own measurement)`],
    };
  }
  const own = seen.filter((route) => routes.includes(routeName(route)));
  const totalMs = own.reduce((sum, route) => sum + route.totalMs, 0);
  const waitedMs = own
    .flatMap((route) => route.statements.filter((call) => call.statementId === statementId))
    .reduce((sum, { totalMs: ms }) => sum + ms, 0);
  const waited = shareOf(waitedMs, totalMs);
  return {
    metric: `route.time:${routes.join(', ')}`,
    // Calls side by side hide one another, and a read that is kept waits for a snapshot too: half, at worst.
    change: { point: -point * waited, lower: -most * waited, upper: (-point * waited) / 2, confidenceLevel: 0.95 },
    model: 'queueing',
    assumptions,
  };
}

/** As the agent saw it: of all its calls, who asked, how often again. */
function statementOf({ observations }: Measurement, id: string): StatementObservation | null {
  return observations['agent.statements']?.find((statement) => statement.id === id) ?? null;
}

function routesOf({ observations }: Measurement, id: string): readonly string[] {
  return (observations['agent.routes'] ?? [])
    .filter(({ statements }) => statements.some(({ statementId }) => statementId === id))
    .map(routeName);
}

function policyId({ statementId }: CacheStatementsPlan): string {
  return `${id}:${statementId}`;
}
