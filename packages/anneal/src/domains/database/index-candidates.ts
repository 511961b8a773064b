import type { ColumnObservation, IndexObservation, TableObservation } from '../../measurement/observations.ts';
import { quoteIdentifier } from '../../ports/index-sql.ts';
import type { IndexDefinition, PlanNode, StatementPlan } from '../../ports/planner.ts';
import type { PredicateShape, StatementShape, TableReference } from '../../ports/sql-parser.ts';
import { parseIndexKey, roughSpelling } from './index-ddl.ts';

/** What the catalogue and the statistics say about the tables of a statement. */
export interface SchemaFacts {
  readonly columns: readonly ColumnObservation[];
  readonly indexes: readonly IndexObservation[];
  readonly tables: readonly TableObservation[];
}

export interface CandidateHints {
  /** Whether the LIKE patterns seen begin with literal text; null when none was seen. */
  readonly anchoredPatterns: boolean | null;
}

export interface IndexCandidate {
  readonly definition: IndexDefinition;
  /** Why these keys in this order. */
  readonly reason: string;
  /** Provides the operator class; installing it is part of the remedy where it is absent. */
  readonly extension: 'pg_trgm' | null;
  /** The leading keys compared for equality: their order among themselves is free. */
  readonly equalityKeys: number;
  /** Columns of the statement the index serves. */
  readonly columns: readonly string[];
}

/**
 * Indexes that could serve one statement, the most promising first, those that exist left out. Pure:
 * whether the planner would use one, and whether it pays, is asked afterwards.
 *
 * Column order follows the B-tree's own law (manual, "Multicolumn Indexes"): equalities narrow to one
 * contiguous run of entries, the run is sorted by the next keys, and one range cuts it. Whatever
 * follows the first range can only filter.
 */
export function indexCandidates(
  shape: StatementShape,
  plan: StatementPlan | null,
  facts: SchemaFacts,
  hints: CandidateHints = { anchoredPatterns: null },
): readonly IndexCandidate[] {
  return tablesByScanCost(shape, plan, facts).flatMap((table) => {
    const conditions = conditionsOn(table, shape, facts, hints);
    const rows = rowsOf(table, facts);
    const certain = conditions.filter((condition) => !condition.alternative);
    const direct = certain.filter((condition) => !condition.joined);
    const candidates = [
      ...btreeCandidates(table, direct, sortKeysOn(table, shape, facts), rows),
      // A join's column finds rows only where this table is looked up once per row of the other, so it never joins in above.
      ...certain
        .filter((condition) => condition.joined)
        .flatMap((join) => [...btreeCandidates(table, [join, ...direct], [], rows), ...btreeCandidates(table, [join], [], rows)]),
      ...certain.flatMap((condition) => invertedCandidates(table, [condition])),
      ...alternativeCandidates(table, conditions, shape),
    ];
    return distinctCandidates(candidates).filter((candidate) => !facts.indexes.some((index) => serves(index, candidate)));
  });
}

export interface Table {
  readonly schema: string;
  readonly name: string;
}

/** A condition on one table, in the role it can play in an index. */
interface Condition {
  readonly role: 'equal' | 'many' | 'range' | 'prefix' | 'contains' | 'search';
  /** SQL of the indexed side, ready to be a key. */
  readonly key: string;
  readonly column: string;
  /** Text of the condition where it is constant for every execution, so that a partial index may hold it. */
  readonly state: { readonly sql: string; readonly keptShare: number } | null;
  /** Distinct values of a plain column, null when unknown. */
  readonly distinct: number | null;
  readonly operatorClass: string | null;
  readonly method: 'btree' | 'gin' | 'gist';
  /** One arm of an OR. */
  readonly alternative: boolean;
  /** The other side is a column of another table. */
  readonly joined: boolean;
}

/* Which table, which column */

/** Null for a table nobody has counted: a partitioned one, or one never analysed. */
function rowsOf(table: Table, facts: SchemaFacts): number | null {
  const rows = facts.tables.find((fact) => fact.schema === table.schema && fact.name === table.name)?.liveRows ?? 0;
  return rows > 0 ? rows : null;
}

function tablesByScanCost(shape: StatementShape, plan: StatementPlan | null, facts: SchemaFacts): readonly Table[] {
  const tables = new Map<string, Table>();
  for (const reference of shape.tables) {
    const table = resolveTable(reference, facts);
    if (table !== null) tables.set(`${table.schema}.${table.name}`, table);
  }
  // The dearest scan first: it is where an index has most to give.
  const cost = (table: Table) =>
    plan === null ? 0 : scansOf(plan.root, table).reduce((sum, node) => Math.max(sum, node['Total Cost']), 0);
  return [...tables.values()].sort((a, b) => cost(b) - cost(a));
}

/** The nodes of a plan that read the table. */
function scansOf(node: PlanNode, table: { readonly schema: string; readonly name: string }): readonly PlanNode[] {
  const here = node['Relation Name'] === table.name && (node.Schema === undefined || node.Schema === table.schema) ? [node] : [];
  return [...here, ...(node.Plans ?? []).flatMap((child) => scansOf(child, table))];
}

export function resolveTable(reference: Pick<TableReference, 'schema' | 'name'>, facts: SchemaFacts): Table | null {
  const known = new Map<string, Table>();
  for (const { schema, name } of [...facts.tables, ...facts.columns.map(({ schema, table }) => ({ schema, name: table }))]) {
    if (name === reference.name && (reference.schema === null || reference.schema === schema)) known.set(schema, { schema, name });
  }
  // Several schemas hold the name: `public` is on everyone's default search_path, anything else would be a guess.
  return known.size === 1 ? [...known.values()][0]! : (known.get('public') ?? null);
}

export function isOn(table: Table, qualifier: string | null, column: string | null, shape: StatementShape, facts: SchemaFacts): boolean {
  const owners = shape.tables.filter((reference) => {
    if (qualifier !== null) return reference.alias === qualifier || (reference.alias === null && reference.name === qualifier);
    const owner = resolveTable(reference, facts);
    if (shape.tables.length === 1) return true;
    return owner !== null && column !== null && columnOf(owner, column, facts) !== null;
  });
  // Two tables with such a column: the text alone does not say which one is meant.
  if (owners.length !== 1) return false;
  const owner = resolveTable(owners[0]!, facts);
  return owner !== null && owner.schema === table.schema && owner.name === table.name;
}

export function columnOf(table: Table, column: string, facts: SchemaFacts): ColumnObservation | null {
  return facts.columns.find((fact) => fact.schema === table.schema && fact.table === table.name && fact.name === column) ?? null;
}

/* What each condition can do for an index */

function conditionsOn(table: Table, shape: StatementShape, facts: SchemaFacts, hints: CandidateHints): readonly Condition[] {
  const rows = rowsOf(table, facts);
  const predicates = shape.predicates
    .filter((predicate) => predicate.column !== null && isOn(table, predicate.qualifier, predicate.column, shape, facts))
    .flatMap((predicate) => conditionOf(predicate, columnOf(table, predicate.column!, facts), rows, hints));
  const joins = shape.joins
    .flatMap((join) => [join.left, join.right])
    .filter((side) => isOn(table, side.qualifier, side.column, shape, facts))
    .map((side): Condition => {
      const fact = columnOf(table, side.column, facts);
      return {
        ...plainBtree,
        role: 'equal',
        joined: true,
        key: quoteIdentifier(side.column),
        column: side.column,
        distinct: distinctValues(fact, rows),
      };
    });
  return [...predicates, ...joins].filter((condition, at, all) => all.findIndex((other) => sameUse(other, condition)) === at);
}

const plainBtree = { state: null, distinct: null, operatorClass: null, method: 'btree', alternative: false, joined: false } as const;

function sameUse(a: Condition, b: Condition): boolean {
  return a.role === b.role && a.key === b.key && a.operatorClass === b.operatorClass && a.alternative === b.alternative;
}

function conditionOf(predicate: PredicateShape, fact: ColumnObservation | null, rows: number | null, hints: CandidateHints): Condition[] {
  const column = predicate.column!;
  const isPlain = roughSpelling(predicate.expression) === roughSpelling(quoteIdentifier(column));
  const key = isPlain ? quoteIdentifier(column) : predicate.expression;
  const plainFact = isPlain ? fact : null;
  const base = { ...plainBtree, key, column, distinct: distinctValues(plainFact, rows), alternative: predicate.alternative ?? false };
  switch (predicate.operator) {
    case '=':
      return [{ ...base, role: 'equal', state: stateOf(`${key} = ${predicate.constant}`, predicate, plainFact) }];
    case 'is null':
      return [{ ...base, role: 'equal', state: plainFact === null ? null : { sql: `${key} IS NULL`, keptShare: plainFact.nullShare } }];
    case 'is not null':
      return plainFact === null
        ? []
        : [{ ...base, role: 'range', state: { sql: `${key} IS NOT NULL`, keptShare: 1 - plainFact.nullShare } }];
    case 'in':
      return [{ ...base, role: 'many' }];
    case '<':
    case '<=':
    case '>':
    case '>=':
    case 'between':
      return [{ ...base, role: 'range' }];
    case '@>':
      return containment(base, fact);
    case 'like':
    case 'ilike':
    case 'regex':
      return isPlain && fact !== null && !isText(fact.type) ? [] : search(base, predicate, hints);
    default:
      return [];
  }
}

/** jsonb_path_ops indexes hashed paths: smaller and quicker for `@>` than the default class, which it does not need (manual, "jsonb Indexing"). */
function containment(base: Omit<Condition, 'role'>, fact: ColumnObservation | null): Condition[] {
  const type = fact?.type.toLowerCase() ?? '';
  if (type === 'jsonb') return [{ ...base, role: 'contains', method: 'gin', operatorClass: 'jsonb_path_ops' }];
  if (type.endsWith('[]') || type.startsWith('_')) return [{ ...base, role: 'contains', method: 'gin' }];
  return type.endsWith('range') ? [{ ...base, role: 'contains', method: 'gist' }] : [];
}

function search(base: Omit<Condition, 'role'>, predicate: PredicateShape, hints: CandidateHints): Condition[] {
  const pattern = predicate.constant === null ? null : textOfLiteral(predicate.constant);
  const anchored = pattern === null ? hints.anchoredPatterns : /^[^%_]/u.test(pattern);
  // A B-tree finds a literal beginning, byte by byte, and only where case counts.
  const prefix: Condition[] =
    predicate.operator === 'like' && anchored !== false ? [{ ...base, role: 'prefix', operatorClass: 'text_pattern_ops' }] : [];
  // pg_trgm's manual page: a pattern without three letters or digits in a row holds no trigram and reads the whole index.
  const hasTrigram = pattern === null || /[\p{L}\p{N}]{3}/u.test(pattern);
  const trigram: Condition[] = hasTrigram ? [{ ...base, role: 'search', method: 'gin', operatorClass: 'gin_trgm_ops' }] : [];
  return anchored === true && prefix.length > 0 ? prefix : [...trigram, ...prefix];
}

/** The types whose values the operator classes for patterns and trigrams take as they are. */
function isText(type: string): boolean {
  return /^(?:text|varchar|character varying)\b/iu.test(type);
}

function textOfLiteral(constant: string): string {
  return constant
    .replace(/^E?'/u, '')
    .replace(/'(?:::.*)?$/u, '')
    .replaceAll("''", "'");
}

/**
 * A constant the text always holds may move into the index's WHERE. Only where it is a state and not
 * somebody's datum: the column must have so few values that the planner keeps every one of them in its
 * most-common-values list (default_statistics_target, 100 entries).
 */
function stateOf(sql: string, predicate: PredicateShape, fact: ColumnObservation | null): Condition['state'] {
  if (predicate.constant === null || fact === null || fact.distinct < 1 || fact.distinct > 100) return null;
  return { sql, keptShare: 1 / fact.distinct };
}

/** pg_stats.n_distinct: a count when positive, minus a share of the rows when negative. */
export function distinctValues(fact: ColumnObservation | null, rows: number | null): number | null {
  if (fact === null || fact.distinct === 0) return null;
  if (fact.distinct > 0) return fact.distinct;
  return rows === null ? null : -fact.distinct * rows;
}

/* Sorting */

/** The whole ORDER BY as keys of this table, or none: an index that sorts by half of it sorts nothing. */
function sortKeysOn(table: Table, shape: StatementShape, facts: SchemaFacts): readonly SortKey[] {
  // Without LIMIT every row is read and sorted anyway; groups are sorted after they are formed.
  if (!shape.hasLimit || shape.aggregates || shape.groups) return [];
  const keys = shape.orderBy.map((order): SortKey | null => {
    const name = order.expression.replace(/^"(.*)"$/u, '$1').replaceAll('""', '"');
    const isColumn = columnOf(table, name, facts) !== null && isOn(table, order.qualifier, name, shape, facts);
    return isColumn ? { key: quoteIdentifier(name), column: name, descending: order.direction === 'desc' } : null;
  });
  return keys.every((key) => key !== null) ? keys : [];
}

interface SortKey {
  readonly key: string;
  readonly column: string;
  readonly descending: boolean;
}

/* Putting keys in order */

function btreeCandidates(
  table: Table,
  conditions: readonly Condition[],
  sort: readonly SortKey[],
  rows: number | null,
): readonly IndexCandidate[] {
  const btree = conditions.filter((condition) => condition.method === 'btree');
  const states = btree.filter((condition) => condition.state !== null);
  const stateless = btree.filter((condition) => condition.state === null);
  // A state that most rows are in narrows nothing as a key, and would stand in every entry.
  const plain = orderedKeys(table, [...stateless, ...states.filter(({ state }) => state!.keptShare <= half)], sort, rows, null);
  if (states.length === 0) return plain;
  const keys = stateless.length === 0 && sort.length === 0 ? states : stateless;
  const partial = orderedKeys(table, keys, sort, rows, states.map(({ state }) => state!.sql).join(' AND '));
  const keptShare = states.reduce((share, { state }) => share * state!.keptShare, 1);
  // An index over most of the table is hardly smaller than one over all of it, and serves fewer statements.
  return keptShare <= half ? [...partial, ...plain] : [...plain, ...partial];
}

const half = 0.5;

function orderedKeys(
  table: Table,
  conditions: readonly Condition[],
  sort: readonly SortKey[],
  rows: number | null,
  predicate: string | null,
): readonly IndexCandidate[] {
  const equal = narrowing(
    conditions.filter((condition) => condition.role === 'equal'),
    rows,
  );
  const many = conditions.filter((condition) => condition.role === 'many');
  const ranges = conditions.filter((condition) => condition.role === 'range' || condition.role === 'prefix');
  // `IS NOT NULL` (the one range with a state) cuts off little; any other range comes before it.
  const last = ranges.find((condition) => condition.state === null) ?? ranges[0] ?? null;
  const filtering = build(table, equal, many, [], last, predicate);
  if (sort.length === 0) return filtering;
  const unsorted = sort.filter((key) => !equal.some((condition) => condition.key === key.key));
  const sortedLast = last !== null && unsorted.some((key) => key.key === last.key) ? null : last;
  const sorting = build(table, equal, [], unsorted, sortedLast, predicate);
  // Several runs of entries (`= ANY`) are not in one order, so there the filter leads and the sort stays.
  return many.length > 0 ? [...filtering, ...sorting] : [...sorting, ...filtering];
}

/**
 * Equality columns, the most distinct first, so that the index's beginning also serves statements that
 * know only that column. A column is left out once those before it already single out one row: it
 * would cost bytes in every entry and narrow nothing.
 */
function narrowing(equal: readonly Condition[], rows: number | null): readonly Condition[] {
  const ordered = [...equal].sort((a, b) => (b.distinct ?? 0) - (a.distinct ?? 0));
  if (rows === null) return ordered;
  let groups = 1;
  return ordered.filter((condition) => {
    if (groups >= rows) return false;
    groups *= condition.distinct ?? 1;
    return true;
  });
}

function build(
  table: Table,
  equal: readonly Condition[],
  many: readonly Condition[],
  sort: readonly SortKey[],
  last: Condition | null,
  predicate: string | null,
): readonly IndexCandidate[] {
  const leading = [...equal, ...many.filter((condition) => !equal.some((other) => other.key === condition.key))];
  const trailing = last === null || leading.some((condition) => condition.key === last.key) ? null : last;
  const keys = [
    ...leading.map(keySql),
    ...sort.map((key) => (key.descending ? `${key.key} DESC` : key.key)),
    ...(trailing === null ? [] : [keySql(trailing)]),
  ];
  if (keys.length === 0) return [];
  const sentences = [
    equal.length === 0
      ? null
      : `${list(equal.map((condition) => condition.key))} ${equal.length === 1 ? 'is' : 'are'} compared for equality and ${leading.length === keys.length ? 'lead' : 'come first'}${equal.length === 1 ? 's' : ''}`,
    many.length === 0 ? null : `${list(many.map((condition) => condition.key))} is looked up for a list of values`,
    sort.length === 0
      ? null
      : `${list(sort.map((key) => key.key))} ${sort.length === 1 ? 'follows' : 'follow'} in the direction of ORDER BY, so that LIMIT stops the scan after the first rows and nothing is sorted`,
    trailing === null ? null : `${trailing.key} is the range and stands last, because keys after a range can only filter`,
    predicate === null ? null : `the text always says ${predicate}, so only those rows are indexed`,
  ];
  return [
    {
      definition: { schema: table.schema, table: table.name, keys, method: 'btree', include: [], predicate },
      reason: `${sentences.filter((sentence) => sentence !== null).join('; ')}.`,
      extension: null,
      equalityKeys: leading.length,
      columns: [
        ...new Set([
          ...leading.map(({ column }) => column),
          ...sort.map(({ column }) => column),
          ...(trailing === null ? [] : [trailing.column]),
        ]),
      ],
    },
  ];
}

function keySql(condition: Condition): string {
  return condition.operatorClass === null ? condition.key : `${condition.key} ${condition.operatorClass}`;
}

function list(items: readonly string[]): string {
  return items.length < 2 ? items.join('') : `${items.slice(0, -1).join(', ')} and ${items.at(-1)}`;
}

const invertedReasons = {
  contains: 'a B-tree compares whole values; containment asks for what is inside, which an inverted index lists',
  search: 'the pattern may begin with anything, so no order helps; an index of trigrams finds the rows that hold its three-letter pieces',
} as const;

function invertedCandidates(table: Table, conditions: readonly Condition[]): readonly IndexCandidate[] {
  const [first] = conditions;
  if (first === undefined || (first.role !== 'contains' && first.role !== 'search')) return [];
  return [
    {
      definition: {
        schema: table.schema,
        table: table.name,
        keys: conditions.map(keySql),
        method: first.method,
        include: [],
        predicate: null,
      },
      reason: `${list(conditions.map((condition) => condition.key))}: ${invertedReasons[first.role]}.`,
      extension: first.role === 'search' ? 'pg_trgm' : null,
      equalityKeys: 0,
      columns: conditions.map((condition) => condition.column),
    },
  ];
}

/**
 * `title ILIKE $1 OR body ILIKE $1` is served only when every arm is. One GIN index over all of them does
 * that, because each of its columns can be searched alone (manual, "Multicolumn Indexes"). Arms that need
 * several indexes are left to a person: a remedy is one index.
 */
function alternativeCandidates(table: Table, conditions: readonly Condition[], shape: StatementShape): readonly IndexCandidate[] {
  const inverted = conditions.filter((condition) => condition.alternative && condition.method === 'gin');
  const arms = shape.predicates.filter((predicate) => predicate.alternative === true).length;
  return inverted.length >= 2 && inverted.length === arms && inverted.every((condition) => condition.role === inverted[0]!.role)
    ? invertedCandidates(table, inverted)
    : [];
}

function distinctCandidates(candidates: readonly IndexCandidate[]): readonly IndexCandidate[] {
  const spelling = ({ definition }: IndexCandidate) => JSON.stringify([definition.method, definition.keys, definition.predicate]);
  return candidates.filter((candidate, at) => candidates.findIndex((other) => spelling(other) === spelling(candidate)) === at);
}

/* What exists already */

/**
 * Whether an existing index answers the candidate's purpose: its keys begin with the candidate's (those
 * compared for equality in any order), or it is unique over some of the equality columns and so finds
 * at most one row.
 */
export function serves(index: IndexObservation, candidate: Pick<IndexCandidate, 'definition' | 'equalityKeys'>): boolean {
  const { definition } = candidate;
  const existing = index.definition;
  if (
    !index.valid ||
    existing.schema !== definition.schema ||
    existing.table !== definition.table ||
    existing.method !== definition.method
  ) {
    return false;
  }
  const coversTheRows =
    existing.predicate === null ||
    (definition.predicate !== null && roughSpelling(existing.predicate) === roughSpelling(definition.predicate));
  if (!coversTheRows) return false;
  const wanted = definition.keys.map(comparableKey);
  const present = existing.keys.map(comparableKey);
  if (definition.method !== 'btree') return wanted.every((key) => present.some((other) => invertedKeyServes(other, key)));
  const equal = new Set(wanted.slice(0, candidate.equalityKeys).map(targetOf));
  if (index.unique && present.every((key) => equal.has(targetOf(key)))) return true;
  if (present.length < wanted.length || !present.slice(0, equal.size).every((key) => equal.has(targetOf(key)))) return false;
  const pairs = wanted.slice(equal.size).map((key, at) => ({ key, other: present[equal.size + at]! }));
  if (!pairs.every(({ key, other }) => targetOf(key) === targetOf(other))) return false;
  // A B-tree is read in either direction, but in one at a time.
  return pairs.every(({ key, other }) => key.order === other.order) || pairs.every(({ key, other }) => key.order === -other.order);
}

interface ComparableKey {
  readonly expression: string;
  readonly operatorClass: string;
  /** Reversed by its sign; 2 where NULLs stand on the unusual side. */
  readonly order: number;
}

function comparableKey(key: string): ComparableKey {
  const { expression, operatorClass, descending, nullsFirst } = parseIndexKey(key);
  return {
    expression: roughSpelling(expression),
    operatorClass: operatorClass ?? '',
    order: (descending ? -1 : 1) * (descending === nullsFirst ? 1 : 2),
  };
}

function targetOf(key: ComparableKey): string {
  return `${key.expression} ${key.operatorClass}`;
}

/** The default class of jsonb answers `@>` too, if from a larger index. */
function invertedKeyServes(present: ComparableKey, wanted: ComparableKey): boolean {
  const classes = wanted.operatorClass === 'jsonb_path_ops' ? ['jsonb_path_ops', 'jsonb_ops', ''] : [wanted.operatorClass];
  return present.expression === wanted.expression && classes.includes(present.operatorClass);
}
