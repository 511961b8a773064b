/**
 * What batching is worth: CPU per request of one Fastify process in which the policy is switched on and off every 300 ms
 * under steady load (the agent's own toggling). Each route also toggles nothing: what those blocks differ by is the noise floor.
 * The hand-written JOIN is what a person would write in place of the loop.
 *
 *     node --conditions=@anneal/source bench/batching.ts [--pairs 16] [--routes loop50,all50]
 */

import { fork, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { createRequire } from 'node:module';
import type { AddressInfo } from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { templateHash, textHash, type Policy, type ToggledBlock } from '@anneal/agent/protocol';
import type pg from 'pg';
import { Pool as HttpPool } from 'undici';
import { createAgents } from '../packages/anneal/src/adapters/agent-listener.ts';
import { startEmbeddedPostgres } from '../packages/anneal/src/adapters/embedded-postgres.ts';
import { createDatabases } from '../packages/anneal/src/adapters/pg.ts';
import { createSqlParser } from '../packages/anneal/src/adapters/sql-parser.ts';
import { describeParameters } from '../packages/anneal/src/domains/api/batching/prove-batch.ts';
import type { AgentControl } from '../packages/anneal/src/ports/agent.ts';
import type { Sql } from '../packages/anneal/src/ports/sql.ts';
import { median } from '../packages/anneal/src/stats/sample.ts';
import { writeBenchResults, type BenchRow } from './result-table.ts';

/** Long beside a request of 51 statements: what an edge interrupts is charged to the wrong state. */
const blockMs = 300;
const connections = 4;
const warmupMs = 1_500;

const list = 'SELECT id, author_id, title FROM posts WHERE id > $1 ORDER BY id LIMIT $2';
const author = 'SELECT id, name FROM authors WHERE id = $1';
const joined =
  'SELECT p.id, p.author_id, p.title, a.id AS aid, a.name FROM posts p JOIN authors a ON a.id = p.author_id WHERE p.id > $1 ORDER BY p.id LIMIT $2';

const routes = [
  { path: 'loop50', name: 'await in a loop, N=50', target: '>= 5' },
  { path: 'loop10', name: 'await in a loop, N=10', target: null },
  { path: 'all50', name: 'Promise.all, N=50', target: null },
  { path: 'all10', name: 'Promise.all, N=10', target: null },
  // A lone look-up must not lose: within what the noise floor of such a route is.
  { path: 'single', name: 'single look-up', target: '>= 0.95' },
  { path: 'join50', name: 'hand-written JOIN, N=50', target: '>= 0.95' },
  { path: 'join10', name: 'hand-written JOIN, N=10', target: null },
] as const;

const [role] = process.argv.slice(2);
if (role === 'server') await serve();
else if (role === 'load') await load(process.argv[3]!);
else await compare();

async function compare(): Promise<void> {
  const { values } = parseArgs({
    options: { pairs: { type: 'string', default: '16' }, routes: { type: 'string', default: routes.map(({ path }) => path).join() } },
  });
  const pairs = Number(values.pairs);
  if (!Number.isInteger(pairs) || pairs < 3) throw new RangeError('--pairs is a whole number of at least 3');
  const wanted = new Set(values.routes.split(','));
  await using postgres = await startEmbeddedPostgres({ settings: { fsync: 'off' } });
  const sql = await createDatabases().connect(postgres.url, { applicationName: 'anneal bench', readOnly: false });
  const policy = await prepare(sql);
  await sql.close();
  const agents = createAgents();
  await using listener = await agents.listen();
  const server = fork(fileURLToPath(import.meta.url), ['server'], {
    execArgv: [...process.execArgv, '--import', agents.importSpecifier],
    env: { ...process.env, ANNEAL_SOCKET: listener.socketPath, DATABASE_URL: postgres.url },
  });
  try {
    const [url] = (await once(server, 'message')) as [string];
    const agent = await listener.connected(10_000);
    await agent.apply('bench', policy);
    const rows: BenchRow[] = [];
    for (const { path, name, target } of routes) {
      if (!wanted.has(path)) continue;
      const generator = fork(fileURLToPath(import.meta.url), ['load', `${url}/${path}`]);
      try {
        rows.push(...(await measureRoute(agent, generator, name, target, pairs)));
      } finally {
        generator.kill();
        await once(generator, 'exit');
      }
    }
    await writeBenchResults('batching', rows);
  } finally {
    server.kill();
    await once(server, 'exit');
  }
}

async function measureRoute(
  agent: AgentControl,
  generator: ChildProcess,
  name: string,
  target: BenchRow['target'],
  pairs: number,
): Promise<readonly BenchRow[]> {
  if (generator.exitCode !== null) throw new Error('the generator ended');
  await sleep(warmupMs);
  await agent.flush();
  const blocks = await agent.toggle({ policyId: 'bench', blockMs, blocks: 2 * pairs, seed: 7 });
  const summary = await agent.flush();
  const nothing = await agent.toggle({ policyId: null, blockMs, blocks: 2 * Math.ceil(pairs / 2), seed: 8 });
  const ratio = pairRatios(blocks, cpuUs);
  const noise = pairRatios(nothing, cpuUs);
  const [on, off] = [true, false].map((state) => median(blocks.filter((block) => block.on === state).map(cpuUs)));
  console.error(
    `${name}: CPU per request ${off!.toFixed(0)} -> ${on!.toFixed(0)} us, x${median(ratio).toFixed(2)} (quartiles ${quartiles(ratio)}; nothing toggled ${median(noise).toFixed(2)}, ${quartiles(noise)}); ` +
      `requests/s x${(1 / median(pairRatios(blocks, perSecond))).toFixed(1)}; ${JSON.stringify(summary.policies[0]?.figures)}`,
  );
  return [
    {
      name: `CPU saved, ${name}`,
      value: median(ratio),
      unit: 'times',
      target,
      peers: { 'nothing toggled': median(noise), 'us off': off!, 'us on': on! },
    },
  ];
}

function cpuUs({ cpuMs, ended }: ToggledBlock): number {
  return (1000 * cpuMs) / Math.max(ended, 1);
}

function perSecond({ ended, durationMs }: ToggledBlock): number {
  return (1000 * Math.max(ended, 1)) / durationMs;
}

/** Off over on, one for each pair of neighbouring blocks. */
function pairRatios(blocks: readonly ToggledBlock[], figure: (block: ToggledBlock) => number): readonly number[] {
  return Array.from({ length: blocks.length / 2 }, (_, index) => {
    const pair = blocks.slice(2 * index, 2 * index + 2);
    return figure(pair.find(({ on }) => !on)!) / figure(pair.find(({ on }) => on)!);
  });
}

function quartiles(values: readonly number[]): string {
  const sorted = values.toSorted((one, other) => one - other);
  return [0.25, 0.75].map((share) => sorted[Math.round(share * (sorted.length - 1))]!.toFixed(2)).join(' to ');
}

async function prepare(sql: Sql): Promise<Policy> {
  for (const statement of [
    'CREATE TABLE authors (id int PRIMARY KEY, name text NOT NULL)',
    'CREATE TABLE posts (id int PRIMARY KEY, author_id int NOT NULL, title text NOT NULL)',
    `INSERT INTO authors SELECT n, 'author ' || n FROM generate_series(1, 1000) n`,
    `INSERT INTO posts SELECT n, 1 + (n * 7) % 1000, 'post ' || n FROM generate_series(1, 20000) n`,
    'ANALYZE',
  ]) {
    await sql.query(statement);
  }
  const parser = await createSqlParser();
  const parameterTypes = await describeParameters(sql, author);
  if ('refused' in parameterTypes) throw new Error(parameterTypes.refused);
  return {
    kind: 'batch-statements',
    textHash: textHash(author),
    parametersAt: parser.parametersAt(author)!,
    parameterTypes,
    hasOffset: false,
    isOrdered: false,
    parent: templateHash(list),
    oldestMs: 100,
    readOnly: [list, author, joined].map(templateHash),
  };
}

interface FastifyLike {
  get(path: string, handler: () => Promise<unknown>): void;
  listen(options: { readonly port: number; readonly host: string }): Promise<string>;
  readonly server: { address(): AddressInfo | string | null };
}

interface Post {
  readonly id: number;
  readonly author_id: number;
  readonly title: string;
}

async function serve(): Promise<void> {
  const require = createRequire(import.meta.url);
  const { default: fastify } = require('fastify') as { readonly default: () => FastifyLike };
  const { Pool } = require('pg') as typeof pg;
  const pool = new Pool({ connectionString: process.env['DATABASE_URL'], max: 10 });
  const app = fastify();
  let next = 0;
  const posts = async (length: number) => {
    next = (next + length) % 19_000;
    return (await pool.query<Post>(list, [next, length])).rows;
  };
  const authorOf = async (post: Post) => ({ ...post, author: (await pool.query(author, [post.author_id])).rows[0] as unknown });
  for (const length of [10, 50]) {
    app.get(`/loop${length}`, async () => {
      const answer: unknown[] = [];
      for (const post of await posts(length)) answer.push(await authorOf(post));
      return answer;
    });
    app.get(`/all${length}`, async () => Promise.all((await posts(length)).map(authorOf)));
    app.get(`/join${length}`, async () => {
      next = (next + length) % 19_000;
      const { rows } = await pool.query<Post & { readonly aid: number; readonly name: string }>(joined, [next, length]);
      return rows.map(({ aid, name, ...post }) => ({ ...post, author: { id: aid, name } }));
    });
  }
  app.get('/single', async () => {
    next = (next + 1) % 1000;
    return (await pool.query(author, [next + 1])).rows[0] as unknown;
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
  await Promise.all(Array.from({ length: connections }, one)).catch(() => process.exit(0));
}
