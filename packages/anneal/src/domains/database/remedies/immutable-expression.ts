import type { Sql } from '../../../ports/sql.ts';

/**
 * Whether PostgreSQL will take the expression into an index: everything in it must be IMMUTABLE. Careful
 * rather than complete: where overloads of a function differ, or a cast may depend on a setting
 * (`created_at::date` depends on TimeZone), the answer is no.
 */
export async function isImmutable(sql: Sql, expression: string, columnType: string | null): Promise<boolean> {
  const bare = expression.replaceAll(/'(?:[^']|'')*'/gu, "''");
  if (/::|\bcast\b|\bat time zone\b/iu.test(bare) && !castsSafely(bare, columnType)) return false;
  const called = [...bare.matchAll(/(?:^|[^\w"$])((?:[a-z_][\w$]*\.)?([a-z_][\w$]*))\s*\(/giu)].map((match) => match[2]!.toLowerCase());
  const names = [...new Set(called)].filter((name) => !syntax.has(name));
  if (names.length === 0) return true;
  const { rows } = await sql.query<{ name: string; immutable: boolean }>(
    `SELECT proname::text AS name, bool_and(provolatile = 'i') AS immutable FROM pg_proc WHERE proname = ANY($1) GROUP BY proname`,
    [names],
  );
  return names.every((name) => rows.some((row) => row.name === name && row.immutable));
}

/** Syntax that looks like a call and is decided by its arguments. */
const syntax = new Set(['coalesce', 'nullif', 'greatest', 'least', 'and', 'or', 'not', 'in']);

/** Text, numbers and truth values turn into each other the same way under every setting; dates and times do not. */
function castsSafely(expression: string, columnType: string | null): boolean {
  const plain = /^(?:text|varchar|character varying|bpchar|int2|int4|int8|smallint|integer|bigint|numeric|bool|boolean|uuid|jsonb?)\b/iu;
  const targets = [...expression.matchAll(/::\s*([a-z_][\w. ]*)/giu)].map((match) => match[1]!);
  return (
    columnType !== null &&
    plain.test(columnType) &&
    !/\bcast\b|\bat time zone\b/iu.test(expression) &&
    targets.every((target) => plain.test(target))
  );
}
