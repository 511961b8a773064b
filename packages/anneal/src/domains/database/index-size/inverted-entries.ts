import type { ColumnStatistics } from '../../../ports/database-snapshot.ts';
import type { IndexAttribute } from './index-attributes.ts';
import { type SampledValue, sampledValues } from './sampled-values.ts';
import { arrayElements } from './sql-lists.ts';
import type { TableStatistics } from './table-statistics.ts';
import { columnClasses, type ValueClass } from './value-classes.ts';

/** What an inverted index holds of one key: entries by how many rows each is in, and the bytes of an entry's own key. */
export interface InvertedEntries {
  readonly classes: readonly ValueClass[];
  readonly keyBytes: number;
  readonly assumptions: readonly string[];
}

/** Entries a value makes, each with the part of the value it comes from: entries of different parts vary independently. */
type Extract = (text: string) => readonly { readonly part: string; readonly entry: string }[];

const hashBytes = 4;

export function invertedEntries({ column, operatorClass }: IndexAttribute, table: TableStatistics, rows: number): InvertedEntries {
  const { statistics, type } = column;
  const present = rows * (1 - (statistics?.nullShare ?? 0));
  const samples = table.hasValues ? sampledValues(statistics) : [];
  const widthBytes = statistics?.averageWidthBytes ?? 32;
  if (operatorClass === 'gin_trgm_ops') {
    // As many trigrams as characters, and of letters and digits there are at most 36 cubed.
    return sampled(samples, trigramsOf, present, { keyBytes: hashBytes, perRow: widthBytes, most: 36 ** 3 });
  }
  if (type === 'jsonb') {
    // Without documents to look at: a path and its value take about 16 bytes of a document.
    return operatorClass === 'jsonb_path_ops'
      ? sampled(samples, pathsOf, present, { keyBytes: hashBytes, perRow: widthBytes / 16, most: Number.POSITIVE_INFINITY })
      : sampled(samples, keysAndValuesOf, present, { keyBytes: 10, perRow: widthBytes / 8, most: Number.POSITIVE_INFINITY });
  }
  if (type.endsWith('[]') || type === 'tsvector') return listed(statistics, type, present, type === 'tsvector' ? [] : samples);
  return {
    classes: columnClasses(statistics, rows),
    keyBytes: column.fixedLengthBytes > 0 ? column.fixedLengthBytes : widthBytes,
    assumptions: [],
  };
}

interface Unsampled {
  readonly keyBytes: number;
  readonly perRow: number;
  readonly most: number;
}

/** At least so many documents have to be seen before they speak for the rest. */
const fewestSamples = 20;

function sampled(samples: readonly SampledValue[], extract: Extract, rows: number, unsampled: Unsampled): InvertedEntries {
  if (samples.length < fewestSamples) {
    const { keyBytes, perRow, most } = unsampled;
    const occurrences = rows * Math.max(1, perRow);
    const values = Math.min(most, occurrences);
    return {
      classes: [{ values, rowsEach: occurrences / values }],
      keyBytes,
      assumptions: ['without values to look at, entries per row follow from the width alone'],
    };
  }
  const parts = seenEntries(samples, extract);
  const classes = [...parts.values()].flatMap((entries) => {
    const most = Math.min(unsampled.most, wholeNumbersBetween([...entries.keys()]));
    return partClasses([...entries.values()], rows, most);
  });
  const all = [...parts.values()].flatMap((entries) => [...entries]);
  const keyBytes =
    unsampled.keyBytes === hashBytes
      ? hashBytes
      : all.reduce((sum, [entry]) => sum + Buffer.byteLength(entry) + 1, 0) / Math.max(1, all.length);
  return { classes, keyBytes, assumptions: [] };
}

/** By part of the value, how often each entry was seen. */
function seenEntries(samples: readonly SampledValue[], extract: Extract): ReadonlyMap<string, ReadonlyMap<string, Seen>> {
  const parts = new Map<string, Map<string, Seen>>();
  for (const { text, share, isCommon } of samples) {
    const ofValue = new Map(extract(text).map(({ part, entry }) => [`${part}\u0000${entry}`, { part, entry }]));
    for (const { part, entry } of ofValue.values()) {
      const entries = parts.get(part) ?? new Map<string, Seen>();
      parts.set(part, entries);
      const known = entries.get(entry);
      const times = (known?.times ?? 0) + (isCommon ? Number.POSITIVE_INFINITY : 1);
      entries.set(entry, { share: (known?.share ?? 0) + share, times });
    }
  }
  return parts;
}

interface Seen {
  readonly share: number;
  /** In sampled values; infinite where a most common value has it, whose frequency is known. */
  readonly times: number;
}

/** Entries seen twice or more have the frequency they were seen with; those seen once stand for all others. */
function partClasses(entries: readonly Seen[], rows: number, most: number): readonly ValueClass[] {
  const repeated = entries.filter(({ times }) => times > 1);
  const once = entries.filter(({ times }) => times === 1);
  const classes = repeated.map(({ share }): ValueClass => ({ values: 1, rowsEach: Math.max(1, share * rows) }));
  if (once.length === 0) return classes;
  const occurrences = rows * once.reduce((sum, { share }) => sum + share, 0);
  const values = Math.max(1, valuesBehind(entries, occurrences, most) - repeated.length);
  return [...classes, { values, rowsEach: occurrences / values }];
}

/**
 * How many entries there are, from how many were seen once and how many twice (Chao 1984). Where none was seen twice the bias-corrected form
 * of it is only a lower bound: of whole numbers then all between the smallest and the largest are counted, of everything else
 * the middle, in factors, between the bound and as many values as occurrences.
 */
function valuesBehind(entries: readonly Seen[], occurrences: number, most: number): number {
  const seen = (wanted: number) => entries.filter(({ times }) => times === wanted).length;
  const [once, twice] = [seen(1), seen(2)];
  const repeated = entries.length - once;
  const atMost = Math.min(occurrences + repeated, most);
  const atLeast = Math.min(atMost, entries.length + (once * (once - 1)) / (2 * (twice + 1)));
  if (twice > 0) return atLeast;
  return most === Number.POSITIVE_INFINITY ? Math.sqrt(atLeast * atMost) : atMost;
}

/** Whole numbers cannot have more values than lie between the smallest and the largest, seen with the gap beyond them that so many samples leave. */
function wholeNumbersBetween(entries: readonly string[]): number {
  const numbers = entries.map(Number);
  if (entries.length < 2 || !numbers.every((number) => Number.isInteger(number))) return Number.POSITIVE_INFINITY;
  return (Math.max(...numbers) - Math.min(...numbers) + 1) * (1 + 2 / numbers.length);
}

/** Arrays and tsvectors have statistics of their elements. What these leave out is rarer; whole arrays that the statistics hold show how various it is. */
function listed(statistics: ColumnStatistics | null, type: string, rows: number, samples: readonly SampledValue[]): InvertedEntries {
  const elements = arrayElements(statistics?.mostCommonElements ?? null);
  const frequencies = statistics?.mostCommonElementFrequencies?.slice(0, elements.length) ?? [];
  const widthBytes = statistics?.averageWidthBytes ?? 32;
  const elementBytes = elements.length === 0 ? 8 : elements.reduce((sum, element) => sum + Buffer.byteLength(element), 0) / elements.length;
  const isNumber = /^(?:integer|oid|real|date)\[\]$/u.test(type)
    ? 4
    : /^(?:bigint|double precision|timestamp.*)\[\]$/u.test(type)
      ? 8
      : null;
  const keyBytes = isNumber ?? elementBytes + 1;
  // A tsvector's lexeme takes 4 bytes of directory, its letters, and the list of its positions, 4 bytes when it is there once.
  const perRow =
    statistics?.elementCountHistogram?.at(-1) ?? Math.max(1, (widthBytes - 8) / (type === 'tsvector' ? elementBytes + 8.5 : keyBytes));
  const known = frequencies.map((share): ValueClass => ({ values: 1, rowsEach: Math.max(1, share * rows) }));
  const restOccurrences = rows * perRow - known.reduce((sum, { rowsEach }) => sum + rowsEach, 0);
  // The rounding of the frequencies of a complete list.
  if (known.length > 0 && restOccurrences < 0.02 * rows * perRow) return { classes: known, keyBytes, assumptions: [] };
  const rarest = Math.min(...known.map(({ rowsEach }) => rowsEach), rows);
  const isListed = new Set(elements);
  const seen = seenEntries(samples, (text) => arrayElements(text).map((entry) => ({ part: '', entry }))).get('') ?? new Map<string, Seen>();
  const unlisted = [...seen].filter(([entry]) => !isListed.has(entry));
  // None of them is as frequent as the rarest listed one, or it would be listed.
  const fewest = restOccurrences / rarest;
  const isSeen = unlisted.length >= fewestSamples;
  const most = wholeNumbersBetween(unlisted.map(([entry]) => entry));
  const likely = isSeen
    ? valuesBehind(
        unlisted.map(([, entry]) => entry),
        restOccurrences,
        most,
      )
    : 2 * fewest;
  const values = Math.min(restOccurrences, Math.max(fewest, likely));
  return {
    classes: [...known, { values, rowsEach: restOccurrences / values }],
    keyBytes,
    assumptions: isSeen ? [] : ['elements that the statistics do not list are taken to be half as frequent as the rarest listed one'],
  };
}

/** As pg_trgm cuts a text: words of letters and digits, in lower case, two blanks before and one behind. */
function trigramsOf(text: string): ReturnType<Extract> {
  const words = text.toLowerCase().match(/[\p{L}\p{N}]+/gu) ?? [];
  return words.flatMap((word) => {
    const padded = `  ${word} `;
    return Array.from({ length: padded.length - 2 }, (_, at) => ({ part: '', entry: padded.slice(at, at + 3) }));
  });
}

/** jsonb_path_ops: each scalar with the keys that lead to it; places in arrays do not count. */
function pathsOf(text: string): ReturnType<Extract> {
  return [...scalarsOf(parsed(text), '')].map(({ path, value }) => ({ part: path, entry: String(value) }));
}

/** jsonb_ops: each key and each scalar by itself; strings in arrays count as keys. */
function keysAndValuesOf(text: string): ReturnType<Extract> {
  const document = parsed(text);
  return [
    ...[...keyNames(document)].map((entry) => ({ part: 'key', entry })),
    ...[...scalarsOf(document, '')].map(({ path, value }) => ({ part: path, entry: String(value) })),
  ];
}

function parsed(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return null;
  }
}

function* scalarsOf(value: unknown, path: string): Generator<{ readonly path: string; readonly value: unknown }> {
  if (Array.isArray(value)) for (const item of value) yield* scalarsOf(item, path);
  else if (typeof value === 'object' && value !== null)
    for (const [key, item] of Object.entries(value)) yield* scalarsOf(item, `${path}.${key}`);
  else yield { path, value };
}

function* keyNames(value: unknown): Generator<string> {
  if (Array.isArray(value)) for (const item of value) yield* keyNames(item);
  else if (typeof value === 'object' && value !== null) {
    for (const [key, item] of Object.entries(value)) {
      yield key;
      yield* keyNames(item);
    }
  }
}
