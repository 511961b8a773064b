import type { TraceListener } from '../ports/traces.ts';
import { Histogram } from '../stats/histogram.ts';
import type { Gap, ProbeContext, ProbeWindow } from './measurement.ts';
import type { Capability, RouteObservation } from './observations.ts';
import { locator, observeSummary } from './observe-summary.ts';
import { summaryOfSpans } from './summary-of-spans.ts';

/** The delay of OpenTelemetry's batch processor (OTEL_BSP_SCHEDULE_DELAY, 5 s unless set otherwise), and a moment for the way. */
const longestBatchMs = 6_000;
/** With the delay that Anneal asks for where it starts the backend itself. */
export const askedBatchMs = 200;

const unseen = ['agent.pools', 'agent.profile'] as const satisfies readonly Capability[];

/** A window in which a backend of any language is seen through the traces it exports. */
export async function openTraceWindow(context: ProbeContext, traces: TraceListener): Promise<ProbeWindow> {
  const { processes, targetPid, sqlParser, workingDirectory } = context;
  traces.take();
  const fromMs = Date.now();
  const before = targetPid === null ? null : await processes.usage(targetPid);
  return {
    async close() {
      const toMs = Date.now();
      const after = targetPid === null ? null : await processes.usage(targetPid);
      await traces.settled(3 * askedBatchMs, longestBatchMs);
      const { spans, dropped } = traces.take();
      const summary = summaryOfSpans(spans, { fromMs, toMs }, sqlParser);
      const { routes, statements, samples } = observeSummary({ ...summary, profile: null }, sqlParser, locator([workingDirectory]));
      const cpuMs = before === null || after === null ? null : after.cpuMs - before.cpuMs;
      const gaps: Gap[] = unseen.map((capability) => ({
        capability,
        reason: 'the target is seen through its traces, which do not tell it',
      }));
      if (summary.routes.length === 0)
        gaps.push({
          capability: 'agent.routes',
          reason: 'no span of a request arrived: is the exporter set to the address that Anneal listens on?',
        });
      for (const reason of summary.gaps) gaps.push({ capability: 'agent.statements', reason });
      return {
        observations: {
          'agent.routes': routes,
          'agent.statements': statements,
          'agent.runtime': {
            nodeVersion: '',
            windowMs: toMs - fromMs,
            cpuMs: cpuMs ?? ownMs(routes),
            eventLoopUtilizationShare: 0,
            eventLoopDelayUs: new Histogram().toData(),
            gcMs: 0,
            gcCount: 0,
            heapUsedBytes: 0,
            residentBytes: after?.residentBytes ?? 0,
          },
        },
        samples,
        gaps,
        problems: dropped > 0 ? [`${dropped} spans were let go: more arrived than are kept`] : [],
      };
    },
  };
}

/** Where the process's CPU time cannot be read: what requests spent neither in statements nor in other services, which is at least as much. */
function ownMs(routes: readonly RouteObservation[]): number {
  return routes.reduce((sum, route) => sum + Math.max(route.totalMs - route.queryMs - route.outgoingMs - route.redisMs, 0), 0);
}
