import type { ForeignKeyObservation, StatementObservation, TableObservation } from '../../../measurement/observations.ts';
import type { StatementPlan } from '../../../ports/planner.ts';
import type { StatementShape } from '../../../ports/sql-parser.ts';
import { columnOf, distinctValues, indexCandidates, resolveTable, type IndexCandidate, type SchemaFacts } from '../index-candidates.ts';
import { anchoredPattern } from './patterns.ts';
import type { PlanPage, PlanScan } from './plan-scans.ts';
import { indexReadCost, type CostSettings } from './read-cost.ts';

/** Schema, statistics and prices. */
export interface Context {
  readonly facts: SchemaFacts;
  readonly foreignKeys: readonly ForeignKeyObservation[];
  readonly cost: CostSettings;
  readonly pageBytes: number;
}

/** One statement before the judge. */
export interface StatementCase extends Context {
  readonly statement: StatementObservation;
  readonly plan: StatementPlan;
  readonly shape: StatementShape;
  readonly scans: readonly PlanScan[];
  readonly page: PlanPage | null;
}

/** Half: a cause that is less than that of a statement's cost is not what makes the statement slow. */
export const mostOf = 0.5;

export function tableOf({ facts }: StatementCase, { node }: PlanScan): TableObservation | null {
  const table = resolveTable({ schema: node.Schema ?? null, name: node['Relation Name'] ?? '' }, facts);
  return facts.tables.find((fact) => fact.schema === table?.schema && fact.name === table.name) ?? null;
}

export function candidatesOn({ shape, plan, facts, scans }: StatementCase, table: TableObservation): readonly IndexCandidate[] {
  const likes = shape.predicates.filter(({ operator }) => operator === 'like').map((predicate) => anchoredPattern(predicate, scans));
  const anchoredPatterns = likes.length === 0 || likes.includes(null) ? null : likes.every((anchored) => anchored === true);
  return indexCandidates(shape, plan, facts, { anchoredPatterns }).filter(
    ({ definition }) => definition.schema === table.schema && definition.table === table.name,
  );
}

export function readCost(
  { cost, pageBytes }: StatementCase,
  table: TableObservation,
  read: { readonly rows: number; readonly lookUps: number; readonly ordered: boolean },
): number {
  return indexReadCost({ tableRows: table.liveRows, tablePages: table.sizeBytes / pageBytes, ...read }, cost);
}

/** Rows that equality on these columns alone leaves, by the statistics; the plan's own figure where they are silent. */
export function matchingRows({ facts }: StatementCase, table: TableObservation, columns: readonly string[], planned: number): number {
  const distinct = columns.map((column) => distinctValues(columnOf(table, column, facts), table.liveRows));
  if (columns.length === 0) return table.liveRows;
  if (distinct.some((count) => count === null)) return planned;
  const groups = distinct.reduce<number>((product, count) => product * Math.max(1, count ?? 1), 1);
  // The plan knows how frequent its very value is, so it may keep more than the average value does.
  return Math.min(table.liveRows, Math.max(planned, table.liveRows / groups, 1));
}
