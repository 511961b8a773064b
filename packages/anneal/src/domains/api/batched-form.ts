import type { StatementObservation } from '../../measurement/observations.ts';

/**
 * What to write in place of a SELECT that runs once per key, or of an INSERT that runs once per row: one statement for all, made from
 * the statement's own text. Null where the text gives no safe form.
 *
 * - `... WHERE key = $n`         becomes `= ANY($n)`, with the key in each row
 * - a plain aggregate over it    is also grouped by the key
 * - everything else (LIMIT per key, several parameters, subqueries, OR) runs per key inside LATERAL,
 *   which keeps the text's meaning whatever it is; `OFFSET 0` keeps the planner from flattening it,
 *   and with it the index access per key
 */
export function batchedForm(statement: StatementObservation): string | null {
  const { shape, kind } = statement;
  const text = statement.text.trim().replace(/;$/, '').trimEnd();
  if (kind === 'insert') return manyRows(text);
  if (kind !== 'select' || shape === null || !/\$\d/.test(text) || locks(text)) return null;
  const simple = oneKey(text);
  if (simple === null || shape.hasLimit || shape.hasOffset || shape.groups || needsItsOwnScope(text)) return lateral(text, shape.hasOffset);
  const { comparison, column, parameter } = simple;
  const many = text.replace(comparison, () => `${column} = ANY(${parameter})`);
  const keyed = many.replace(/^select\s+/i, (select) => `${select}${column} AS key, `);
  if (shape.aggregates) return `${keyed}\nGROUP BY ${column} -- a key without rows has no group: read it as the empty answer`;
  return keyed;
}

/**
 * One INSERT for all rows: an array per column, a row per position. Null where a value is no parameter of its own, and for
 * ON CONFLICT DO UPDATE, which fails when two rows of one statement meet in the same key.
 */
function manyRows(text: string): string | null {
  const name = String.raw`(?:"(?:[^"]|"")+"|\w+)`;
  const found = new RegExp(String.raw`^(insert\s+into\s+${name}(?:\.${name})?\s*\([^()]*\))\s*values\s*\(([^()]*)\)([\s\S]*)$`, 'i').exec(
    text,
  );
  const [, target, list, rest] = found ?? [];
  if (target === undefined || list === undefined || rest === undefined || /\$\d|\bdo\s+update\b/i.test(rest)) return null;
  const values = list.split(',').map((value) => value.trim());
  if (!values.every((value) => /^\$\d+$/.test(value)) || new Set(values).size < values.length) return null;
  return [
    '-- text stands for the type of each column; one array element per row, all rows or none',
    target,
    `SELECT * FROM unnest(${values.map((value) => `${value}::text[]`).join(', ')})${rest}`,
  ].join('\n');
}

function oneKey(text: string): { readonly comparison: string; readonly column: string; readonly parameter: string } | null {
  const parameters = text.match(/\$\d+/g) ?? [];
  const found = /((?:"[^"]+"|\w+)(?:\.(?:"[^"]+"|\w+))?)\s*=\s*(\$\d+)/.exec(text);
  if (parameters.length !== 1 || found === null || !/\bwhere\b/i.test(text.slice(0, found.index))) return null;
  const [comparison, column, parameter] = found as unknown as [string, string, string];
  return { comparison, column, parameter };
}

/** Where adding a column or a key to the text would change what it says about each key. */
function needsItsOwnScope(text: string): boolean {
  return /^with\b|^select\s+(?:distinct|all)\b|\b(?:union|intersect|except|having|or|not|over|order\s+by)\b|\(\s*select\b/i.test(text);
}

function locks(text: string): boolean {
  return /\bfor\s+(?:no\s+key\s+)?(?:update|share|key\s+share)\b/i.test(text);
}

function lateral(text: string, hasOffset: boolean): string {
  const numbers = [...new Set(text.match(/(?<=\$)\d+/g))].map(Number).sort((left, right) => left - right);
  const arrays = numbers.map((number) => `$${number}::bigint[]`).join(', ');
  const names = numbers.map((number) => `p${number}`).join(', ');
  const inner = text.replaceAll(/\$(\d+)/g, 'key.p$1');
  return [
    '-- bigint stands for the type of each parameter; one array element per call it replaces',
    'SELECT key.number, found.*',
    `FROM unnest(${arrays}) WITH ORDINALITY AS key(${names}, number)`,
    `CROSS JOIN LATERAL (${inner}${hasOffset ? '' : ' OFFSET 0'}) AS found`,
    'ORDER BY key.number',
  ].join('\n');
}
