/** PostgreSQL's own price list for reading, as this server has it set. */
export interface CostSettings {
  readonly sequentialPage: number;
  readonly randomPage: number;
  readonly tuple: number;
  readonly indexTuple: number;
  readonly operator: number;
}

/** Defaults of the manual, 19.7.2. */
export function costSettings(settings: Readonly<Record<string, string>>): CostSettings {
  const read = (name: string, otherwise: number) => {
    const value = Number(settings[name]);
    return Number.isFinite(value) && settings[name] !== undefined ? value : otherwise;
  };
  return {
    sequentialPage: read('seq_page_cost', 1),
    randomPage: read('random_page_cost', 4),
    tuple: read('cpu_tuple_cost', 0.01),
    indexTuple: read('cpu_index_tuple_cost', 0.005),
    operator: read('cpu_operator_cost', 0.0025),
  };
}

export interface IndexRead {
  readonly tableRows: number;
  readonly tablePages: number;
  /** Rows fetched from the table, over all look-ups. */
  readonly rows: number;
  /** Descents into the index. */
  readonly lookUps: number;
  /** Rows must come in the index's order, one heap page after the other as they fall, instead of sorted by page. */
  readonly ordered: boolean;
}

/**
 * What the planner would charge for reading `rows` through an index that does not exist, in its own
 * units (costsize.c): a random page and 50 operators a level per descent, one random leaf page per run
 * of entries, heap pages by Mackert and Lohman's formula (TODS 14, 1989), fetched one by one when
 * ordered, else as a bitmap that comes nearer to sequential reading the more pages it takes.
 */
export function indexReadCost(read: IndexRead, cost: CostSettings): number {
  const { tableRows, rows, lookUps } = read;
  const pages = Math.max(1, read.tablePages);
  const levels = Math.ceil(Math.log2(Math.max(2, tableRows)) / Math.log2(entriesPerPage));
  const descent = Math.ceil(Math.log2(Math.max(2, tableRows))) * cost.operator + (levels + 1) * 50 * cost.operator;
  const leafPages = Math.max(lookUps, rows / entriesPerPage);
  const heapPages = Math.min(pages, (2 * pages * rows) / (2 * pages + rows));
  const perPage = read.ordered ? cost.randomPage : cost.randomPage - (cost.randomPage - cost.sequentialPage) * Math.sqrt(heapPages / pages);
  return lookUps * descent + leafPages * cost.randomPage + heapPages * perPage + rows * (cost.tuple + cost.indexTuple + cost.operator);
}

/** An 8 kB page holds about 300 entries of a narrow key at the default fill factor of 90 %. */
const entriesPerPage = 300;

/** Comparing in a sort costs two operators (costsize.c, cost_tuplesort). */
export function sortCost(rows: number, cost: CostSettings): number {
  return rows < 2 ? 0 : 2 * cost.operator * rows * Math.log2(rows);
}

/**
 * A cheaper plan must cost half as much at most before anybody is bothered with it. Plan costs rank,
 * they do not predict: over real index sets the rank correlation of predicted with measured gain was
 * 0.53 to 0.80, and single queries were off by more than a factor of three in either direction.
 */
export function clearlyCheaper(candidate: number, current: number): boolean {
  return candidate <= current / 2;
}
