import type { ColumnStatistics } from '../../../ports/database-snapshot.ts';
import { distinctOf } from './value-classes.ts';
import { arrayElements, closing, splitOutside, unquoted } from './sql-lists.ts';
import type { TableStatistics } from './table-statistics.ts';

/** What of a table a partial index holds. */
export interface PartialRows {
  /** Of the table's rows. */
  readonly share: number;
  /** Columns the predicate speaks of, as they are among those rows. */
  readonly columns: ReadonlyMap<string, ColumnStatistics>;
  readonly assumptions: readonly string[];
}

/** PostgreSQL's own guess for a comparison it knows nothing of (DEFAULT_INEQ_SEL, selfuncs.h). */
const unknownShare = 1 / 3;

/**
 * The rows that a predicate of AND, OR, NOT, comparisons with constants, IN, IS NULL and boolean columns leaves, from the
 * statistics of the columns, conditions on different columns being independent. A column under a condition of its own is
 * described anew: among `status = 'open'` there is one status.
 */
export function partialRows(predicate: string, table: TableStatistics): PartialRows {
  const text = strip(predicate);
  const conjuncts = splitWords(text, 'and');
  if (conjuncts.length > 1) return conjuncts.map((part) => partialRows(part, table)).reduce(both, everything);
  const disjuncts = splitWords(text, 'or');
  if (disjuncts.length > 1) {
    const parts = disjuncts.map((part) => partialRows(part, table));
    const share = 1 - parts.reduce((product, part) => product * (1 - part.share), 1);
    return { share, columns: new Map(), assumptions: parts.flatMap(({ assumptions }) => assumptions) };
  }
  return (
    condition(text, table) ?? {
      share: unknownShare,
      columns: new Map(),
      assumptions: [`a third of the rows is assumed to fulfil ${predicate}`],
    }
  );
}

const everything: PartialRows = { share: 1, columns: new Map(), assumptions: [] };

function both(first: PartialRows, second: PartialRows): PartialRows {
  return {
    share: first.share * second.share,
    columns: new Map([...first.columns, ...second.columns]),
    assumptions: [...first.assumptions, ...second.assumptions],
  };
}

const name = String.raw`("(?:[^"]|"")+"|[\p{L}_][\p{L}\p{N}_$]*)`;
const cast = String.raw`(?:::[\w ]+(?:\([\d, ]+\))?(?:\[\])?)?`;
const literal = String.raw`(?:'((?:[^']|'')*)'${cast}|(-?[\d.]+)${cast}|(true|false))`;
const nullTest = new RegExp(String.raw`^${name}\s+is\s+(not\s+)?null$`, 'iu');
const truthTest = new RegExp(String.raw`^(not\s+)?${name}(?:\s+is\s+(not\s+)?(true|false))?$`, 'iu');
const comparison = new RegExp(String.raw`^${name}${cast}\s*(=|<>|!=|<=|>=|<|>)\s*${literal}$`, 'iu');
const membership = new RegExp(String.raw`^${name}${cast}\s*(?:in\s*|=\s*any\s*)\((.*)\)$`, 'isu');

function condition(text: string, table: TableStatistics): PartialRows | null {
  const column = (identifier: string) => table.columns.find(({ name }) => name === unquoted(identifier));
  const keeping = (identifier: string, keeps: (value: string) => boolean, equal: number | null): PartialRows | null => {
    const found = column(identifier);
    return found === undefined || found.statistics === null ? null : restricted(found.name, found.statistics, table, keeps, equal);
  };
  const isNull = nullTest.exec(text);
  if (isNull !== null) {
    const found = column(isNull[1]!);
    if (found?.statistics === undefined || found.statistics === null) return null;
    const { statistics } = found;
    const { nullShare } = statistics;
    const isPresent = isNull[2] !== undefined;
    const among = isPresent
      ? presentStatistics(statistics, table)
      : { ...nothingKnown, nullShare: 1, averageWidthBytes: statistics.averageWidthBytes, distinct: 1 };
    return { share: isPresent ? 1 - nullShare : nullShare, columns: new Map([[found.name, among]]), assumptions: [] };
  }
  const compared = comparison.exec(simplified(text));
  if (compared !== null) {
    const [, identifier, operator, quoted, number, truth] = compared;
    const value = quoted?.replaceAll("''", "'") ?? number ?? (truth!.toLowerCase() === 'true' ? 't' : 'f');
    return keeping(identifier!, (other) => holds(operator!, compare(other, value)), operator === '=' ? 1 : null);
  }
  const member = membership.exec(simplified(text));
  if (member !== null) {
    const values = new Set(
      [...member[2]!.matchAll(new RegExp(literal, 'giu'))].flatMap(([, quoted, number]) => listed(quoted ?? number ?? '')),
    );
    return keeping(member[1]!, (other) => values.has(other), values.size);
  }
  const truth = truthTest.exec(text);
  if (truth !== null && column(truth[2]!)?.type === 'boolean') {
    const wanted = ((truth[1] === undefined) === (truth[3] === undefined)) === (truth[4]?.toLowerCase() !== 'false') ? 't' : 'f';
    return keeping(truth[2]!, (other) => other === wanted, 1);
  }
  return null;
}

/** `'{a,b}'` is a list in itself, as in `= ANY ('{a,b}'::text[])`. */
function listed(text: string): readonly string[] {
  return text.startsWith('{') ? arrayElements(text) : [text.replaceAll("''", "'")];
}

/** `(status)::text = 'x'::text` as PostgreSQL writes it back. */
function simplified(text: string): string {
  return text.replace(/^\(("(?:[^"]|"")+"|[\p{L}_][\p{L}\p{N}_$]*)\)/u, '$1');
}

/** The statistics of the rows whose value passes; `equal` is how many different values can pass at most, null where that is open. */
function restricted(
  name: string,
  statistics: ColumnStatistics,
  table: TableStatistics,
  keeps: (value: string) => boolean,
  equal: number | null,
): PartialRows {
  const values = arrayElements(statistics.mostCommonValues);
  const frequencies = statistics.mostCommonFrequencies ?? [];
  const bounds = arrayElements(statistics.histogramBounds);
  const distinct = Math.max(1, distinctOf(statistics, table.rows));
  const restShare = Math.max(0, 1 - statistics.nullShare - frequencies.reduce((sum, share) => sum + share, 0));
  const restDistinct = Math.max(1, distinct - frequencies.length);
  if (values.length !== frequencies.length || !table.hasValues) {
    const share = equal === null ? unknownShare : Math.min(1, equal / distinct) * (1 - statistics.nullShare);
    const among = { ...statistics, ...nothingKnown, nullShare: 0, distinct: equal ?? statistics.distinct };
    return {
      share,
      columns: new Map([[name, among]]),
      assumptions: [`without its values, the share of ${name} that the predicate keeps is assumed`],
    };
  }
  const common = values.flatMap((value, at) => (keeps(value) ? [{ value, share: frequencies[at]! }] : []));
  const commonShare = common.reduce((sum, { share }) => sum + share, 0);
  const kept = bounds.filter(keeps);
  // A value that is not common is one of the rest, all about as frequent; a range takes its part of the histogram.
  const missing = equal === null ? 0 : Math.max(0, equal - common.length);
  const rest =
    equal === null
      ? bounds.length === 0
        ? 0
        : (restShare * kept.length) / bounds.length
      : (restShare * Math.min(missing, restDistinct)) / restDistinct;
  const share = Math.min(1, commonShare + rest);
  const keptDistinct = common.length + (equal === null ? (restDistinct * kept.length) / Math.max(1, bounds.length) : missing);
  const among: ColumnStatistics = {
    ...statistics,
    nullShare: 0,
    distinct: Math.max(1, keptDistinct),
    mostCommonValues: common.length === 0 ? null : `{${common.map(({ value }) => `"${value.replaceAll(/["\\]/gu, '\\$&')}"`).join(',')}}`,
    mostCommonFrequencies: common.length === 0 ? null : common.map((entry) => entry.share / Math.max(share, 1e-12)),
    histogramBounds:
      equal === null && kept.length > 0 ? `{${kept.map((value) => `"${value.replaceAll(/["\\]/gu, '\\$&')}"`).join(',')}}` : null,
  };
  return { share, columns: new Map([[name, among]]), assumptions: [] };
}

/** The column among the rows in which it is not NULL. */
export function presentStatistics(statistics: ColumnStatistics, table: TableStatistics): ColumnStatistics {
  const present = Math.max(1e-12, 1 - statistics.nullShare);
  return {
    ...statistics,
    nullShare: 0,
    distinct: Math.max(1, distinctOf(statistics, table.rows)),
    mostCommonFrequencies: statistics.mostCommonFrequencies?.map((share) => share / present) ?? null,
  };
}

const nothingKnown: ColumnStatistics = {
  inherited: false,
  nullShare: 0,
  averageWidthBytes: 32,
  distinct: 0,
  correlation: null,
  mostCommonValues: null,
  mostCommonFrequencies: null,
  histogramBounds: null,
  mostCommonElements: null,
  mostCommonElementFrequencies: null,
  elementCountHistogram: null,
};

/** Numbers by value, everything else by its text: PostgreSQL writes dates and times so that this is their order. */
function compare(one: string, other: string): number {
  const [a, b] = [Number(one), Number(other)];
  if (one !== '' && other !== '' && Number.isFinite(a) && Number.isFinite(b)) return Math.sign(a - b);
  return one === other ? 0 : one < other ? -1 : 1;
}

function holds(operator: string, order: number): boolean {
  switch (operator) {
    case '=':
      return order === 0;
    case '<':
      return order < 0;
    case '<=':
      return order <= 0;
    case '>':
      return order > 0;
    case '>=':
      return order >= 0;
    default:
      return order !== 0;
  }
}

/** Splits at a word outside quotes and parentheses; an AND that belongs to BETWEEN makes a range of two comparisons. */
function splitWords(text: string, word: 'and' | 'or'): readonly string[] {
  const ranges = text.replaceAll(/(\S+)\s+between\s+(\S+)\s+and\s+(\S+)/giu, '$1 >= $2 AND $1 <= $3');
  const marked = new RegExp(String.raw`\s${word}\s`, 'giu');
  const separator = '\u0001';
  const pieces = splitOutside(ranges.replaceAll(marked, separator), separator);
  return pieces.map((piece) => strip(piece.replaceAll(separator, ` ${word} `)));
}

/** Without white space and parentheses around the whole. */
function strip(text: string): string {
  const trimmed = text.trim();
  return trimmed.startsWith('(') && closing(trimmed, 0) === trimmed.length - 1 ? strip(trimmed.slice(1, -1)) : trimmed;
}
