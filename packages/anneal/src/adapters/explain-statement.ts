import type { PlanNode, StatementPlan, StatementSample } from '../ports/planner.ts';
import type { Sql } from '../ports/sql.ts';

/**
 * The plan of one statement, which is never executed; null where the server cannot plan it. Call it
 * inside a transaction: it works behind a savepoint and leaves nothing.
 */
export async function explainStatement(sql: Sql, sample: StatementSample): Promise<StatementPlan | null> {
  const text = sample.text.trim().replace(/;$/u, '');
  // Without values a text goes through the simple protocol, where what follows a semicolon would be executed.
  if (text.includes(';')) return null;
  const version = await serverVersion(sql);
  await sql.query('SAVEPOINT explain');
  let prepared = false;
  try {
    if (sample.values !== null) return planOf(await sql.query(`EXPLAIN (FORMAT JSON) ${text}`, sample.values), false);
    // Never by binding NULL, which plans a statement that finds nothing (manual, EXPLAIN, GENERIC_PLAN).
    if (version >= 160_000) return planOf(await sql.query(`EXPLAIN (GENERIC_PLAN, FORMAT JSON) ${text}`), true);
    await sql.query(`PREPARE anneal_explain AS ${text}`);
    prepared = true;
    await sql.query('SET LOCAL plan_cache_mode = force_generic_plan');
    return planOf(await sql.query(`EXPLAIN (FORMAT JSON) EXECUTE anneal_explain${argumentsFor(text)}`), true);
  } catch (error) {
    // A statement that cannot be planned has a SQLSTATE; a broken connection has none and must be heard of.
    if (error instanceof Error && 'code' in error && /^[0-9A-Z]{5}$/u.test(String(error.code))) return null;
    throw error;
  } finally {
    await sql.query('ROLLBACK TO SAVEPOINT explain').catch(() => undefined);
    // Prepared statements outlive a rollback.
    if (prepared) await sql.query('DEALLOCATE anneal_explain');
  }
}

async function serverVersion(sql: Sql): Promise<number> {
  const { rows } = await sql.query<{ version: number }>(`SELECT current_setting('server_version_num')::int AS version`);
  return rows[0]?.version ?? 0;
}

/** What stands in for the parameters does not matter to a generic plan. */
function argumentsFor(text: string): string {
  const count = Math.max(0, ...[...text.matchAll(/\$(\d+)/gu)].map((match) => Number(match[1])));
  return count === 0 ? '' : `(${Array<string>(count).fill('NULL').join(', ')})`;
}

function planOf({ rows }: { readonly rows: readonly object[] }, generic: boolean): StatementPlan | null {
  const [row] = rows as readonly { readonly 'QUERY PLAN': readonly [{ readonly Plan: PlanNode }] }[];
  const root = row?.['QUERY PLAN'][0].Plan;
  return root === undefined ? null : { root, totalCost: root['Total Cost'], generic };
}

/** Settings of the open transaction only. */
export async function setForTransaction(sql: Sql, settings: Readonly<Record<string, string>>): Promise<void> {
  for (const [name, value] of Object.entries(settings)) await sql.query('SELECT set_config($1, $2, true)', [name, value]);
}

/** Names of all indexes a plan reads. */
export function indexNamesIn(node: PlanNode): readonly string[] {
  const here = node['Index Name'] === undefined ? [] : [node['Index Name']];
  return [...here, ...(node.Plans ?? []).flatMap(indexNamesIn)];
}
