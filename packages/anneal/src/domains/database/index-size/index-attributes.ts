import type { ColumnStatistics } from '../../../ports/database-snapshot.ts';
import { parseIndexKey, roughSpelling } from '../index-ddl.ts';
import { bareColumn, layoutOf, type SizedColumn, type TableStatistics } from './table-statistics.ts';
import { derivedStatistics } from './sampled-values.ts';
import { closing, unquoted } from './sql-lists.ts';

/** One key of an index, as far as its size depends on it. */
export interface IndexAttribute {
  /** A column, or an expression that behaves like one. */
  readonly column: SizedColumn;
  /** The column's name, null for an expression. */
  readonly name: string | null;
  readonly operatorClass: string | null;
  /** Sentences on what had to be assumed. */
  readonly assumptions: readonly string[];
}

/** Null when the table has no such column. */
export function attributeOfKey(key: string, table: TableStatistics): IndexAttribute | null {
  const { expression, operatorClass } = parseIndexKey(key);
  const name = bareColumn(key);
  if (name !== null) {
    const column = table.columns.find((column) => column.name === name);
    return column === undefined ? null : { column, name, operatorClass, assumptions: neverAnalysed(column) };
  }
  const { column, assumptions } = columnOfExpression(bare(expression), table);
  return { column, name: null, operatorClass, assumptions };
}

function neverAnalysed({ name, statistics }: SizedColumn): readonly string[] {
  return statistics === null ? [`${name} was never analysed: every value is counted as different`] : [];
}

interface Derived {
  readonly column: SizedColumn;
  readonly assumptions: readonly string[];
}

/**
 * What an expression's values are like. An index that exists already on the same expression has statistics of it; otherwise they
 * follow from the columns it reads, as far as the function is known: text functions keep lengths and
 * (nearly) all differences, dates and parts of times have as many values as their histogram's span allows.
 */
function columnOfExpression(expression: string, table: TableStatistics): Derived {
  const known = table.expressions.get(roughSpelling(expression));
  const derived = derive(expression, table);
  return known === undefined ? derived : { column: { ...derived.column, statistics: known }, assumptions: [] };
}

function derive(expression: string, table: TableStatistics): Derived {
  const source = table.columns.find(({ name }) => mentions(expression, name));
  if (source === undefined) {
    return { column: anonymous('text', null), assumptions: [`nothing is known of ${expression}: every value is counted as different`] };
  }
  const { statistics } = source;
  const assumed = (column: SizedColumn, what: string): Derived => ({
    column,
    assumptions: [...neverAnalysed(source), `${expression} is taken to ${what}`],
  });
  const cast = /^(.*)::([\w ]+(?:\([\d, ]+\))?(?:\[\])?)$/su.exec(expression);
  const call = /^(\w+)\s*\((.*)\)$/su.exec(expression);
  const type = cast === null ? (call === null ? null : (resultTypes[call[1]!.toLowerCase()] ?? null)) : cast[2]!.trim();
  if (type === 'date' || expression.startsWith("date_trunc('")) {
    const unit = type === 'date' ? 'day' : (/^date_trunc\('(\w+)'/u.exec(expression)?.[1]?.toLowerCase() ?? 'day');
    const resultType = type === 'date' ? 'date' : source.type;
    return assumed(
      anonymous(resultType, spanned(table.hasValues ? statistics : withoutValues(statistics), unit)),
      `have one value per ${unit} between ${source.name}'s extremes`,
    );
  }
  if (call !== null && textFunctions.has(call[1]!.toLowerCase()))
    return assumed({ ...source, type: asText(source.type) }, `be like ${source.name}`);
  if (call?.[1]?.toLowerCase() === 'md5') {
    // 32 letters behind a header of one byte, always.
    const digest = { ...anonymous('text', withoutValues(statistics)), fixedLengthBytes: 33, alignment: 'c' } as const;
    return assumed(digest, `be as various as ${source.name}`);
  }
  if (type !== null) return assumed(anonymous(type, withoutValues(statistics)), `be as various as ${source.name}`);
  const path = jsonPath(expression);
  if (path !== null) {
    const sampled = table.hasValues ? derivedStatistics(statistics, table.rows, (text) => fieldOf(text, path)) : null;
    if (sampled !== null) return assumed(anonymous('text', sampled), `vary as in the documents that ${source.name}'s statistics hold`);
  }
  return assumed({ ...source, statistics: withoutValues(statistics) }, `be as various and as wide as ${source.name}`);
}

const textFunctions = new Set(['lower', 'upper', 'trim', 'btrim', 'ltrim', 'rtrim', 'initcap', 'coalesce', 'unaccent', 'reverse']);
const resultTypes: Readonly<Record<string, string>> = { length: 'integer', char_length: 'integer', abs: 'numeric', date: 'date' };

function asText(type: string): string {
  return /^(?:text|citext|character|name)/u.test(type) ? 'text' : type;
}

function anonymous(type: string, statistics: ColumnStatistics | null): SizedColumn {
  return { name: '', type, ...layoutOf(type), statistics, isNondeterministic: false };
}

/** The column's variety without its values: those are of another type. */
function withoutValues(statistics: ColumnStatistics | null): ColumnStatistics | null {
  return statistics === null ? null : { ...statistics, mostCommonValues: null, histogramBounds: null };
}

const unitMs: Readonly<Record<string, number>> = {
  second: 1000,
  minute: 60_000,
  hour: 3_600_000,
  day: 86_400_000,
  week: 7 * 86_400_000,
  month: 30.44 * 86_400_000,
  quarter: 91.3 * 86_400_000,
  year: 365.25 * 86_400_000,
};

/** As many values as units of time lie between the histogram's ends, at most as many as the column has. */
function spanned(statistics: ColumnStatistics | null, unit: string): ColumnStatistics | null {
  if (statistics === null) return null;
  const bounds = statistics.histogramBounds?.match(/\d{4}-\d\d-\d\d[^",}]*/gu) ?? [];
  const instants = [bounds[0], bounds.at(-1)].map((bound) => Date.parse(isoInstant(bound ?? '')));
  const spanMs = instants[1]! - instants[0]!;
  const units = spanMs / (unitMs[unit] ?? unitMs['day']!) + 1;
  const distinct = Number.isFinite(units) ? units : statistics.distinct;
  return { ...statistics, distinct, mostCommonValues: null, mostCommonFrequencies: null, histogramBounds: null };
}

/** PostgreSQL's ISO style has a blank for the T and may cut the zone to hours. */
function isoInstant(text: string): string {
  return text.replace(' ', 'T').replace(/([+-]\d\d)$/u, '$1:00');
}

function mentions(expression: string, column: string): boolean {
  return [...expression.replaceAll(/'(?:[^']|'')*'/gu, "''").matchAll(/"(?:[^"]|"")+"|[\p{L}_][\p{L}\p{N}_$]*/gu)].some(
    ([word]) => unquoted(word) === column,
  );
}

/** The keys that `a -> 'b' ->> 'c'` or `a #>> '{b,c}'` follows; null for another expression. */
function jsonPath(expression: string): readonly string[] | null {
  const listed = /#>>\s*'\{([^}]*)\}'/u.exec(expression)?.[1];
  if (listed !== undefined) return listed.split(',').map((key) => key.trim());
  const keys = [...expression.matchAll(/->>?\s*'((?:[^']|'')*)'/gu)].map(([, key]) => key!.replaceAll("''", "'"));
  return keys.length > 0 && expression.includes('->>') ? keys : null;
}

function fieldOf(document: string, path: readonly string[]): string | null {
  try {
    const found = path.reduce<unknown>((value, key) => (value as Record<string, unknown> | null)?.[key], JSON.parse(document));
    if (found === undefined || found === null) return null;
    return typeof found === 'string' ? found : JSON.stringify(found);
  } catch {
    return null;
  }
}

/** Without parentheses around the whole. */
function bare(expression: string): string {
  const text = expression.trim();
  return text.startsWith('(') && closing(text, 0) === text.length - 1 ? bare(text.slice(1, -1)) : text;
}
