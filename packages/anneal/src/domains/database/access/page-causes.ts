import type { TableObservation } from '../../../measurement/observations.ts';
import { columnOf, isOn, type IndexCandidate } from '../index-candidates.ts';
import { parseIndexKey } from '../index-ddl.ts';
import type { AccessOutcome, AccessRule, AccessSilence } from './access-outcome.ts';
import { conditionsOn, unquoted } from './conditions.ts';
import type { PlanPage, PlanScan } from './plan-scans.ts';
import { clearlyCheaper, sortCost } from './read-cost.ts';
import { candidatesOn, matchingRows, mostOf, readCost, tableOf, type StatementCase } from './statement-case.ts';

/** Pages: what ORDER BY, LIMIT and OFFSET make a statement read. */
export function judgePage(given: StatementCase): readonly AccessOutcome[] {
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
  const common = { statement, plan, table, page, rowsKept: page.returnedRows, rowsKeptMeasured: false, foreignKey: null };
  const costShare = Math.min(1, current / plan.totalCost);
  const columns = [...new Set([...equal, ...ordered.orderColumns])];

  const filterThenSort = readCost(given, table, { rows: all, lookUps: 1, ordered: false }) + sortCost(all, given.cost);
  // How many rows match differs from value to value; whoever asks for a page of them expects more than it holds.
  const isPage = page.returnedRows > 1;
  const isUnordered = page.sort !== null || readsInWrongOrder(scan);
  if (
    isUnordered &&
    candidate !== null &&
    costShare >= mostOf &&
    clearlyCheaper(sorting, current) &&
    (isPage || clearlyCheaper(sorting, filterThenSort))
  ) {
    const readsTable = page.sort === null || scan.node['Node Type'] === 'Seq Scan';
    const rowsRead = readsTable ? table.liveRows * scan.consumedShare : Math.max(all, sortedRows(page));
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
  if (!isUnordered) return [silent('missing-sort-index', 'its rows come from an index in the order asked for')];
  if (candidate === null) return [silent('missing-sort-index', 'an index already gives its rows in the order asked for')];
  return [
    silent(
      'missing-sort-index',
      `reading and sorting ${Math.round(all)} rows for ${Math.round(page.returnedRows)} is not twice as dear as reading them in order`,
    ),
  ];
}

interface OrderedScan {
  readonly scan: PlanScan;
  readonly table: TableObservation;
  readonly equal: readonly string[];
  readonly orderColumns: readonly string[];
}

/** The one scan of the table all ORDER BY columns belong to, where there is one. */
function orderedScan(given: StatementCase): OrderedScan | null {
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

function sortingCandidate(given: StatementCase, table: TableObservation): IndexCandidate | null {
  const first = given.shape.orderBy[0]!;
  return (
    candidatesOn(given, table).find(({ definition, equalityKeys }) => {
      const key = definition.keys[equalityKeys];
      return definition.method === 'btree' && key !== undefined && parseIndexKey(key).expression === first.expression;
    }) ?? null
  );
}
