import { indexSql } from '../../../ports/index-sql.ts';
import type { IndexDefinition } from '../../../ports/planner.ts';
import { indexBuildCost } from '../index-build-cost.ts';
import type { PredictedIndexSize, TableStatistics } from '../index-size.ts';
import { indexName } from '../index-ddl.ts';
import type { IndexProposal, StatementEffect } from './advisor.ts';
import { keyOrderReason } from './key-order.ts';
import { planRisks } from './plan-risks.ts';
import type { PlannerCosts } from './planner-costs.ts';
import type { SearchAnswer, SearchMemory } from './search.ts';
import type { AdvisedStatement } from './workload.ts';
import type { WriteCost } from './write-cost.ts';

export interface ProposalContext {
  readonly statements: readonly AdvisedStatement[];
  /** What one unit of a statement's cost counts. */
  readonly weights: readonly number[];
  /** The advice's unit for one unit of plan cost of writes. */
  readonly writeWeight: number;
  readonly costs: PlannerCosts;
  readonly sizeOf: (definition: IndexDefinition) => PredictedIndexSize | null;
  readonly statisticsOf: (definition: IndexDefinition) => TableStatistics | null;
  readonly writeCostOf: (definition: IndexDefinition) => WriteCost | null;
  /** Pages of a table, as the planner knows them. */
  readonly pagesOf: (table: string) => number;
}

/** The chosen set as proposals, the most valuable first: each with what it adds to all others. */
export async function proposals(answer: SearchAnswer, memory: SearchMemory, context: ProposalContext): Promise<readonly IndexProposal[]> {
  const set = answer.indexes.map(({ definition }) => definition);
  const positions = set.map((definition) => memory.pool.position(definition));
  const found: IndexProposal[] = [];
  for (const [at, definition] of set.entries()) {
    const rest = positions.filter((_, other) => other !== at);
    const effects: StatementEffect[] = [];
    for (const [statement, { id, text, calls }] of context.statements.entries()) {
      const costWith = answer.statements[statement]!.cost;
      const costWithout = (await memory.known.plan(statement, rest)).cost;
      const gain = context.weights[statement]! * (costWithout - costWith);
      if (costWithout !== costWith) effects.push({ statementId: id, text, calls, costWithout, costWith, gain });
    }
    const users = context.statements.filter((_, statement) => answer.statements[statement]!.uses.includes(at));
    found.push(await describe(definition, set, users, effects, context));
  }
  return found.toSorted((a, b) => b.gain - a.gain);
}

async function describe(
  definition: IndexDefinition,
  set: readonly IndexDefinition[],
  users: readonly AdvisedStatement[],
  effects: readonly StatementEffect[],
  context: ProposalContext,
): Promise<IndexProposal> {
  const { statements, writeWeight, costs, pagesOf } = context;
  const [size, statistics, writes] = [context.sizeOf(definition), context.statisticsOf(definition), context.writeCostOf(definition)];
  const risks: string[] = [];
  for (const user of users) {
    const at = statements.indexOf(user);
    const [before, after] = [await costs.plansOf(at, []), await costs.plansOf(at, set)];
    const found = (after ?? []).flatMap((plan, sample) =>
      before?.[sample] === undefined ? [] : planRisks(before[sample], plan, definition.table, pagesOf(definition.table)),
    );
    if (found.length > 0) risks.push(`in statement ${user.id} ${found[0]}`);
  }
  return {
    definition,
    sql: indexSql(definition, { name: indexName(definition), concurrently: true }),
    gain: effects.reduce((sum, { gain }) => sum + gain, 0),
    effects: effects.toSorted((a, b) => b.gain - a.gain),
    reason: keyOrderReason(definition, users),
    sizeBytes: size?.sizeBytes ?? 0,
    build: size === null || statistics === null ? null : indexBuildCost(definition, statistics, size, { concurrently: true }),
    upkeep: {
      cost: writeWeight * (writes?.cost ?? 0),
      walBytes: writes?.walBytes ?? 0,
      walBytesPerRow: writes === null || writes.entryRows === 0 ? 0 : writes.walBytes / writes.entryRows,
      rows: writes?.entryRows ?? 0,
      lostHeapOnlyRows: writes?.lostHeapOnlyRows ?? 0,
    },
    acceptance: risks.length > 0 ? 'needs-trial' : 'predicted',
    risks,
    assumptions: [
      ...(size?.assumptions ?? ['its table was never analysed, so its size and upkeep are not known']),
      ...(users.some(({ samples }) => samples.some(({ values }) => values === null))
        ? ['some plans are generic, for values nobody saw']
        : []),
    ],
  };
}
