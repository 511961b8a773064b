/**
 * Proof by toggling: how soon traffic sees "off" in a process that stalls, how far two equal states of one process
 * seem to differ (the noise floor), and what two policies bring, each with its interval.
 *
 *     node --conditions=@anneal/source bench/toggling.ts [--blocks 100] [--switches 60]
 */

import { setTimeout as sleep } from 'node:timers/promises';
import { parseArgs } from 'node:util';
import type { ToggledBlock } from '@anneal/agent/protocol';
import { Pool } from 'undici';
import { startApp } from '../packages/agent/test/target.ts';
import { createAgents } from '../packages/anneal/src/adapters/agent-listener.ts';
import type { AgentControl } from '../packages/anneal/src/ports/agent.ts';
import { seededRandom } from '../packages/anneal/src/stats/random.ts';
import { quantile } from '../packages/anneal/src/stats/sample.ts';
import { hodgesLehmannEstimate } from '../packages/anneal/src/stats/signed-rank.ts';
import { writeBenchResults } from './result-table.ts';

const blockMs = 150;
const connections = 8;
const { values } = parseArgs({ options: { blocks: { type: 'string', default: '100' }, switches: { type: 'string', default: '60' } } });

await using listener = await createAgents().listen();
await using app = await startApp('answers.mjs', { FRAMEWORK: 'bare', ANNEAL_SOCKET: listener.socketPath });
const agent = await listener.connected(20_000);
const http = new Pool(`http://127.0.0.1:${app.port}`, { connections });
const headers = { 'accept-encoding': 'gzip' };

await agent.apply('compress', { kind: 'compress-responses', routes: ['/big', '/stalling'] });
const { effectMs, confirmedMs } = await switchOffWhileStalling(Number(values.switches));
console.error(
  `the first answer without the policy came after ${inMs(effectMs)}, "off" was confirmed after ${inMs(confirmedMs)} (p50 / p99 of ${effectMs.length} switches, thread stalled 0 to 30 ms at a time)`,
);

const blocks = Number(values.blocks);
const placebo = await proven(agent, null, '/big');
console.error(`nothing switched: ${percent(placebo)}`);
const compressed = await proven(agent, 'compress', '/big');
console.error(`compression of 22 kB of JSON, where brotli is not asked for: ${percent(compressed)} CPU per request`);
await agent.revoke('compress');
await agent.apply('coalesce', { kind: 'coalesce-requests', routes: ['/busy'], longestWaitMs: 1_000 });
const coalesced = await proven(agent, 'coalesce', '/busy');
console.error(`identical requests of ${connections} clients share runs: ${percent(coalesced)} CPU per request`);
await http.close();

await writeBenchResults('toggling', [
  {
    name: 'from off to the first answer without it, p50, thread stalled 0 to 30 ms',
    value: quantile(effectMs, 0.5),
    unit: 'ms',
    target: null,
    peers: { 'confirmed by the thread itself': quantile(confirmedMs, 0.5) },
  },
  {
    name: 'from off to the first answer without it, p99, thread stalled 0 to 30 ms',
    value: quantile(effectMs, 0.99),
    unit: 'ms',
    target: null,
    peers: { 'confirmed by the thread itself': quantile(confirmedMs, 0.99) },
  },
  {
    name: 'difference of two equal states',
    value: 100 * Math.abs(placebo.point),
    unit: '%',
    target: '<= 3',
    peers: { 'half width of its interval': 50 * (placebo.upper - placebo.lower) },
  },
  {
    name: 'CPU per request, identical requests of eight clients sharing runs',
    value: 100 * coalesced.point,
    unit: '%',
    target: null,
    peers: { 'upper end of its interval': 100 * coalesced.upper },
  },
]);

interface Interval {
  readonly point: number;
  readonly lower: number;
  readonly upper: number;
}

/** CPU per request, on against off, from pairs of blocks under a constant number of clients. */
async function proven(control: AgentControl, policyId: string | null, path: string): Promise<Interval> {
  const over = new AbortController();
  const clients = Array.from({ length: connections }, async () => {
    while (!over.signal.aborted) await ask(path);
  });
  await sleep(1_000);
  const pairs = pairsOf(await control.toggle({ policyId, blockMs, blocks, seed: 3 }));
  over.abort();
  await Promise.all(clients);
  const ratios = pairs.map(({ on, off }) => Math.log(costOf(on) / costOf(off)));
  const { point, lower, upper } = hodgesLehmannEstimate(ratios, 0.95);
  return { point: Math.expm1(point), lower: Math.expm1(lower), upper: Math.expm1(upper) };
}

function pairsOf(all: readonly ToggledBlock[]): readonly { readonly on: ToggledBlock; readonly off: ToggledBlock }[] {
  return Array.from({ length: all.length / 2 }, (_, index) => {
    const [one, other] = all.slice(2 * index, 2 * index + 2);
    return one!.on ? { on: one!, off: other! } : { on: other!, off: one! };
  });
}

/** Requests that an edge interrupts are half the work of each block, on average. */
function costOf({ cpuMs, requests, ended }: ToggledBlock): number {
  return cpuMs / ((requests + ended) / 2);
}

async function ask(path: string): Promise<boolean> {
  const { headers: answered, body } = await http.request({ path, method: 'GET', headers });
  await body.dump();
  return answered['content-encoding'] === 'gzip';
}

/** The policy shows in every answer: from the order to the first answer without it, while requests make the thread stall. */
async function switchOffWhileStalling(times: number) {
  const random = seededRandom(1, 'stalls');
  const over = new AbortController();
  const stalls = (async () => {
    while (!over.signal.aborted) await ask(`/stalling?ms=${random.integer(0, 30)}`);
  })();
  const took = { effectMs: [] as number[], confirmedMs: [] as number[] };
  for (let count = 0; count < times; count += 1) {
    await agent.switch('compress', true);
    while (!(await ask('/big')));
    await sleep(random.integer(0, 40));
    const orderedAt = performance.now();
    const confirmed = agent.switch('compress', false).then(() => took.confirmedMs.push(performance.now() - orderedAt));
    while (await ask('/big'));
    took.effectMs.push(performance.now() - orderedAt);
    await confirmed;
  }
  over.abort();
  await stalls;
  await agent.switch('compress', true);
  return took;
}

function inMs(all: readonly number[]): string {
  return [0.5, 0.99].map((share) => quantile(all, share).toFixed(1)).join(' / ');
}

function percent({ point, lower, upper }: Interval): string {
  const [middle, low, high] = [point, lower, upper].map((share) => `${share >= 0 ? '+' : ''}${(100 * share).toFixed(1)}`);
  return `${middle} % (95 % interval ${low} to ${high})`;
}
