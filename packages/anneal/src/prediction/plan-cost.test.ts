import { describe, expect, test } from 'vitest';
import type { PlanNode, StatementPlan } from '../ports/planner.ts';
import {
  looksUpBeyondPages,
  predictExecutionMs,
  predictFromPlanCosts,
  type PlanCostForecast,
  type StatementForecast,
} from './plan-cost.ts';

const lookUp: StatementForecast = {
  calls: 300,
  measuredMs: 900,
  fixedMs: 0,
  costBefore: 4000,
  costAfter: 40,
  generic: false,
  manyLookUps: false,
  rechecks: false,
};

function forecast(parts: Partial<PlanCostForecast>): PlanCostForecast {
  return {
    key: 'anneal_invoices_customer_id_0',
    changed: [lookUp],
    unchangedCalls: parts.unchangedMs === undefined ? 0 : 100,
    unchangedMs: 0,
    surchargeMs: 0,
    engine: 'hypopg',
    ...parts,
  };
}

describe('the predicted change', () => {
  test('is the ratio of plan costs, weighted by measured time', () => {
    const alone = predictFromPlanCosts(forecast({}));
    expect(alone.metric).toBe('database.time:anneal_invoices_customer_id_0');
    expect(alone.change.point).toBeCloseTo(-0.99, 10);
    // 900 ms become 9 ms, 100 ms stay: 109 of 1000.
    expect(predictFromPlanCosts(forecast({ unchangedMs: 100 })).change.point).toBeCloseTo(-0.891, 10);
  });

  test('carries the surcharge of the writes, and may turn into a loss', () => {
    const writeHeavy = predictFromPlanCosts(forecast({ changed: [{ ...lookUp, measuredMs: 10 }], unchangedMs: 90, surchargeMs: 60 }));
    // 10 ms become 0.1 ms, 90 ms stay, 60 ms are added.
    expect(writeHeavy.change.point).toBeCloseTo(0.501, 10);
    // The bill is an upper bound, so the loss is not certain.
    expect(writeHeavy.change.lower).toBeLessThan(0);
    expect(writeHeavy.change.upper).toBeGreaterThan(1);
    expect(writeHeavy.assumptions).toContain('maintaining the index costs the writes of the window 60 ms');
  });

  test('brackets the point and never promises less than no time at all', () => {
    for (const costAfter of [0.5, 40, 1000, 3999]) {
      const { point, lower, upper, confidenceLevel } = predictFromPlanCosts(forecast({ changed: [{ ...lookUp, costAfter }] })).change;
      expect(lower).toBeGreaterThan(-1);
      expect(lower).toBeLessThan(point);
      expect(upper).toBeGreaterThan(point);
      expect(confidenceLevel).toBe(0.95);
    }
  });

  test('is sure of a hundredfold drop and unsure of a halving, because plan costs only rank', () => {
    expect(predictFromPlanCosts(forecast({})).change.upper).toBeLessThan(-0.9);
    expect(predictFromPlanCosts(forecast({ changed: [{ ...lookUp, costAfter: 2000 }] })).change.upper).toBeGreaterThan(0);
  });

  test('covers what the laboratory measured against plan costs: 3.7 times promised, 0.43 to 0.90 times delivered', () => {
    const { change } = predictFromPlanCosts(forecast({ changed: [{ ...lookUp, costBefore: 370, costAfter: 100, manyLookUps: true }] }));
    expect(change.upper).toBeGreaterThan(1 / 0.43 - 1);
  });

  test('is wider for plans nobody had values for', () => {
    const known = predictFromPlanCosts(forecast({})).change;
    const generic = predictFromPlanCosts(forecast({ changed: [{ ...lookUp, generic: true }] })).change;
    expect(generic.point).toBe(known.point);
    expect(generic.lower).toBeLessThan(known.lower);
    expect(generic.upper).toBeGreaterThan(known.upper);
  });

  test('is wider where what stays was seen seldom, because the trial draws its own traffic', () => {
    const often = predictFromPlanCosts(forecast({ unchangedMs: 900, unchangedCalls: 10_000 })).change;
    const seldom = predictFromPlanCosts(forecast({ unchangedMs: 900, unchangedCalls: 9 })).change;
    expect(seldom.point).toBeCloseTo(often.point, 10);
    expect(seldom.upper - seldom.lower).toBeGreaterThan(1.3 * (often.upper - often.lower));
  });

  test('never promises that a statement becomes faster than any execution is', () => {
    const look = { ...lookUp, calls: 300, measuredMs: 900, fixedMs: 0.1 };
    // 30 ms are fixed, 870 scale to 8.7.
    expect(predictFromPlanCosts(forecast({ changed: [look] })).change.point).toBeCloseTo(-0.957, 10);
    const { calls: _, ...once } = { ...look, measuredMs: 3 };
    expect(predictExecutionMs(once, 0.9)).toMatchObject({ point: expect.closeTo(0.129, 10), confidenceLevel: 0.9 });
  });

  test('says what it rests on', () => {
    expect(predictFromPlanCosts(forecast({ engine: null })).assumptions[0]).toContain('no planner engine');
    expect(predictFromPlanCosts(forecast({ engine: 'built' })).assumptions[0]).toContain('built on a scratch copy');
  });

  test('of nothing measured is nothing', () => {
    expect(predictFromPlanCosts(forecast({ changed: [], unchangedMs: 0 })).change).toMatchObject({ point: 0, lower: 0, upper: 0 });
  });
});

const table = { schema: 'public', name: 'invoices', sizeBytes: 2000 * 8192 };

function node(type: string, cost: number, rows: number, rest: Partial<PlanNode> = {}): PlanNode {
  return { 'Node Type': type, 'Startup Cost': 0, 'Total Cost': cost, 'Plan Rows': rows, 'Plan Width': 50, ...rest };
}

function planOf(root: PlanNode): StatementPlan {
  return { root, totalCost: root['Total Cost'], generic: false };
}

test('an index look-up per outer row is a risk once there are more of them than pages', () => {
  const loop = (outerRows: number) =>
    planOf(
      node('Nested Loop', 900, 100, {
        Plans: [
          node('Seq Scan', 10, outerRows, { 'Relation Name': 'customers' }),
          node('Index Scan', 1, 5, { 'Relation Name': 'invoices', 'Index Cond': '(customer_id = c.id)' }),
        ],
      }),
    );
  expect(looksUpBeyondPages(loop(1999), table)).toBe(false);
  expect(looksUpBeyondPages(loop(2001), table)).toBe(true);
  expect(looksUpBeyondPages(planOf(node('Seq Scan', 10, 5000, { 'Relation Name': 'invoices' })), table)).toBe(false);
});
