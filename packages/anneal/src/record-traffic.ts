import type { Settings } from './config.ts';
import { AnnealError } from './errors.ts';
import { inLedger, type RunOptions } from './run.ts';
import { trialContext } from './site.ts';
import { openArms } from './trial/arms.ts';
import { noTraffic } from './workload/recorded/traffic-format.ts';
import { workloadFromTraffic, type Imported } from './workload/recorded/workload-from-traffic.ts';

/** A workload file of some tens of megabytes; the agent notes down no more. */
const mostRequests = 200_000;

/**
 * Starts the backend with the agent where its users find it, on its own database, and makes a workload of what they ask for
 * within `durationMs`. Only GET requests can be replayed without their bodies, and bodies are never recorded.
 *
 * Throws ANNEAL_RECORDING_REFUSED without consent in the configuration, ANNEAL_WORKLOAD_EMPTY when nobody asked for
 * anything, and what starting the backend throws.
 */
export function recordTraffic(settings: Settings, options: RunOptions & { readonly durationMs: number }): Promise<Imported> {
  const { record } = settings;
  if (record === null) throw new AnnealError('ANNEAL_RECORDING_REFUSED', { problem: 'the configuration gives no consent' });
  return inLedger('record', settings, options, async (run) => {
    const { progress, signal, outside } = options;
    progress.stage(`Starting the target on port ${record.port}, on its own database`);
    await using arms = await openArms(trialContext(run), { baseDatabase: null, roles: ['baseline'], withAgent: true, port: record.port });
    const { target } = arms.get('baseline');
    const agent = target.agent!;
    await agent.startRecording(record.share, mostRequests);
    const endsAtMs = outside.clock.monotonicMs() + options.durationMs;
    progress.stage(`Recording what is asked of ${target.baseUrl} for ${options.durationMs / 1000} s`);
    for (let leftMs = options.durationMs; leftMs > 0; leftMs = endsAtMs - outside.clock.monotonicMs()) {
      await outside.clock.sleep(Math.min(leftMs, 1000), signal);
      const crash = target.crashed();
      if (crash !== null) throw new AnnealError('ANNEAL_TARGET_CRASHED', { ...crash });
      progress.update(1 - Math.max(leftMs, 0) / options.durationMs);
    }
    const { requests, missed } = await agent.stopRecording();
    const others = agent.othersUnseen();
    const name = settings.target.name;
    const imported = workloadFromTraffic(
      [
        {
          ...noTraffic,
          recorded: requests.map((request) => ({ ...request, origin: null })),
          problems: [
            ...(record.share < 1 ? [`a share of ${record.share} of the requests was recorded: their rate is that much lower`] : []),
            ...(others > 0
              ? [`${others + 1} processes answered, as workers of a cluster do, and only what one of them was asked was recorded`]
              : []),
            ...(missed > 0 ? [`${missed} requests beyond the first ${mostRequests} were left out`] : []),
          ],
        },
      ],
      { name, seed: settings.seed, writes: false, origin: null, ratePerSecond: null },
    );
    if (imported === null)
      throw new AnnealError('ANNEAL_WORKLOAD_EMPTY', {
        name,
        problem: `none of ${requests.length} recorded requests is a GET that was answered`,
      });
    return imported;
  });
}
