import type { Measurement } from '../../../measurement/measurement.ts';
import type { PoolObservation } from '../../../measurement/observations.ts';
import { defineRemedy } from '../../../remedy/remedy.ts';
import { routeName } from '../call-sites.ts';
import { carriedOutByAgent } from '../policy-remedy.ts';
import { heldIdleOf, modelPool, predictWaitChange, waitBudgetMs, wantedSize } from '../pool-model.ts';

/** A type, not an interface, so that it is Json. */
export type ResizePoolPlan = {
  readonly pool: string;
  readonly max: number;
  readonly previousMax: number;
  readonly location: { readonly file: string; readonly line: number } | null;
};

export const resizePool = defineRemedy<ResizePoolPlan>({
  id: 'api/resize-pool',
  title: 'Give the pool more connections',
  addresses: ['api/pool-too-small'],
  scope: 'process',
  risk: 'low',
  effort: 'none',
  contract: 'transparent',

  async plan(finding, { measurement }) {
    const seen = poolOf(measurement, finding.subject.kind === 'pool' ? finding.subject.pool : null);
    if (seen === null) return null;
    const { pool, pools, model, routes } = seen;
    const max = wantedSize(pool, model, waitBudgetMs(routes));
    if (!serverHasRoom(pools, pool, max, measurement.observations['postgres.settings'])) return null;
    const location = pool.location === null ? null : { file: pool.location.file, line: pool.location.line };
    return { pool: pool.name, max, previousMax: pool.max, location };
  },

  async explainRefusal(finding, { measurement }) {
    const seen = poolOf(measurement, finding.subject.kind === 'pool' ? finding.subject.pool : null);
    if (seen === null) return 'the pool was not observed';
    const settings = measurement.observations['postgres.settings'];
    if (settings?.['max_connections'] === undefined) return "the server's max_connections is not known";
    const max = wantedSize(seen.pool, seen.model, waitBudgetMs(seen.routes));
    return `${max} connections twice over, as during a deployment, would not fit under max_connections ${settings['max_connections']}`;
  },

  async predict(plan, _finding, { measurement }) {
    const seen = poolOf(measurement, plan.pool);
    const assumptions = [
      'requests arrive at the rate and with the burstiness that were measured',
      'a connection is held as long as before: more of them at once do not slow the database down',
    ];
    if (seen === null || seen.model === null) {
      // Always full: the demand is hidden behind the pool, and all that is sure is that more servers do not lengthen the queue.
      const assumption = 'the pool was full all the time, so how much more it needs is not known';
      return {
        metric: 'pool.wait',
        change: { point: -0.5, lower: -1, upper: 0, confidenceLevel: 0.95 },
        model: 'queueing',
        assumptions: [...assumptions, assumption],
      };
    }
    const { pool, pools, model, routes } = seen;
    const own = predictWaitChange(model, pool, routes, plan.max);
    // The metric is the wait for all pools; the others' stays.
    const allMs = pools.reduce((sum, other) => sum + other.waitMs, 0);
    const part = allMs > 0 ? pool.waitMs / allMs : 1;
    const change = { ...own, point: own.point * part, lower: own.lower * part, upper: own.upper * part };
    return { metric: 'pool.wait', change, model: 'queueing', assumptions };
  },

  ...carriedOutByAgent('api/resize-pool', policyId, policyOf),

  async cost(plan) {
    // What a connection takes of the server's memory is the server's to measure; the trial guards the process's own.
    return { diskBytes: 0, buildMs: 0, memoryBytes: 0, connections: plan.max - plan.previousMax };
  },

  touches(_plan, measurement) {
    const routes = (measurement.observations['agent.routes'] ?? []).filter((route) => route.statements.length > 0);
    return { statementIds: [], routes: routes.map(routeName), writtenTables: [] };
  },

  describe(plan) {
    const where = plan.location === null ? 'where the pool is made' : `at ${plan.location.file}:${plan.location.line}`;
    return {
      title: `Pool ${plan.pool}: ${plan.max} connections in place of ${plan.previousMax}`,
      sql: null,
      lasting: `Write \`max: ${plan.max}\` ${where}. Every process of the backend opens as many: their sum must stay below max_connections.`,
    };
  },
});

function poolOf(measurement: Measurement, name: string | null) {
  const { 'agent.pools': pools, 'agent.routes': routes, 'agent.runtime': runtime } = measurement.observations;
  const pool = pools?.find((pool) => pool.name === name);
  if (pools === undefined || routes === undefined || runtime === undefined || pool === undefined) return null;
  return { pool, pools, routes, model: modelPool(pool, heldIdleOf(pool, pools, routes), runtime.windowMs) };
}

/**
 * Whether the server takes the connections of two processes at once, one with the old pools and one
 * with the new: a deployment starts the new before the old one ends, and a trial runs both. Without
 * the server's settings nobody knows, and the answer is no.
 */
function serverHasRoom(
  pools: readonly PoolObservation[],
  pool: PoolObservation,
  max: number,
  settings: Readonly<Record<string, string>> | undefined,
): boolean {
  const setting = (name: string) => Number(settings?.[name] ?? Number.NaN);
  const reserved = setting('superuser_reserved_connections') + Number(settings?.['reserved_connections'] ?? 0);
  const present = pools.reduce((sum, other) => sum + other.max, 0);
  return present * 2 - pool.max + max <= setting('max_connections') - reserved;
}

function policyId(plan: ResizePoolPlan): string {
  return `api/resize-pool:${plan.pool}:${plan.max}`;
}

function policyOf({ pool, max }: ResizePoolPlan) {
  return { kind: 'pool-size', pool, max } as const;
}
