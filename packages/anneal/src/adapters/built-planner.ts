import { indexSql, qualifiedName, quoteIdentifier } from '../ports/index-sql.ts';
import type { ImaginedSettings, IndexDefinition, PlannedIndex, Planner, StatementSample, WhatIf } from '../ports/planner.ts';
import type { Sql } from '../ports/sql.ts';
import { explainStatement, indexNamesIn, setForTransaction } from './explain-statement.ts';

/**
 * Asks by really building: on a scratch copy that nobody else uses, inside a transaction that is rolled
 * back. Knows what no model knows: the index's true size, its build time, and every access method. The planner owns the
 * connection and closes it; the copy belongs to the caller.
 */
export function createBuiltPlanner(scratch: Sql): Planner {
  // One transaction at a time on the one connection.
  let last: Promise<unknown> = Promise.resolve();
  return {
    engine: 'built',
    whatIf(statements, indexes, imagined = {}) {
      const answer = last.then(() => whatIf(scratch, statements, indexes, imagined));
      last = answer.catch(() => undefined);
      return answer;
    },
    [Symbol.asyncDispose]: () => scratch.close(),
  };
}

async function whatIf(
  sql: Sql,
  statements: readonly StatementSample[],
  indexes: readonly IndexDefinition[],
  { settings = {} }: ImaginedSettings,
): Promise<WhatIf> {
  await sql.query('BEGIN');
  try {
    await setForTransaction(sql, settings);
    const built: BuiltIndex[] = [];
    for (const [at, definition] of indexes.entries()) built.push(await build(sql, definition, nameOf(at)));
    const plans = [];
    // A build that met row versions another snapshot may still need is not open to this transaction yet; then nothing is known.
    const known = built.every(({ usable }) => usable);
    for (const statement of statements) plans.push(known ? await explainStatement(sql, statement) : null);
    const uses = plans.map((plan) => {
      const used = new Set(plan === null ? [] : indexNamesIn(plan.root));
      return indexes.flatMap((_, at) => (used.has(nameOf(at)) ? [at] : []));
    });
    return { plans, indexes: built.map(({ planned }) => planned), uses };
  } finally {
    await sql.query('ROLLBACK');
  }
}

function nameOf(at: number): string {
  return `anneal_what_if_${at}`;
}

interface BuiltIndex {
  readonly planned: PlannedIndex;
  readonly usable: boolean;
}

/** A definition that PostgreSQL refuses has neither size nor use. */
async function build(sql: Sql, definition: IndexDefinition, name: string): Promise<BuiltIndex> {
  await sql.query('SAVEPOINT build');
  try {
    const trigrams = definition.keys.map((key) => trigramClass.exec(key)).find((match) => match !== null);
    if (trigrams !== undefined) await provideTrigrams(sql, trigrams[1] ?? null);
    const startedMs = performance.now();
    await sql.query(indexSql(definition, { name }));
    const buildMs = performance.now() - startedMs;
    // Only ANALYZE gives the planner statistics of an expression.
    if (definition.keys.some((key) => key.includes('('))) await sql.query(`ANALYZE ${qualifiedName(definition.schema, definition.table)}`);
    const { rows } = await sql.query<{ size: number; later: boolean }>(
      `SELECT pg_relation_size(i.indexrelid)::float8 AS size, i.indcheckxmin AS later
         FROM pg_index i WHERE i.indexrelid = $1::regclass`,
      [`${quoteIdentifier(definition.schema)}.${quoteIdentifier(name)}`],
    );
    return { planned: { definition, sizeBytes: rows[0]!.size, buildMs }, usable: !rows[0]!.later };
  } catch (error) {
    if (!(error instanceof Error) || !('code' in error)) throw error;
    await sql.query('ROLLBACK TO SAVEPOINT build');
    return { planned: { definition, sizeBytes: null, buildMs: null }, usable: true };
  }
}

const trigramClass = /(?:("(?:[^"]|"")+"|[\w$]+)\.)?gin_trgm_ops$/u;

async function provideTrigrams(sql: Sql, schema: string | null): Promise<void> {
  await sql.query(`CREATE EXTENSION IF NOT EXISTS pg_trgm${schema === null ? '' : ` WITH SCHEMA ${schema}`}`);
}
