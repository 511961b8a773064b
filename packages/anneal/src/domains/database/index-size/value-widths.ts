import type { ColumnStatistics } from '../../../ports/database-snapshot.ts';
import { sampledValues } from './sampled-values.ts';
import type { SizedColumn } from './table-statistics.ts';

/** How many bytes a value of the column takes, its header included, and how likely that is. */
export interface Width {
  readonly bytes: number;
  readonly share: number;
}

/** What a tuple needs to know of one attribute. */
export interface Attribute {
  readonly nullShare: number;
  /** Of the values that are not NULL, weighed by rows. */
  readonly widths: readonly Width[];
  readonly alignment: SizedColumn['alignment'];
  readonly isVariable: boolean;
}

export const alignmentBytes = { c: 1, s: 2, i: 4, d: 8 } as const;

/** Values up to this length, header included, have a header of one byte and no alignment (VARATT_SHORT_MAX); longer ones have four. */
const longestShortBytes = 127;

export function isShort(bytes: number): boolean {
  return bytes <= longestShortBytes;
}

export function attributeOf(
  column: Pick<SizedColumn, 'type' | 'fixedLengthBytes' | 'alignment' | 'statistics'>,
  hasValues: boolean,
): Attribute {
  const { statistics, alignment, fixedLengthBytes } = column;
  const nullShare = statistics?.nullShare ?? 0;
  if (fixedLengthBytes > 0) return { nullShare, widths: [{ bytes: fixedLengthBytes, share: 1 }], alignment, isVariable: false };
  // PostgreSQL takes 32 bytes for what it does not know.
  const average = statistics?.averageWidthBytes ?? 32;
  const seen = hasValues && statistics !== null ? seenWidths(column.type, statistics) : null;
  const widths = seen ?? (isUniform(column.type, average) ? [{ bytes: average, share: 1 }] : spread(average));
  return { nullShare, widths, alignment, isVariable: true };
}

/**
 * Widths of the values that the statistics hold: the common ones by their frequency, and the histogram's bounds for the rest,
 * each standing for as many rows as the others. Null for a type whose text does not tell its length.
 */
function seenWidths(type: string, statistics: ColumnStatistics): readonly Width[] | null {
  const bytesOf = storedBytes(type);
  if (bytesOf === null) return null;
  const samples = sampledValues(statistics);
  if (samples.length === 0) return null;
  return fitted(merged(samples.map(({ text, share }) => ({ bytes: bytesOf(text), share }))), statistics.averageWidthBytes);
}

/**
 * ANALYZE's average is over far more rows than the values it keeps, and cut to a whole number. Values over 1 kB are never
 * kept, and compressed or moved ones count as what lies in the row, so the kept ones are stretched until the average is right.
 */
function fitted(widths: readonly Width[], averageWidthBytes: number): readonly Width[] {
  const mean = widths.reduce((sum, { bytes, share }) => sum + bytes * share, 0);
  if (widths.length === 1 || (mean >= averageWidthBytes && mean < averageWidthBytes + 1)) return widths;
  const factor = (averageWidthBytes + 0.5) / mean;
  return merged(widths.map(({ bytes, share }) => ({ bytes: Math.max(1, Math.round(bytes * factor)), share })));
}

/** Ranges and addresses of one kind are all as wide as each other, and so is `character(n)` of one-byte letters. */
function isUniform(type: string, averageWidthBytes: number): boolean {
  const letters = /^character\((\d+)\)$/u.exec(type)?.[1];
  return /range$|^(?:inet|cidr)$/u.test(type) || (letters !== undefined && Number(letters) + 1 === averageWidthBytes);
}

/** Nothing known but the average: eight neighbouring widths, so that each remainder of the alignment is as likely as the others. */
function spread(averageWidthBytes: number): readonly Width[] {
  return Array.from({ length: 8 }, (_, at) => ({ bytes: Math.max(1, averageWidthBytes - 3 + at), share: 1 / 8 }));
}

function merged(widths: readonly Width[]): readonly Width[] {
  const shares = new Map<number, number>();
  for (const { bytes, share } of widths) shares.set(bytes, (shares.get(bytes) ?? 0) + share);
  return [...shares].map(([bytes, share]) => ({ bytes, share }));
}

/** From a value's text to its bytes in a row, where the type says how. */
function storedBytes(type: string): ((text: string) => number) | null {
  if (/^(?:text|citext|character|name|json$|xml)/u.test(type)) return (text) => withHeader(Buffer.byteLength(text));
  if (type.startsWith('numeric')) return numericBytes;
  if (type === 'bytea') return (text) => withHeader((text.length - 2) / 2);
  if (/^(?:inet|cidr)$/u.test(type)) return (text) => (text.includes(':') ? 19 : 7);
  return null;
}

function withHeader(bytes: number): number {
  return bytes + 1 <= longestShortBytes ? bytes + 1 : bytes + 4;
}

/** A numeric is its digits in base 10,000, two bytes each, without zeros at either end, behind a header of two (numeric.c). */
function numericBytes(text: string): number {
  const [whole = '', fraction = ''] = text.replace(/^-/u, '').split('.');
  const groups = [
    ...(whole.padStart(Math.ceil(whole.length / 4) * 4, '0').match(/\d{4}/gu) ?? []),
    ...(fraction.padEnd(Math.ceil(fraction.length / 4) * 4, '0').match(/\d{4}/gu) ?? []),
  ].map(Number);
  const first = groups.findIndex((group) => group !== 0);
  const last = groups.findLastIndex((group) => group !== 0);
  return withHeader(2 + (first < 0 ? 0 : 2 * (last - first + 1)));
}
