/**
 * What observing costs, beside OpenTelemetry: CPU per request and resident memory of the same Fastify
 * server, once without an agent (twice: what two equal processes differ by is the noise floor), once
 * under the agent (off, observing, observing with a profile) and once under OpenTelemetry's
 * auto-instrumentation of http and pg, whose batches go to a local sink that drops them.
 *
 * All of them run at the same time, on one core that nothing else has. In each generation they are started in another order,
 * and in each round loaded in another one, in turns of seconds: a machine that becomes slower meets all alike. A turn is held
 * against the mean of what the two servers without an agent took in the same round. Each server stays in one state, because a
 * switch makes V8 compile again what relied on the other. Two equal processes differ by some per cent for as long as they live,
 * so the whole is repeated with fresh ones, and what is told is the mean of these generations with its standard error.
 *
 * The agent is compiled first and loaded as it is installed: loading TypeScript would add Node's compiler, 20 MB of it,
 * to what the agent seems to take.
 *
 *     node --conditions=@anneal/source bench/agent-overhead.ts [--generations 5] [--rounds 2] [--requests 6000]
 */

import { execFileSync, fork, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { createServer, type Server } from 'node:http';
import { createRequire } from 'node:module';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { createAgents, type SwitchableAgent } from '../packages/anneal/src/adapters/agent-listener.ts';
import { startEmbeddedPostgres } from '../packages/anneal/src/adapters/embedded-postgres.ts';
import { seededRandom, type Random } from '../packages/anneal/src/stats/random.ts';
import { mean, median, standardDeviation } from '../packages/anneal/src/stats/sample.ts';
import { seedAuthorsAndPosts } from './agent-database.ts';
import type { Account, Order } from './agent-target.ts';
import { writeBenchResults, type BenchRow } from './result-table.ts';

/**
 * Twice as long as rows of followed requests are apart at 3,600 requests a second (`following.ts`): after the pause between
 * two turns the first row comes with the lead, which does not count, and short turns would hold no other.
 */
const turnMs = 6000;
/** What was loaded before has left the processor's caches. */
const leadMs = 200;
/** Of a machine with at least two. */
const serversCore = 0;
const othersCore = 1;
/**
 * V8 doubles a young generation when enough has survived its collections: every process gets there, with 6,000 requests
 * one and with 20,000 another, and 14 MB would be put down to whoever was first. So all begin where all end.
 */
const grownYoungGeneration = ['--min-semi-space-size=16', '--max-semi-space-size=16'];
/** Per server and route, before anything counts, after the requests for memory: V8 is long in settling, and longer where methods are wrapped. */
const warmupMs = 4000;

const contestants = ['no agent', 'no agent again', 'off', 'observing', 'with a profile', 'OpenTelemetry'] as const;
type Contestant = (typeof contestants)[number];
const variants = ['off', 'observing', 'with a profile', 'OpenTelemetry'] as const;
type Variant = (typeof variants)[number];

const routes = [
  { path: '/eleven', name: '11 queries', isBudgeted: true },
  { path: '/one', name: '1 query', isBudgeted: false },
] as const;
type RouteName = (typeof routes)[number]['name'];

/** Of one generation: what a request cost without an agent, and what each variant added to it. */
interface Added {
  readonly bareUs: number;
  readonly percent: Readonly<Record<Variant, number>>;
  /** What one of two servers without an agent takes more than the other: how much of a difference means nothing. */
  readonly noisePercent: number;
}

/** What the servers gained in resident memory over one without an agent, after the same requests. */
interface MemoryGains {
  readonly idle: number;
  readonly 'no agent again': number;
  readonly observing: number;
  readonly OpenTelemetry: number;
}

/** Over the generations. */
interface Estimate {
  readonly mean: number;
  readonly standardError: number;
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
    generations: { type: 'string', default: '5' },
    rounds: { type: 'string', default: '2' },
    requests: { type: 'string', default: '6000' },
  },
});
// How much equal processes differ is not to be seen in one.
const generations = wholeNumber('generations', 2);
const rounds = wholeNumber('rounds');
const requestsForMemory = wholeNumber('requests');

await compare();

async function compare(): Promise<void> {
  compileAgent();
  // What is started from here on, PostgreSQL and the generator, stays there too.
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
        `generation ${generation} of ${generations}: memory after ${requestsForMemory} requests, then ${rounds} rounds for each route`,
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
  const generator = fork(targetFile, ['load']);
  const children: ChildProcess[] = [generator];
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
  // Each stays as it is: a switch puts wrappers in place or takes them away, and code that relied on either is compiled again.
  const withAgent = async () => {
    // One each: of several processes that say hello to one listener, only the first is observed.
    const listener = listeners.use(await agents.listen());
    const server = await serverWith(['--import', compiledAgent], { ANNEAL_SOCKET: listener.socketPath });
    return { ...server, agent: await listener.connected(10_000) };
  };
  const started: Record<Contestant, () => Promise<TargetServer>> = {
    'no agent': () => serverWith([], {}),
    'no agent again': () => serverWith([], {}),
    off: withAgent,
    observing: withAgent,
    'with a profile': withAgent,
    OpenTelemetry: () =>
      serverWith(['--require', require.resolve('@opentelemetry/auto-instrumentations-node/register')], {
        OTEL_NODE_ENABLED_INSTRUMENTATIONS: 'http,pg',
        OTEL_NODE_RESOURCE_DETECTORS: 'none',
        OTEL_TRACES_EXPORTER: 'otlp',
        OTEL_METRICS_EXPORTER: 'none',
        OTEL_LOGS_EXPORTER: 'none',
        OTEL_EXPORTER_OTLP_TRACES_ENDPOINT: surroundings.sinkUrl,
      }),
  };
  try {
    // What comes of being started or loaded first is not to be put down to one of them.
    const inOrder = random.shuffle(contestants);
    const servers = {} as Record<Contestant, TargetServer>;
    for (const contestant of inOrder) servers[contestant] = await started[contestant]();
    const agentOf = (contestant: 'off' | 'observing' | 'with a profile') => servers[contestant].agent!;
    await agentOf('off').observe(false);

    const residentMb = {} as Record<Contestant, number>;
    const residentNowMb = async (contestant: Contestant) => (await accountOf(servers[contestant].child)).residentBytes / 1e6;
    const idle = (await residentNowMb('observing')) - (await residentNowMb('no agent'));
    for (const contestant of inOrder) {
      await order(generator, { url: `${servers[contestant].url}/eleven`, requests: requestsForMemory });
      residentMb[contestant] = await residentNowMb(contestant);
    }
    const gainedMb = (contestant: Contestant) => residentMb[contestant] - residentMb['no agent'];
    memory.push({
      idle,
      'no agent again': gainedMb('no agent again'),
      observing: gainedMb('observing'),
      OpenTelemetry: gainedMb('OpenTelemetry'),
    });

    // It drops all optimised code once: what is compiled again after that is warm before anything counts.
    await agentOf('with a profile').startProfile();
    for (const { path, name } of routes) {
      for (const contestant of inOrder) await order(generator, { url: servers[contestant].url + path, durationMs: warmupMs });
      const costsUs = await inTurns(
        inOrder.map((contestant) => servers[contestant]),
        generator,
        path,
        random,
      );
      measured[name].push(addedIn(costsUs.map((round) => (contestant) => round[inOrder.indexOf(contestant)]!)));
    }
    const seenOff = await requestsSeenBy(agentOf('off'));
    const seenObserved = await requestsSeenBy(agentOf('observing'));
    const seenProfiled = await requestsSeenBy(agentOf('with a profile'));
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

function addedIn(rounds: readonly ((contestant: Contestant) => number)[]): Added {
  const bareUs = (costUs: (contestant: Contestant) => number) => (costUs('no agent') + costUs('no agent again')) / 2;
  const added = (variant: Variant) => median(rounds.map((costUs) => 100 * (costUs(variant) / bareUs(costUs) - 1)));
  return {
    bareUs: median(rounds.map(bareUs)),
    percent: Object.fromEntries(variants.map((variant) => [variant, added(variant)])) as Record<Variant, number>,
    noisePercent: median(rounds.map((costUs) => 100 * (costUs('no agent again') / costUs('no agent') - 1))),
  };
}

/** Since the last time. */
async function requestsSeenBy(agent: SwitchableAgent): Promise<number> {
  return (await agent.flush()).routes.reduce((sum, { requests }) => sum + requests, 0);
}

interface TargetServer {
  readonly child: ChildProcess;
  readonly url: string;
  readonly agent?: SwitchableAgent;
}

/** CPU microseconds per request of each server, in rounds. */
async function inTurns(
  servers: readonly TargetServer[],
  generator: ChildProcess,
  path: string,
  random: Random,
): Promise<readonly (readonly number[])[]> {
  const costsUs: number[][] = [];
  for (let round = 0; round < rounds; round += 1) {
    const costUs = servers.map(() => 0);
    for (const index of random.shuffle(servers.map((_, place) => place))) {
      const { child, url } = servers[index]!;
      await order(generator, { url: url + path, durationMs: leadMs });
      const before = await accountOf(child);
      await order(generator, { url: url + path, durationMs: turnMs });
      costUs[index] = costBetween(before, await accountOf(child));
    }
    costsUs.push(costUs);
  }
  return costsUs;
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
  const added = (variant: Variant) => estimateOf(generationsAdded.map(({ percent }) => percent[variant]));
  const [off, observing, profiling, peer] = variants.map(added) as [Estimate, Estimate, Estimate, Estimate];
  const noise = estimateOf(generationsAdded.map(({ noisePercent }) => noisePercent));
  // What is less than two standard errors of equal servers' difference, or of its own, cannot be told from nothing.
  const measurable = 2 * Math.max(noise.standardError, off.standardError);
  console.error(
    [
      `${name}: ${median(generationsAdded.map(({ bareUs }) => bareUs)).toFixed(0)} us per request without an agent; beside it`,
      `  one of two like it        ${percentText(noise)}`,
      `  agent off                 ${percentText(off)}`,
      `  observing                 ${percentText(observing)}`,
      `  with a profile            ${percentText(profiling)}`,
      `  OpenTelemetry             ${percentText(peer)}`,
    ].join('\n'),
  );
  const errors = (of: Estimate) => ({ 'standard error': of.standardError });
  const rows: readonly BenchRow[] = [
    {
      name: `CPU added by the agent, observing, to a request of ${name}`,
      value: observing.mean,
      unit: '%',
      target: `<= ${budgets.observingPercent}`,
      peers: { ...errors(observing), 'no agent, one of two': noise.mean, OpenTelemetry: peer.mean },
    },
    {
      name: `CPU added by the agent, with a profile, to a request of ${name}`,
      value: profiling.mean,
      unit: '%',
      target: `<= ${budgets.profilingPercent}`,
      peers: errors(profiling),
    },
    {
      name: `CPU added by the agent that is off, to a request of ${name}`,
      value: off.mean,
      unit: '%',
      target: `<= ${Number(measurable.toFixed(1))}`,
      peers: { ...errors(off), 'no agent, one of two': noise.mean },
    },
  ];
  // Outside of the budgeted route the cost per request is told without a promise.
  return isBudgeted ? rows : rows.slice(0, 1).map((row) => ({ ...row, target: null }));
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

function estimateOf(values: readonly number[]): Estimate {
  return { mean: mean(values), standardError: standardDeviation(values) / Math.sqrt(values.length) };
}

function percentText({ mean: middle, standardError }: Estimate): string {
  return `${middle >= 0 ? '+' : ''}${middle.toFixed(1)} % (standard error ${standardError.toFixed(1)}, ${generations} generations)`;
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

function wholeNumber(name: keyof typeof options, least = 1): number {
  const value = Number(options[name]);
  if (!Number.isInteger(value) || value < least) throw new RangeError(`--${name} is a whole number of at least ${least}`);
  return value;
}
