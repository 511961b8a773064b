/**
 * What observing costs, beside OpenTelemetry: CPU per request and resident memory of the same Fastify
 * server, once without an agent (twice: what two equal processes differ by is the noise floor), once
 * under the agent (off, observing, observing with a profile) and once under OpenTelemetry's
 * auto-instrumentation of http and pg, whose batches go to a local sink that drops them.
 *
 * Each variant is loaded beside the server without an agent, both at the same moments and by a generator of its own: what
 * makes a shared machine faster and slower meets both. The two servers share one core, and everything else has the other:
 * where the scheduler may place them, which core shares its caches with whom makes equal servers differ by 25 %, on one core
 * by 1 or 2 %. Each server stays in one state, because a switch makes V8 compile again what relied on the other. The whole
 * is repeated with fresh processes: two equal processes keep differing for as long as they live.
 *
 * The agent is compiled first and loaded as it is installed: loading TypeScript would add Node's compiler, 20 MB of it,
 * to what the agent seems to take.
 *
 *     node --conditions=@anneal/source bench/agent-overhead.ts [--generations 3] [--windows 12] [--requests 6000]
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
import { createAgents, type SwitchableAgent } from '../packages/anneal/src/adapters/agent-listener.ts';
import { startEmbeddedPostgres } from '../packages/anneal/src/adapters/embedded-postgres.ts';
import { seededRandom, type Random } from '../packages/anneal/src/stats/random.ts';
import { median } from '../packages/anneal/src/stats/sample.ts';
import { seedAuthorsAndPosts } from './agent-database.ts';
import type { Account, Order } from './agent-target.ts';
import { writeBenchResults, type BenchRow } from './result-table.ts';

/** What one of the two had to wait for falls into the same window for the other. */
const windowMs = 500;
/** What was loaded before has left its caches, and V8 has the names back that a first profile drops. */
const settleMs = 2_000;
/** Of a machine with at least two. */
const serversCore = 0;
const othersCore = 1;
/** Of each of the two generators: enough to keep its server at work for all of its share of the machine. */
const connectionsEach = 4;
/**
 * V8 doubles a young generation when enough has survived its collections: every process gets there, with 6,000 requests
 * one and with 20,000 another, and 14 MB would be put down to whoever was first. So all begin where all end.
 */
const grownYoungGeneration = ['--min-semi-space-size=16', '--max-semi-space-size=16'];
/**
 * Per server and route, alone and before anything counts, after the requests for memory: V8 is long in settling where it
 * shares its cores, and longer where methods are wrapped.
 */
const warmupMs = 5000;

const variants = ['no agent again', 'off', 'observing', 'with a profile', 'OpenTelemetry'] as const;
type Variant = (typeof variants)[number];

const routes = [
  { path: '/eleven', name: '11 queries', isBudgeted: true },
  { path: '/one', name: '1 query', isBudgeted: false },
] as const;
type RouteName = (typeof routes)[number]['name'];

/** Of one generation: what a request cost without an agent, and what each variant added to what it cost at the same moments. */
interface Added {
  readonly bareUs: number;
  readonly percent: Readonly<Record<Variant, number>>;
}

/** What the servers gained in resident memory over one without an agent, after the same requests. */
interface MemoryGains {
  readonly idle: number;
  readonly 'no agent again': number;
  readonly observing: number;
  readonly OpenTelemetry: number;
}

/** The middle of the generations, and the least and the most of them. */
interface Spread {
  readonly middle: number;
  readonly least: number;
  readonly most: number;
}

interface Surroundings {
  readonly databaseUrl: string;
  readonly sinkUrl: string;
}

/** The budgets of DESIGN.md's agent: 5 % CPU on the route of 11 queries, 10 % with a profile, 15 MB, and off costs nothing measurable. */
const budgets = { observingPercent: 5, profilingPercent: 10, residentMb: 15 };

const require = createRequire(import.meta.url);
const compiledAgent = fileURLToPath(new URL('../packages/agent/dist/agent.js', import.meta.url));
const targetFile = fileURLToPath(new URL('./agent-target.ts', import.meta.url));

const { values: options } = parseArgs({
  options: {
    generations: { type: 'string', default: '3' },
    windows: { type: 'string', default: '12' },
    requests: { type: 'string', default: '6000' },
  },
});
const generations = wholeNumber('generations');
const windowsEach = wholeNumber('windows');
const requestsForMemory = wholeNumber('requests');

await compare();

async function compare(): Promise<void> {
  compileAgent();
  // What is started from here on, PostgreSQL and the generators, stays there too.
  pin(process.pid, othersCore);
  await using postgres = await startEmbeddedPostgres({ settings: { fsync: 'off' } });
  await seedAuthorsAndPosts(postgres.url);
  const sink = await openSink();
  const surroundings = { databaseUrl: postgres.url, sinkUrl: sink.url };
  const random = seededRandom(1, 'agent-overhead');
  const measured: Record<RouteName, Added[]> = { '11 queries': [], '1 query': [] };
  const memory: MemoryGains[] = [];
  try {
    for (let generation = 1; generation <= generations; generation += 1) {
      console.error(
        `generation ${generation} of ${generations}: memory after ${requestsForMemory} requests, then each variant beside none`,
      );
      await measureGeneration(surroundings, random, measured, memory);
    }
    if (sink.received() === 0) throw new Error('OpenTelemetry exported nothing: the comparison would flatter it');
  } finally {
    sink.server.close();
    sink.server.closeAllConnections();
  }
  await writeBenchResults('agent', [
    ...routes.flatMap(({ name, isBudgeted }) => cpuRows(name, measured[name], isBudgeted)),
    ...memoryRows(memory),
  ]);
}

/** Every thread that the process has; those that it starts later follow. */
function pin(pid: number, core: number): void {
  execFileSync('taskset', ['--all-tasks', '--cpu-list', '--pid', String(core), String(pid)], { stdio: ['ignore', 'ignore', 'inherit'] });
}

function compileAgent(): void {
  const root = fileURLToPath(new URL('..', import.meta.url));
  const compiler = join(root, 'node_modules/typescript/bin/tsc');
  execFileSync(process.execPath, [compiler, '-p', 'packages/agent/tsconfig.build.json'], { cwd: root, stdio: 'inherit' });
}

async function measureGeneration(
  surroundings: Surroundings,
  random: Random,
  measured: Record<RouteName, Added[]>,
  memory: MemoryGains[],
): Promise<void> {
  const agents = createAgents();
  await using listeners = new AsyncDisposableStack();
  const [generator, beside] = [fork(targetFile, ['load']), fork(targetFile, ['load'])];
  const children: ChildProcess[] = [generator, beside];
  const serverWith = async (execArgv: readonly string[], env: Readonly<Record<string, string>>) => {
    const child = fork(targetFile, ['server'], {
      execArgv: [...process.execArgv, ...grownYoungGeneration, ...execArgv],
      env: { ...process.env, DATABASE_URL: surroundings.databaseUrl, ...env },
    });
    children.push(child);
    pin(child.pid!, serversCore);
    const [url] = (await once(child, 'message')) as [string];
    pin(child.pid!, serversCore);
    return { child, url };
  };
  try {
    const bare = await serverWith([], {});
    const bareAgain = await serverWith([], {});
    // Each stays as it is: a switch puts wrappers in place or takes them away, and code that relied on either is compiled again.
    const withAgent = async () => {
      // One each: of several processes that say hello to one listener, only the first is observed.
      const listener = listeners.use(await agents.listen());
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
      'no agent again': bareAgain,
      off: off.server,
      observing: observed.server,
      'with a profile': profiled.server,
      OpenTelemetry: peer,
    };

    const residentNowMb = async ({ child }: TargetServer) => (await accountOf(child)).residentBytes / 1e6;
    const idle = (await residentNowMb(servers.observing)) - (await residentNowMb(bare));
    const residentMb = async (server: TargetServer) => {
      await order(generator, { url: `${server.url}/eleven`, requests: requestsForMemory });
      return residentNowMb(server);
    };
    const alone = await residentMb(bare);
    memory.push({
      idle,
      'no agent again': (await residentMb(servers['no agent again'])) - alone,
      observing: (await residentMb(servers.observing)) - alone,
      OpenTelemetry: (await residentMb(servers.OpenTelemetry)) - alone,
    });
    for (const { url } of [off.server, profiled.server]) await order(generator, { url: `${url}/eleven`, requests: requestsForMemory });

    let seenProfiled = 0;
    for (const { path, name } of routes) {
      for (const { url } of [bare, ...Object.values(servers)]) await order(generator, { url: url + path, durationMs: warmupMs });
      const percent = {} as Record<Variant, number>;
      const bareUs: number[] = [];
      for (const variant of random.shuffle(variants)) {
        if (variant === 'with a profile') await profiled.agent.startProfile();
        const windows = await sideBySide({ server: bare, generator }, { server: servers[variant], generator: beside }, path);
        if (variant === 'with a profile') seenProfiled += await requestsSeenBy(profiled.agent);
        percent[variant] = median(windows.map(({ oneUs, otherUs }) => 100 * (otherUs / oneUs - 1)));
        bareUs.push(...windows.map(({ oneUs }) => oneUs));
      }
      measured[name].push({ bareUs: median(bareUs), percent });
    }
    const [seenOff, seenObserved] = [await requestsSeenBy(off.agent), await requestsSeenBy(observed.agent)];
    if (seenOff > 0 || seenObserved === 0 || seenProfiled === 0)
      throw new Error(
        `the agents saw ${seenOff}, ${seenObserved} and ${seenProfiled} requests: they were not off, observing and observing`,
      );
  } finally {
    // Gone before the database is: its end would be an error to them. OpenTelemetry answers SIGTERM itself and stays.
    const gone = children.map((child) => once(child, 'exit'));
    for (const child of children) child.kill('SIGKILL');
    await Promise.all(gone);
  }
}

/** Since the last time. */
async function requestsSeenBy(agent: SwitchableAgent): Promise<number> {
  return (await agent.flush()).routes.reduce((sum, { requests }) => sum + requests, 0);
}

interface TargetServer {
  readonly child: ChildProcess;
  readonly url: string;
}

interface LoadedServer {
  readonly server: TargetServer;
  readonly generator: ChildProcess;
}

/** CPU per request of both in windows at the same moments. */
async function sideBySide(
  one: LoadedServer,
  other: LoadedServer,
  path: string,
): Promise<readonly { readonly oneUs: number; readonly otherUs: number }[]> {
  const both = [one, other] as const;
  const durationMs = settleMs + (windowsEach + 1) * windowMs;
  const loaded = both.map(({ server, generator }) =>
    order(generator, { url: server.url + path, connections: connectionsEach, durationMs }),
  );
  const accounts = () => Promise.all([accountOf(one.server.child), accountOf(other.server.child)]);
  await sleep(settleMs);
  const windows = [];
  let before = await accounts();
  for (let window = 0; window < windowsEach; window += 1) {
    await sleep(windowMs);
    const after = await accounts();
    windows.push({ oneUs: costBetween(before[0], after[0]), otherUs: costBetween(before[1], after[1]) });
    before = after;
  }
  await Promise.all(loaded);
  return windows;
}

function costBetween(before: Account, after: Account): number {
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

function cpuRows(name: RouteName, generationsAdded: readonly Added[], isBudgeted: boolean): readonly BenchRow[] {
  const added = (variant: Variant) => spreadOf(generationsAdded.map(({ percent }) => percent[variant]));
  const [noise, off, observing, profiling, peer] = variants.map(added) as [Spread, Spread, Spread, Spread, Spread];
  console.error(
    [
      `${name}: ${median(generationsAdded.map(({ bareUs }) => bareUs)).toFixed(0)} us per request without an agent; beside it`,
      `  another without an agent  ${percentText(noise)}`,
      `  agent off                 ${percentText(off)}`,
      `  observing                 ${percentText(observing)}`,
      `  with a profile            ${percentText(profiling)}`,
      `  OpenTelemetry             ${percentText(peer)}`,
    ].join('\n'),
  );
  // Two equal processes differ by up to this much, in either direction. A run with more noise than the budget can tell nothing.
  const floor = Math.min(Math.max(Math.abs(noise.least), Math.abs(noise.most)), budgets.observingPercent);
  const rows: readonly BenchRow[] = [
    {
      name: `CPU added by the agent, observing, to a request of ${name}`,
      value: observing.middle,
      unit: '%',
      target: `<= ${budgets.observingPercent}`,
      peers: { 'no agent, twice': noise.middle, OpenTelemetry: peer.middle },
    },
    {
      name: `CPU added by the agent, with a profile, to a request of ${name}`,
      value: profiling.middle,
      unit: '%',
      target: `<= ${budgets.profilingPercent}`,
      peers: {},
    },
    {
      name: `CPU added by the agent that is off, to a request of ${name}`,
      value: off.middle,
      unit: '%',
      target: `<= ${Number(floor.toFixed(1))}`,
      peers: { 'no agent, twice': noise.middle },
    },
  ];
  // Outside of the budgeted route the cost per request is told without a promise.
  return isBudgeted ? rows : rows.slice(0, 1);
}

function memoryRows(gains: readonly MemoryGains[]): readonly BenchRow[] {
  const middle = (of: keyof MemoryGains) => median(gains.map((gain) => gain[of]));
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

function spreadOf(values: readonly number[]): Spread {
  return { middle: median(values), least: Math.min(...values), most: Math.max(...values) };
}

function percentText({ middle, least, most }: Spread): string {
  const [inTheMiddle, from, to] = [middle, least, most].map((value) => `${value >= 0 ? '+' : ''}${value.toFixed(1)}`);
  return `${inTheMiddle} % (${from} to ${to} in ${generations} generations)`;
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
