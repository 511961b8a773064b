import type { FastifyInstance } from 'fastify';
import { isFixed } from '../fix.ts';
import { words } from '../seed-vocabulary.ts';
import { sentence } from './text.ts';

const headings = [...words, ...Array.from({ length: 400 }, (_, index) => sentence(index, 3))].map((heading) => heading.toLowerCase());
const suggested = 3;

interface Suggestion {
  readonly heading: string;
  readonly changes: number;
}

/** The headings that are spelt most like this. */
export function suggestions(text: string): readonly string[] {
  const nearest = isFixed('spelling-distances') ? nearestOf(text.toLowerCase()) : nearestOfAll(text.toLowerCase());
  return nearest.map(({ heading }) => heading);
}

function nearestOfAll(text: string): readonly Suggestion[] {
  return headings
    .map((heading) => ({ heading, changes: distance(text, heading) }))
    .sort(byChanges)
    .slice(0, suggested);
}

/** A heading that is longer or shorter by more letters than the third best needs changes cannot be nearer. */
function nearestOf(text: string): readonly Suggestion[] {
  let nearest: Suggestion[] = [];
  for (const heading of headings) {
    const third = nearest[suggested - 1];
    if (third !== undefined && Math.abs(heading.length - text.length) > third.changes) continue;
    const changes = changesUpTo(third?.changes ?? Number.POSITIVE_INFINITY, text, heading);
    if (changes !== null) nearest = [...nearest, { heading, changes }].sort(byChanges).slice(0, suggested);
  }
  return nearest;
}

function byChanges(one: Suggestion, other: Suggestion): number {
  return one.changes - other.changes || (one.heading < other.heading ? -1 : 1);
}

/** How many letters have to be added, taken away or exchanged to make one of the other (Levenshtein 1966). */
function distance(one: string, other: string): number {
  const table = Array.from({ length: one.length + 1 }, (_, row) => Array.from({ length: other.length + 1 }, (_, column) => row + column));
  for (let row = 1; row <= one.length; row += 1) {
    for (let column = 1; column <= other.length; column += 1) {
      const exchanged = table[row - 1]![column - 1]! + (one[row - 1] === other[column - 1] ? 0 : 1);
      table[row]![column] = Math.min(table[row - 1]![column]! + 1, table[row]![column - 1]! + 1, exchanged);
    }
  }
  return table[one.length]![other.length]!;
}

/** The same as far as it matters: null when it is more than `most`, which one row of the table is enough to tell. */
function changesUpTo(most: number, one: string, other: string): number | null {
  let before = Array.from({ length: other.length + 1 }, (_, column) => column);
  let row = before.slice();
  for (let index = 1; index <= one.length; index += 1) {
    row[0] = index;
    let least = index;
    for (let column = 1; column <= other.length; column += 1) {
      const exchanged = before[column - 1]! + (one[index - 1] === other[column - 1] ? 0 : 1);
      row[column] = Math.min(before[column]! + 1, row[column - 1]! + 1, exchanged);
      least = Math.min(least, row[column]!);
    }
    if (least > most) return null;
    [before, row] = [row, before];
  }
  return before[other.length]!;
}

export function spellingRoutes(app: FastifyInstance): void {
  app.get<{ Querystring: { text: string } }>('/guide/spelling', { schema: { querystring: textQuery } }, async (request) => ({
    suggestions: suggestions(request.query.text),
  }));
}

const textQuery = { type: 'object', required: ['text'], properties: { text: { type: 'string', minLength: 3, maxLength: 60 } } };
