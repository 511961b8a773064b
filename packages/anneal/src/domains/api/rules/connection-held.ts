import { certainShare } from '../../../finding/evidence-rate.ts';
import { defineRule, type RuleOutcome } from '../../../finding/finding.ts';
import { levelOf } from '../../../finding/level.ts';
import { connectionWaitMs, shareOf, waitShare } from '../../../finding/request-time.ts';
import { milliseconds, percent, quantity } from '../../../finding/wording.ts';
import type { CodeLocation, PoolObservation, RouteObservation } from '../../../measurement/observations.ts';
import { meanUs } from '../../../stats/histogram.ts';
import { distinctLocations, placeName, placeOf, routeName } from '../call-sites.ts';
import { heldIdleOf, modelPool, owedToIdleShare, requestWaitMs } from '../pool-model.ts';

/**
 * Between two statements of a healthy transaction lie a few turns of the event loop. Ten
 * milliseconds are some twenty round trips within a data centre: the connection could have served
 * twenty other statements meanwhile.
 */
const idleMsThatMatters = 10;

export const connectionHeld = defineRule({
  id: 'api/connection-held',
  title: 'A connection is held while no query runs on it',
  documentation: {
    what: 'A connection is checked out, and other work (a computation, a call to another service, a file) happens before it is released.',
    why: 'The pool is smaller by that connection meanwhile, and others wait for it, or will at a higher load.',
    threshold:
      'A connection is held idle for 10 ms or more: some twenty round trips within a data centre, in which it could have served twenty other statements. What requests wait for it must certainly take the share of request time asked for (1 % by default).',
    fix: 'Do the other work before the checkout or after the release; keep in the transaction only what it protects.',
    falsePositives: 'It is not a defect where the work has to happen inside the transaction, such as a lock that guards it.',
    sources: ["Little's law: connections in use are arrivals times hold time"],
  },
  requires: ['agent.routes', 'agent.pools', 'agent.runtime'],
  yieldsTo: ['api/transaction-across-outgoing-call'],
  diagnose({ 'agent.routes': routes, 'agent.pools': pools, 'agent.runtime': runtime }, settings) {
    const capacityMs = pools.reduce((sum, pool) => sum + pool.max * runtime.windowMs, 0);
    const idleMs = routes.reduce((sum, route) => sum + route.heldIdleMs, 0);
    const heldMs = pools.reduce((sum, pool) => sum + pool.heldUs.sum / 1000, 0);
    const waitMs = connectionWaitMs(routes);
    const avoidableWaitMs = waitOwedToIdleMs(pools, routes, runtime.windowMs);
    const loopDelayMs = meanUs(runtime.eventLoopDelayUs) / 1000;
    return holdersOf(routes).map((holder): RuleOutcome => {
      const place = placeName(holder.location);
      const silence = (reason: string): RuleOutcome => ({ silent: { subject: place, reason } });
      const meanIdleMs = holder.heldIdleMs / Math.max(holder.requests, 1);
      if (meanIdleMs < idleMsThatMatters + loopDelayMs) {
        return silence(`its connection is idle ${milliseconds(meanIdleMs)} per request: no more than the turns between two statements`);
      }
      const capacityShare = shareOf(holder.heldIdleMs, capacityMs);
      const certainCapacity = certainShare(capacityShare, holder.requests);
      if (certainCapacity < settings.minimumShare) {
        return silence(
          `it holds ${percent(capacityShare)} of the pool's capacity idle in ${quantity(holder.requests)} requests, ${percent(certainCapacity)} of it certain: below ${percent(settings.minimumShare)}`,
        );
      }
      // Each holder answers for the wait in proportion to the idle time it made.
      const share = waitShare(avoidableWaitMs * shareOf(holder.heldIdleMs, idleMs), routes, runtime);
      const certain = certainShare(share, holder.requests);
      const isFelt = certain >= settings.minimumShare;
      const consequence = isFelt
        ? `Without it the others would wait less: ${percent(share)} of the workload's request time.`
        : 'Hardly anyone waits for a connection at this load; at a higher one they will.';
      return {
        level: isFelt ? levelOf(certain) : 'note',
        message: `${place} holds a connection ${milliseconds(meanIdleMs)} per request without a query on it: ${percent(capacityShare)} of the pool's capacity. ${consequence}`,
        subject: { kind: 'route', key: holder.key, route: holder.routes[0], statementId: null },
        locations: distinctLocations([holder.location]),
        impact: { resource: 'request-time', share, certainShare: certain },
        evidence: [
          {
            label: 'time the connection was held without a query',
            value: holder.heldIdleMs,
            unit: 'ms',
            provenance: 'measured',
            source: 'agent',
          },
          { label: 'the same per request', value: meanIdleMs, unit: 'ms', provenance: 'measured', source: 'agent' },
          { label: 'requests that held one', value: holder.requests, unit: '1', provenance: 'measured', source: 'agent' },
          { label: "share of the pools' capacity held idle", value: capacityShare, unit: '1', provenance: 'measured', source: 'agent' },
          {
            label: 'wait of all requests that idle connections explain',
            value: avoidableWaitMs,
            unit: 'ms',
            provenance: 'predicted',
            source: 'queueing model of the pool',
          },
          { label: 'routes that come by here', value: holder.routes.join(', '), unit: '', provenance: 'measured', source: 'agent' },
        ],
        costIfIgnored: `${percent(capacityShare)} of the pool is paid for and does nothing; ${isFelt ? `${percent(share)} of request time is lost waiting for it.` : 'it is missing when the load rises.'}`,
        proposal: {
          title: 'Release the connection before the other work',
          text:
            `Read what is needed, release, do the slow work, and check out again for what must be written after it. Where one transaction must span both, ` +
            `move the slow work in front of BEGIN.`,
          code: [
            'const { rows } = await pool.query(...); // borrowed for this statement only',
            'const result = await slowWork(rows);',
            'await pool.query(...); // borrowed again to write the result',
          ].join('\n'),
          expected: isFelt
            ? {
                point: -share,
                // No more than all the waiting there is can go; and since a queue's wait is convex in its load, at least in proportion to the time given back.
                lower: -waitShare(waitMs, routes, runtime),
                upper: -Math.min(waitShare(waitMs * shareOf(holder.heldIdleMs, heldMs), routes, runtime), share),
                confidenceLevel: 0.95,
              }
            : null,
        },
      };
    });
  },
});

interface Holder {
  readonly key: string;
  readonly location: CodeLocation;
  readonly routes: readonly [string, ...string[]];
  readonly heldIdleMs: number;
  readonly requests: number;
}

/** One per function that checks out, over all routes that come by there. */
function holdersOf(routes: readonly RouteObservation[]): readonly Holder[] {
  const byPlace = new Map<string, Holder>();
  for (const route of routes) {
    for (const { heldIdleMs, requests, ...location } of route.heldAt) {
      const key = placeOf(location)!;
      const known = byPlace.get(key);
      byPlace.set(key, {
        key,
        location: known?.location ?? location,
        routes: known === undefined ? [routeName(route)] : [...known.routes, routeName(route)],
        heldIdleMs: (known?.heldIdleMs ?? 0) + heldIdleMs,
        requests: (known?.requests ?? 0) + requests,
      });
    }
  }
  return [...byPlace.values()];
}

/** What requests would wait less at the present pool sizes if no connection were ever held idle. */
function waitOwedToIdleMs(pools: readonly PoolObservation[], routes: readonly RouteObservation[], windowMs: number): number {
  return pools.reduce((sum, pool) => {
    if (pool.waits === 0) return sum;
    const heldIdleMs = heldIdleOf(pool, pools, routes);
    return sum + requestWaitMs(pool, routes) * owedToIdleShare(pool, modelPool(pool, heldIdleMs, windowMs), heldIdleMs);
  }, 0);
}
