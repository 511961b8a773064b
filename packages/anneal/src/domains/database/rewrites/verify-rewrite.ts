import { isDeepStrictEqual } from 'node:util';
import type { Sql } from '../../../ports/sql.ts';
import type { Estimate } from '../../../stats/estimate.ts';
import { hodgesLehmannEstimate } from '../../../stats/signed-rank.ts';
import type { ParameterSet } from './parameter-sets.ts';

/** Two forms of a statement as they would be sent, constants and all: for memory only. */
export interface RewritePair {
  readonly original: string;
  readonly rewritten: string;
  /** ORDER BY leaves no choice of order, so the order is part of the answer. */
  readonly ordered: boolean;
}

export type RewriteProof =
  | {
      readonly result: 'equal';
      readonly parameterSets: number;
      /** Over all sets. */
      readonly rows: number;
      /** Server time of the other form, relative: -0.9 is a tenth. */
      readonly time: Estimate;
      /** The original against itself in the same rounds: what this machine cannot tell apart. */
      readonly noise: Estimate;
    }
  /** `difference` describes the counter-example without a value of it. */
  | { readonly result: 'different'; readonly difference: string }
  | { readonly result: 'unknown'; readonly reason: string };

export interface VerifySettings {
  /** For one run of one form. */
  readonly statementTimeoutMs: number;
  /** For all timed runs of one pair. */
  readonly timingBudgetMs: number;
}

export const defaultVerifySettings: VerifySettings = { statementTimeoutMs: 10_000, timingBudgetMs: 6_000 };

const confidenceLevel = 0.95;

/** The fewest with which a signed-rank interval of 95 % exists, and enough for a narrow one. */
const [fewestRounds, mostRounds] = [6, 20];

/** Timing takes the sets traffic used; a few of them are a mix. */
const mostTimed = 3;

/**
 * Runs both forms with every parameter set in read-only transactions and compares their answers as the server
 * itself sees them: number of rows, names and types of columns, every row as a bag (in order where the order is
 * part of the answer). Then times them in turns. `sql` should be a scratch copy: what is proven is proven for its rows.
 */
export async function verifyRewrite(
  sql: Sql,
  pair: RewritePair,
  sets: readonly ParameterSet[],
  settings: VerifySettings = defaultVerifySettings,
): Promise<RewriteProof> {
  const agreed: ParameterSet[] = [];
  let rows = 0;
  for (const set of sets) {
    const expected = await answerOf(sql, pair.original, set, settings);
    // The original takes no such value, or takes too long with it: nothing to hold the other form to.
    if ('failed' in expected) continue;
    const found = await answerOf(sql, pair.rewritten, set, settings);
    const difference = differenceOf(expected, found, pair.ordered);
    if (difference !== null) return { result: 'different', difference: `${difference}, for ${set.origin}` };
    // The text of a row does not tell an integer from a bigint, which a driver gives back as something else.
    if (agreed.length === 0 && !isDeepStrictEqual(await resultTypes(sql, pair.original, set), await resultTypes(sql, pair.rewritten, set)))
      return { result: 'different', difference: 'the columns of the result have other types' };
    agreed.push(set);
    rows += expected.rows;
  }
  if (agreed.length === 0) return { result: 'unknown', reason: 'the statement could not be run with any parameter set' };
  if (rows === 0) return { result: 'unknown', reason: 'every answer was empty, and empty answers prove little' };
  return { result: 'equal', parameterSets: agreed.length, rows, ...(await timesOf(sql, pair, agreed.slice(0, mostTimed), settings)) };
}

interface Answer {
  readonly rows: number;
  /** Sum of the hashes of all rows: equal for the same rows in any order. */
  readonly bag: string;
  /** Hash over the rows in order. */
  readonly sequence: string | null;
}

/** A row's text tells its values in order, its JSON the names of its columns. */
async function answerOf(
  sql: Sql,
  text: string,
  { values }: ParameterSet,
  { statementTimeoutMs }: VerifySettings,
): Promise<Answer | { readonly failed: string }> {
  const digest = `SELECT count(*)::float8 AS rows, coalesce(sum(hashtextextended(line, 0)::numeric), 0)::text AS bag,
                         md5(string_agg(md5(line), '')) AS sequence
                    FROM (SELECT answer::text || to_jsonb(answer)::text AS line FROM (${text}) AS answer) AS lines`;
  try {
    return await sql.readOnly(async (reading) => (await reading.query<Answer>(digest, values, { timeoutMs: statementTimeoutMs })).rows[0]!);
  } catch (error) {
    return { failed: sqlStateOf(error) };
  }
}

/** A broken connection has no SQLSTATE and must be heard of. */
function sqlStateOf(error: unknown): string {
  if (error instanceof Error && 'code' in error && /^[0-9A-Z]{5}$/u.test(String(error.code))) return String(error.code);
  throw error;
}

function differenceOf(expected: Answer, found: Answer | { readonly failed: string }, ordered: boolean): string | null {
  if ('failed' in found) return `the other form fails (SQLSTATE ${found.failed})`;
  if (found.rows !== expected.rows) return `${found.rows} rows instead of ${expected.rows}`;
  if (found.bag !== expected.bag) return `other rows, ${expected.rows} in number`;
  return ordered && found.sequence !== expected.sequence ? 'the same rows in another order' : null;
}

/** The server's word on the types of the result. Without a row to give it runs nothing. */
async function resultTypes(sql: Sql, text: string, { values }: ParameterSet): Promise<readonly number[]> {
  const { columnTypes = [] } = await sql.readOnly((reading) => reading.query(`SELECT * FROM (${text}) AS answer LIMIT 0`, values));
  return columnTypes;
}

/**
 * Both forms and the original once more, in turns, so that drift meets all three alike. Planning counts: the server does it
 * for each call of an unprepared statement.
 */
async function timesOf(sql: Sql, pair: RewritePair, sets: readonly ParameterSet[], settings: VerifySettings) {
  const [changes, noises]: [number[], number[]] = [[], []];
  let spentMs = 0;
  const run = async (text: string) => {
    let totalMs = 0;
    for (const { values } of sets) totalMs += await serverMs(sql, text, values, settings);
    spentMs += totalMs;
    return totalMs;
  };
  // Reads both forms' pages into memory: neither pays for the other's first look.
  for (const text of [pair.original, pair.rewritten]) await run(text);
  for (let round = 0; round < mostRounds && (round < fewestRounds || spentMs < settings.timingBudgetMs); round += 1) {
    const turns = [pair.original, pair.rewritten, pair.original];
    const order = round % 2 === 0 ? [0, 1, 2] : [2, 1, 0];
    const times = [0, 0, 0];
    for (const turn of order) times[turn] = await run(turns[turn]!);
    const [before, other, again] = times as [number, number, number];
    changes.push(Math.log(other / Math.sqrt(before * again)));
    noises.push(Math.log(again / before));
  }
  return {
    time: relative(hodgesLehmannEstimate(changes, confidenceLevel)),
    noise: relative(hodgesLehmannEstimate(noises, confidenceLevel)),
  };
}

function relative({ point, lower, upper, confidenceLevel }: Estimate): Estimate {
  return { point: Math.expm1(point), lower: Math.expm1(lower), upper: Math.expm1(upper), confidenceLevel };
}

interface Explained {
  readonly 'QUERY PLAN': readonly [{ readonly 'Planning Time': number; readonly 'Execution Time': number }];
}

/** Without timing every node, which would cost the form with more rows more. */
async function serverMs(sql: Sql, text: string, values: readonly unknown[], { statementTimeoutMs }: VerifySettings): Promise<number> {
  const explain = `EXPLAIN (ANALYZE, TIMING OFF, BUFFERS OFF, FORMAT JSON) ${text}`;
  const { rows } = await sql.readOnly((reading) => reading.query<Explained>(explain, values, { timeoutMs: 3 * statementTimeoutMs }));
  const [plan] = rows[0]!['QUERY PLAN'];
  return plan['Planning Time'] + plan['Execution Time'];
}
