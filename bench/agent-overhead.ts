/**
 * What observing costs, beside OpenTelemetry: CPU per request and resident memory of the same Fastify
 * server, once without an agent (twice: what two equal processes differ by is the noise floor), once
 * under the agent (off, observing, observing with a profile) and once under OpenTelemetry's
 * auto-instrumentation of http and pg, whose batches go to a local sink that drops them.
 *
 * All servers are alive at once. A round gives each variant one slice of load, in shuffled order, and
 * compares only within the round; the whole is repeated with fresh processes, because two equal
 * processes keep differing by some per cent for as long as they live. A slice's account
 * closes a little after its last response, so that work put off is paid by those who put it off.
 *
 * What observing adds is far less than what a shared machine's speed changes by from one slice to the next, so
 * it is measured inside one process, in pairs of neighbouring moments of which one is observed (`agent-target.ts`).
 *
 * The agent is compiled first and loaded as it is installed: loading TypeScript would add Node's compiler, 20 MB of it,
 * to what the agent seems to take.
 *
 *     node --conditions=@anneal/source bench/agent-overhead.ts [--generations 3] [--rounds 15] [--requests 6000] [--flips 200]
 */

import { execFileSync, fork, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { createServer, type Server } from 'node:http';
import { createRequire } from 'node:module';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { createAgents } from '../packages/anneal/src/adapters/agent-listener.ts';
import { startEmbeddedPostgres } from '../packages/anneal/src/adapters/embedded-postgres.ts';
import { seededRandom, type Random } from '../packages/anneal/src/stats/random.ts';
import { seedAuthorsAndPosts } from './agent-database.ts';
import type { Account, FlippedPair, Order } from './agent-target.ts';
import { flipMs, flipSettlesMs } from './flips.ts';
import { writeBenchResults, type BenchRow } from './result-table.ts';

const sliceMs = 200;
/** Long enough for what a slice left behind: batches being sent, collections of its garbage. */
const settleMs = 25;
/**
 * V8 doubles a young generation when enough has survived its collections: every process gets there, with 6,000 requests
 * one and with 20,000 another, and 14 MB would be put down to whoever was first. So all begin where all end.
 */
const grownYoungGeneration = ['--min-semi-space-size=16', '--max-semi-space-size=16'];
/** Per server and route, before anything counts: the compiler has seen everything by then. */
const warmupMs = 1500;

const variants = ['no agent', 'no agent again', 'off', 'observing', 'with a profile', 'OpenTelemetry'] as const;
type Variant = (typeof variants)[number];

const routes = [
  { path: '/eleven', name: '11 queries', isBudgeted: true },
  { path: '/one', name: '1 query', isBudgeted: false },
] as const;
type RouteName = (typeof routes)[number]['name'];

/** CPU microseconds per request of one round's slices. */
type Round = Readonly<Record<Variant, number>>;

/** What the servers gained in resident memory over one without an agent, after the same requests. */
interface MemoryGains {
  readonly idle: number;
  readonly 'no agent again': number;
  readonly observing: number;
  readonly OpenTelemetry: number;
}

interface Interval {
  readonly point: number;
  readonly lower: number;
  readonly upper: number;
}

interface Surroundings {
  readonly databaseUrl: string;
  readonly sinkUrl: string;
}

/** The budgets of DESIGN.md's agent: 5 % CPU on the route of 11 queries, 10 % with a profile, 15 MB, and off costs nothing measurable. */
const budgets = { observingPercent: 5, profilingPercent: 10, residentMb: 15 };

const require = createRequire(import.meta.url);
const compiledAgent = fileURLToPath(new URL('../packages/agent/dist/agent.js', import.meta.url));
const flippedAgent = fileURLToPath(new URL('./agent-flipped.ts', import.meta.url));
const targetFile = fileURLToPath(new URL('./agent-target.ts', import.meta.url));

const { values: options } = parseArgs({
  options: {
    generations: { type: 'string', default: '3' },
    rounds: { type: 'string', default: '15' },
    requests: { type: 'string', default: '6000' },
    flips: { type: 'string', default: '200' },
  },
});
const generations = wholeNumber('generations');
const roundsEach = wholeNumber('rounds');
const requestsForMemory = wholeNumber('requests');
/** Pairs of moments. */
const flipsEach = wholeNumber('flips');

await compare();

async function compare(): Promise<void> {
  compileAgent();
  await using postgres = await startEmbeddedPostgres({ settings: { fsync: 'off' } });
  await seedAuthorsAndPosts(postgres.url);
  const sink = await openSink();
  const surroundings = { databaseUrl: postgres.url, sinkUrl: sink.url };
  const random = seededRandom(1, 'agent-overhead');
  const measured: Record<RouteName, Round[]> = { '11 queries': [], '1 query': [] };
  const flipped: Record<RouteName, FlippedPair[]> = { '11 queries': [], '1 query': [] };
  const memory: MemoryGains[] = [];
  try {
    for (let generation = 1; generation <= generations; generation += 1) {
      console.error(
        `generation ${generation} of ${generations}: memory after ${requestsForMemory} requests, then ${roundsEach} rounds per route`,
      );
      await measureGeneration(surroundings, random, measured, memory);
      await measureFlipped(surroundings, flipped);
    }
    if (sink.received() === 0) throw new Error('OpenTelemetry exported nothing: the comparison would flatter it');
  } finally {
    sink.server.close();
    sink.server.closeAllConnections();
  }
  await writeBenchResults('agent', [
    ...routes.flatMap(({ name, isBudgeted }) => cpuRows(name, measured[name], flipped[name], isBudgeted)),
    ...memoryRows(memory),
  ]);
}

function compileAgent(): void {
  const root = fileURLToPath(new URL('..', import.meta.url));
  const compiler = join(root, 'node_modules/typescript/bin/tsc');
  execFileSync(process.execPath, [compiler, '-p', 'packages/agent/tsconfig.build.json'], { cwd: root, stdio: 'inherit' });
}

async function measureGeneration(
  surroundings: Surroundings,
  random: Random,
  measured: Record<RouteName, Round[]>,
  memory: MemoryGains[],
): Promise<void> {
  const agents = createAgents();
  await using listener = await agents.listen();
  const generator = fork(targetFile, ['load']);
  const children: ChildProcess[] = [generator];
  const serverWith = async (execArgv: readonly string[], env: Readonly<Record<string, string>>) => {
    const child = fork(targetFile, ['server'], {
      execArgv: [...process.execArgv, ...grownYoungGeneration, ...execArgv],
      env: { ...process.env, DATABASE_URL: surroundings.databaseUrl, ...env },
    });
    children.push(child);
    const [url] = (await once(child, 'message')) as [string];
    return { child, url };
  };
  try {
    const bare = await serverWith([], {});
    const bareAgain = await serverWith([], {});
    // Each stays as it is: a switch puts wrappers in place or takes them away, and code that relied on either is compiled again.
    const withAgent = async () => {
      const server = await serverWith(['--import', compiledAgent], { ANNEAL_SOCKET: listener.socketPath });
      return { server, agent: await listener.connected(10_000) };
    };
    const off = await withAgent();
    await off.agent.observe(false);
    const observed = await withAgent();
    const profiled = await withAgent();
    const peer = await serverWith(['--require', require.resolve('@opentelemetry/auto-instrumentations-node/register')], {
      OTEL_NODE_ENABLED_INSTRUMENTATIONS: 'http,pg',
      OTEL_NODE_RESOURCE_DETECTORS: 'none',
      OTEL_TRACES_EXPORTER: 'otlp',
      OTEL_METRICS_EXPORTER: 'none',
      OTEL_LOGS_EXPORTER: 'none',
      OTEL_EXPORTER_OTLP_TRACES_ENDPOINT: surroundings.sinkUrl,
    });
    const servers = {
      'no agent': bare,
      'no agent again': bareAgain,
      off: off.server,
      observing: observed.server,
      'with a profile': profiled.server,
      OpenTelemetry: peer,
    };

    const residentNowMb = async (variant: Variant) => (await accountOf(servers[variant].child)).residentBytes / 1e6;
    const idle = (await residentNowMb('observing')) - (await residentNowMb('no agent'));
    const residentMb = async (variant: Variant) => {
      const { url } = servers[variant];
      await order(generator, { url: `${url}/eleven`, requests: requestsForMemory });
      return residentNowMb(variant);
    };
    const alone = await residentMb('no agent');
    memory.push({
      idle,
      'no agent again': (await residentMb('no agent again')) - alone,
      observing: (await residentMb('observing')) - alone,
      OpenTelemetry: (await residentMb('OpenTelemetry')) - alone,
    });

    for (const { path, name } of routes) {
      for (const { url } of new Set(Object.values(servers))) await order(generator, { url: url + path, durationMs: warmupMs });
      for (const { agent } of [observed, profiled]) await agent.flush();
      for (let round = 0; round < roundsEach; round += 1) {
        const cost = {} as Record<Variant, number>;
        for (const variant of random.shuffle(variants)) {
          const { child, url } = servers[variant];
          if (variant === 'with a profile') await profiled.agent.startProfile();
          // One that has just been started still collects what was compiled before, the first drops it: a window of 30 s hardly sees that.
          if (variant === 'with a profile') await order(generator, { url: url + path, durationMs: sliceMs });
          cost[variant] = await costOfSlice(child, generator, url + path);
          if (variant === 'with a profile') await profiled.agent.flush();
        }
        measured[name].push(cost);
      }
    }
  } finally {
    // Gone before the database is: its end would be an error to them. OpenTelemetry answers SIGTERM itself and stays.
    const gone = children.map((child) => once(child, 'exit'));
    for (const child of children) child.kill('SIGKILL');
    await Promise.all(gone);
  }
}

/** What observing adds, in a process of its own. */
async function measureFlipped(surroundings: Surroundings, flipped: Record<RouteName, FlippedPair[]>): Promise<void> {
  const generator = fork(targetFile, ['load']);
  const server = fork(targetFile, ['server'], {
    execArgv: [...process.execArgv, ...grownYoungGeneration, '--import', flippedAgent],
    env: { ...process.env, DATABASE_URL: surroundings.databaseUrl },
  });
  const gone = [generator, server].map((child) => once(child, 'exit'));
  try {
    const [url] = (await once(server, 'message')) as [string];
    for (const { path, name } of routes) {
      await order(generator, { url: url + path, durationMs: 2 * warmupMs });
      server.send('flip');
      await order(generator, { url: url + path, durationMs: (flipsEach * 2 * (flipSettlesMs + flipMs)) / generations });
      server.send('flipped');
      flipped[name].push(...((await once(server, 'message')) as [FlippedPair[]])[0]);
    }
  } finally {
    generator.kill('SIGKILL');
    server.kill('SIGKILL');
    await Promise.all(gone);
  }
}

async function costOfSlice(server: ChildProcess, generator: ChildProcess, url: string): Promise<number> {
  const before = await accountOf(server);
  await order(generator, { url, durationMs: sliceMs });
  await sleep(settleMs);
  const after = await accountOf(server);
  return (after.cpuUs - before.cpuUs) / (after.requests - before.requests);
}

async function accountOf(server: ChildProcess): Promise<Account> {
  server.send('account');
  return ((await once(server, 'message')) as [Account])[0];
}

async function order(generator: ChildProcess, wanted: Order): Promise<void> {
  generator.send(wanted);
  await once(generator, 'message');
}

function cpuRows(name: RouteName, rounds: readonly Round[], pairs: readonly FlippedPair[], isBudgeted: boolean): readonly BenchRow[] {
  const over = (variant: Variant, base: (round: Round) => number) =>
    medianInterval(rounds.map((round) => 100 * (round[variant] / base(round) - 1)));
  const unobserved = (round: Round) => (round['no agent'] + round['no agent again']) / 2;
  const noise = over('no agent again', (round) => round['no agent']);
  const off = over('off', unobserved);
  const observing = medianInterval(pairs.map((pair) => 100 * (pair.observing / pair.off - 1)));
  const profiling = over('with a profile', unobserved);
  const peer = over('OpenTelemetry', unobserved);
  const overBare = over('observing', unobserved);
  console.error(
    [
      `${name}: ${medianInterval(rounds.map((round) => round['no agent'])).point.toFixed(0)} us per request without an agent`,
      `  no agent, against no agent   ${percent(noise)}`,
      `  agent off, against none      ${percent(off)}`,
      `  observing, against off       ${percent(observing)} in ${pairs.length} pairs of moments`,
      `  observing, against none      ${percent(overBare)}`,
      `  with a profile, against none ${percent(profiling)}`,
      `  OpenTelemetry, against none  ${percent(peer)}`,
    ].join('\n'),
  );
  // Two equal processes differ by up to this much, in either direction. A run with more noise than the budget can tell nothing.
  const floor = Math.min(Math.max(Math.abs(noise.lower), Math.abs(noise.upper)), budgets.observingPercent);
  const rows: readonly BenchRow[] = [
    {
      name: `CPU added by the agent, observing, to a request of ${name}`,
      value: observing.point,
      unit: '%',
      target: `<= ${budgets.observingPercent}`,
      peers: { 'no agent, twice': noise.point, 'observing against no agent': overBare.point, OpenTelemetry: peer.point },
    },
    {
      name: `CPU added by the agent, with a profile, to a request of ${name}`,
      value: profiling.point,
      unit: '%',
      target: `<= ${budgets.profilingPercent}`,
      peers: {},
    },
    {
      name: `CPU added by the agent that is off, to a request of ${name}`,
      value: off.point,
      unit: '%',
      target: `<= ${Number(floor.toFixed(1))}`,
      peers: { 'no agent, twice': noise.point },
    },
  ];
  // Outside of the budgeted route the cost per request is told without a promise.
  return isBudgeted ? rows : rows.slice(0, 1);
}

function memoryRows(gains: readonly MemoryGains[]): readonly BenchRow[] {
  const middle = (of: keyof MemoryGains) => medianInterval(gains.map((gain) => gain[of])).point;
  return [
    {
      name: `resident memory added by the agent, observing, after ${requestsForMemory} requests of 11 queries`,
      value: middle('observing'),
      unit: 'MB',
      target: `<= ${budgets.residentMb}`,
      peers: {
        'of that before any request': middle('idle'),
        'no agent, twice': middle('no agent again'),
        OpenTelemetry: middle('OpenTelemetry'),
      },
    },
  ];
}

/** The median with its 95 % interval by order statistics (binomial, normal approximation): nothing is assumed of the noise. */
function medianInterval(values: readonly number[]): Interval {
  const sorted = values.toSorted((one, other) => one - other);
  const reach = (1.96 * Math.sqrt(sorted.length)) / 2;
  const at = (rank: number) => sorted[Math.min(Math.max(rank, 0), sorted.length - 1)]!;
  const middle = (sorted.length - 1) / 2;
  return {
    point: (at(Math.floor(middle)) + at(Math.ceil(middle))) / 2,
    lower: at(Math.floor(sorted.length / 2 - reach)),
    upper: at(Math.ceil(sorted.length / 2 + reach)),
  };
}

function percent({ point, lower, upper }: Interval): string {
  const figures = [point, lower, upper].map((value) => `${value >= 0 ? '+' : ''}${value.toFixed(1)}`);
  return `${figures[0]} % (95 % interval ${figures[1]} to ${figures[2]})`;
}

/** Accepts every batch and keeps nothing of it. */
async function openSink(): Promise<{ readonly url: string; readonly server: Server; readonly received: () => number }> {
  let received = 0;
  const server = createServer((request, response) => {
    received += 1;
    request.resume().on('end', () => response.end());
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  return { url: `http://127.0.0.1:${(server.address() as AddressInfo).port}/v1/traces`, server, received: () => received };
}

function wholeNumber(name: keyof typeof options): number {
  const value = Number(options[name]);
  if (!Number.isInteger(value) || value < 1) throw new RangeError(`--${name} is a whole number of at least 1`);
  return value;
}
