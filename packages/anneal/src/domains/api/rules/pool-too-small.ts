import { certainShare } from '../../../finding/evidence-rate.ts';
import { defineRule, type Evidence, type RuleOutcome } from '../../../finding/finding.ts';
import { levelOf } from '../../../finding/level.ts';
import { waitShare } from '../../../finding/request-time.ts';
import { milliseconds, percent, quantity } from '../../../finding/wording.ts';
import { placeName } from '../call-sites.ts';
import {
  heldIdleOf,
  modelPool,
  owedToIdleShare,
  predictWaitChange,
  requestWaitMs,
  waitBudgetMs,
  wantedSize,
  type PoolModel,
} from '../pool-model.ts';

export const poolTooSmall = defineRule({
  id: 'api/pool-too-small',
  title: 'Requests wait for a connection',
  documentation: {
    what: 'All connections of a pool are in use while requests wait for one.',
    why: 'They stand still with nothing to do, and those behind them with them. The wait is computed as a queue (Erlang C, with the measured hold times and burstiness) to say which size would end it, and what the wait would be if no connection were held idle: then the size is not the cause.',
    threshold:
      'Callers waited while every connection of the pool was in use, and their waiting certainly takes the share of request time asked for (1 % by default). The size proposed is the smallest with which fewer than one checkout in a hundred waits longer than the budget; where more than half of the wait is owed to connections held idle, those are named as the cause.',
    fix: 'The size proposed, when the sum over all processes stays below max_connections; or shorter holds.',
    falsePositives:
      'It is not a defect where the pool is kept small on purpose to protect a database that is itself saturated: then waiting only moves.',
    sources: [
      'Kleinrock, Queueing Systems I: M/M/c and Erlang C',
      'Allen, Probability, Statistics, and Queueing Theory: the Allen-Cunneen approximation',
    ],
  },
  requires: ['agent.pools', 'agent.routes', 'agent.runtime'],
  diagnose({ 'agent.pools': pools, 'agent.routes': routes, 'agent.runtime': runtime }, settings) {
    return pools.map((pool): RuleOutcome => {
      const silence = (reason: string): RuleOutcome => ({ silent: { subject: `pool ${pool.name}`, reason } });
      if (pool.waits === 0) return silence(`none of its ${quantity(pool.checkouts)} checkouts waited`);
      if (pool.peakInUse < pool.max)
        return silence(
          `at most ${pool.peakInUse} of its ${pool.max} connections were in use: what waited, waited for a connection to be made`,
        );
      const waitMs = requestWaitMs(pool, routes);
      const share = waitShare(waitMs, routes, runtime);
      const certain = certainShare(share, pool.waits);
      if (certain < settings.minimumShare) {
        return silence(
          `waiting for it takes ${percent(share)} of request time, ${percent(certain)} of it certain: below ${percent(settings.minimumShare)}`,
        );
      }

      const heldIdleMs = heldIdleOf(pool, pools, routes);
      const model = modelPool(pool, heldIdleMs, runtime.windowMs);
      const budgetMs = waitBudgetMs(routes);
      const size = wantedSize(pool, model, budgetMs);
      const change = model === null ? null : predictWaitChange(model, pool, routes, size);
      const owedShare = owedToIdleShare(pool, model, heldIdleMs);
      const isIdle = owedShare > 0.5;
      const cause = isIdle
        ? `${percent(owedShare)} of the wait is owed to connections that are held while no query runs on them, not to the size.`
        : `The pool is small for its work: connections held without a query explain ${percent(owedShare)} of the wait.`;
      return {
        level: levelOf(certain),
        message:
          `${percent(pool.waits / pool.checkouts)} of the checkouts of pool ${pool.name} (max ${pool.max}) waited, ` +
          `${milliseconds(pool.waitMs / pool.waits)} each: ${percent(share)} of the workload's request time. ${cause}`,
        subject: { kind: 'pool', key: pool.name, pool: pool.name },
        locations: pool.location === null ? [] : [pool.location],
        impact: { resource: 'request-time', share, certainShare: certain },
        evidence: [
          { label: 'checkouts that waited', value: pool.waits, unit: '1', provenance: 'measured', source: 'agent' },
          { label: 'checkouts', value: pool.checkouts, unit: '1', provenance: 'measured', source: 'agent' },
          { label: 'most connections in use at once', value: pool.peakInUse, unit: '1', provenance: 'measured', source: 'agent' },
          { label: 'most callers waiting at once', value: pool.peakWaiting, unit: '1', provenance: 'measured', source: 'agent' },
          ...(model === null ? [] : modelEvidence(model, budgetMs, size)),
        ],
        costIfIgnored: `Requests spend ${percent(share)} of their time waiting for a connection, and the wait grows without bound as the load nears ${pool.max} connections' work.`,
        proposal: {
          title: isIdle ? 'Hold connections only while a query runs; then look at the size again' : `Give the pool ${size} connections`,
          text:
            `${cause} ${sizeReason(model, size, budgetMs)} ` +
            `Write it at ${placeName(pool.location ?? undefined)}; the sum over all processes must stay below the server's max_connections.`,
          code: `max: ${size}`,
          expected: change === null ? null : scaled(change, share),
        },
      };
    });
  },
});

function sizeReason(model: PoolModel | null, size: number, budgetMs: number): string {
  return model === null
    ? `The pool was full all the time, so its demand is unknown: try ${size} and measure again.`
    : `With max ${size}, fewer than one checkout in a hundred should wait longer than ${milliseconds(budgetMs)} at this load.`;
}

function modelEvidence(model: PoolModel, budgetMs: number, size: number): readonly Evidence[] {
  return [
    { label: 'checkouts per second', value: model.arrivalsPerSecond, unit: '1/s', provenance: 'measured', source: 'agent' },
    { label: 'mean hold time', value: model.meanHoldMs, unit: 'ms', provenance: 'measured', source: 'agent' },
    {
      label: 'squared coefficient of variation of the hold time',
      value: model.holdCv2,
      unit: '1',
      provenance: 'measured',
      source: 'agent',
    },
    { label: 'mean connections in use', value: model.loadErlangs, unit: '1', provenance: 'measured', source: "agent (Little's law)" },
    { label: 'mean wait over all checkouts', value: model.meanWaitMs, unit: 'ms', provenance: 'measured', source: 'agent' },
    {
      label: 'mean wait if arrivals were independent',
      value: model.independentWaitMs,
      unit: 'ms',
      provenance: 'predicted',
      source: 'Erlang C, Allen-Cunneen',
    },
    {
      label: 'burstiness of the arrivals (1: independent)',
      value: model.queue.peakedness,
      unit: '1',
      provenance: 'predicted',
      source: 'Hayward, fitted to the measured wait',
    },
    {
      label: 'mean wait if no connection were held idle',
      value: model.waitWithoutIdleMs,
      unit: 'ms',
      provenance: 'predicted',
      source: 'the same model',
    },
    {
      label: 'connections wanted at once at the worst moment',
      value: model.peakDemand,
      unit: '1',
      provenance: 'measured',
      source: 'agent',
    },
    {
      label: 'wait that 99 % of checkouts should stay below',
      value: budgetMs,
      unit: 'ms',
      provenance: 'assumed',
      source: 'a tenth of a request without waiting',
    },
    { label: 'smallest pool that does', value: size, unit: '1', provenance: 'predicted', source: 'the same model' },
  ];
}

/** The wait's own change, as a change of all request time. */
function scaled<T extends { readonly point: number; readonly lower: number; readonly upper: number }>(change: T, share: number): T {
  return { ...change, point: change.point * share, lower: change.lower * share, upper: change.upper * share };
}
