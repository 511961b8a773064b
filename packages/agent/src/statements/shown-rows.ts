import { scalarText } from '../requests/parameters.ts';
import type { Call, OpenRequest } from '../requests/request.ts';

/** Of one statement's result: what of it stands in the answer that its request sent. */
export interface ShownRows {
  readonly rows: number;
  /** Null where no column tells the rows apart. */
  readonly shownRows: number | null;
  readonly columns: readonly ShownColumn[];
}

interface ShownColumn {
  readonly name: string;
  /** About what its values weigh as text, over all rows. */
  readonly sizeBytes: number;
  readonly isShown: boolean;
}

/** As many rows of a result are looked at: one drawn from each of 200 equal parts, so that no period of the data misleads. */
const comparedRows = 200;

/** An answer with more values than that is too large to be compared. */
const mostValues = 20_000;

/** A text counts as shown when it begins in the answer: excerpts and templates are a use. */
const comparedBeginning = 16;

/**
 * Compares the results of a request with the JSON that left: a column is shown when its name is a key of the answer,
 * or any of its values stands in it, or went into a later statement. All doubts count as shown, so that what remains
 * has certainly not been sent; whether it was computed with nobody can see.
 *
 * Results of which nothing is found are left out: their rows were computed with, or belong to no answer.
 */
export function compareWithAnswer(request: OpenRequest, json: string): void {
  const calls = request.calls.filter(({ received }) => received !== null && received.length > 0);
  if (calls.length === 0) return;
  const answer = valuesOf(JSON.parse(json));
  if (answer === null) return;
  const passedOn = new Set<string>();
  for (const { values } of request.calls) for (const value of values ?? []) addTexts(value, passedOn);
  for (const call of calls) call.shown = shownOf(call, answer, passedOn, json);
}

interface AnswerValues {
  /** Lower case, without underscores: `author_id` and `authorId` are the same. */
  readonly keys: ReadonlySet<string>;
  readonly texts: ReadonlySet<string>;
}

function valuesOf(answer: unknown): AnswerValues | null {
  const keys = new Set<string>();
  const texts = new Set<string>();
  const open: unknown[] = [answer];
  for (let seen = 0; open.length > 0; seen += 1) {
    if (seen > mostValues) return null;
    const next = open.pop();
    if (typeof next !== 'object' || next === null) texts.add(String(next));
    else if (Array.isArray(next)) for (const item of next) open.push(item);
    else
      for (const [key, value] of Object.entries(next)) {
        keys.add(plainName(key));
        open.push(value);
      }
  }
  return { keys, texts };
}

function shownOf({ received, columns: names }: Call, answer: AnswerValues, passedOn: ReadonlySet<string>, json: string): ShownRows | null {
  const rows = received!;
  const first = rows[0];
  if (typeof first !== 'object' || first === null) return null;
  const compared = drawn(rows) as readonly Readonly<Record<string, unknown>>[];
  // Rows as arrays are read by place, and told by name: those of a join may share one, and then nothing tells them apart.
  const places = Object.keys(first);
  const nameAt = (place: string) => (Array.isArray(first) ? names?.[Number(place)] : place);
  if (new Set(places.map(nameAt)).size < places.length || nameAt(places[0] ?? '') === undefined) return null;
  const scale = rows.length / compared.length;
  const columns: ShownColumn[] = [];
  let isInAnswer = false;
  let mostHits: number | null = null;
  let isPartly = false;
  for (const place of places) {
    const name = nameAt(place)!;
    const column = lookFor(compared, place, answer, passedOn, json);
    isInAnswer ||= column.hits > 0 || column.isPartly;
    if (column.isUnique) {
      isPartly ||= column.isPartly;
      if (column.hits > 0) mostHits = Math.max(mostHits ?? 0, column.hits);
    }
    const isShown = column.hits > 0 || column.isPartly || column.isPassedOn || answer.keys.has(plainName(name));
    columns.push({ name, sizeBytes: column.sizeBytes * scale, isShown });
  }
  if (!isInAnswer) return null;
  // What stands in the answer as a part of other texts cannot be counted.
  return { rows: rows.length, shownRows: mostHits === null || isPartly ? null : mostHits * scale, columns };
}

function drawn(rows: readonly unknown[]): readonly unknown[] {
  if (rows.length <= comparedRows) return rows;
  const width = rows.length / comparedRows;
  return Array.from({ length: comparedRows }, (_, part) => rows[Math.floor((part + Math.random()) * width)]);
}

/** Looking for a part means reading the whole answer: some 10 us for each value. */
const comparedParts = 4;

function lookFor(
  rows: readonly Readonly<Record<string, unknown>>[],
  place: string,
  answer: AnswerValues,
  passedOn: ReadonlySet<string>,
  json: string,
): {
  readonly sizeBytes: number;
  readonly hits: number;
  readonly isPartly: boolean;
  readonly isPassedOn: boolean;
  readonly isUnique: boolean;
} {
  const distinct = new Set<string>();
  let sizeBytes = 0;
  let hits = 0;
  let isPassedOn = false;
  let isPartly = false;
  let parts = 0;
  for (const row of rows) {
    const value = row[place];
    const text = textOf(value);
    distinct.add(text);
    if (text === '') continue;
    sizeBytes += text.length;
    isPassedOn ||= passedOn.has(text);
    if (answer.texts.has(text)) hits += 1;
    else if (hits === 0 && !isPartly && parts < comparedParts) {
      parts += 1;
      isPartly = stands(value, text, answer, json);
    }
  }
  // Where whole values stand in the answer, a beginning that stands there too is a coincidence.
  return { sizeBytes, hits, isPartly: isPartly && hits === 0, isPassedOn, isUnique: distinct.size === rows.length };
}

/** Whether a value stands in the answer as a part of something: of a longer text, or a document of which any leaf does. */
function stands(value: unknown, text: string, { texts }: AnswerValues, json: string): boolean {
  if (typeof value === 'string') {
    const beginning = JSON.stringify(text.slice(0, comparedBeginning)).slice(1, -1);
    return text.length >= 3 && json.includes(beginning);
  }
  if (value instanceof Uint8Array) return json.includes(Buffer.from(value.subarray(0, 12)).toString('base64'));
  if (typeof value !== 'object' || value === null || value instanceof Date) return false;
  const leaves = new Set<string>();
  addTexts(value, leaves);
  for (const leaf of leaves) if (leaf.length >= 3 && texts.has(leaf)) return true;
  return false;
}

/** As JSON would write it, without quotes; empty for what is not there. */
function textOf(value: unknown): string {
  if (value === null || value === undefined) return '';
  const scalar = scalarText(value);
  if (scalar !== null && !(value instanceof Date)) return scalar;
  if (value instanceof Date) return Number.isNaN(value.getTime()) ? '' : value.toISOString();
  return value instanceof Uint8Array ? Buffer.from(value).toString('base64') : JSON.stringify(value);
}

const mostLeaves = 64;

function addTexts(value: unknown, texts: Set<string>): void {
  const open: unknown[] = [value];
  for (let left = mostLeaves; left > 0 && open.length > 0; left -= 1) {
    const next = open.pop();
    if (typeof next !== 'object' || next === null || next instanceof Date) texts.add(textOf(next));
    else if (!(next instanceof Uint8Array)) open.push(...(Object.values(next) as unknown[]));
  }
}

function plainName(name: string): string {
  return name.replaceAll('_', '').toLowerCase();
}
