import type { StatementObservation } from '../../../measurement/observations.ts';
import type { PlanNode, StatementPlan, StatementSample } from '../../../ports/planner.ts';
import { maskLiterals } from '../../../ports/sql-literals.ts';
import type { Sql } from '../../../ports/sql.ts';

export interface ExplainOptions {
  /** Told why a statement has no plan; the others are not concerned. */
  readonly onGap?: (statementId: string, reason: string) => void;
  /** How a plan without values is asked for; by default what the server's version offers. */
  readonly genericPlans?: 'explain-option' | 'prepared';
}

/**
 * Plans of the statements that take the time, without running any of them (never ANALYZE). Where values
 * were seen they are bound as the driver would bind them, and of several sets the costliest plan counts:
 * it is the one that hurts. Without values a generic plan is asked for, which guesses what the values
 * select. Literals in the plans' conditions are masked, so a plan may be stored.
 */
export async function explainStatements(
  sql: Sql,
  statements: readonly StatementObservation[],
  samples: ReadonlyMap<string, readonly StatementSample[]>,
  options: ExplainOptions = {},
): Promise<Record<string, StatementPlan>> {
  const genericPlans = options.genericPlans ?? ((await serverVersion(sql)) >= 160_000 ? 'explain-option' : 'prepared');
  const plans: Record<string, StatementPlan> = {};
  for (const statement of dearest(statements)) {
    const seen = (samples.get(statement.id) ?? []).filter((sample) => sample.values !== null).slice(0, mostSamples);
    const found: StatementPlan[] = [];
    let reason = 'no plan';
    const attempt = async (work: () => Promise<StatementPlan>) => {
      try {
        found.push(await work());
      } catch (error) {
        reason = error instanceof Error ? error.message : String(error);
      }
    };
    for (const sample of seen) await attempt(() => planFor(sql, sample));
    if (found.length === 0) await attempt(() => genericPlan(sql, statement.text, genericPlans));
    const [costliest] = found.sort((a, b) => b.totalCost - a.totalCost);
    if (costliest === undefined) options.onGap?.(statement.id, reason);
    else plans[statement.id] = costliest;
  }
  return plans;
}

/** The agent keeps up to five sets per statement. */
const mostSamples = 5;

/** Planning may take long with many joins; a statement that plans for five seconds is told as a gap. */
const planTimeoutMs = 5_000;

/**
 * Those that hold 99 % of the time and a hundred at most: no rule reports what is below one per cent of
 * all time by default. Utility statements have no plan; what does not parse is not sent anywhere.
 */
function dearest(statements: readonly StatementObservation[]): readonly StatementObservation[] {
  const total = statements.reduce((sum, statement) => sum + statement.totalMs, 0);
  let counted = 0;
  return statements
    .toSorted((a, b) => b.totalMs - a.totalMs)
    .filter((statement) => {
      const before = counted;
      counted += statement.totalMs;
      return before <= total * 0.99;
    })
    .filter(({ kind, shape }) => kind !== 'other' && shape !== null)
    .slice(0, 100);
}

async function serverVersion(sql: Sql): Promise<number> {
  const { rows } = await sql.query<{ version: number }>(`SELECT current_setting('server_version_num')::int AS version`);
  return rows[0]?.version ?? 0;
}

interface ExplainRow {
  readonly 'QUERY PLAN': unknown;
}

async function planFor(sql: Sql, { text, values }: StatementSample): Promise<StatementPlan> {
  const one = singleStatement(text);
  const { rows } = await sql.readOnly((reading) =>
    reading.query<ExplainRow>(`EXPLAIN (FORMAT JSON, VERBOSE) ${one}`, values ?? [], { timeoutMs: planTimeoutMs }),
  );
  return readPlan(rows, false);
}

/**
 * GENERIC_PLAN exists since PostgreSQL 16 (manual, EXPLAIN). Before, a prepared statement is explained
 * under plan_cache_mode = force_generic_plan, for which its NULL arguments do not matter.
 */
async function genericPlan(sql: Sql, text: string, how: NonNullable<ExplainOptions['genericPlans']>): Promise<StatementPlan> {
  const one = singleStatement(text);
  const parameters = Math.max(0, ...[...one.matchAll(/\$(\d+)/g)].map((found) => Number(found[1])));
  if (how === 'explain-option') {
    const { rows } = await sql.readOnly((reading) =>
      reading.query<ExplainRow>(`EXPLAIN (FORMAT JSON, VERBOSE, GENERIC_PLAN) ${one}`, [], { timeoutMs: planTimeoutMs }),
    );
    return readPlan(rows, parameters > 0);
  }
  return sql.readOnly(async (reading) => {
    await reading.query('SET LOCAL plan_cache_mode = force_generic_plan');
    await reading.query(`PREPARE anneal_plan AS ${one}`);
    try {
      const nulls = parameters === 0 ? '' : `(${Array<string>(parameters).fill('NULL').join(', ')})`;
      const { rows } = await reading.query<ExplainRow>(`EXPLAIN (FORMAT JSON, VERBOSE) EXECUTE anneal_plan${nulls}`, [], {
        timeoutMs: planTimeoutMs,
      });
      return readPlan(rows, parameters > 0);
    } finally {
      // Prepared statements outlive the rollback, and in a failed transaction nothing runs.
      await reading.query('DEALLOCATE anneal_plan').catch(() => {});
    }
  });
}

/** Behind a semicolon a text could leave the read-only transaction: `SELECT 1; COMMIT; DELETE ...`. */
function singleStatement(text: string): string {
  const one = text.trim().replace(/;$/, '');
  if (one.includes(';')) throw new Error('the text holds a semicolon and may be several statements');
  return one;
}

function readPlan(rows: readonly ExplainRow[], generic: boolean): StatementPlan {
  const cell = rows[0]?.['QUERY PLAN'];
  const document = (typeof cell === 'string' ? JSON.parse(cell) : cell) as readonly { readonly Plan: PlanNode }[] | undefined;
  const plan = document?.[0]?.Plan;
  if (plan === undefined) throw new Error('EXPLAIN gave no plan');
  const root = masked(plan);
  return { root, totalCost: root['Total Cost'], generic };
}

/** Texts in a plan that name things; every other text is a condition and may hold somebody's value. */
const names: ReadonlySet<string> = new Set(
  `Node Type,Relation Name,Schema,Alias,Index Name,CTE Name,Function Name,Table Function Name,Subplan Name,Parent Relationship,
  Join Type,Strategy,Scan Direction,Command,Operation,Partial Mode,Conflict Resolution`
    .split(',')
    .map((name) => name.trim()),
);

/** `Output` lists every column of every node: long, and no rule reads it. */
function masked(node: PlanNode): PlanNode {
  const entries = Object.entries(node)
    .filter(([name]) => name !== 'Output')
    .map(([name, value]: [string, unknown]): [string, unknown] => {
      if (name === 'Plans') return [name, (value as readonly PlanNode[]).map(masked)];
      if (names.has(name)) return [name, value];
      if (typeof value === 'string') return [name, maskLiterals(value)];
      return [name, Array.isArray(value) ? value.map((item: unknown) => (typeof item === 'string' ? maskLiterals(item) : item)) : value];
    });
  return Object.fromEntries(entries) as unknown as PlanNode;
}
