import { setImmediate } from 'node:timers/promises';
import type { Imagined, IndexDefinition, Planner, ShadowPlanner, StatementPlan, StatementSample } from '../../../ports/planner.ts';
import type { CostModel } from './search.ts';

/** Statements planned with several sets of values, counted and averaged. */
export interface PlannerCosts extends CostModel {
  /** One plan per sample; null where the planner cannot plan the statement. */
  plansOf(statement: number, indexes: readonly IndexDefinition[], imagined?: Imagined): Promise<readonly StatementPlan[] | null>;
}

/**
 * A statement's cost is the mean over its samples. What the planner cannot plan with an index (one it cannot imagine) costs what it costs
 * without, so such an index is simply never chosen. `planned` are plans made before, which count as well.
 */
export function plannerCosts(
  planner: Planner | ShadowPlanner,
  statements: readonly (readonly StatementSample[])[],
  { imagined = {}, planned: before = 0 }: { readonly imagined?: Imagined; readonly planned?: number } = {},
): PlannerCosts {
  let planned = before;
  const whatIf = async (statement: number, indexes: readonly IndexDefinition[], more: Imagined) => {
    planned += statements[statement]!.length;
    // A planner in this process never waits for anything, so without a turn of the event loop neither a timer nor Ctrl-C would be heard.
    await setImmediate();
    return planner.whatIf(statements[statement]!, indexes, more);
  };
  return {
    plans: () => planned,
    async cost(statement, indexes) {
      const { plans, uses } = await whatIf(statement, indexes, imagined);
      const known = plans.filter((plan) => plan !== null);
      if (known.length < plans.length || known.length === 0) {
        return indexes.length === 0 ? { cost: 0, uses: [] } : { ...(await this.cost(statement, [])), uses: [] };
      }
      return { cost: mean(known.map(({ totalCost }) => totalCost)), uses: [...new Set(uses.flat())] };
    },
    async plansOf(statement, indexes, more = {}) {
      const { plans } = await whatIf(statement, indexes, { ...imagined, ...more });
      const known = plans.filter((plan) => plan !== null);
      return known.length === plans.length ? known : null;
    },
  };
}

export function mean(values: readonly number[]): number {
  return values.reduce((sum, value) => sum + value, 0) / Math.max(1, values.length);
}
