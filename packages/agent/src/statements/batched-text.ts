import { createHash } from 'node:crypto';
import { sqlTemplate } from './sql-template.ts';

/**
 * Names of a statement that both ends of the socket make alike and that give nothing of its text away,
 * so that they may be written down where a text with somebody's values in it may not.
 */

/** Of exactly this text. */
export function textHash(text: string): string {
  return createHash('sha256').update(text).digest('hex').slice(0, 32);
}

/** Of every text that differs from it only in literals, white space and comments. */
export function templateHash(text: string): string {
  return textHash(sqlTemplate(text).text);
}

/** What has to be known of a SELECT to ask it for many parameter sets at once. */
export interface BatchForm {
  /** Every place of a parameter, in the order of the text; `at` counts UTF-16 units to its `$`. */
  readonly parametersAt: readonly { readonly at: number; readonly number: number }[];
  /** Qualified names of the types of `$1`, `$2` ..., each of which has an array type with commas: `pg_catalog.int4`. */
  readonly parameterTypes: readonly string[];
  readonly hasOffset: boolean;
}

/** Nothing in a text may have a name that begins like this: it would mean something else inside the batch. */
export const batchPrefix = 'anneal_batch';

/** Every row of every answer, its own columns first and the number of its parameter set (from 1) last. */
const everyRow = `${batchPrefix}_row.*, ${batchPrefix}_keys.${batchPrefix}_number`;

/**
 * One statement for many parameter sets: `$1`, `$2` ... are arrays, an element per set. The text stays whole inside
 * LATERAL and so keeps its meaning, whatever it is; `OFFSET 0` keeps the planner from flattening it, and with that
 * the plan each set had alone. No ORDER BY: a nested loop gives each set's rows in the order they have alone, and a sort
 * by number might not keep it. `answer` replaces the list of results.
 */
export function batchedText(text: string, { parametersAt, parameterTypes, hasOffset }: BatchForm, answer: string = everyRow): string {
  let inner = '';
  let from = 0;
  for (const { at, number } of parametersAt) {
    inner += `${text.slice(from, at)}${batchPrefix}_keys.${batchPrefix}_p${number}`;
    from = at + 1 + String(number).length;
  }
  inner += text.slice(from).replace(/\s*;?\s*$/u, '');
  const arrays = parameterTypes.map((type, index) => `$${index + 1}::${type}[]`).join(', ');
  const names = parameterTypes.map((_, index) => `${batchPrefix}_p${index + 1}, `).join('');
  // On a line of its own: the text may end in a comment.
  return `SELECT ${answer} FROM unnest(${arrays}) WITH ORDINALITY AS ${batchPrefix}_keys(${names}${batchPrefix}_number), LATERAL (${inner}\n${hasOffset ? '' : 'OFFSET 0'}) AS ${batchPrefix}_row`;
}
