import { AnnealError } from '../errors.ts';
import { indexSql } from '../ports/index-sql.ts';
import type { ImaginedSettings, IndexDefinition, Planner, StatementSample, WhatIf } from '../ports/planner.ts';
import type { Sql } from '../ports/sql.ts';
import { explainStatement, indexNamesIn, setForTransaction } from './explain-statement.ts';

/** HypoPG's documentation: what it can imagine of PostgreSQL's own methods. */
const imaginable: ReadonlySet<IndexDefinition['method']> = new Set(['btree', 'hash', 'brin']);

/**
 * Asks PostgreSQL's own planner with HypoPG's hypothetical indexes. They live in the memory of this one session
 * and are seen by EXPLAIN only, so a read-only connection to the real database will do. The planner owns the
 * connection and closes it. Throws ANNEAL_EXTENSION_MISSING where HypoPG is not installed.
 */
export async function createHypopgPlanner(sql: Sql): Promise<Planner> {
  const { rows } = await sql.query<{ installed: boolean }>(
    `SELECT EXISTS (SELECT FROM pg_extension WHERE extname = 'hypopg') AS installed`,
  );
  if (!rows[0]!.installed) {
    throw new AnnealError('ANNEAL_EXTENSION_MISSING', {
      extension: 'hypopg',
      problem: 'it is not installed in this database',
      remedy: 'install the package hypopg for your PostgreSQL and run CREATE EXTENSION hypopg',
    });
  }
  return {
    engine: 'hypopg',
    whatIf: (statements, indexes, imagined = {}) => whatIf(sql, statements, indexes, imagined),
    [Symbol.asyncDispose]: () => sql.close(),
  };
}

async function whatIf(
  sql: Sql,
  statements: readonly StatementSample[],
  indexes: readonly IndexDefinition[],
  { settings = {} }: ImaginedSettings,
): Promise<WhatIf> {
  // HypoPG's sizes are off by 1.15x to 6.9x (no deduplication, no tree height), so none is passed on.
  const planned = indexes.map((definition) => ({ definition, sizeBytes: null, buildMs: null }));
  const unknown = { plans: statements.map(() => null), indexes: planned, uses: statements.map(() => []) };
  // Without one of the indexes the plans would answer another question.
  if (indexes.some(({ method }) => !imaginable.has(method))) return unknown;
  return sql.readOnly(async (reading) => {
    await reading.query('SELECT hypopg_reset()');
    await setForTransaction(reading, settings);
    try {
      const names: string[] = [];
      for (const definition of indexes) {
        const name = await imagine(reading, definition);
        if (name === null) return unknown;
        names.push(name);
      }
      const plans = [];
      for (const statement of statements) plans.push(await explainStatement(reading, statement));
      const uses = plans.map((plan) => {
        const used = new Set(plan === null ? [] : indexNamesIn(plan.root));
        return names.flatMap((name, at) => (used.has(name) ? [at] : []));
      });
      return { plans, indexes: planned, uses };
    } finally {
      await reading.query('SELECT hypopg_reset()');
    }
  });
}

/** The hypothetical index's name, or null where HypoPG or PostgreSQL refuses the definition. */
async function imagine(sql: Sql, definition: IndexDefinition): Promise<string | null> {
  await sql.query('SAVEPOINT imagine');
  try {
    const { rows } = await sql.query<{ name: string }>('SELECT indexname::text AS name FROM hypopg_create_index($1)', [
      indexSql(definition),
    ]);
    return rows[0]?.name ?? null;
  } catch (error) {
    if (!(error instanceof Error) || !('code' in error)) throw error;
    await sql.query('ROLLBACK TO SAVEPOINT imagine');
    return null;
  }
}
