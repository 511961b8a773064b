import type { IndexDefinition } from '../../../ports/planner.ts';
import type { StatementShape } from '../../../ports/sql-parser.ts';
import { quoteIdentifier } from '../../../ports/index-sql.ts';
import {
  type CandidateHints,
  columnOf,
  indexCandidates,
  isOn,
  resolveTable,
  type SchemaFacts,
  serves,
  type Table,
} from '../index-candidates.ts';
import { isColumn } from '../index-ddl.ts';
import { expressionOf, widthOf } from './related-indexes.ts';

/** What one statement reads of one table. */
export interface TableReads {
  readonly table: Table;
  /** Columns, as SQL, that a condition, a join, a group or a sort asks for: only these are worth a key. */
  readonly sought: readonly string[];
  /** Every column named, as SQL. */
  readonly named: readonly string[];
  /** The statement takes the whole row, which no index holds. */
  readonly takesAll: boolean;
}

export function readsOf(shape: StatementShape, facts: SchemaFacts): readonly TableReads[] {
  const tables = new Map<string, Table>();
  for (const reference of shape.tables) {
    const table = resolveTable(reference, facts);
    if (table !== null) tables.set(`${table.schema}.${table.name}`, table);
  }
  return [...tables.values()].map((table) => {
    const own = (qualifier: string | null, column: string | null) =>
      column !== null && isOn(table, qualifier, column, shape, facts) && isOrdered(columnOf(table, column, facts)?.type) ? [column] : [];
    const sought = [
      ...shape.predicates.filter(({ operator }) => sargable.has(operator)).flatMap(({ qualifier, column }) => own(qualifier, column)),
      ...shape.joins.flatMap(({ left, right }) => [...own(left.qualifier, left.column), ...own(right.qualifier, right.column)]),
      ...(shape.columns ?? []).filter(({ role }) => role === 'grouped').flatMap(({ qualifier, column }) => own(qualifier, column)),
      ...shape.orderBy.flatMap(({ qualifier, expression }) => own(qualifier, expression.replace(/^"(.*)"$/u, '$1').replaceAll('""', '"'))),
    ];
    const named = (shape.columns ?? []).flatMap(({ qualifier, column }) => (isOn(table, qualifier, column, shape, facts) ? [column] : []));
    const asSql = (columns: readonly string[]) =>
      [...new Set(columns)].filter((column) => columnOf(table, column, facts) !== null).map(quoteIdentifier);
    return { table, sought: asSql(sought), named: asSql([...sought, ...named]), takesAll: shape.selectsStar };
  });
}

/** What a B-tree can look up. */
const sargable: ReadonlySet<string> = new Set(['=', '<', '<=', '>', '>=', 'between', 'in', 'like', 'is null', 'is not null']);

/** Types without a default B-tree class (manual, "Operator Classes and Operator Families"). */
function isOrdered(type: string | undefined): boolean {
  return type !== undefined && !/^(?:json|xml|point|line|lseg|box|path|polygon|circle|txid_snapshot|refcursor|xid|cid)\b/iu.test(type);
}

/**
 * Indexes of at most `width` columns worth showing the planner for one statement. All orders of two sought columns, because which
 * one should lead depends on the other statements; wider ones only grow from what the planner liked. An index over all
 * columns the statement names lets it leave the table alone. Existing indexes are left out.
 */
export function statementCandidates(
  shape: StatementShape,
  facts: SchemaFacts,
  width: number,
  liked: readonly IndexDefinition[],
  hints?: CandidateHints,
): readonly IndexDefinition[] {
  const derived = indexCandidates(shape, null, facts, hints).map(({ definition }) => definition);
  const combined = readsOf(shape, facts).flatMap(({ table, sought, named, takesAll }) => {
    const here = liked.filter((index) => index.method === 'btree' && index.table === table.name && index.schema === table.schema);
    const grown = here.flatMap((index) => [index, ...sought.flatMap((column) => withKey(index, column))]);
    const plain = [...sought.map((column) => btree(table, [column])), ...pairs(sought).map((keys) => btree(table, keys)), ...grown];
    // Where one row is found at most, payload would save one page of it.
    const searching = plain.filter(({ keys }) => !findsOneRow(keys, table, facts));
    return [...plain, ...(takesAll ? [] : searching.flatMap((index) => covering(index, named)))];
  });
  return [...derived, ...combined].filter(
    (definition) =>
      widthOf(definition) <= width &&
      !facts.indexes.some((index) => serves(index, { definition, equalityKeys: 0 }) && definition.include.length === 0),
  );
}

/** Whether a statement's plan could use the index: it begins with a column the statement names. */
export function mayServe(reads: readonly TableReads[], definition: IndexDefinition): boolean {
  return reads.some(({ table, named }) => {
    if (table.name !== definition.table || table.schema !== definition.schema) return false;
    const leading = expressionOf(definition.keys[0]!);
    return !isColumn(leading) || named.includes(leading);
  });
}

function btree({ schema, name }: Table, keys: readonly string[]): IndexDefinition {
  return { schema, table: name, keys, method: 'btree', include: [], predicate: null };
}

function pairs(columns: readonly string[]): readonly (readonly string[])[] {
  return columns.flatMap((first) => columns.filter((second) => second !== first).map((second) => [first, second]));
}

function withKey(index: IndexDefinition, column: string): readonly IndexDefinition[] {
  if (index.keys.map(expressionOf).includes(column)) return [];
  return [{ ...index, keys: [...index.keys, column], include: index.include.filter((other) => quoteIdentifier(other) !== column) }];
}

/** The index with every other column the statement names as payload: the scan can stay inside it (manual, "Index-Only Scans and Covering Indexes"). */
function covering(index: IndexDefinition, named: readonly string[]): readonly IndexDefinition[] {
  const held = new Set(index.keys.map(expressionOf));
  const include = named.filter((column) => !held.has(column)).map(unquote);
  return include.length === 0 ? [] : [{ ...index, include }];
}

function findsOneRow(keys: readonly string[], { schema, name }: Table, { indexes }: SchemaFacts): boolean {
  const sought = new Set(keys.map(expressionOf));
  return indexes.some(
    ({ definition, unique, valid }) =>
      unique &&
      valid &&
      definition.predicate === null &&
      definition.schema === schema &&
      definition.table === name &&
      definition.keys.every((key) => sought.has(expressionOf(key))),
  );
}

function unquote(identifier: string): string {
  return identifier.startsWith('"') ? identifier.slice(1, -1).replaceAll('""', '"') : identifier;
}
