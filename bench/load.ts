/**
 * What the load engine costs per request and how well it keeps its schedule, beside autocannon and,
 * where it is installed, wrk. Each runs in a process of its own against a server in another one;
 * rounds alternate between the tools, and every figure is the median of its rounds.
 *
 *     node --conditions=@anneal/source bench/load.ts
 */

import { fork, spawn, type ChildProcess } from 'node:child_process';
import { accessSync, constants, readFileSync } from 'node:fs';
import { createServer } from 'node:http';
import { createRequire } from 'node:module';
import type { AddressInfo } from 'node:net';
import { delimiter, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { quantileUs } from '../packages/anneal/src/stats/histogram.ts';
import type { SchedulePrecision } from '../packages/anneal/src/workload/arrival-pacer.ts';
import { openLoad } from '../packages/anneal/src/workload/load-session.ts';
import { workloadFromUrls } from '../packages/anneal/src/workload/workload-from-urls.ts';
import type { Executor } from '../packages/anneal/src/workload/workload.ts';
import { writeBenchResults } from './result-table.ts';

const ratePerSecond = 1000;
const connections = 50;
const windowMs = 2500;
const warmupMs = 700;
const rounds = 3;
const serviceMs = 2;

/** What a generator process is told to do. */
interface Job {
  readonly tool: 'anneal' | 'autocannon';
  readonly url: string;
  /** Null: closed loop, as fast as `connections` allow. */
  readonly ratePerSecond: number | null;
  readonly schedule: SchedulePrecision;
}

/** What came out of one window. */
interface Outcome {
  readonly requests: number;
  readonly cpuUsPerRequest: number;
  /** The engine's own reading; NaN where the tool has none. */
  readonly medianLagMs: number;
}

type ServerMessage =
  | { readonly type: 'listening'; readonly url: string }
  | { readonly type: 'arrivals'; readonly arrivalsMs: readonly number[] };

const [role] = process.argv.slice(2);
if (role === 'server') serve();
else if (role === 'generator') process.once('message', (job: Job) => void generate(job).then((outcome) => process.send!(outcome)));
else await compare();

async function compare(): Promise<void> {
  const server = fork(fileURLToPath(import.meta.url), ['server']);
  try {
    const { url } = await nextMessage<Extract<ServerMessage, { readonly type: 'listening' }>>(server);
    const wrk = findOnPath('wrk');
    if (wrk === null) console.error('SKIPPED: wrk is not on PATH, so its figures are missing from this comparison');

    const open: Record<'cheap' | 'precise' | 'autocannon', (Outcome & { readonly scheduleErrorMs: number })[]> = {
      cheap: [],
      precise: [],
      autocannon: [],
    };
    const closed: Record<'anneal' | 'autocannon', Outcome[]> = { anneal: [], autocannon: [] };
    const wrkCost: number[] = [];
    for (let round = 1; round <= rounds; round += 1) {
      console.error(`round ${round} of ${rounds}`);
      for (const schedule of ['cheap', 'precise'] as const) {
        open[schedule].push(await runOpen(server, { tool: 'anneal', url, ratePerSecond, schedule }));
      }
      open.autocannon.push(await runOpen(server, { tool: 'autocannon', url, ratePerSecond, schedule: 'cheap' }));
      for (const tool of ['anneal', 'autocannon'] as const) {
        closed[tool].push(await runGenerator({ tool, url, ratePerSecond: null, schedule: 'cheap' }));
      }
      if (wrk !== null) wrkCost.push(await runWrk(wrk, url));
    }

    const costAtRate = median(open.cheap.map((outcome) => outcome.cpuUsPerRequest));
    const autocannonAtRate = median(open.autocannon.map((outcome) => outcome.cpuUsPerRequest));
    const costClosed = median(closed.anneal.map((outcome) => outcome.cpuUsPerRequest));
    const autocannonClosed = median(closed.autocannon.map((outcome) => outcome.cpuUsPerRequest));
    const error = (tool: keyof typeof open) => median(open[tool].map((outcome) => outcome.scheduleErrorMs));
    // The peer is not doing the same work at a rate: autocannon sends each second's requests in one burst,
    // which wakes both processes once where an even schedule wakes them a thousand times.
    await writeBenchResults('load', [
      {
        name: `generator CPU per request at ${ratePerSecond}/s`,
        value: costAtRate,
        unit: 'us',
        target: `<= ${round1(1.2 * autocannonAtRate)}`,
        peers: { autocannon: autocannonAtRate },
      },
      {
        name: `generator CPU per request, ${connections} connections, as fast as possible`,
        value: costClosed,
        unit: 'us',
        target: `<= ${round1(1.2 * autocannonClosed)}`,
        peers: { autocannon: autocannonClosed, wrk: wrk === null ? null : median(wrkCost) },
      },
      {
        name: `median scheduling error at ${ratePerSecond}/s, precise, as the engine tells it`,
        value: median(open.precise.map((outcome) => outcome.medianLagMs)),
        unit: 'ms',
        target: '<= 0.5',
        peers: { 'anneal cheap': median(open.cheap.map((outcome) => outcome.medianLagMs)) },
      },
      {
        name: `median scheduling error at ${ratePerSecond}/s, precise, as the server sees it`,
        value: error('precise'),
        unit: 'ms',
        target: '<= 0.5',
        peers: { 'anneal cheap': error('cheap'), autocannon: error('autocannon') },
      },
    ]);
  } finally {
    server.kill();
  }
}

/** Asks the server when requests really came in. */
async function runOpen(server: ChildProcess, job: Job): Promise<Outcome & { readonly scheduleErrorMs: number }> {
  const outcome = await runGenerator(job);
  const reply = nextMessage<Extract<ServerMessage, { readonly type: 'arrivals' }>>(server);
  server.send('report');
  // The last requests are the window's; those of the warm-up came before.
  const arrivalsMs = (await reply).arrivalsMs.slice(-outcome.requests);
  return { ...outcome, scheduleErrorMs: gridError(arrivalsMs, 1000 / job.ratePerSecond!) };
}

/** Median distance of the k-th arrival from an even grid, whose origin is where the median distance is 0. */
function gridError(arrivalsMs: readonly number[], gapMs: number): number {
  const offsets = arrivalsMs.map((arrivalMs, index) => arrivalMs - index * gapMs);
  const origin = median(offsets);
  return median(offsets.map((offset) => Math.abs(offset - origin)));
}

async function runGenerator(job: Job): Promise<Outcome> {
  const generator = fork(fileURLToPath(import.meta.url), ['generator']);
  const outcome = nextMessage<Outcome>(generator);
  generator.send(job);
  try {
    return await outcome;
  } finally {
    generator.kill();
  }
}

function generate(job: Job): Promise<Outcome> {
  return job.tool === 'anneal' ? generateWithAnneal(job) : generateWithAutocannon(job);
}

async function generateWithAnneal(job: Job): Promise<Outcome> {
  const executor: Executor =
    job.ratePerSecond === null
      ? { type: 'constant-vus', vus: connections }
      : { type: 'constant-arrival-rate', ratePerSecond: job.ratePerSecond, arrivals: 'even' };
  const workload = { ...workloadFromUrls(['/'], { ratePerSecond, seed: 1 }), executor };
  await using session = await openLoad(workload, { baseUrl: job.url, schedule: job.schedule });
  await session.run({ durationMs: warmupMs, seed: 1 });
  const before = process.cpuUsage();
  const result = await session.run({ durationMs: windowMs, seed: 2 });
  const cpuUs = usedUs(before);
  return { requests: result.requests, cpuUsPerRequest: cpuUs / result.requests, medianLagMs: quantileUs(result.sendLagUs, 0.5) / 1000 };
}

async function generateWithAutocannon(job: Job): Promise<Outcome> {
  const autocannon = createRequire(import.meta.url)('autocannon') as (
    options: object,
  ) => Promise<{ readonly requests: { readonly total: number } }>;
  const options = { url: job.url, connections, ...(job.ratePerSecond !== null && { overallRate: job.ratePerSecond }) };
  // Its shortest run is a second.
  await autocannon({ ...options, duration: 1 });
  const before = process.cpuUsage();
  const result = await autocannon({ ...options, duration: Math.ceil(windowMs / 1000) });
  const cpuUs = usedUs(before);
  return { requests: result.requests.total, cpuUsPerRequest: cpuUs / result.requests.total, medianLagMs: Number.NaN };
}

/** wrk has no rate: only the closed loop compares. Its CPU is read from /proc until it ends, so it is at most one reading short. */
async function runWrk(wrk: string, url: string): Promise<number> {
  const child = spawn(wrk, ['-t1', `-c${connections}`, `-d${Math.ceil(windowMs / 1000)}s`, url], { stdio: ['ignore', 'pipe', 'inherit'] });
  let output = '';
  child.stdout.on('data', (chunk: Buffer) => (output += chunk.toString()));
  let cpuMs = Number.NaN;
  const reading = setInterval(() => {
    cpuMs = cpuOfProcessMs(child.pid!) ?? cpuMs;
  }, 20);
  await new Promise((resolve) => child.once('close', resolve));
  clearInterval(reading);
  const requests = Number(/(?<requests>\d+) requests in/.exec(output)?.groups?.['requests'] ?? Number.NaN);
  return (cpuMs * 1000) / requests;
}

/** proc_pid_stat(5): fields 14 and 15 are user and system time in ticks, of which Linux has 100 a second. */
function cpuOfProcessMs(pid: number): number | null {
  try {
    const fields = readFileSync(`/proc/${pid}/stat`, 'utf8').split(') ')[1]!.split(' ');
    return (Number(fields[11]) + Number(fields[12])) * 10;
  } catch {
    return null;
  }
}

function serve(): void {
  let arrivalsMs: number[] = [];
  const server = createServer((_request, response) => {
    arrivalsMs.push(performance.now());
    setTimeout(() => response.end('{"ok":true}'), serviceMs);
  });
  server.listen(0, '127.0.0.1', () => {
    send({ type: 'listening', url: `http://127.0.0.1:${(server.address() as AddressInfo).port}` });
  });
  process.on('message', () => {
    send({ type: 'arrivals', arrivalsMs });
    arrivalsMs = [];
  });
  process.on('disconnect', () => process.exit());
}

function send(message: ServerMessage): void {
  process.send!(message);
}

function nextMessage<T>(child: ChildProcess): Promise<T> {
  return new Promise((resolve, reject) => {
    child.once('message', (message) => resolve(message as T));
    child.once('exit', (code) => reject(new Error(`a process of the benchmark ended early (code ${code})`)));
  });
}

function usedUs(before: NodeJS.CpuUsage): number {
  const { user, system } = process.cpuUsage(before);
  return user + system;
}

function findOnPath(program: string): string | null {
  const candidates = (process.env['PATH'] ?? '').split(delimiter).map((folder) => join(folder, program));
  return candidates.find(isExecutable) ?? null;
}

function isExecutable(path: string): boolean {
  try {
    accessSync(path, constants.X_OK);
    return true;
  } catch {
    return false;
  }
}

function median(values: readonly number[]): number {
  const sorted = values.toSorted((a, b) => a - b);
  const middle = Math.floor(sorted.length / 2);
  return sorted.length % 2 === 1 ? sorted[middle]! : (sorted[middle - 1]! + sorted[middle]!) / 2;
}

function round1(value: number): number {
  return Number(value.toFixed(1));
}
