import type { ColumnObservation } from '../../../measurement/observations.ts';
import { quoteIdentifier } from '../../../ports/index-sql.ts';
import type { Sql } from '../../../ports/sql.ts';
import type { Expression, Query } from '../../../ports/sql-tree.ts';
import type { SchemaFacts } from '../index-candidates.ts';
import { innerQueries, ownExpressions, parts } from './build.ts';
import { namesOf, resolveColumn } from './names.ts';

/** Values for one run of a statement; `origin` says where they come from without saying what they are. */
export interface ParameterSet {
  readonly values: readonly unknown[];
  readonly origin: string;
}

/** A statement with many parameters has many corners: each is one run of both forms. */
const mostGenerated = 24;

/**
 * Parameter sets for the corners that traffic may not have shown: for each parameter that is compared with a column, the
 * commonest value, both ends and the middle of the histogram, a value that does not occur, and NULL; the others as captured. Null where a
 * parameter is compared with no column and nothing was captured for it.
 */
export async function cornerSets(
  sql: Sql,
  query: Query,
  facts: SchemaFacts,
  captured: readonly (readonly unknown[])[],
): Promise<readonly ParameterSet[] | null> {
  const compared = comparedColumns(query, facts, undefined);
  const numbers = [...parameterNumbers(query)].sort((one, other) => one - other);
  const corners = new Map<number, readonly Corner[]>();
  for (const number of numbers) {
    const column = compared.get(number);
    if (column !== undefined) corners.set(number, await cornersOf(sql, column));
  }
  const known = (number: number) => corners.get(number)?.find(({ value }) => value !== null)?.value;
  const base = captured[0] ?? Array.from({ length: numbers.at(-1) ?? 0 }, (_, at) => known(at + 1));
  if (base.includes(undefined)) return null;
  const sets = [...corners].flatMap(([number, found]) =>
    found.map(({ value, word }): ParameterSet => {
      const values = base.map((old, at) => (at === number - 1 ? value : old));
      const column = compared.get(number)!;
      return { values, origin: `$${number} ${word} of ${quoteIdentifier(column.table)}.${quoteIdentifier(column.name)}` };
    }),
  );
  return sets.slice(0, mostGenerated);
}

interface Corner {
  readonly value: unknown;
  readonly word: string;
}

async function cornersOf(sql: Sql, { schema, table, name, type }: ColumnObservation): Promise<readonly Corner[]> {
  const { rows } = await sql.query<{ common: readonly string[] | null; bounds: readonly string[] | null }>(
    `SELECT most_common_vals::text::text[] AS common, histogram_bounds::text::text[] AS bounds
       FROM pg_stats WHERE schemaname = $1 AND tablename = $2 AND attname = $3 LIMIT 1`,
    [schema, table, name],
  );
  const { common, bounds } = rows[0] ?? { common: null, bounds: null };
  const [lowest, middle, highest] = [bounds?.[0], bounds?.[Math.floor(bounds.length / 2)], bounds?.at(-1)];
  const absent = absentValue(type, highest ?? common?.[0]);
  return [
    ...(common?.[0] === undefined ? [] : [{ value: common[0], word: 'is the commonest value' }]),
    ...(lowest === undefined ? [] : [{ value: lowest, word: 'is the lowest value' }]),
    ...(middle === undefined ? [] : [{ value: middle, word: 'is a value in the middle' }]),
    ...(highest === undefined ? [] : [{ value: highest, word: 'is the highest value' }]),
    ...(absent === null ? [] : [{ value: absent, word: 'is no value' }]),
    { value: null, word: 'is NULL, instead of a value' },
  ];
}

/** Beyond the highest seen; null for types without such a thing. */
function absentValue(type: string, highest: string | undefined): string | null {
  if (/^(?:smallint|integer|bigint)$/u.test(type)) {
    const most = { smallint: 32_767n, integer: 2_147_483_647n, bigint: 9_223_372_036_854_775_807n }[type]!;
    const next = BigInt(highest ?? 0) + 1n;
    return next > most ? null : String(next);
  }
  if (/^(?:text|character varying)/u.test(type)) return `${(highest ?? '').slice(0, 8)}~`;
  return /^(?:date|timestamp)/u.test(type) ? 'infinity' : null;
}

function parameterNumbers(query: Query): ReadonlySet<number> {
  const own = ownExpressions(query)
    .flatMap(parts)
    .flatMap((part) => (part.kind === 'parameter' ? [part.number] : []));
  return new Set([...own, ...innerQueries(query).flatMap((inner) => [...parameterNumbers(inner)])]);
}

/** The column each parameter is compared with, on whichever level. */
function comparedColumns(query: Query, facts: SchemaFacts, outer: Query | undefined): ReadonlyMap<number, ColumnObservation> {
  const found = new Map<number, ColumnObservation>();
  const around = outer?.kind === 'select' ? outer : undefined;
  const names = query.kind === 'select' ? namesOf(query, facts, around) : [];
  const note = (column: Expression | null, values: readonly Expression[]) => {
    // `t::date = $1` and `lower(name) = $1` are about one column too, and its values are ones to ask about.
    const [only, ...others] = (column === null ? [] : parts(column)).flatMap((part) => (part.kind === 'column' ? [part] : []));
    const resolved = only === undefined || others.length > 0 || 'refused' in names ? null : resolveColumn(only, names);
    for (const value of values) {
      const plain = value.kind === 'cast' ? value.operand : value;
      if (resolved !== null && plain.kind === 'parameter') found.set(plain.number, resolved.column);
    }
  };
  for (const part of ownExpressions(query).flatMap(parts)) {
    if (part.kind === 'operation') {
      note(part.left, [part.right]);
      if (part.left !== null) note(part.right, [part.left]);
    } else if (part.kind === 'between') note(part.operand, [part.low, part.high]);
    else if (part.kind === 'in') note(part.operand, part.items);
  }
  for (const inner of innerQueries(query)) for (const [number, column] of comparedColumns(inner, facts, query)) found.set(number, column);
  return found;
}
