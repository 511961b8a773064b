import type { DatabaseSnapshot, SnapshotColumn, SnapshotIndex, SnapshotTable } from '../ports/database-snapshot.ts';
import { qualifiedName, quoteIdentifier, quoteLiteral } from '../ports/index-sql.ts';
import { shippedExtensions, type ShadowEngine } from './shadow-engine.ts';

export interface ShadowSchema {
  /** Sentences: what of the snapshot is missing or stands in for something else. */
  readonly gaps: readonly string[];
  /** Columns that stand in as text because their type is not known here: `isStandIn(table, column)`. */
  isStandIn(table: { readonly schema: string; readonly name: string }, column: string): boolean;
}

/**
 * Builds the snapshot's schema, empty. What PostgreSQL refuses is left out with its reason, because a database with
 * one exotic column must still be advised on all others.
 */
export async function buildShadowSchema(engine: ShadowEngine, snapshot: DatabaseSnapshot): Promise<ShadowSchema> {
  const gaps: string[] = [];
  const build = async (steps: readonly Step[]) => gaps.push(...(await carryOut(engine, steps)));

  await engine.query(`SET check_function_bodies = off; SET allow_system_table_mods = on; SET search_path = pg_catalog`);
  const schemas = new Set([...snapshot.extensions, ...snapshot.tables, ...snapshot.extendedStatistics].map(({ schema }) => schema));
  await build([...schemas].map((name) => ({ what: `the schema ${name}`, sql: `CREATE SCHEMA IF NOT EXISTS ${quoteIdentifier(name)}` })));
  await build(snapshot.extensions.flatMap(extensionStep));
  await build(snapshot.prerequisites.map((sql) => ({ what: firstLine(sql), sql })));

  const columns = snapshot.tables.flatMap((table) => table.columns);
  gaps.push(...(await provideCollations(engine, columns)));
  const unknownTypes = await findUnknownTypes(engine, columns);
  gaps.push(
    ...unknownTypes.map((type) => `the type ${type} is not known to the shadow: its columns stand in as text, without their values`),
  );
  const unknown: ReadonlySet<string> = new Set(unknownTypes);

  await build(snapshot.tables.map((table) => tableStep(table, unknown)));
  await build(snapshot.tables.flatMap(parentStep));
  const kinds = new Map(snapshot.tables.map((table) => [qualifiedName(table.schema, table.name), table.kind]));
  await build(snapshot.indexes.map((index) => indexStep(index, kinds.get(qualifiedName(index.schema, index.table)) === 'partitioned')));
  await build(
    snapshot.foreignKeys.map(({ schema, table, name, definition }) => ({
      what: `the foreign key ${name}`,
      // Valid or not the planner counts with it; unchecked, because the check would read what is not there.
      sql: `ALTER TABLE ${qualifiedName(schema, table)} ADD CONSTRAINT ${quoteIdentifier(name)} ${definition.replace(/ NOT VALID$/u, '')} NOT VALID`,
    })),
  );
  await build(snapshot.views.map((sql) => ({ what: firstLine(sql), sql })));
  await build(snapshot.extendedStatistics.map(({ name, definition }) => ({ what: `the extended statistics ${name}`, sql: definition })));
  await build(
    snapshot.indexes
      .filter(({ valid }) => !valid)
      .map(({ schema, name }) => ({ what: `the state of ${name}`, sql: validitySql([{ schema, name }], false) })),
  );
  gaps.push(
    ...snapshot.tables
      .filter(({ kind }) => kind === 'foreign')
      .map(({ schema, name }) => `the foreign table ${schema}.${name} is planned as a local one`),
  );

  const standIns = new Set(
    snapshot.tables.flatMap((table) => table.columns.filter(({ type }) => unknown.has(type)).map(({ name }) => columnKey(table, name))),
  );
  return { gaps, isStandIn: (table, column) => standIns.has(columnKey(table, column)) };
}

function columnKey({ schema, name }: { readonly schema: string; readonly name: string }, column: string): string {
  return `${qualifiedName(schema, name)}.${quoteIdentifier(column)}`;
}

/** `indisvalid` of these indexes. The planner passes over an index that is not valid (get_relation_info). */
export function validitySql(indexes: readonly { readonly schema: string; readonly name: string }[], valid: boolean): string {
  const names = indexes.map(({ schema, name }) => `${quoteLiteral(qualifiedName(schema, name))}::regclass`);
  return `UPDATE pg_index SET indisvalid = ${valid} WHERE indexrelid IN (${names.join(', ')})`;
}

interface Step {
  /** What a gap calls it. */
  readonly what: string;
  readonly sql: string;
  /** Tried when `sql` fails, with what is lost by it. */
  readonly lesser?: { readonly sql: string; readonly loses: string };
}

/** How many statements travel together; a round trip costs as much as a small statement. */
const batchSize = 50;

/** Carries the steps out, and returns a sentence for each that failed. A failed batch is repeated one by one. */
async function carryOut(engine: ShadowEngine, steps: readonly Step[]): Promise<readonly string[]> {
  const gaps: string[] = [];
  for (let at = 0; at < steps.length; at += batchSize) {
    const batch = steps.slice(at, at + batchSize);
    if ((await attempt(engine, batch.map(({ sql }) => sql).join(';\n'))) === null) continue;
    for (const { what, sql, lesser } of batch) {
      const problem = await attempt(engine, sql);
      if (problem === null) continue;
      if (lesser !== undefined && (await attempt(engine, lesser.sql)) === null) gaps.push(`${what} lost ${lesser.loses}: ${problem}`);
      else gaps.push(`${what} is missing: ${problem}`);
    }
  }
  return gaps;
}

async function attempt(engine: ShadowEngine, sql: string): Promise<string | null> {
  try {
    await engine.query(sql);
    return null;
  } catch (error) {
    if (error instanceof Error && 'code' in error) return error.message;
    throw error;
  }
}

function firstLine(sql: string): string {
  return /^[^\n(]*/u.exec(sql)![0].trim();
}

function extensionStep({ name, schema }: DatabaseSnapshot['extensions'][number]): readonly Step[] {
  if (!shippedExtensions.has(name)) return [];
  const sql = `CREATE EXTENSION IF NOT EXISTS ${quoteIdentifier(name)} WITH SCHEMA ${quoteIdentifier(schema)} CASCADE`;
  return [{ what: `the extension ${name}`, sql }];
}

/** A collation of the server's operating system is stood in for by the root order of ICU, under the same name. */
async function provideCollations(engine: ShadowEngine, columns: readonly SnapshotColumn[]): Promise<readonly string[]> {
  const names = [...new Set(columns.flatMap(({ collation }) => collation ?? []))];
  if (names.length === 0) return [];
  const missing = await engine.query<{ name: string }>(`SELECT name FROM unnest($1::text[]) AS name WHERE to_regcollation(name) IS NULL`, [
    names,
  ]);
  return carryOutEach(
    engine,
    missing.map(({ name }) => ({ what: `the collation ${name}`, sql: `CREATE COLLATION ${name} (provider = icu, locale = 'und')` })),
    (what) => `${what} is not known to the shadow: the root order of ICU stands in for it`,
  );
}

async function carryOutEach(engine: ShadowEngine, steps: readonly Step[], say: (what: string) => string): Promise<readonly string[]> {
  const gaps: string[] = [];
  for (const step of steps) {
    const problem = await attempt(engine, step.sql);
    gaps.push(problem === null ? say(step.what) : `${step.what} is missing: ${problem}`);
  }
  return gaps;
}

async function findUnknownTypes(engine: ShadowEngine, columns: readonly SnapshotColumn[]): Promise<readonly string[]> {
  const rows = await engine.query<{ name: string }>(
    `SELECT name FROM unnest($1::text[]) AS name WHERE NOT pg_input_is_valid(name, 'regtype')`,
    [[...new Set(columns.map(({ type }) => type))]],
  );
  return rows.map(({ name }) => name);
}

function tableStep(table: SnapshotTable, unknownTypes: ReadonlySet<string>): Step {
  const fillFactor = table.options.filter((option) => option.startsWith('fillfactor='));
  const suffix = [
    table.partitionKey === null ? '' : ` PARTITION BY ${table.partitionKey}`,
    fillFactor.length === 0 ? '' : ` WITH (${fillFactor.join(', ')})`,
  ].join('');
  const sql = (column: (column: SnapshotColumn) => string) =>
    `CREATE TABLE ${qualifiedName(table.schema, table.name)} (${table.columns.map(column).join(', ')})${suffix}`;
  const plain = ({ name, type, notNull }: SnapshotColumn) =>
    `${quoteIdentifier(name)} ${unknownTypes.has(type) ? 'text' : type}${notNull ? ' NOT NULL' : ''}`;
  const full = (column: SnapshotColumn) => {
    const { type, collation, generated, expression, notNull, name } = column;
    if (unknownTypes.has(type)) return plain(column);
    const collate = collation === null ? '' : ` COLLATE ${collation}`;
    const generation = generated === null ? '' : ` GENERATED ALWAYS AS (${expression ?? 'NULL'}) ${generated.toUpperCase()}`;
    return `${quoteIdentifier(name)} ${type}${collate}${generation}${notNull ? ' NOT NULL' : ''}`;
  };
  return {
    what: `the table ${table.schema}.${table.name}`,
    sql: sql(full),
    lesser: { sql: sql(plain), loses: 'collations and generated columns' },
  };
}

function parentStep({ schema, name, parent }: SnapshotTable): readonly Step[] {
  if (parent === null) return [];
  const [child, above] = [qualifiedName(schema, name), qualifiedName(parent.schema, parent.name)];
  const sql =
    parent.bound === '' ? `ALTER TABLE ${child} INHERIT ${above}` : `ALTER TABLE ${above} ATTACH PARTITION ${child} ${parent.bound}`;
  return [{ what: `the place of ${schema}.${name} under ${parent.schema}.${parent.name}`, sql }];
}

/** A primary key must be one, because `GROUP BY` its columns lets a statement select all others. */
function indexStep({ schema, name, table, definition, constraint }: SnapshotIndex, isPartitioned: boolean): Step {
  const what = `the index ${schema}.${name}`;
  if (constraint !== 'primary')
    return { what, sql: isPartitioned ? `${definition};\n${validitySql([{ schema, name }], true)}` : definition };
  const add = `ALTER TABLE ONLY ${qualifiedName(schema, table)} ADD CONSTRAINT ${quoteIdentifier(name)} PRIMARY KEY`;
  const asUnique = { sql: definition, loses: 'its rank as primary key' };
  if (!isPartitioned) return { what, sql: `${definition};\n${add} USING INDEX ${quoteIdentifier(name)}`, lesser: asUnique };
  // USING INDEX is not for partitioned tables.
  const columns = /\bUSING btree (\(.*\)(?: INCLUDE \(.*\))?)/u.exec(definition)?.[1] ?? '';
  return { what, sql: `${add} ${columns};\n${validitySql([{ schema, name }], true)}`, lesser: asUnique };
}
