import type { ColumnStatistics } from '../../../ports/database-snapshot.ts';
import type { IndexAttribute } from './index-attributes.ts';
import { type SampledValue, sampledValues } from './sampled-values.ts';
import { arrayElements } from './sql-lists.ts';
import type { TableStatistics } from './table-statistics.ts';
import { columnClasses, distinctOf, rowsOf, valuesOf, type ValueClass } from './value-classes.ts';

/** So many different entries, each of them in so many rows on average. */
export interface EntryClass extends ValueClass {
  /** Of the entry's own key. */
  readonly keyBytes: number;
}

/** What an inverted index holds of one key. */
export interface InvertedEntries {
  readonly classes: readonly EntryClass[];
  readonly assumptions: readonly string[];
}

/** Entries a value makes, each with the part of the value it comes from: entries of different parts vary independently. */
type Extract = (text: string) => readonly { readonly part: string; readonly entry: string }[];

const hashBytes = 4;

export function invertedEntries(attribute: IndexAttribute, table: TableStatistics, rows: number): InvertedEntries {
  const { statistics, fixedLengthBytes } = attribute.column;
  const nullRows = rows * (statistics?.nullShare ?? 0);
  const entries = presentEntries(attribute, table, rows - nullRows);
  if (entries !== null) {
    // Rows without a value share an entry that only says so (GIN_CAT_NULL_ITEM).
    return nullRows < 1 ? entries : { ...entries, classes: [...entries.classes, { values: 1, rowsEach: nullRows, keyBytes: hashBytes }] };
  }
  const keyBytes = fixedLengthBytes > 0 ? fixedLengthBytes : (statistics?.averageWidthBytes ?? 32);
  return { classes: columnClasses(statistics, rows).map((each) => ({ ...each, keyBytes })), assumptions: [] };
}

/** Of values that are not NULL; null where a value is one entry. */
function presentEntries({ column, operatorClass }: IndexAttribute, { hasValues }: TableStatistics, rows: number): InvertedEntries | null {
  const { statistics, type } = column;
  const samples = hasValues ? sampledValues(statistics) : [];
  const widthBytes = statistics?.averageWidthBytes ?? 32;
  const documents = statistics === null ? rows : distinctOf(statistics, rows);
  const most = Number.POSITIVE_INFINITY;
  if (operatorClass === 'gin_trgm_ops') {
    // As many trigrams as characters, and of letters and digits there are at most 36 cubed.
    return sampled(samples, trigramsOf, rows, {
      documents,
      keyBytesOf: () => hashBytes,
      keyBytes: hashBytes,
      perRow: widthBytes,
      most: 36 ** 3,
    });
  }
  if (type === 'jsonb') {
    // Without documents to look at: a path and its value take about 16 bytes of a document.
    return operatorClass === 'jsonb_path_ops'
      ? sampled(samples, pathsOf, rows, { documents, keyBytesOf: () => hashBytes, keyBytes: hashBytes, perRow: widthBytes / 16, most })
      : sampled(samples, keysAndValuesOf, rows, { documents, keyBytesOf: jsonbKeyBytes, keyBytes: 10, perRow: widthBytes / 8, most });
  }
  return type.endsWith('[]') || type === 'tsvector' ? listed(statistics, type, rows, type === 'tsvector' ? [] : samples) : null;
}

/** A length, a byte that says what it is, and the text, or the eight digits of its hash where that is long (JGIN_MAXLENGTH). */
function jsonbKeyBytes(entry: string): number {
  const textBytes = Buffer.byteLength(entry);
  return 2 + (textBytes > 125 ? 8 : textBytes);
}

interface Unsampled {
  /** How many different values the column has. */
  readonly documents: number;
  readonly keyBytesOf: (entry: string) => number;
  /** The next two: without values to look at. */
  readonly keyBytes: number;
  readonly perRow: number;
  /** How many different entries there can be. */
  readonly most: number;
}

/** At least so many documents have to be seen before they speak for the rest; where they are all that there are, any number does. */
const fewestSamples = 20;

function sampled(
  samples: readonly SampledValue[],
  extract: Extract,
  rows: number,
  { documents, keyBytesOf, keyBytes, perRow, most }: Unsampled,
): InvertedEntries {
  const isComplete = samples.length > 0 && samples.every(({ isCommon }) => isCommon);
  if (samples.length < fewestSamples && !isComplete) {
    const occurrences = rows * Math.max(1, perRow);
    const values = Math.min(most, occurrences);
    return {
      classes: [{ values, rowsEach: occurrences / values, keyBytes }],
      assumptions: ['without values to look at, entries per row follow from the width alone'],
    };
  }
  const parts = [...seenEntries(samples, extract).values()];
  // The next document brings as many new entries as one of the sample brought that no other has (Good and Turing), those after it ever fewer.
  const drawn = samples.filter(({ isCommon }) => !isCommon).length;
  const growth = 1 + Math.max(0, documents - samples.length) / Math.max(1, drawn);
  return { classes: parts.flatMap((entries) => partClasses(entries, rows, { growth, most, keyBytesOf })), assumptions: [] };
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
function partClasses(
  entries: ReadonlyMap<string, Seen>,
  rows: number,
  { growth, most, keyBytesOf }: Pick<Unsampled, 'most' | 'keyBytesOf'> & { readonly growth: number },
): readonly EntryClass[] {
  const seen = [...entries];
  const once = seen.filter(([, { times }]) => times === 1);
  const alone = ([entry, { share }]: readonly [string, Seen]): EntryClass => ({
    values: 1,
    rowsEach: Math.max(1, share * rows),
    keyBytes: keyBytesOf(entry),
  });
  if (once.length === 0) return seen.map(alone);
  const keyBytes = once.reduce((sum, [entry]) => sum + keyBytesOf(entry), 0) / once.length;
  const occurrencesOf = (some: typeof seen) => rows * some.reduce((sum, [, { share }]) => sum + share, 0);
  const [common, drawn] = [seen.filter(([, { times }]) => !Number.isFinite(times)), seen.filter(([, { times }]) => Number.isFinite(times))];
  const numbers = wholeNumberClasses(
    drawn,
    occurrencesOf(drawn),
    common.map(([entry]) => entry),
  );
  if (numbers !== null) {
    const excess = Math.max(1, valuesOf(numbers) / (drawn.length * growth));
    const limited = numbers.map(({ values, rowsEach }): EntryClass => ({ values: values / excess, rowsEach: rowsEach * excess, keyBytes }));
    return [...common.map(alone), ...limited];
  }
  const repeated = seen.filter(([, { times }]) => times > 1);
  const occurrences = occurrencesOf(once);
  const values = Math.min(once.length * growth, Math.max(1, valuesBehind([...entries.values()], occurrences, most) - repeated.length));
  return [...repeated.map(alone), { values, rowsEach: occurrences / values, keyBytes }];
}

/**
 * How many entries there are, from how many were seen once and how many twice (Chao 1984). Where none was seen twice the bias-corrected form
 * of it is only a lower bound: then the middle is taken, in factors, between the bound and as many values as occurrences.
 *
 * Of a field without numbers in documents that are all different the statistics tell no more than that: a hundred unique texts look
 * like a hundred of five thousand. And the bounds of a histogram lie evenly in the order of whole documents, so that fields
 * which come first in it are met again less often than by chance.
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

/** Stretches of the numbers seen that are looked at by themselves, so that the frequent end of a skew does not count for the rare one. */
const stretches = 8;

/**
 * Whole numbers count things, as amounts with decimals do, and then all between the smallest and the largest are values: so many
 * places, into which the occurrences fall by chance. How often the sample met a number again says whether that can be: where it did more often than such
 * places let it (two standard deviations of a Poisson count) the numbers have gaps, and null is returned, as for everything that is no number.
 * Entries that have classes of their own leave their places to none of the others.
 */
function wholeNumberClasses(
  drawn: readonly (readonly [string, Seen])[],
  occurrences: number,
  others: readonly string[],
): readonly ValueClass[] | null {
  const scale = 10 ** Math.max(0, ...drawn.map(([entry]) => /^-?\d+\.(\d+)$/u.exec(entry)?.[1]?.length ?? 0));
  // Trigrams of numbers have blanks around them at the ends.
  const placeOf = (entry: string) => (/^ *-?\d+(?:\.\d+)? *$/u.test(entry) ? Math.round(Number(entry) * scale) : Number.NaN);
  const numbers = drawn.map(([entry, { times }]) => ({ at: placeOf(entry), times })).sort((a, b) => a.at - b.at);
  if (numbers.length < fewestSamples || !numbers.every(({ at }) => Number.isSafeInteger(at))) return null;
  const taken = others.map(placeOf);
  const timesOf = (some: typeof numbers) => some.reduce((sum, { times }) => sum + times, 0);
  // Beyond the outermost number seen lies, on average, as much as between two.
  const [first, last] = [numbers[0]!.at, numbers.at(-1)!.at];
  const margin = (last - first) / numbers.length;
  const bounds = Array.from({ length: stretches + 1 }, (_, step) => {
    if (step === 0) return Math.min(first, Math.max(0, first - margin));
    return step === stretches ? last + 1 + margin : numbers[Math.floor((step * numbers.length) / stretches)]!.at;
  });
  const parts = bounds.slice(1).map((to, step) => {
    const isWithin = (at: number) => at >= bounds[step]! && at < to;
    const within = numbers.filter(({ at }) => isWithin(at));
    const times = timesOf(within);
    const places = Math.max(within.length, to - bounds[step]! - taken.filter(isWithin).length);
    return { places, times, again: times - within.length, expectedAgain: times - filled(places, times) };
  });
  const sumOf = (of: (part: (typeof parts)[number]) => number) => parts.reduce((sum, part) => sum + of(part), 0);
  const expectedAgain = sumOf((part) => part.expectedAgain);
  const again = sumOf((part) => part.again);
  if (again > expectedAgain + 2 * Math.sqrt(expectedAgain) + 1) return null;
  // As many places as occurrences, as exactly as the ends of a sample tell, and none met twice: a serial number, which is there once.
  const isSerial = again === 0 && Math.abs(sumOf(({ places }) => places) / occurrences - 1) < 4 / numbers.length;
  if (isSerial) return [{ values: occurrences, rowsEach: 1 }];
  return parts.map(({ places, times }): ValueClass => {
    const rows = (occurrences * times) / timesOf(numbers);
    const values = filled(places, rows);
    return { values, rowsEach: rows / values };
  });
}

/** How many of so many places are not empty after so many draws. */
function filled(places: number, draws: number): number {
  return places * -Math.expm1(-draws / places);
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
  const known = frequencies.map((share): EntryClass => ({ values: 1, rowsEach: Math.max(1, share * rows), keyBytes }));
  const restOccurrences = rows * perRow - rowsOf(known);
  // The rounding of the frequencies of a complete list.
  if (known.length > 0 && restOccurrences < 0.02 * rows * perRow) return { classes: known, assumptions: [] };
  const rarest = Math.min(...known.map(({ rowsEach }) => rowsEach), rows);
  const isListed = new Set(elements);
  const seen = seenEntries(samples, (text) => arrayElements(text).map((entry) => ({ part: '', entry }))).get('') ?? new Map<string, Seen>();
  const unlisted = [...seen].filter(([entry]) => !isListed.has(entry));
  // Elements of common arrays were not drawn.
  const [drawn, others] = [
    unlisted.filter(([, { times }]) => Number.isFinite(times)),
    unlisted.filter(([, { times }]) => !Number.isFinite(times)).map(([entry]) => entry),
  ];
  const numbers = wholeNumberClasses(drawn, restOccurrences, [...elements, ...others]);
  if (numbers !== null) return { classes: [...known, ...numbers.map((each) => ({ ...each, keyBytes }))], assumptions: [] };
  // None of them is as frequent as the rarest listed one, or it would be listed.
  const fewest = restOccurrences / rarest;
  const isSeen = unlisted.length >= fewestSamples;
  const likely = isSeen
    ? valuesBehind(
        unlisted.map(([, entry]) => entry),
        restOccurrences,
        Number.POSITIVE_INFINITY,
      )
    : 2 * fewest;
  const values = Math.min(restOccurrences, Math.max(fewest, likely));
  return {
    classes: [...known, { values, rowsEach: restOccurrences / values, keyBytes }],
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
