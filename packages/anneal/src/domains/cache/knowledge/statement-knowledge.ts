import type { Policy } from '@anneal/agent/protocol';
import type { KeyedTable, NamedTable, SqlParser, StatementDependencies } from '../../../ports/sql-parser.ts';
import type { Catalogue, CatalogueTable } from './read-catalogue.ts';

export type CacheKnowledge = Extract<Policy, { readonly kind: 'cache-responses' }>['knowledge'];
export type StatementKnowledge = CacheKnowledge['statements'][number];
type TableUse = StatementKnowledge['writes'][number];

/** Whatever is kept. */
const everything: readonly TableUse[] = [{ table: '*', key: null }];

/**
 * STABLE only because they print or cut values by settings of the session (DateStyle, TimeZone), which the agent
 * watches: with equal settings their answer is a matter of their arguments.
 */
const bySettings: ReadonlySet<string> = new Set([
  'json_agg',
  'jsonb_agg',
  'json_object_agg',
  'jsonb_object_agg',
  'json_build_object',
  'jsonb_build_object',
  'json_build_array',
  'jsonb_build_array',
  'row_to_json',
  'to_json',
  'to_jsonb',
  'array_to_json',
  'array_to_string',
  'concat',
  'concat_ws',
  'format',
  'to_char',
  'to_date',
  'date_trunc',
  'date_part',
  'extract',
  'timezone',
  'generate_series',
  'date_bin',
]);

/** VOLATILE, and without effect on any table. */
const withoutEffect =
  /^(?:nextval|currval|lastval|setval|random|gen_random_uuid|uuidv4|uuidv7|clock_timestamp|timeofday|pg_sleep|pg_notify|txid_current|pg_current_xact_id|pg_(?:try_)?advisory_\w+)$/;

/**
 * Views expand into what they read, writes into triggers, cascades, partitions. What the catalogue does not vouch for
 * is not in the result (null): the agent then takes the statement for one that may have written anything.
 */
export function statementKnowledge(template: string, sample: string, parser: SqlParser, catalogue: Catalogue): StatementKnowledge | null {
  const dependencies = parser.dependencies(sample);
  if (dependencies === null) return null;
  const functions = worstOf(dependencies, catalogue);
  if (functions === 'unknown') return null;
  const writes = writesOf(dependencies, catalogue);
  if (writes === null) return null;
  if (writes.length > 0) return { template, reads: null, writes };
  const own = functions === 'fixed' && !dependencies.momentary && !dependencies.locks;
  return { template, reads: own ? readsOf(dependencies, parser, catalogue, 0) : null, writes: [] };
}

/** `fixed`: answers by arguments alone. `moving`: by more than that, without writing. `unknown`: may do anything. */
function worstOf({ functions }: StatementDependencies, catalogue: Catalogue): 'fixed' | 'moving' | 'unknown' {
  let worst: 'fixed' | 'moving' = 'fixed';
  for (const { schema, name } of functions) {
    const candidates = catalogue.functions.filter((known) => known.name === name && (schema === null || schema === known.schema));
    if (candidates.length === 0) return 'unknown';
    for (const { schema: home, volatility } of candidates) {
      const builtIn = home === 'pg_catalog';
      if (volatility === 'i' || (volatility === 's' && builtIn && bySettings.has(name))) continue;
      if (volatility === 'v' && !(builtIn && withoutEffect.test(name))) return 'unknown';
      worst = 'moving';
    }
  }
  return worst;
}

/** A view inside a view inside a view. */
const deepestView = 16;

function readsOf(dependencies: StatementDependencies, parser: SqlParser, catalogue: Catalogue, depth: number): readonly TableUse[] | null {
  const uses: TableUse[] = [];
  for (const read of dependencies.reads) {
    const table = tableNamed(read, catalogue);
    if (table === undefined && read.schema === null && dependencies.commonTables.includes(read.name)) continue;
    // Nobody tells which is meant, or when it changes: the log has nothing of unlogged tables, and no refresh of a view.
    if (table === undefined || table === 'several' || table.rowSecurity || table.unlogged || !['r', 'p', 'v'].includes(table.kind))
      return null;
    if (table.schema === 'pg_catalog' || table.schema === 'information_schema') return null;
    if (table.kind === 'v') {
      const inner = depth < deepestView && table.definition !== null ? parser.dependencies(table.definition) : null;
      if (inner === null || inner.momentary || inner.locks || inner.writes.length > 0 || worstOf(inner, catalogue) !== 'fixed') return null;
      const below = readsOf(inner, parser, catalogue, depth + 1);
      if (below === null) return null;
      uses.push(...below.map(({ table: name }) => ({ table: name, key: null })));
    } else uses.push({ table: fullName(table), key: keyIn(read, table) });
  }
  return uses;
}

/** Null where a table is not known. */
function writesOf({ writes }: StatementDependencies, catalogue: Catalogue): readonly TableUse[] | null {
  const uses: TableUse[] = [];
  for (const write of writes) {
    const table = tableNamed(write, catalogue);
    if (table === undefined || table === 'several') return null;
    const reached: Reached = { tables: new Set(), acts: new Set() };
    if (!reaches(table, write.action, write.assigned, catalogue, reached)) return everything;
    const assignsKey = table.key !== null && (write.assigned.includes(table.key.column) || write.assigned.includes('*'));
    uses.push({ table: fullName(table), key: write.action === 'insert' || assignsKey ? null : keyIn(write, table) });
    for (const name of reached.tables) if (name !== fullName(table)) uses.push({ table: name, key: null });
  }
  return uses;
}

interface Reached {
  readonly tables: Set<string>;
  /** Followed already: foreign keys go in circles. */
  readonly acts: Set<string>;
}

/** Collects every table that a write may change; false where it may change anything. */
function reaches(
  table: CatalogueTable,
  action: 'insert' | 'update' | 'delete',
  assigned: readonly string[],
  catalogue: Catalogue,
  reached: Reached,
): boolean {
  const act = `${fullName(table)} ${action} ${assigned.join()}`;
  if (reached.acts.has(act)) return true;
  reached.acts.add(act);
  if (table.rewritten || !['r', 'p'].includes(table.kind)) return false;
  // An UPDATE of a partition key is a DELETE and an INSERT, whose triggers run instead.
  const family = [fullName(table), ...table.relatives];
  for (const name of family) {
    reached.tables.add(name);
    const member = catalogue.tables.find((known) => fullName(known) === name);
    if (member === undefined || member.rewritten) return false;
    if (member.triggers.some((trigger) => !trigger.harmless && (trigger.action === action || family.length > 1))) return false;
    for (const cascade of member.cascades) {
      const set = assigned.includes('*') || cascade.columns.some((column) => assigned.includes(column));
      if (cascade.action !== action || (action === 'update' && !set)) continue;
      const other = catalogue.tables.find((known) => fullName(known) === cascade.table);
      if (other === undefined || !reaches(other, cascade.effect, ['*'], catalogue, reached)) return false;
    }
  }
  return true;
}

function tableNamed({ schema, name }: NamedTable, { tables }: Catalogue): CatalogueTable | 'several' | undefined {
  // Nobody has the information schema on his path: an application's own `views` or `parameters` is no name of two.
  const found = tables.filter(
    (table) => table.name === name && (schema === null ? table.schema !== 'information_schema' : table.schema === schema),
  );
  return found.length > 1 ? 'several' : found[0];
}

/** Only of a table without parts: a row's tag would have to be known under each of their names. */
function keyIn({ keys }: KeyedTable, { key, relatives }: CatalogueTable): TableUse['key'] {
  const condition = key === null || relatives.length > 0 ? undefined : keys.find(({ column }) => column === key.column);
  return condition === undefined || key === null ? null : { column: key.column, parameter: condition.parameter, type: key.type };
}

function fullName({ schema, name }: { readonly schema: string; readonly name: string }): string {
  return `${schema}.${name}`;
}
