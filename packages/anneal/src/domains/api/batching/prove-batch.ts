import { isDeepStrictEqual } from 'node:util';
import { batchedText, batchPrefix, type BatchForm } from '@anneal/agent/protocol';
import type { Sql } from '../../../ports/sql.ts';

/** For one statement on a scratch copy; what takes longer is no look-up. */
const timeoutMs = 10_000;

/** `$1`'s type and so on, each one whose array reads a scalar's own text; or why not. */
export async function describeParameters(sql: Sql, text: string): Promise<readonly string[] | { readonly refused: string }> {
  const types = await unlessRefused(() => sql.readOnly((reading) => typesOfParameters(reading, text)));
  if (types === null) return { refused: 'PostgreSQL does not take it as it stands' };
  const odd = types.find(({ fits }) => !fits);
  return odd === undefined ? types.map(({ name }) => name) : { refused: `a parameter of type ${odd.name} is no scalar` };
}

async function typesOfParameters(reading: Sql, text: string): Promise<readonly { readonly name: string; readonly fits: boolean }[]> {
  await reading.query(`PREPARE ${batchPrefix} AS ${text}`);
  try {
    const { rows } = await reading.query<{ name: string; fits: boolean }>(
      `SELECT quote_ident(nspname) || '.' || quote_ident(typname) AS name,
              typtype IN ('b', 'e') AND typcategory <> 'A' AND typdelim = ',' AND typarray <> 0 AS fits
         FROM pg_prepared_statements AS told
        CROSS JOIN unnest(told.parameter_types::oid[]) WITH ORDINALITY AS given(type, number)
         JOIN pg_type ON pg_type.oid = given.type JOIN pg_namespace ON pg_namespace.oid = typnamespace
        WHERE told.name = '${batchPrefix}' ORDER BY number`,
    );
    return rows;
  } finally {
    // Prepared statements outlive the rollback.
    await reading.query(`DEALLOCATE ${batchPrefix}`).catch(() => undefined);
  }
}

/**
 * Runs the statement alone with each parameter set, then once with all of them, and compares as the server sees it: number,
 * values, names and types of the columns, every row, and the order of the rows. `sql` should be a scratch copy. Null when
 * nothing differs; `refused` says what does, without a value of it.
 */
export async function proveBatch(
  sql: Sql,
  text: string,
  form: BatchForm,
  sets: readonly (readonly unknown[])[],
): Promise<{ readonly parameterSets: number; readonly rows: number } | { readonly refused: string }> {
  const alone: { readonly set: readonly unknown[]; readonly lines: readonly string[] }[] = [];
  for (const set of [...sets, ...withNulls(sets), ...sets.slice(0, 1)]) {
    const lines = await linesAlone(sql, text, set);
    // The statement takes no such value: nothing to hold the batch to.
    if (lines !== null) alone.push({ set, lines });
  }
  const rows = alone.reduce((sum, { lines }) => sum + lines.length, 0);
  if (rows === 0) return { refused: 'no captured call returned a row, and empty answers prove little' };
  const together = await linesTogether(sql, text, form, alone);
  if (together === null) return { refused: 'the statement fails when it is sent for several parameter sets at once' };
  for (const [index, { lines }] of alone.entries()) {
    const found = together.filter(({ number }) => number === index + 1).map(({ line }) => line);
    if (isDeepStrictEqual(found, lines)) continue;
    const isOrder = isDeepStrictEqual(found.toSorted(), lines.toSorted());
    return {
      refused: isOrder ? 'several calls at once give the rows of one in another order' : 'several calls at once give other rows than one',
    };
  }
  const own = await resultTypes(sql, text, alone[0]!.set);
  const batch = await resultTypes(sql, batchedText(text, form), valuesTogether(form, alone));
  // The batch's last column is the number of the set.
  if (!isDeepStrictEqual(own, batch.slice(0, -1))) return { refused: 'several calls at once give columns of other types' };
  return { parameterSets: alone.length, rows };
}

/** Each parameter NULL once, where it is not anyway. */
function withNulls([first]: readonly (readonly unknown[])[]): readonly (readonly unknown[])[] {
  return (first ?? []).flatMap((value, index) => (value === null ? [] : [first!.map((other, at) => (at === index ? null : other))]));
}

/** A row's text tells its values in order, its JSON the names of its columns. */
const line = `${batchPrefix}_row::text || to_jsonb(${batchPrefix}_row)::text AS line`;

async function linesAlone(sql: Sql, text: string, values: readonly unknown[]): Promise<readonly string[] | null> {
  return unlessRefused(async () => {
    const { rows } = await sql.readOnly((reading) =>
      reading.query<{ line: string }>(`SELECT ${line} FROM (${withoutSemicolon(text)}\n) AS ${batchPrefix}_row`, values, { timeoutMs }),
    );
    return rows.map(({ line: found }) => found);
  });
}

interface Called {
  readonly set: readonly unknown[];
}

/** One array for each parameter, with its value in every set. */
function valuesTogether(form: BatchForm, sets: readonly Called[]): readonly (readonly unknown[])[] {
  return form.parameterTypes.map((_, parameter) => sets.map(({ set }) => set[parameter]));
}

function withoutSemicolon(text: string): string {
  return text.replace(/\s*;?\s*$/u, '');
}

async function linesTogether(sql: Sql, text: string, form: BatchForm, sets: readonly Called[]) {
  const values = valuesTogether(form, sets);
  const batch = batchedText(text, form, `${batchPrefix}_keys.${batchPrefix}_number::int AS number, ${line}`);
  return unlessRefused(async () => {
    const { rows } = await sql.readOnly((reading) => reading.query<{ number: number; line: string }>(batch, values, { timeoutMs }));
    return rows;
  });
}

/** The server's word on the types of the result. Without a row to give it runs nothing. */
async function resultTypes(sql: Sql, text: string, values: readonly unknown[]): Promise<readonly number[]> {
  const { columnTypes = [] } = await sql.readOnly((reading) =>
    reading.query(`SELECT * FROM (${withoutSemicolon(text)}\n) AS ${batchPrefix}_row LIMIT 0`, values, { timeoutMs }),
  );
  return columnTypes;
}

/** Null where the server refuses; a broken connection has no SQLSTATE and must be heard of. */
async function unlessRefused<Value>(work: () => Promise<Value>): Promise<Value | null> {
  try {
    return await work();
  } catch (error) {
    if (error instanceof Error && 'code' in error && /^[0-9A-Z]{5}$/u.test(String(error.code))) return null;
    throw error;
  }
}
