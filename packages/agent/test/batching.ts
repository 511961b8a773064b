import pg from 'pg';
import { nodePostgres } from '../src/hooks/pg.ts';
import { Observer } from '../src/observer.ts';
import { templateHash, textHash } from '../src/statements/batched-text.ts';
import { batchStatements, type BatchStatementsPolicy } from '../src/policies/batch-statements.ts';
import type { RunningPolicy } from '../src/policies/policy.ts';
import type { Draw } from '../src/policies/share.ts';

/** node-postgres under the agent's own hooks, in this process: what a request of an application would go through. */
export function hookedPg() {
  const observer = new Observer();
  // `pg.Pool` is a class of its own around that of pg-pool.
  for (const { path, meet } of nodePostgres.files(observer)) meet(path.startsWith('pg-pool') ? Object.getPrototypeOf(pg.Pool) : pg.Client);
  observer.switch(true);
  observer.openEvery();
  return {
    observer,
    /** As a request that is answered when `work` is done. */
    request: async <Result>(work: () => Promise<Result>): Promise<Result> => {
      const request = observer.open('GET')!;
      request.route = '/test';
      try {
        return await observer.within(request, work);
      } finally {
        observer.close(request, { route: '/test', failed: false, responseBytes: 0 });
      }
    },
  };
}

/** The policy as Anneal would make it: places and types from the server, the rest from the test. */
export async function policyFor(
  client: pg.Client,
  text: string,
  options: { readonly parent?: string; readonly readOnly?: readonly string[]; readonly oldestMs?: number } = {},
): Promise<BatchStatementsPolicy> {
  await client.query(`PREPARE described AS ${text}`);
  const { rows } = await client.query<{ types: string[] }>(
    `SELECT ARRAY(SELECT quote_ident(nspname) || '.' || quote_ident(typname)
                    FROM unnest(parameter_types) WITH ORDINALITY AS given(type, number)
                    JOIN pg_type ON pg_type.oid = given.type JOIN pg_namespace ON pg_namespace.oid = typnamespace
                   ORDER BY number) AS types
       FROM pg_prepared_statements WHERE name = 'described'`,
  );
  await client.query('DEALLOCATE described');
  return {
    kind: 'batch-statements',
    textHash: textHash(text),
    // None of the tests' texts has one in a literal or comment that is not marked as such.
    parametersAt: [...text.matchAll(/(?<![\w'])\$(\d+)/gu)].map((match) => ({ at: match.index, number: Number(match[1]) })),
    parameterTypes: rows[0]!.types,
    hasOffset: /\boffset\b/iu.test(text),
    isOrdered: true,
    // Beyond what a busy machine can delay a loop by.
    oldestMs: options.oldestMs ?? 60_000,
    parent: options.parent === undefined ? null : templateHash(options.parent),
    readOnly: [text, ...(options.parent === undefined ? [] : [options.parent]), ...(options.readOnly ?? [])].map(templateHash),
  };
}

export interface PolicyUnderTest extends Disposable {
  readonly running: RunningPolicy;
  on: boolean;
  /** Why it ended by itself. */
  readonly ended: readonly string[];
  take(): Readonly<Record<string, number>>;
}

export function putInForce(observer: Observer, policy: BatchStatementsPolicy, draw: Draw | null = null): PolicyUnderTest {
  const ended: string[] = [];
  const state = { on: true };
  const control = {
    get on() {
      return state.on;
    },
    draw,
    end(reason: string) {
      ended.push(reason);
      state.on = false;
      running.stop();
    },
  };
  const started = batchStatements.start(policy, { observer, drivers: observer.drivers }, [], control);
  if (typeof started === 'string') throw new Error(started);
  const running = started;
  return {
    running,
    ended,
    get on() {
      return state.on;
    },
    set on(on: boolean) {
      state.on = on;
      running.switch(on);
    },
    take: () => running.take!(),
    [Symbol.dispose]: () => running.stop(),
  };
}

export const schemaSql = `
  CREATE TYPE mood AS ENUM ('calm', 'cross', 'odd, "very"');
  CREATE TABLE authors (id int PRIMARY KEY, name text, note text, mood mood NOT NULL, score numeric(8, 3), since timestamptz NOT NULL,
                        born date, tags text[] NOT NULL, extra jsonb, photo bytea, token uuid NOT NULL, active bool NOT NULL, big bigint NOT NULL);
  CREATE TABLE posts (id int PRIMARY KEY, author_id int NOT NULL, title varchar(80) NOT NULL, code char(6) NOT NULL, words int NOT NULL);
  CREATE INDEX ON posts (author_id);
  CREATE TABLE counters (id int PRIMARY KEY, value int NOT NULL);
  INSERT INTO counters SELECT n, 0 FROM generate_series(1, 20) n;
  INSERT INTO authors
  SELECT n, CASE WHEN n % 7 = 0 THEN NULL ELSE 'O''Brien "' || n || '" \\ {x,y}' END, CASE WHEN n % 3 = 0 THEN NULL ELSE 'note, ' || n % 5 END,
         (enum_range(NULL::mood))[1 + n % 3], CASE WHEN n % 4 = 0 THEN NULL ELSE n / 8.0 END,
         timestamptz '2026-01-01 12:00:00.123456+02' + n * interval '7 hours', CASE WHEN n % 6 = 0 THEN NULL ELSE date '1970-01-01' + n * 91 END,
         ARRAY['a' || n, 'b,"' || n, NULL], CASE WHEN n % 5 = 0 THEN NULL ELSE jsonb_build_object('n', n, 'deep', jsonb_build_array(1, NULL, 'x')) END,
         decode(lpad(to_hex(n), 8, '0'), 'hex'), md5(n::text)::uuid, n % 2 = 0, 9007199254740993 + n
    FROM generate_series(1, 60) n;
  INSERT INTO posts SELECT n, 1 + (n * 7) % 50, 'post ' || n || CASE WHEN n % 9 = 0 THEN ' it''s' ELSE '' END, 'c' || n % 40, n % 11
    FROM generate_series(1, 400) n;
  ANALYZE;
`;

/** xorshift32, so that a failure can be seen again. */
export function random(seed: number): (below: number) => number {
  let state = seed | 0 || 1;
  return (below) => {
    state ^= state << 13;
    state ^= state >>> 17;
    state ^= state << 5;
    return (state >>> 0) % below;
  };
}

export interface Failure {
  readonly failure: { readonly code: unknown; readonly message: string };
}

export function outcome(call: Promise<unknown>): Promise<unknown> {
  return call.catch((error: Error & { readonly code?: unknown }): Failure => ({ failure: { code: error.code, message: error.message } }));
}

export const list = 'SELECT id, author_id AS "authorId" FROM posts WHERE id > $1 ORDER BY id LIMIT $2';
export const author = 'SELECT id, name, since FROM authors WHERE id = $1';

/** Rows of a list, then a statement for each. */
export async function loop(pool: Pick<pg.Pool, 'query'>, from: number, length: number, pick = (rows: Post[]) => rows): Promise<unknown[]> {
  const posts = await pool.query<Post>(list, [from, length]);
  const found: unknown[] = [];
  for (const post of pick(posts.rows)) found.push(await pool.query(author, [post.authorId]));
  return found;
}

export interface Post {
  readonly id: number;
  readonly authorId: number;
}

export function poolOn(connectionString: string, options: pg.PoolConfig = {}): pg.Pool & AsyncDisposable {
  const pool = new pg.Pool({ connectionString, max: 4, ...options });
  // The database is dropped with its connections.
  pool.on('error', () => undefined);
  return Object.assign(pool, { [Symbol.asyncDispose]: () => (pool.ended || pool.ending ? Promise.resolve() : pool.end()) });
}
