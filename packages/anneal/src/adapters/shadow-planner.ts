import { join } from 'node:path';
import type { DatabaseSnapshot, SnapshotColumn, SnapshotIndex, SnapshotTable } from '../ports/database-snapshot.ts';
import { indexSql, qualifiedName, quoteIdentifier, quoteLiteral } from '../ports/index-sql.ts';
import type {
  Imagined,
  IndexDefinition,
  IndexSize,
  PlanNode,
  ShadowPlanner,
  StatementPlan,
  StatementSample,
  WhatIf,
} from '../ports/planner.ts';
import { indexNamesIn } from './explain-statement.ts';
import { btreeHeight, plainIndexSize } from './shadow-index-size.ts';
import { openShadowEngine, type ShadowEngine, type ShadowEngineOptions } from './shadow-engine.ts';
import { extendRelation, pageBytes, raiseBtree } from './shadow-files.ts';
import { buildShadowSchema, validitySql } from './shadow-schema.ts';
import { applySettings } from './shadow-settings.ts';
import { restoreRelations, restoreStatistics } from './shadow-statistics.ts';

export interface ShadowPlannerOptions extends Pick<ShadowEngineOptions, 'imageFolder' | 'afresh'> {
  /** Where its data folder (about 13 MB) is made; default: the system's folder for temporary files. */
  readonly folder?: string;
  /** How large an index would be; null or no function: an estimate without deduplication. */
  readonly sizeOf?: (definition: IndexDefinition) => IndexSize | null;
}

/**
 * "What would PostgreSQL do?", asked of PostgreSQL's own planner in this process, on an empty schema that
 * has the statistics, the file lengths and the settings of the real database. No row is there, so nothing
 * can be executed; a terabyte plans as fast as a megabyte.
 *
 * It is PostgreSQL 18 whatever the original is, and it has no parallel workers: compare its costs with
 * each other, or with a server's under `max_parallel_workers_per_gather = 0`.
 */
export async function createShadowPlanner(
  snapshot: DatabaseSnapshot,
  { folder, sizeOf = () => null, ...options }: ShadowPlannerOptions = {},
): Promise<ShadowPlanner> {
  const engine = await openShadowEngine({
    ...options,
    ...(folder === undefined ? {} : { parentFolder: folder }),
    extensions: snapshot.extensions.map(({ name }) => name),
    byteOrder: comparesBytes(snapshot.collation),
  });
  try {
    const schema = await buildShadowSchema(engine, snapshot);
    await engine.query(`CREATE SCHEMA anneal_shadow; CREATE TABLE ${emptyTable} ()`);
    const files = await relationFiles(engine);
    const refused = await restoreStatistics(engine, snapshot, schema);
    const tables = new Map(snapshot.tables.map((table) => [qualifiedName(table.schema, table.name), table]));
    for (const index of snapshot.indexes) {
      const table = tables.get(qualifiedName(index.schema, index.table));
      const path = files.get(qualifiedName(index.schema, index.name));
      if (path !== undefined && table !== undefined) shapeExisting(path, index, table);
    }
    for (const [name, table] of tables) {
      const path = files.get(name);
      if (path !== undefined) extendRelation(path, table.filePages);
    }
    const unset = await applySettings(engine, snapshot);
    return planner(engine, { gaps: [...schema.gaps, ...refused, ...unset], tables, sizeOf });
  } catch (error) {
    await engine[Symbol.asyncDispose]();
    throw error;
  }
}

/** Lends its empty file to a table while an index is built on it. */
const emptyTable = 'anneal_shadow.empty';

function comparesBytes(collation: string): boolean {
  return /^(?:C|POSIX|C\.UTF-?8|ucs_basic)$/iu.test(collation);
}

/** Paths of the files of all tables and indexes, by qualified name; partitioned ones have none. */
async function relationFiles(engine: ShadowEngine): Promise<ReadonlyMap<string, string>> {
  const rows = await engine.query<{ schema: string; name: string; path: string }>(
    `SELECT n.nspname AS schema, c.relname AS name, pg_relation_filepath(c.oid) AS path
       FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
      WHERE c.relkind IN ('r', 'i') AND n.nspname !~ '^pg_(catalog|toast)' AND n.nspname <> 'information_schema'`,
  );
  return new Map(rows.map(({ schema, name, path }) => [qualifiedName(schema, name), join(engine.folder, path)]));
}

function shapeExisting(path: string, index: SnapshotIndex, table: SnapshotTable): void {
  extendRelation(path, Math.max(index.filePages, 1));
  if (/\bUSING btree\b/u.test(index.definition)) raiseBtree(path, btreeHeight(index.filePages, keyColumns(index, table)));
}

/** The table's columns that the definition names in its key; enough to tell a narrow key from a wide one. */
function keyColumns(index: SnapshotIndex, table: SnapshotTable): readonly SnapshotColumn[] {
  const key = /\bUSING btree \((.*)/u.exec(index.definition)?.[1]?.split(/ INCLUDE \(| WHERE /u)[0] ?? '';
  const words = new Set(key.match(/"(?:[^"]|"")+"|[\w$]+/gu));
  return table.columns.filter(({ name }) => words.has(quoteIdentifier(name)) || words.has(name));
}

interface Shadow {
  readonly gaps: readonly string[];
  readonly tables: ReadonlyMap<string, SnapshotTable>;
  readonly sizeOf: (definition: IndexDefinition) => IndexSize | null;
}

/** An index that is imagined: one, or one on each partition; or what PostgreSQL says against it. */
type Candidate =
  | { readonly names: readonly { readonly schema: string; readonly name: string }[]; readonly sizeBytes: number }
  | { readonly refused: string };

function planner(engine: ShadowEngine, shadow: Shadow): ShadowPlanner {
  const candidates = new Map<string, Candidate>();
  // One transaction at a time in the one engine.
  let last: Promise<unknown> = Promise.resolve();
  const inTurn = <T>(work: () => Promise<T>): Promise<T> => {
    const turn = last.then(work);
    last = turn.catch(() => undefined);
    return turn;
  };
  const candidate = async (definition: IndexDefinition): Promise<Candidate> => {
    const key = indexSql(definition);
    const known = candidates.get(key) ?? (await imagine(engine, shadow, definition, candidates.size));
    candidates.set(key, known);
    return known;
  };
  return {
    engine: 'shadow',
    gaps: shadow.gaps,
    whatIf: (statements, indexes, imagined = {}) =>
      inTurn(async () => {
        const known: Candidate[] = [];
        for (const definition of indexes) known.push(await candidate(definition));
        return whatIf(engine, statements, indexes, known, imagined);
      }),
    whyNot: (asked) =>
      inTurn(async () => {
        if ('index' in asked) {
          const known = await candidate(asked.index);
          return 'refused' in known ? known.refused : null;
        }
        const outcome = await explain(engine, asked.statement);
        return 'problem' in outcome ? outcome.problem : null;
      }),
    [Symbol.asyncDispose]: () => inTurn(async () => engine[Symbol.asyncDispose]()),
  };
}

async function whatIf(
  engine: ShadowEngine,
  statements: readonly StatementSample[],
  indexes: readonly IndexDefinition[],
  known: readonly Candidate[],
  imagined: Imagined,
): Promise<WhatIf> {
  const shown = known.flatMap((each) => ('names' in each ? each.names : []));
  const { hidden = [], settings = {} } = imagined;
  await engine.query(
    [
      'BEGIN',
      ...(shown.length === 0 ? [] : [validitySql(shown, true)]),
      ...(hidden.length === 0 ? [] : [validitySql(hidden, false)]),
      ...Object.entries(settings).map(([name, value]) => `SET LOCAL ${quoteIdentifier(name)} = ${quoteLiteral(value)}`),
      'SAVEPOINT shown',
    ].join('; '),
  );
  try {
    const plans: (StatementPlan | null)[] = [];
    for (const statement of statements) {
      const outcome = await explain(engine, statement);
      if ('problem' in outcome) await engine.query('ROLLBACK TO SAVEPOINT shown');
      plans.push('plan' in outcome ? outcome.plan : null);
    }
    const positions = new Map(known.flatMap((each, at) => ('names' in each ? each.names.map(({ name }) => [name, at] as const) : [])));
    return {
      plans,
      indexes: indexes.map((definition, at) => {
        const each = known[at]!;
        return { definition, sizeBytes: 'names' in each ? each.sizeBytes : null, buildMs: null };
      }),
      uses: plans.map((plan) => {
        const used = new Set((plan === null ? [] : indexNamesIn(plan.root)).flatMap((name) => positions.get(name) ?? []));
        return [...used].toSorted((one, other) => one - other);
      }),
    };
  } finally {
    await engine.query('ROLLBACK');
  }
}

async function explain(
  engine: ShadowEngine,
  { text, values }: StatementSample,
): Promise<{ readonly plan: StatementPlan } | { readonly problem: string }> {
  const one = text.trim().replace(/;$/u, '');
  // Without values a text goes through the simple protocol, where what follows a semicolon would be executed.
  if (values === null && one.includes(';')) return { problem: 'it holds more than one statement' };
  try {
    // Without values the plan is generic; never by binding NULL, which plans a statement that finds nothing.
    const [row] =
      values === null
        ? await engine.query<ExplainRow>(`EXPLAIN (GENERIC_PLAN, FORMAT JSON) ${one}`)
        : await engine.query<ExplainRow>(`EXPLAIN (FORMAT JSON) ${one}`, values);
    const root = row!['QUERY PLAN'][0].Plan;
    return { plan: { root, totalCost: root['Total Cost'], generic: values === null } };
  } catch (error) {
    if (error instanceof Error && 'code' in error) return { problem: error.message };
    throw error;
  }
}

interface ExplainRow {
  readonly 'QUERY PLAN': readonly [{ readonly Plan: PlanNode }];
}

/**
 * Makes the index on the empty shadow of its table, once, and leaves it invalid, so that the planner passes over it until a
 * question switches it on. While it is built the table points to an empty file, because a build reads the whole table.
 */
async function imagine(engine: ShadowEngine, shadow: Shadow, definition: IndexDefinition, number: number): Promise<Candidate> {
  const leaves = leavesOf(shadow.tables, definition);
  if (leaves.length === 0) return { refused: `there is no table ${definition.schema}.${definition.table}` };
  const names = leaves.map(({ schema }, at) => ({ schema, name: `anneal_what_if_${number}${leaves.length === 1 ? '' : `_${at}`}` }));
  const emptied = leaves.map(({ schema, name }) => quoteLiteral(qualifiedName(schema, name))).join(', ');
  const before = await engine.query<{ oid: number; file: number }>(
    `SELECT oid::int, relfilenode::int AS file FROM pg_class WHERE oid IN (SELECT to_regclass(name) FROM unnest(ARRAY[${emptied}]) AS name)`,
  );
  try {
    await engine.query(
      [
        'BEGIN',
        `UPDATE pg_class SET relfilenode = pg_relation_filenode('${emptyTable}') WHERE oid IN (${before.map(({ oid }) => oid).join(', ')})`,
        ...leaves.map((leaf, at) => indexSql({ ...definition, schema: leaf.schema, table: leaf.name }, { name: names[at]!.name })),
        ...before.map(({ oid, file }) => `UPDATE pg_class SET relfilenode = ${file} WHERE oid = ${oid}`),
        validitySql(names, false),
        'COMMIT',
      ].join(';\n'),
    );
  } catch (error) {
    await engine.query('ROLLBACK');
    if (error instanceof Error && 'code' in error) return { refused: error.message };
    throw error;
  }
  const sizes = [];
  for (const leaf of leaves) {
    const wanted = { ...definition, schema: leaf.schema, table: leaf.name };
    sizes.push(shadow.sizeOf(wanted) ?? plainIndexSize(wanted, leaf, await expectedRows(engine, wanted, leaf)));
  }
  await restoreRelations(engine, [...leaves, ...sizes.map(({ pages, rows }, at) => ({ ...names[at]!, pages, rows, allVisiblePages: 0 }))]);
  const files = await engine.query<{ name: string; path: string }>(
    `SELECT name, pg_relation_filepath(name::regclass) AS path FROM unnest($1::text[]) AS name`,
    [names.map(({ schema, name }) => qualifiedName(schema, name))],
  );
  for (const [at, { pages, height }] of sizes.entries()) {
    const path = join(engine.folder, files[at]!.path);
    extendRelation(path, Math.max(pages, height + 2));
    if (definition.method === 'btree') raiseBtree(path, height);
  }
  return { names, sizeBytes: sizes.reduce((total, { pages }) => total + pages * pageBytes, 0) };
}

/** Rows an index would hold: all, or as many as the planner expects to fit the predicate. */
async function expectedRows(engine: ShadowEngine, { predicate }: IndexDefinition, table: SnapshotTable): Promise<number> {
  const rows = Math.max(0, table.rows) * (table.pages > 0 ? table.filePages / table.pages : 1);
  if (predicate === null) return rows;
  const outcome = await explain(engine, { text: `SELECT FROM ${qualifiedName(table.schema, table.name)} WHERE ${predicate}`, values: [] });
  return 'plan' in outcome ? Math.min(rows, outcome.plan.root['Plan Rows']) : rows;
}

/** The tables that would really carry the index: the table itself, or the partitions under it. */
function leavesOf(
  tables: ReadonlyMap<string, SnapshotTable>,
  { schema, table }: { readonly schema: string; readonly table: string },
): readonly SnapshotTable[] {
  const found = tables.get(qualifiedName(schema, table));
  if (found === undefined) return [];
  if (found.kind !== 'partitioned' && found.partitionKey === null) return [found];
  return [...tables.values()]
    .filter(({ parent }) => parent !== null && parent.schema === schema && parent.name === table)
    .flatMap((child) => leavesOf(tables, { schema: child.schema, table: child.name }));
}
