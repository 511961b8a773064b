import type { Sql } from '../../../ports/sql.ts';
import type { NamesUsed } from './names-used.ts';

/** What the catalogue says of the names that statements use. */
export interface CatalogueFacts {
  /** Functions by name: the least steady of all that are called so; those it does not know are missing. */
  readonly volatilities: ReadonlyMap<string, 'immutable' | 'stable' | 'volatile'>;
  readonly volatileOperators: ReadonlySet<string>;
  /** Tables, partitioned tables and materialized views without row-level security: reading one runs nothing of anybody's. */
  readonly plainTables: ReadonlySet<string>;
}

const words = { i: 'immutable', s: 'stable', v: 'volatile' } as const;

/** Reads for all of the statements at once. */
export async function readCatalogueFacts(sql: Sql, used: readonly NamesUsed[]): Promise<CatalogueFacts> {
  const all = (names: (one: NamesUsed) => readonly string[]) => [...new Set(used.flatMap(names))];
  const functions = await sql.query<{ name: string; volatility: keyof typeof words }>(
    // 'i' < 's' < 'v', as luck will have it.
    `SELECT proname AS name, max(provolatile::text) AS volatility FROM pg_proc WHERE proname = ANY($1) GROUP BY proname`,
    [all(({ functions }) => functions)],
  );
  const operators = await sql.query<{ name: string }>(
    `SELECT DISTINCT oprname AS name FROM pg_operator JOIN pg_proc ON pg_proc.oid = oprcode WHERE oprname = ANY($1) AND provolatile = 'v'`,
    [all(({ operators }) => operators)],
  );
  const tables = await sql.query<{ name: string }>(
    `SELECT used.name FROM unnest($1::text[]) AS used(name) JOIN pg_class ON pg_class.oid = to_regclass(used.name)
      WHERE relkind IN ('r', 'p', 'm') AND NOT relrowsecurity
        AND relnamespace NOT IN ('pg_catalog'::regnamespace, 'information_schema'::regnamespace)`,
    [all(({ tables }) => tables)],
  );
  return {
    volatilities: new Map(functions.rows.map(({ name, volatility }) => [name, words[volatility]])),
    volatileOperators: new Set(operators.rows.map(({ name }) => name)),
    plainTables: new Set(tables.rows.map(({ name }) => name)),
  };
}

/** Whether a SELECT is certain to change nothing, whoever runs it and wherever. */
export function isReadOnly(used: NamesUsed, facts: CatalogueFacts): boolean {
  return whyItMayWrite(used, facts) === null;
}

function whyItMayWrite({ functions, operators, tables, locks }: NamesUsed, facts: CatalogueFacts): string | null {
  if (locks) return 'it locks rows';
  const table = tables.find((name) => !facts.plainTables.has(name));
  if (table !== undefined) return `${table} is no plain table: what reading it runs is not known`;
  const wild = functions.find((name) => (facts.volatilities.get(name) ?? 'volatile') === 'volatile');
  if (wild !== undefined) return `it calls ${wild}(), which may do anything`;
  const operator = operators.find((name) => facts.volatileOperators.has(name));
  return operator === undefined ? null : `its operator ${operator} may do anything`;
}

/** Input of date and time types that means the present (manual, 8.5.1.4). */
const presentTimes = /^\s*(?:now|today|tomorrow|yesterday)\b/iu;

/**
 * Why many calls of a SELECT cannot be one statement, or null: whatever could answer differently because the batch runs as one
 * statement, a little earlier or later, or because parameters come from rows.
 */
export function whyNotBatchable(used: NamesUsed, facts: CatalogueFacts): string | null {
  const writes = whyItMayWrite(used, facts);
  if (writes !== null) return writes;
  const [keyword] = used.keywords;
  if (keyword !== undefined) return `it asks for ${keyword}`;
  if (used.textConstants.some((constant) => presentTimes.test(constant))) return 'it asks for the present time';
  const unsteady = used.functions.find((name) => facts.volatilities.get(name) !== 'immutable');
  return unsteady === undefined ? null : `it calls ${unsteady}(), whose answer depends on the session or the time`;
}
