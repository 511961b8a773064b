import { Worker } from 'node:worker_threads';
import type { LoadGenerator, Tally } from './load-generator.ts';
import type { RunPart } from './load-recorder.ts';
import type { RunPlan } from './load-run.ts';
import type { Workload } from './workload.ts';

export interface ThreadSetup {
  readonly workload: Workload;
  readonly tokens: readonly string[];
  readonly baseUrl: string;
  readonly connections: number;
  readonly timeoutMs: number;
  readonly revalidates: boolean;
  readonly raisePriority: boolean;
}

export type ThreadOrder = { readonly type: 'run'; readonly plan: RunPlan; readonly startAtMs: number } | { readonly type: 'stop' };

export type ThreadReport =
  | { readonly type: 'ready' }
  | { readonly type: 'tally'; readonly tally: Tally }
  | { readonly type: 'part'; readonly part: RunPart };

/** Starts a generator on a thread of its own, with its own event loop and connections. */
export async function generatorOnThread(setup: ThreadSetup): Promise<LoadGenerator> {
  // The sources run as they are in development and as .js once built.
  const extension = import.meta.url.endsWith('.ts') ? 'ts' : 'js';
  const worker = new Worker(new URL(`generator-thread-entry.${extension}`, import.meta.url), { workerData: setup });
  // oxlint-disable-next-line unicorn/require-post-message-target-origin -- a thread has no origin
  const order = (message: ThreadOrder) => worker.postMessage(message);
  /** Resolves at the first report for which `take` gives a value; rejects when the thread dies. */
  const report = <T>(take: (report: ThreadReport) => T | undefined) =>
    new Promise<T>((resolve, reject) => {
      const onMessage = (message: ThreadReport) => {
        const taken = take(message);
        if (taken === undefined) return;
        worker.off('message', onMessage);
        worker.off('error', reject);
        resolve(taken);
      };
      worker.on('message', onMessage);
      worker.on('error', reject);
    });
  await report((message) => (message.type === 'ready' ? true : undefined));
  return {
    run(plan, startAtMs, onTally) {
      const part = report((message) => {
        if (message.type === 'tally') onTally(message.tally);
        return message.type === 'part' ? message.part : undefined;
      });
      order({ type: 'run', plan, startAtMs });
      return part;
    },
    stop: () => order({ type: 'stop' }),
    async close() {
      await worker.terminate();
    },
  };
}
