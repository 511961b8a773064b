/**
 * The processes of `agent-overhead.ts` and `agent-soak.ts`: a Fastify server on PostgreSQL that accounts for itself, and a
 * generator that keeps eight connections busy. Both are told what to do over their parent's channel.
 */

import { createRequire } from 'node:module';
import type { AddressInfo } from 'node:net';
import type pg from 'pg';
import { Pool as HttpPool } from 'undici';

const connections = 8;

/** What a server has used since it started, garbage collection and the threads of whatever observes it included. */
export interface Account {
  readonly cpuUs: number;
  readonly requests: number;
  readonly residentBytes: number;
  /** After full collections, where the server was started with `--expose-gc`. */
  readonly heapUsedBytes: number;
}

/** Load for that long, or for that many requests; answered when the last response is in. */
export interface Order {
  readonly url: string;
  /** At once; 8 if not said. */
  readonly connections?: number;
  readonly durationMs?: number;
  readonly requests?: number;
}

interface FastifyLike {
  get(path: string, handler: () => Promise<unknown>): void;
  listen(options: { readonly port: number; readonly host: string }): Promise<string>;
  readonly server: { address(): AddressInfo | string | null };
}

const [role] = process.argv.slice(2);
// Nobody is left to end it otherwise when its parent is killed.
process.on('disconnect', () => process.exit());
if (role === 'server') await serve();
else if (role === 'load') load();

async function serve(): Promise<void> {
  // Required, because that is the way in which every observer can hook it.
  const require = createRequire(import.meta.url);
  const { default: fastify } = require('fastify') as { readonly default: () => FastifyLike };
  const { Pool } = require('pg') as typeof pg;
  const pool = new Pool({ connectionString: process.env['DATABASE_URL'], max: 10 });
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
  const { gc } = globalThis;
  const account = (): Account => {
    // The second one takes what finalisers of the first let go.
    gc?.();
    gc?.();
    const { user, system } = process.cpuUsage();
    const { rss, heapUsed } = process.memoryUsage();
    return { cpuUs: user + system, requests, residentBytes: rss, heapUsedBytes: heapUsed };
  };
  process.on('message', () => process.send!(account()));
  process.send!(await app.listen({ port: 0, host: '127.0.0.1' }));
}

function load(): void {
  const pools = new Map<string, HttpPool>();
  const poolOf = (origin: string) => {
    const pool = pools.get(origin) ?? new HttpPool(origin, { connections });
    pools.set(origin, pool);
    return pool;
  };
  process.on('message', (order: Order) => {
    const { url, connections: atOnce = connections, durationMs = Infinity, requests = Infinity } = order;
    const { origin, pathname } = new URL(url);
    const pool = poolOf(origin);
    const until = performance.now() + durationMs;
    let begun = 0;
    const one = async () => {
      while (begun < requests && performance.now() < until) {
        begun += 1;
        const { body } = await pool.request({ path: pathname, method: 'GET' });
        await body.dump();
      }
    };
    void Promise.all(Array.from({ length: atOnce }, one)).then(() => process.send!('done'));
  });
}
