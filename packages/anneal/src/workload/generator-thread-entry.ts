/** What a generator thread runs; `generator-thread.ts` starts it and speaks with it. */

import { parentPort, workerData } from 'node:worker_threads';
import { compileWorkload } from './compiled-workload.ts';
import type { ThreadOrder, ThreadReport, ThreadSetup } from './generator-thread.ts';
import { httpClient } from './http-client.ts';
import { generatorHere } from './load-generator.ts';

const { workload, tokens, baseUrl, connections, timeoutMs, revalidates, raisePriority } = workerData as ThreadSetup;
const client = httpClient(baseUrl, { connections, timeoutMs, revalidates });
const generator = generatorHere({ workload: compileWorkload(workload), client, tokens }, { raisePriority });

parentPort!.on('message', (order: ThreadOrder) => {
  if (order.type === 'stop') generator.stop();
  else void run(order);
});
report({ type: 'ready' });

async function run({ plan, startAtMs }: Extract<ThreadOrder, { readonly type: 'run' }>): Promise<void> {
  const part = await generator.run(plan, startAtMs, (tally) => report({ type: 'tally', tally }));
  report({ type: 'part', part });
}

function report(message: ThreadReport): void {
  // oxlint-disable-next-line unicorn/require-post-message-target-origin -- a thread has no origin
  parentPort!.postMessage(message);
}
