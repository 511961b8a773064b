import type { Policy } from '@anneal/agent/protocol';
import { AnnealError } from '../../errors.ts';
import type { RuleId } from '../../finding/finding.ts';
import type { Measurement } from '../../measurement/measurement.ts';
import type { Sql } from '../../ports/sql.ts';
import type { PlanningContext, Remedy } from '../../remedy/remedy.ts';
import { cacheKnowledge } from './knowledge/cache-knowledge.ts';
import { readTables } from './knowledge/read-catalogue.ts';
import type { CacheKnowledge } from './knowledge/statement-knowledge.ts';
import { outsideWriters } from './outside-writers.ts';

/** What every plan to keep something says of the backend. A type, not an interface, so that it is Json; templates hold no constant of the application. */
export type KeepingPlan = {
  readonly statements: readonly StatementPlan[];
  /** Where processes tell one another of their writes; null: one process alone. */
  readonly shared: { readonly host: string; readonly port: number } | null;
  /** Where the target was seen to talk to a Redis itself; null where it was not. */
  readonly ownRedis: string | null;
};

type StatementPlan = {
  readonly template: string;
  readonly reads: readonly UsePlan[] | null;
  readonly writes: readonly UsePlan[];
};
type UsePlan = {
  readonly table: string;
  readonly key: { readonly column: string; readonly parameter: number; readonly type: 'integer' | 'text' | 'uuid' } | null;
};

/** One in fifty: a wrong answer that comes always is found after fifty hits on average, and the gain loses 2 %. */
export const shadowShare = 0.02;

/** `sql` is the context's own, of which the caller knows that there is one. */
export async function planKeeping(context: PlanningContext, sql: Sql): Promise<KeepingPlan> {
  return {
    statements: await cacheKnowledge(sql, context.sqlParser, context.samples),
    shared: context.sharedCache ?? null,
    ownRedis: redisOf(context.measurement),
  };
}

function redisOf({ observations }: Measurement): string | null {
  const redis = (observations['agent.routes'] ?? []).flatMap(({ outgoing }) => outgoing.filter(({ kind }) => kind === 'redis'));
  return redis[0]?.peer ?? null;
}

/** How a remedy that keeps what was read is carried out: a policy of the agent, and the database's log told to it. */
export function keptByAgent<Plan extends KeepingPlan>(
  remedy: RuleId,
  policyId: (plan: Plan) => string,
  policyOf: (plan: Plan, knowledge: CacheKnowledge) => Policy,
  maximumBytes: number,
): Pick<Remedy<Plan>, 'toggles' | 'restsOnSchema' | 'aloneInProcess' | 'inspect' | 'apply' | 'revert' | 'cost'> {
  return {
    restsOnSchema: true,
    aloneInProcess: true,
    toggles: policyId,

    async inspect(plan, { agent }) {
      return agent !== null && (await agent.policies()).includes(policyId(plan)) ? 'present' : 'absent';
    },

    async apply(plan, { agent, sql, changes, share, expiresAfterMs }) {
      if (agent === null || sql === null || changes === undefined) {
        const problem = agent === null ? 'the target runs without the agent' : "the database's changes cannot be followed from here";
        throw new AnnealError('ANNEAL_APPLY_FAILED', { remedy, problem });
      }
      const name = policyId(plan);
      if ((await agent.policies()).includes(name)) return;
      const tables = await readTables(sql);
      const connection = connectionOf(sql);
      // One for all policies of this process, which share what they know; and new for every process, so that nothing a killed one left there counts.
      const scope = `${connection.database}-${agent.hello.pid}`;
      const knowledge: CacheKnowledge = {
        connection,
        statements: plan.statements,
        outsideWriters: 'streamed',
        // A trial has one process of the target on each arm.
        ...(plan.shared === null ? {} : { shared: { ...plan.shared, scope, processes: 1 } }),
      };
      await agent.apply(name, policyOf(plan, knowledge), { share, expiresAfterMs });
      try {
        await changes(name, outsideWriters(agent, name, tables));
      } catch (cause) {
        await agent.revoke(name);
        throw new AnnealError(
          'ANNEAL_APPLY_FAILED',
          { remedy, problem: cause instanceof Error ? cause.message : String(cause) },
          { cause },
        );
      }
    },

    async revert(plan, { agent, changes }) {
      await agent?.revoke(policyId(plan));
      await changes?.(policyId(plan), null);
    },

    // What is kept is bounded, and part of the process's memory that the trial measures.
    cost: async () => ({ diskBytes: 0, buildMs: 0, memoryBytes: maximumBytes, connections: 1 }),
  };
}

/** Without the log nobody would hear of what other processes write. Null where it can be followed. */
export async function whyNoLog(sql: Sql): Promise<string | null> {
  const { rows } = await sql.query<{ level: string; allowed: boolean; free: boolean }>(
    `SELECT current_setting('wal_level') AS level, (SELECT rolreplication OR rolsuper FROM pg_roles WHERE rolname = current_user) AS allowed,
      (SELECT count(*) FROM pg_replication_slots) < current_setting('max_replication_slots')::int AS free`,
  );
  const { level, allowed, free } = rows[0]!;
  if (level !== 'logical') return `writes of other processes cannot be followed: wal_level is ${level}, not logical`;
  if (!allowed) return 'writes of other processes cannot be followed: the role may not replicate';
  return free ? null : 'writes of other processes cannot be followed: all replication slots are taken';
}

/** How others' writes are heard of, for whoever writes the lasting form. */
export function hearingOfOthers({ shared }: KeepingPlan): string {
  return shared === null
    ? 'Where others write to the database too, follow its log (a logical replication slot); an expiry alone answers with the past.'
    : 'Keep the generations in the Redis that all processes share: mark there what a write is about to change, count it up when the server has answered, and ask before every answer from memory.';
}

/** What has to be known of the guarantee, with one process and with several. */
export function reservationsOf({ shared, ownRedis }: KeepingPlan): readonly string[] {
  if (shared === null) {
    return [
      'Nobody is answered with less than this process has acknowledged; writes of others are seen as late as the database’s log is read (milliseconds).',
      ...(ownRedis === null
        ? []
        : [
            `The backend talks to a Redis at ${ownRedis}: where more than one process serves, name it in the configuration (\`cache.redisUrl\`), and they are held to one another’s writes.`,
          ]),
    ];
  }
  const { host, port } = shared;
  return [
    `Nobody is answered with less than any process has acknowledged that shares the Redis at ${host}:${port}; what else writes is seen as late as the database’s log is read (milliseconds).`,
    'Every answer from memory asks that Redis first, and every write waits for it once more: its trial, with one process, has both in its figures. Without that Redis nothing is answered from memory.',
    'What was written when is kept there in one hash, `anneal:{...}:generations`, which expires an hour after its last use.',
  ];
}

/** The arm's own: its application was given the same URL. */
function connectionOf({ label }: Sql): CacheKnowledge['connection'] {
  const [, user = '', host = '', port = '', database = ''] = /^(.*)@(.*):(\d+)\/(.*)$/.exec(label) ?? [];
  return { user, host, port: Number(port), database };
}
