import type { ForeignKeyObservation, Observations, StatementObservation, TableObservation } from '../../measurement/observations.ts';
import { quoteIdentifier } from '../../ports/index-sql.ts';
import type { StatementPlan } from '../../ports/planner.ts';
import type { PredicateShape, StatementShape } from '../../ports/sql-parser.ts';
import { clearlyCheaper, costSettings, indexReadCost, sortCost, type CostSettings } from './access-cost.ts';
import {
  columnOf,
  distinctValues,
  indexCandidates,
  isOn,
  resolveTable,
  type IndexCandidate,
  type SchemaFacts,
} from './index-candidates.ts';
import { parseIndexKey, roughSpelling } from './index-ddl.ts';
import { pageOf, scansIn, type PlanPage, type PlanScan } from './plan-scans.ts';

/** What the rules about access paths read. */
export const accessCapabilities = [
  'postgres.statements',
  'postgres.plans',
  'postgres.tables',
  'postgres.indexes',
  'postgres.columns',
  'postgres.foreign-keys',
  'postgres.settings',
] as const;
export type AccessObservations = Pick<Observations, (typeof accessCapabilities)[number]>;

export type AccessRule =
  | 'missing-foreign-key-index'
  | 'missing-index'
  | 'missing-sort-index'
  | 'missing-expression-index'
  | 'unindexed-json-containment'
  | 'unindexed-text-search'
  | 'deep-offset';

/** Why a statement reads more than it must: exactly one reason each. */
export interface AccessCause {
  readonly rule: AccessRule;
  readonly statement: StatementObservation;
  readonly plan: StatementPlan;
  readonly table: TableObservation;
  readonly columns: readonly string[];
  /** The index that would help; null where only the query can change. */
  readonly candidate: IndexCandidate | null;
  /** Rows one execution reads to give `rowsKept`. */
  readonly rowsRead: number;
  readonly rowsKept: number;
  /** Plan cost of reading as it is done now, and as it could be done. */
  readonly cost: number;
  readonly betterCost: number;
  /** Of the statement's plan cost, 0-1. */
  readonly costShare: number;
  readonly page: PlanPage | null;
  /** The reference that is followed, where the columns are a foreign key. */
  readonly foreignKey: ForeignKeyObservation | null;
}

export interface AccessSilence {
  readonly rule: AccessRule;
  readonly statement: StatementObservation;
  readonly silent: string;
}

export type AccessOutcome = AccessCause | AccessSilence;

/**
 * Judges every statement that has a plan, once for all rules, so that each statement gets one cause.
 * In this order: a page whose order no index gives, an OFFSET that reads what it throws away, then
 * the scan that takes most of the plan's cost, blamed on the first of its conditions that alone would
 * make an index pay: equality and range on columns, on expressions, containment, text patterns.
 */
export function accessOutcomes(observations: AccessObservations): readonly AccessOutcome[] {
  const facts: SchemaFacts = {
    columns: observations['postgres.columns'],
    indexes: observations['postgres.indexes'],
    tables: observations['postgres.tables'],
  };
  const settings = observations['postgres.settings'];
  const context: Context = {
    facts,
    foreignKeys: observations['postgres.foreign-keys'],
    cost: costSettings(settings),
    pageBytes: Number(settings['block_size'] ?? 8192),
  };
  return observations['postgres.statements'].flatMap((statement) => {
    const plan = observations['postgres.plans'][statement.id];
    if (plan === undefined || statement.shape === null) return [];
    return judge({ ...context, statement, plan, shape: statement.shape, scans: scansIn(plan.root), page: pageOf(plan.root) });
  });
}

interface Context {
  readonly facts: SchemaFacts;
  readonly foreignKeys: readonly ForeignKeyObservation[];
  readonly cost: CostSettings;
  readonly pageBytes: number;
}

interface Case extends Context {
  readonly statement: StatementObservation;
  readonly plan: StatementPlan;
  readonly shape: StatementShape;
  readonly scans: readonly PlanScan[];
  readonly page: PlanPage | null;
}

function judge(given: Case): readonly AccessOutcome[] {
  const page = judgePage(given);
  if (page.some((outcome) => 'cost' in outcome)) return page;
  const judged = given.scans
    .toSorted((a, b) => b.costShare - a.costShare)
    .map((scan) => judgeScan(given, scan))
    .filter((outcomes) => outcomes.length > 0);
  const cause = judged.flat().find((outcome) => 'cost' in outcome);
  return cause === undefined ? [...page, ...(judged[0] ?? [])] : [cause];
}

/* Pages: ORDER BY, LIMIT, OFFSET */

function judgePage(given: Case): readonly AccessOutcome[] {
  const { statement, shape, page, plan } = given;
  const silent = (rule: AccessRule, reason: string): AccessSilence => ({ rule, statement, silent: reason });
  if (page === null || !shape.hasLimit) return [];
  const ordered = orderedScan(given);
  if (ordered === null) return [];
  const { scan, table, equal } = ordered;
  const rows = table.liveRows;
  const all = Math.min(rows, Math.max(scan.rows, matchingRows(given, table, equal, scan.rows)));
  // Rows the order delivers for each one that passes the conditions it cannot hold.
  const perKept = all / Math.max(1, Math.min(scan.rows, all));
  const inOrder = (wanted: number) => readCost(given, table, { rows: Math.min(all, wanted * perKept), lookUps: 1, ordered: true });
  // What subqueries of the select list cost is not the order's fault: the planner puts dear ones above the sort.
  const current = page.sort?.['Total Cost'] ?? scan.cost;
  const sorting = inOrder(page.skippedRows + page.returnedRows);
  const candidate = sortingCandidate(given, table);
  const common = { statement, plan, table, page, rowsKept: page.returnedRows, foreignKey: null };
  const costShare = Math.min(1, current / plan.totalCost);
  const columns = [...new Set([...equal, ...ordered.orderColumns])];

  const filterThenSort = readCost(given, table, { rows: all, lookUps: 1, ordered: false }) + sortCost(all, given.cost);
  const isUnordered = page.sort !== null || readsInWrongOrder(scan);
  if (
    isUnordered &&
    candidate !== null &&
    costShare >= mostOf &&
    clearlyCheaper(sorting, current) &&
    clearlyCheaper(sorting, filterThenSort)
  ) {
    const rowsRead = page.sort === null ? table.liveRows * scan.consumedShare : Math.max(all, sortedRows(page));
    return [{ ...common, rule: 'missing-sort-index', columns, candidate, rowsRead, cost: current, betterCost: sorting, costShare }];
  }
  if (shape.hasOffset) {
    if (plan.generic) return [silent('deep-offset', 'how deep the OFFSET goes is not known: no parameters were seen')];
    const keyset = inOrder(page.returnedRows);
    const [all, share] = [page.limit['Total Cost'], Math.min(1, page.limit['Total Cost'] / plan.totalCost)];
    if (page.skippedRows <= page.returnedRows) {
      return [
        silent(
          'deep-offset',
          `it skips ${Math.round(page.skippedRows)} rows to return ${Math.round(page.returnedRows)}: pages read so far are shallow`,
        ),
      ];
    }
    if (share >= mostOf && clearlyCheaper(keyset, all)) {
      const rowsRead = (page.skippedRows + page.returnedRows) * (page.sort === null ? perKept : 1);
      return [
        {
          ...common,
          rule: 'deep-offset',
          columns: ordered.orderColumns,
          candidate: null,
          rowsRead,
          cost: all,
          betterCost: keyset,
          costShare: share,
        },
      ];
    }
    return [silent('deep-offset', 'a page that started at its first row would cost more than half as much')];
  }
  if (page.sort === null) return [silent('missing-sort-index', 'its rows come from an index in the order asked for')];
  if (candidate === null) return [silent('missing-sort-index', 'an index already gives its rows in the order asked for')];
  return [
    silent(
      'missing-sort-index',
      `reading and sorting ${Math.round(all)} rows for ${Math.round(page.returnedRows)} is not twice as dear as reading them in order`,
    ),
  ];
}

/** Half: a cause that is less than that of a statement's cost is not what makes the statement slow. */
const mostOf = 0.5;

interface OrderedScan {
  readonly scan: PlanScan;
  readonly table: TableObservation;
  readonly equal: readonly string[];
  readonly orderColumns: readonly string[];
}

/** The one scan of the table all ORDER BY columns belong to, where there is one. */
function orderedScan(given: Case): OrderedScan | null {
  const { shape, scans, facts, page } = given;
  if (page === null || shape.orderBy.length === 0) return null;
  const below = scans.filter(({ ancestors }) => {
    const at = ancestors.indexOf(page.limit);
    return at >= 0 && !ancestors.slice(at).some((node) => regrouping.test(node['Node Type']));
  });
  const found = below.flatMap((scan) => {
    const table = tableOf(given, scan);
    if (table === null) return [];
    const orderColumns = shape.orderBy.map((key) => unquoted(key.expression));
    const allHere = shape.orderBy.every(
      (key, at) => columnOf(table, orderColumns[at]!, facts) !== null && isOn(table, key.qualifier, orderColumns[at]!, shape, facts),
    );
    return allHere ? [{ scan, table, orderColumns }] : [];
  });
  const [only] = found;
  if (only === undefined || found.length > 1) return null;
  // A join that drops most rows below the page makes the order worthless: too many must be tried for each that stays.
  const workers = only.scan.rows / Math.max(1, only.scan.node['Plan Rows']);
  const joined = page.sort === null ? only.scan.rows : sortedRows(page) * workers;
  if (joined < only.scan.rows / 2) return null;
  const equal = conditionsOn(given, only.table)
    .filter(({ role }) => role === 'equal')
    .map(({ column }) => column);
  return { ...only, equal };
}

/** Their output rows are not those of the table any more, so no index of the table has their order. */
const regrouping = /Aggregate|Group|Unique|WindowAgg|SetOp|Append/;

function sortedRows(page: PlanPage): number {
  return page.sort?.Plans?.[0]?.['Plan Rows'] ?? page.sort?.['Plan Rows'] ?? 0;
}

/** An index walked from its end for its order alone, with a filter that most rows fail. */
function readsInWrongOrder({ node }: PlanScan): boolean {
  return node['Node Type'].startsWith('Index') && node['Index Cond'] === undefined && node.Filter !== undefined;
}

function sortingCandidate(given: Case, table: TableObservation): IndexCandidate | null {
  const first = given.shape.orderBy[0]!;
  return (
    candidatesOn(given, table).find(({ definition, equalityKeys }) => {
      const key = definition.keys[equalityKeys];
      return definition.method === 'btree' && key !== undefined && parseIndexKey(key).expression === first.expression;
    }) ?? null
  );
}

/* Scans: conditions without an index */

function judgeScan(given: Case, scan: PlanScan): readonly AccessOutcome[] {
  const { statement, plan, cost } = given;
  const table = tableOf(given, scan);
  if (table === null) return [];
  const conditions = conditionsOn(given, table).filter((condition) => isIn(scan, condition) || condition.join);
  const [first] = conditions;
  if (first === undefined) return [];
  const silent = (reason: string): readonly AccessOutcome[] => [
    { rule: ruleFor(given, table, first.role, first), statement, silent: reason },
  ];
  const reading = rowsReadBy(given, table, scan);
  if (reading === null) {
    return silent(`${table.name} is read through the index ${scan.node['Index Name'] ?? 'of its bitmap'}`);
  }
  // A descent reads a page of the index and one of the table: that must be less than reading all of it.
  const pages = Math.ceil(table.sizeBytes / given.pageBytes);
  if (pages * cost.sequentialPage <= 2 * cost.randomPage) {
    return silent(
      `${table.name} has ${pages} page(s) and ${Math.round(table.liveRows)} rows: reading them all costs no more than an index look-up`,
    );
  }
  if (scan.costShare < mostOf) {
    return silent(`scanning ${table.name} is ${Math.round(scan.costShare * 100)} % of the plan's cost`);
  }
  const candidates = candidatesOn(given, table);
  for (const role of roles) {
    const group = conditions.filter((condition) => condition.role === role || (role === 'equal' && condition.role === 'range'));
    const found = payingAccess(given, scan, table, role, group);
    if (found === null) continue;
    const { leading } = found;
    const rule = ruleFor(given, table, leading.role, leading);
    const candidate = candidates.find((candidate) => servesRole(candidate, role, group)) ?? null;
    // An OR over several columns needs an index on each, which no single candidate is.
    if (candidate === null && !leading.alternative) {
      const reason = isIndexed(given, table, leading)
        ? `an index on ${leading.key} exists and the planner prefers the scan: its statistics or costs may be off`
        : `no index can serve the condition on ${leading.key}`;
      return [{ rule, statement, silent: reason }];
    }
    const chosen = group.filter((condition) => candidate?.columns.includes(condition.column) ?? condition.alternative);
    const columns = [...new Set((chosen.length > 0 ? chosen : group).map(({ column }) => column))];
    return [
      {
        rule,
        statement,
        plan,
        table,
        columns,
        candidate,
        rowsRead: reading,
        rowsKept: found.rows,
        cost: found.current,
        betterCost: found.better,
        costShare: scan.costShare,
        page: null,
        foreignKey: rule === 'missing-foreign-key-index' ? foreignKeyOn(given, table, columns) : null,
      },
    ];
  }
  return silent(
    `its conditions keep ${Math.round(scan.rows)} of ${Math.round(table.liveRows)} rows of ${table.name}: fetching those through an index would cost more than half of the scan`,
  );
}

/** In the order in which an index is cheapest to have. */
const roles = ['equal', 'expression', 'containment', 'text'] as const;

interface Condition {
  readonly role: (typeof roles)[number] | 'range';
  readonly column: string;
  /** SQL of the side an index would hold. */
  readonly key: string;
  /** `a.x = b.y` or a condition of its own. */
  readonly join: boolean;
  readonly alternative: boolean;
}

/** Conditions on one table that some index could serve; most selective equality first. */
function conditionsOn(given: Case, table: TableObservation): readonly Condition[] {
  const { shape, facts } = given;
  const predicates = shape.predicates
    .filter((predicate) => predicate.column !== null && isOn(table, predicate.qualifier, predicate.column, shape, facts))
    .flatMap((predicate): Condition[] => {
      const role = roleOf(predicate, given.scans);
      return role === null
        ? []
        : [{ role, column: predicate.column!, key: predicate.expression, join: false, alternative: predicate.alternative ?? false }];
    });
  const joins = shape.joins
    .flatMap(({ left, right }) => [left, right])
    .filter((side) => isOn(table, side.qualifier, side.column, shape, facts))
    .map(({ column }): Condition => ({ role: 'equal', column, key: quoteIdentifier(column), join: true, alternative: false }));
  const distinct = ({ column }: Condition) => distinctValues(columnOf(table, column, facts), table.liveRows) ?? 0;
  return [...predicates, ...joins].sort((a, b) => Number(a.role === 'range') - Number(b.role === 'range') || distinct(b) - distinct(a));
}

function roleOf(predicate: PredicateShape, scans: readonly PlanScan[]): Condition['role'] | null {
  const isPlain = unquoted(predicate.expression) === predicate.column;
  switch (predicate.operator) {
    case '=':
    case 'in':
    case 'is null':
      return isPlain ? 'equal' : 'expression';
    case '<':
    case '<=':
    case '>':
    case '>=':
    case 'between':
      return isPlain ? 'range' : 'expression';
    case '@>':
      return isPlain ? 'containment' : null;
    case 'like':
      // A literal beginning is a range of a sorted index.
      return isPlain && anchoredPattern(predicate, scans) === true ? 'range' : 'text';
    case 'ilike':
    case 'regex':
      return 'text';
    default:
      return null;
  }
}

/** Told by the text's own constant, else by the pattern that EXPLAIN was given (masked but for its ends); null for a generic plan. */
function anchoredPattern({ constant }: PredicateShape, scans: readonly PlanScan[]): boolean | null {
  if (constant !== null) return /^'[^%_]/.test(constant);
  const patterns = scans.flatMap(({ node }) => [...(node.Filter ?? '').matchAll(/ ~~ '(%?)/g)]);
  return patterns.length === 0 ? null : patterns.every(([, wildcard]) => wildcard === '');
}

/** EXPLAIN writes the columns of a condition as they are named; a cast or a function may stand around them. */
function isIn({ node }: PlanScan, { column }: Condition): boolean {
  const texts = [node.Filter, node['Index Cond'], node['Recheck Cond']].join(' ');
  return [...texts.matchAll(/"(?:""|[^"])+"|[\p{L}_][\p{L}\p{N}_$]*/gu)].some(([identifier]) => unquoted(identifier) === column);
}

/** Rows of one execution; null where an index condition already narrows the scan. */
function rowsReadBy(given: Case, table: TableObservation, { node, consumedShare }: PlanScan): number | null {
  if (node['Node Type'] === 'Seq Scan') return table.liveRows * consumedShare;
  // The whole index, only for its order.
  if (node['Node Type'].startsWith('Index') && node['Index Cond'] === undefined) return table.liveRows * consumedShare;
  const entries = node['Node Type'] === 'Bitmap Heap Scan' ? node.Plans?.[0]?.['Plan Rows'] : undefined;
  return entries !== undefined && node.Filter !== undefined && clearlyCheaper(node['Plan Rows'], entries) ? entries : null;
}

interface PayingAccess {
  /** The condition that the finding is about. */
  readonly leading: Condition;
  readonly rows: number;
  readonly current: number;
  readonly better: number;
}

/** The first of a group of conditions, alone or with its like, that makes reading through an index clearly cheaper than the scan. */
function payingAccess(
  given: Case,
  scan: PlanScan,
  table: TableObservation,
  role: Condition['role'],
  group: readonly Condition[],
): PayingAccess | null {
  const own = group.filter((condition) => isIn(scan, condition));
  const [first] = own;
  if (first !== undefined) {
    // One arm of an OR saves nothing alone: the arms are only worth it together, as the plan's own estimate has them.
    const onlyEqual = own.every((condition) => condition.role === 'equal' && !condition.alternative);
    const rows =
      (onlyEqual
        ? matchingRows(
            given,
            table,
            own.map(({ column }) => column),
            scan.rows,
          )
        : expectedRows(given, table, first, scan)) * scan.consumedShare;
    const better = readCost(given, table, { rows, lookUps: 1, ordered: false });
    if (clearlyCheaper(better, scan.cost)) return { leading: first, rows, current: scan.cost, better };
  }
  const partner = group.find((condition) => condition.join && !own.includes(condition));
  return role === 'equal' && partner !== undefined ? payingJoin(given, scan, table, partner) : null;
}

/** A whole table read to be joined with few rows: those could each look their partners up instead. */
function payingJoin(given: Case, scan: PlanScan, table: TableObservation, leading: Condition): PayingAccess | null {
  const at = scan.ancestors.findLastIndex((node) => /Join|Nested Loop/.test(node['Node Type']));
  const join = scan.ancestors[at];
  const side = scan.ancestors[at + 1] ?? scan.node;
  const other = join?.Plans?.find((child) => child !== side && /Outer|Inner/.test(child['Parent Relationship'] ?? ''));
  if (join === undefined || other === undefined) return null;
  const rows = join['Plan Rows'] * scan.consumedShare;
  const better = readCost(given, table, { rows, lookUps: Math.max(1, other['Plan Rows']), ordered: false });
  const current = scan.cost * scan.executions;
  return clearlyCheaper(better, current) ? { leading, rows, current, better } : null;
}

/** Rows that equality on these columns alone leaves, by the statistics; the plan's own figure where they are silent. */
function matchingRows({ facts }: Case, table: TableObservation, columns: readonly string[], planned: number): number {
  const distinct = columns.map((column) => distinctValues(columnOf(table, column, facts), table.liveRows));
  if (columns.length === 0) return table.liveRows;
  if (distinct.some((count) => count === null)) return planned;
  const groups = distinct.reduce<number>((product, count) => product * Math.max(1, count ?? 1), 1);
  // The plan knows how frequent its very value is, so it may keep more than the average value does.
  return Math.min(table.liveRows, Math.max(planned, table.liveRows / groups, 1));
}

/**
 * Without statistics the planner takes any function's result to have 200 different values (selfuncs.h,
 * DEFAULT_NUM_DISTINCT). Case folding and trimming keep nearly as many as the column has.
 */
function expectedRows({ facts }: Case, table: TableObservation, first: Condition, scan: PlanScan): number {
  if (first.role !== 'expression' || !/^(?:lower|upper|btrim|trim|md5)\(/.test(first.key)) return scan.rows;
  const distinct = distinctValues(columnOf(table, first.column, facts), table.liveRows);
  return distinct === null ? scan.rows : Math.min(scan.rows, table.liveRows / Math.max(1, distinct));
}

function servesRole({ definition, columns }: IndexCandidate, role: Condition['role'], group: readonly Condition[]): boolean {
  const keys = definition.keys.map((key) => roughSpelling(parseIndexKey(key).expression));
  if (role === 'equal') return definition.method === 'btree' && group.some(({ key }) => keys[0] === roughSpelling(key));
  if (role === 'expression') return group.some(({ key }) => keys.includes(roughSpelling(key)));
  return definition.method !== 'btree' && group.some(({ column }) => columns.includes(column));
}

function isIndexed({ facts }: Case, table: TableObservation, { key }: Condition): boolean {
  return facts.indexes.some(
    ({ definition }) =>
      definition.schema === table.schema &&
      definition.table === table.name &&
      definition.keys.some((present) => roughSpelling(parseIndexKey(present).expression) === roughSpelling(key)),
  );
}

const rulesByRole = {
  expression: 'missing-expression-index',
  containment: 'unindexed-json-containment',
  text: 'unindexed-text-search',
} as const;

function ruleFor(given: Case, table: TableObservation, role: Condition['role'], { column }: Condition): AccessRule {
  if (role !== 'equal' && role !== 'range') return rulesByRole[role];
  // Schemas that declare no foreign keys name them all the same.
  const isReference = foreignKeyOn(given, table, [column]) !== null || (role === 'equal' && /_id$|[a-z]Id$/.test(column));
  return isReference ? 'missing-foreign-key-index' : 'missing-index';
}

function foreignKeyOn({ foreignKeys }: Case, table: TableObservation, columns: readonly string[]): ForeignKeyObservation | null {
  return (
    foreignKeys.find(
      (key) => key.schema === table.schema && key.table === table.name && key.columns.some((column) => columns.includes(column)),
    ) ?? null
  );
}

/* Tables and costs */

function tableOf({ facts }: Case, { node }: PlanScan): TableObservation | null {
  const table = resolveTable({ schema: node.Schema ?? null, name: node['Relation Name'] ?? '' }, facts);
  return facts.tables.find((fact) => fact.schema === table?.schema && fact.name === table.name) ?? null;
}

function candidatesOn({ shape, plan, facts, scans }: Case, table: TableObservation): readonly IndexCandidate[] {
  const likes = shape.predicates.filter(({ operator }) => operator === 'like').map((predicate) => anchoredPattern(predicate, scans));
  const anchoredPatterns = likes.length === 0 || likes.includes(null) ? null : likes.every((anchored) => anchored === true);
  return indexCandidates(shape, plan, facts, { anchoredPatterns }).filter(
    ({ definition }) => definition.schema === table.schema && definition.table === table.name,
  );
}

function readCost(
  { cost, pageBytes }: Case,
  table: TableObservation,
  read: { readonly rows: number; readonly lookUps: number; readonly ordered: boolean },
): number {
  return indexReadCost({ tableRows: table.liveRows, tablePages: table.sizeBytes / pageBytes, ...read }, cost);
}

function unquoted(identifier: string): string {
  return identifier.startsWith('"') ? identifier.slice(1, -1).replaceAll('""', '"') : identifier;
}
