import pg from 'pg';
import { nodePostgres } from '../src/hooks/pg.ts';
import { Observer } from '../src/observer.ts';
import { templateHash, textHash } from '../src/batched-text.ts';
import { batchStatements, type BatchStatementsPolicy } from '../src/policies/batch-statements.ts';
import type { RunningPolicy } from '../src/policies/policy.ts';

/** node-postgres under the agent's own hooks, in this process: what a request of an application would go through. */
export function hookedPg() {
  const observer = new Observer();
  // `pg.Pool` is a class of its own around that of pg-pool.
  for (const { path, meet } of nodePostgres.files(observer)) meet(path.startsWith('pg-pool') ? Object.getPrototypeOf(pg.Pool) : pg.Client);
  observer.switch(true);
  return {
    observer,
    /** As a request that is answered when `work` is done. */
    request: async <Result>(work: () => Promise<Result>): Promise<Result> => {
      const request = observer.open('GET');
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

export function putInForce(observer: Observer, policy: BatchStatementsPolicy): PolicyUnderTest {
  const ended: string[] = [];
  const state = { on: true };
  const control = {
    get on() {
      return state.on;
    },
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
