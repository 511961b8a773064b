/**
 * What observing costs: CPU per request of one Fastify process whose agent is switched on and off
 * every 150 ms under steady load. Inside one process and within seconds everything else is equal, so
 * that a difference of a few per cent shows, which two processes side by side would hide. Each round
 * has two blocks with the agent off; what those two differ by is the noise floor.
 *
 *     node --conditions=@anneal/source bench/agent-overhead.ts [--blocks 45]
 */

import { fork, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import type { AddressInfo } from 'node:net';
import { createRequire } from 'node:module';
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import pg from 'pg';
import { Pool as HttpPool } from 'undici';
import { createAgents, type SwitchableAgent } from '../packages/anneal/src/adapters/agent-listener.ts';
import { startEmbeddedPostgres } from '../packages/anneal/src/adapters/embedded-postgres.ts';
import { seededRandom } from '../packages/anneal/src/stats/random.ts';
import { writeBenchResults } from './result-table.ts';

const blockMs = 150;
const connections = 8;
const warmupMs = 2500;
const modes = ['off', 'off again', 'on'] as const;

type Mode = (typeof modes)[number];
type Round = Readonly<Record<Mode, number>>;

/** What the server says about one block. */
interface Block {
  readonly cpuUs: number;
  readonly requests: number;
}

const routes = [
  { path: '/eleven', name: '11 queries' },
  { path: '/one', name: '1 query' },
] as const;

const [role] = process.argv.slice(2);
if (role === 'server') await serve();
else if (role === 'load') await load(process.argv[3]!);
else await compare();

async function compare(): Promise<void> {
  const { values } = parseArgs({ options: { blocks: { type: 'string', default: '45' } } });
  const rounds = Number(values.blocks);
  if (!Number.isInteger(rounds) || rounds < 1) throw new RangeError('--blocks is a whole number of blocks per mode');
  await using postgres = await startEmbeddedPostgres({ settings: { fsync: 'off' } });
  await seed(postgres.url);
  const agents = createAgents();
  await using listener = await agents.listen();
  const server = fork(fileURLToPath(import.meta.url), ['server'], {
    execArgv: [...process.execArgv, '--import', agents.importSpecifier],
    env: { ...process.env, ANNEAL_SOCKET: listener.socketPath, DATABASE_URL: postgres.url },
  });
  try {
    const [url] = (await once(server, 'message')) as [string];
    const agent = await listener.connected(10_000);
    const random = seededRandom(1, 'agent-overhead');
    const overheads: Record<string, { readonly change: Interval; readonly noise: Interval; readonly offUs: number }> = {};
    for (const { path, name } of routes) {
      console.error(`${name}: ${rounds} rounds of ${modes.length} blocks of ${blockMs} ms`);
      const generator = fork(fileURLToPath(import.meta.url), ['load', url + path]);
      try {
        await agent.observe(true);
        await sleep(warmupMs);
        const measured: Round[] = [];
        for (let round = 0; round < rounds; round += 1) measured.push(await measureRound(agent, server, random.shuffle(modes)));
        overheads[name] = {
          change: medianInterval(measured.map((one) => one.on / ((one.off + one['off again']) / 2) - 1)),
          noise: medianInterval(measured.map((one) => one['off again'] / one.off - 1)),
          offUs: medianInterval(measured.map((one) => one.off)).point,
        };
        await agent.flush();
      } finally {
        generator.kill();
      }
    }
    for (const [name, { change, noise, offUs }] of Object.entries(overheads)) {
      console.error(
        `${name}: ${offUs.toFixed(0)} us per request unobserved; observed ${percent(change)}; unobserved against unobserved ${percent(noise)}`,
      );
    }
    await writeBenchResults(
      'agent',
      routes.map(({ name }) => ({
        name: `CPU added by observing a request of ${name}`,
        value: 100 * overheads[name]!.change.point,
        unit: '%',
        target: '<= 5' as const,
        peers: { 'same server, observed by nobody twice': 100 * overheads[name]!.noise.point },
      })),
    );
  } finally {
    server.kill();
  }
}

async function measureRound(agent: SwitchableAgent, server: ChildProcess, order: readonly Mode[]): Promise<Round> {
  const cost = { off: Number.NaN, 'off again': Number.NaN, on: Number.NaN };
  for (const mode of order) {
    await agent.observe(mode === 'on');
    server.send('block');
    const [{ cpuUs, requests }] = (await once(server, 'message')) as [Block];
    cost[mode] = cpuUs / requests;
  }
  return cost;
}

interface Interval {
  readonly point: number;
  readonly lower: number;
  readonly upper: number;
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
  const figures = [point, lower, upper].map((share) => `${share >= 0 ? '+' : ''}${(100 * share).toFixed(1)}`);
  return `${figures[0]} % (95 % interval ${figures[1]} to ${figures[2]})`;
}

async function seed(url: string): Promise<void> {
  const client = new pg.Client({ connectionString: url });
  await client.connect();
  await client.query(`
    CREATE TABLE authors (id int PRIMARY KEY, name text NOT NULL);
    CREATE TABLE posts (id int PRIMARY KEY, author_id int NOT NULL, title text NOT NULL);
    INSERT INTO authors SELECT n, 'author ' || n FROM generate_series(1, 1000) n;
    INSERT INTO posts SELECT n, 1 + (n * 7) % 1000, 'post ' || n FROM generate_series(1, 20000) n;
    ANALYZE`);
  await client.end();
}

interface FastifyLike {
  get(path: string, handler: () => Promise<unknown>): void;
  listen(options: { readonly port: number; readonly host: string }): Promise<string>;
  readonly server: { address(): AddressInfo | string | null };
}

async function serve(): Promise<void> {
  const { default: fastify } = (await import(createRequire(import.meta.url).resolve('fastify'))) as { default: () => FastifyLike };
  const pool = new pg.Pool({ connectionString: process.env['DATABASE_URL'], max: 10 });
  const app = fastify();
  let requests = 0;
  let next = 0;
  app.get('/one', async () => {
    next = (next + 1) % 1000;
    const author = await pool.query('SELECT id, name FROM authors WHERE id = $1', [next + 1]);
    requests += 1;
    return author.rows[0];
  });
  app.get('/eleven', async () => {
    next = (next + 10) % 19_000;
    const posts = await pool.query<{ id: number; author_id: number; title: string }>(
      'SELECT id, author_id, title FROM posts WHERE id > $1 ORDER BY id LIMIT 10',
      [next],
    );
    const answer: unknown[] = [];
    for (const post of posts.rows) {
      const author = await pool.query('SELECT id, name FROM authors WHERE id = $1', [post.author_id]);
      answer.push({ ...post, author: author.rows[0] });
    }
    requests += 1;
    return answer;
  });
  process.on('message', () => {
    const before = { cpu: process.cpuUsage(), requests };
    setTimeout(() => {
      const cpu = process.cpuUsage(before.cpu);
      process.send!({ cpuUs: cpu.user + cpu.system, requests: requests - before.requests } satisfies Block);
    }, blockMs);
  });
  process.send!(await app.listen({ port: 0, host: '127.0.0.1' }));
}

async function load(url: string): Promise<void> {
  const { origin, pathname } = new URL(url);
  const pool = new HttpPool(origin, { connections });
  const one = async () => {
    for (;;) {
      const { body } = await pool.request({ path: pathname, method: 'GET' });
      await body.dump();
    }
  };
  // The server ends first at the end: then there is nothing left to ask for.
  await Promise.all(Array.from({ length: connections }, one)).catch(() => process.exit(0));
}
