import { stagesDurationMs } from './arrival-schedule.ts';
import type { Executor } from './workload.ts';

/** One line for progress and reports, with the model that decides what its latencies mean. */
export function describeExecutor(executor: Executor): string {
  switch (executor.type) {
    case 'constant-arrival-rate':
      return `${executor.ratePerSecond} iterations/s, ${arrivals(executor.arrivals)} (${open})`;
    case 'ramping-arrival-rate': {
      const rates = [executor.startRatePerSecond, ...executor.stages.map((stage) => stage.targetRatePerSecond)];
      return `${rates.join(' → ')} iterations/s over ${seconds(executor)}, ${arrivals(executor.arrivals)} (${open})`;
    }
    case 'recorded-arrivals': {
      const { arrivals: recorded, speed = 1 } = executor;
      const pace = speed === 1 ? '' : `, at ${speed} times their pace`;
      return `${recorded.length} recorded arrivals of ${seconds(executor)}${pace} (${open})`;
    }
    case 'constant-vus':
      return `${executor.vus} virtual user${executor.vus === 1 ? '' : 's'} (${closed})`;
    case 'ramping-vus': {
      const levels = [executor.startVus, ...executor.stages.map((stage) => stage.targetVus)];
      return `${levels.join(' → ')} virtual users over ${seconds(executor)} (${closed})`;
    }
    default:
      return executor satisfies never;
  }
}

const open = 'open model: latency from the moment a request was due';
const closed = 'closed model: latency from the send, a slow target gets less load';

function arrivals(kind: 'even' | 'poisson' = 'even'): string {
  return kind === 'even' ? 'evenly spaced' : 'Poisson arrivals';
}

function seconds(executor: Executor): string {
  return `${Number(((stagesDurationMs(executor) ?? 0) / 1000).toFixed(1))} s`;
}
