import type { Finding } from '../../../finding/finding.ts';
import { quoteIdentifier } from '../../../ports/index-sql.ts';
import type { IndexDefinition, Planner, StatementSample } from '../../../ports/planner.ts';
import type { Sql } from '../../../ports/sql.ts';
import type { PlanningContext } from '../../../remedy/remedy.ts';
import { type IndexCandidate, indexCandidates } from '../index-candidates.ts';
import { isColumn, parseIndexKey } from '../index-ddl.ts';
import { isImmutable } from './immutable-expression.ts';
import { tableRefusal } from './index-build.ts';
import { isSameIndex, readIndexes } from './index-catalogue.ts';
import { creationSchema, trigramState } from './trigram-extension.ts';

export type IndexChoice =
  | { readonly chosen: IndexCandidate; readonly extensionWasPresent: boolean }
  /** Why there is nothing to apply, as a sentence. */
  | { readonly refused: string };

/** Each what-if is an EXPLAIN per sample, and on the `built` engine a real build: the first few candidates are the ones with a reason. */
const mostCandidates = 6;
const mostSamples = 3;

/** The index for a finding: derived from its statement, checked against the catalogue, and where an engine is there, against the planner. */
export async function chooseIndex(finding: Finding, context: PlanningContext): Promise<IndexChoice> {
  const { sql, measurement } = context;
  const { subject } = finding;
  if (subject.kind !== 'statement') return { refused: 'the finding is not about a statement' };
  if (sql === null) return { refused: 'the target has no database' };
  const statement = measurement.observations['postgres.statements']?.find(({ id }) => id === subject.statementId);
  if (statement?.shape == null) return { refused: 'the statement was not seen, or does not parse' };
  const samples = samplesOf(context.samples.get(statement.id), statement.text);
  const facts = {
    columns: measurement.observations['postgres.columns'] ?? [],
    indexes: measurement.observations['postgres.indexes'] ?? [],
    tables: measurement.observations['postgres.tables'] ?? [],
  };
  const plan = measurement.observations['postgres.plans']?.[statement.id] ?? null;
  const derived = indexCandidates(statement.shape, plan, facts, { anchoredPatterns: anchoredPatterns(samples) });
  const aimed = aimedAt(subject, derived);
  if (aimed.length === 0) return { refused: 'no index would serve the statement that is not there already' };

  const refusals: string[] = [];
  const possible: (IndexCandidate & { readonly extensionWasPresent: boolean })[] = [];
  for (const candidate of aimed.slice(0, mostCandidates)) {
    const columnType = facts.columns.find(({ table, name }) => table === candidate.definition.table && name === candidate.columns[0])?.type;
    const checked = await checkAgainstCatalogue(candidate, columnType ?? null, sql);
    if ('refused' in checked) refusals.push(checked.refused);
    else possible.push(checked);
  }
  const best = context.planner === null ? possible[0] : await cheapest(possible, samples, context.planner);
  if (best !== undefined) return { chosen: best, extensionWasPresent: best.extensionWasPresent };
  return {
    refused:
      possible.length === 0 ? [...new Set(refusals)].join('; ') : 'the planner would use none of the indexes derived from the statement',
  };
}

/** Candidates on the finding's own table and columns, those that serve most of its columns first. */
function aimedAt(
  subject: { readonly tables: readonly string[]; readonly columns: readonly string[] },
  candidates: readonly IndexCandidate[],
): readonly IndexCandidate[] {
  const served = ({ columns }: IndexCandidate) => subject.columns.filter((column) => columns.includes(column.split('.').at(-1)!)).length;
  return candidates
    .filter(
      ({ definition: { schema, table } }) =>
        subject.tables.length === 0 || subject.tables.some((name) => name === table || name === `${schema}.${table}`),
    )
    .filter((candidate) => subject.columns.length === 0 || served(candidate) > 0)
    .sort((a, b) => served(b) - served(a));
}

/** Values are looked at in memory and never kept. */
function anchoredPatterns(samples: readonly StatementSample[]): boolean | null {
  const patterns = samples.flatMap(({ values }) => values ?? []).filter((value) => typeof value === 'string' && /[%_]/u.test(value));
  return patterns.length === 0 ? null : patterns.every((pattern) => /^[^%_]/u.test(String(pattern)));
}

/** Without captured values a generic plan has to do. */
export function samplesOf(samples: readonly StatementSample[] | undefined, text: string): readonly StatementSample[] {
  return samples === undefined || samples.length === 0 ? [{ text, values: null }] : samples.slice(0, mostSamples);
}

type Checked = (IndexCandidate & { readonly extensionWasPresent: boolean }) | { readonly refused: string };

async function checkAgainstCatalogue(candidate: IndexCandidate, columnType: string | null, sql: Sql): Promise<Checked> {
  const { definition } = candidate;
  const refusal = await tableRefusal(sql, definition.schema, definition.table);
  if (refusal !== null) return { refused: `${refusal.problem}; instead: ${refusal.instead}` };
  const expressions = definition.keys.map((key) => parseIndexKey(key).expression).filter((expression) => !isColumn(expression));
  for (const expression of expressions) {
    if (!(await isImmutable(sql, expression, columnType)))
      return { refused: `${expression} is not certain to be immutable, so it may not be indexed` };
  }
  const located = candidate.extension === null ? { ...candidate, extensionWasPresent: true } : await withExtension(candidate, sql);
  if ('refused' in located) return located;
  for (const index of await readIndexes(sql, definition.schema, { table: definition.table })) {
    if (index.valid && (await isSameIndex(sql, index, located.definition))) return { refused: `the index ${index.name} is the same` };
  }
  return located;
}

/** Operator classes are written with their schema: the session that builds may have another search path. */
async function withExtension(candidate: IndexCandidate, sql: Sql): Promise<Checked> {
  const state = await trigramState(sql);
  if (state.schema === null && !state.available)
    return { refused: 'the server does not offer the extension pg_trgm (package postgresql-contrib)' };
  const schema = state.schema ?? (await creationSchema(sql)) ?? candidate.definition.schema;
  const keys = candidate.definition.keys.map((key) => key.replace(/\bgin_trgm_ops$/u, `${quoteIdentifier(schema)}.gin_trgm_ops`));
  return {
    ...candidate,
    definition: { ...candidate.definition, keys },
    // What an earlier remedy installed may go again with the last index that needs it.
    extensionWasPresent: state.schema !== null && !state.installedByAnneal,
  };
}

/**
 * The candidate with the cheapest plan among those the planner uses. What-if costs differ from those of
 * the built index by 4-6 % (TPC-H, nine index sets): within that, the narrower index wins. A candidate the engine
 * cannot judge (hypopg and GIN) stands in only where no other is used.
 */
async function cheapest<Candidate extends IndexCandidate>(
  candidates: readonly Candidate[],
  samples: readonly StatementSample[],
  planner: Planner,
): Promise<Candidate | undefined> {
  const judged = [];
  for (const candidate of candidates) judged.push({ candidate, cost: await costWith(candidate.definition, samples, planner) });
  const usable = judged.filter((entry): entry is { candidate: Candidate; cost: number } => typeof entry.cost === 'number');
  if (usable.length === 0) return judged.find(({ cost }) => cost === 'unknown')?.candidate;
  const lowest = Math.min(...usable.map(({ cost }) => cost));
  return usable
    .filter(({ cost }) => cost <= lowest * 1.06)
    .sort((a, b) => a.candidate.definition.keys.length - b.candidate.definition.keys.length)[0]?.candidate;
}

/** Mean plan cost over the samples; `unused` when no plan takes the index. */
async function costWith(
  definition: IndexDefinition,
  samples: readonly StatementSample[],
  planner: Planner,
): Promise<number | 'unused' | 'unknown'> {
  const { plans, uses } = await planner.whatIf(samples, [definition]);
  const known = plans.filter((plan) => plan !== null);
  if (known.length === 0) return 'unknown';
  if (!uses.some((used) => used.length > 0)) return 'unused';
  return known.reduce((sum, plan) => sum + plan.totalCost, 0) / known.length;
}
