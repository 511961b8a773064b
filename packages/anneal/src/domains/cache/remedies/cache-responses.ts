import type { Policy } from '@anneal/agent/protocol';
import { AnnealError } from '../../../errors.ts';
import { shareOf } from '../../../finding/request-time.ts';
import { shorten } from '../../../finding/subject.ts';
import { percent } from '../../../finding/wording.ts';
import type { Measurement } from '../../../measurement/measurement.ts';
import type { RouteObservation } from '../../../measurement/observations.ts';
import type { Sql } from '../../../ports/sql.ts';
import { whyOutOfReach } from '../../../remedy/driver-within-reach.ts';
import { defineRemedy, type PlanningContext } from '../../../remedy/remedy.ts';
import { cpuOf, predictHits, routeName } from '../hit-model.ts';
import { cacheKnowledge } from '../knowledge/cache-knowledge.ts';
import { readTables } from '../knowledge/read-catalogue.ts';
import type { CacheKnowledge } from '../knowledge/statement-knowledge.ts';
import { outsideWriters } from '../outside-writers.ts';

type StatementPlan = {
  readonly template: string;
  readonly reads: readonly UsePlan[] | null;
  readonly writes: readonly UsePlan[];
};
type UsePlan = {
  readonly table: string;
  readonly key: { readonly column: string; readonly parameter: number; readonly type: 'integer' | 'text' | 'uuid' } | null;
};

/** A type, not an interface, so that it is Json. Templates hold no constant of the application. */
export type CacheResponsesPlan = {
  readonly route: string;
  readonly statements: readonly StatementPlan[];
  readonly location: { readonly file: string; readonly line: number } | null;
  /** Where processes tell one another of their writes; null: one process alone. */
  readonly shared: { readonly host: string; readonly port: number } | null;
  /** Where the target was seen to talk to a Redis itself; null where it was not. */
  readonly ownRedis: string | null;
  /** Of the route's requests, headers that its owner says do not change its answer: with those of identities it is given to all. */
  readonly ignoredHeaders: readonly string[];
};

const id = 'cache/cache-responses';

/** A thirtieth of what Node takes for its heap on a small machine; the trial guards the process's memory. */
const maximumBytes = 32_000_000;
/** One in fifty: a wrong answer that comes always is found after fifty hits on average, and the gain loses 2 %. */
const shadowShare = 0.02;

/**
 * CPU of a hit, from the `request` event to the last byte. Assumed from our own measurement of a Fastify process: 15 us
 * beside 64 us for a route with one query.
 */
const hitCpuMs = 0.015;
/** What asking Redis before a hit adds: 47 us became 85 us, medians of six windows of 6,000 requests of one Express process beside its Redis. */
const askingCpuMs = 0.038;

export const cacheResponses = defineRemedy<CacheResponsesPlan>({
  id,
  title: 'Keep answers until what they are made of is written',
  addresses: ['cache/repeated-response'],
  scope: 'process',
  risk: 'medium',
  effort: 'none',
  contract: 'transparent',
  restsOnSchema: true,
  aloneInProcess: true,

  async plan(finding, context) {
    const route = routeOf(context.measurement, finding.subject.kind === 'route' ? finding.subject.route : null);
    if (route === null || context.sql === null || (await whyNot(route, context)) !== null) return null;
    const statements = (await cacheKnowledge(context.sql, context.sqlParser, context.samples)) as readonly StatementPlan[];
    const location = route.answeredAt === null ? null : { file: route.answeredAt.file, line: route.answeredAt.line };
    const redis = (context.measurement.observations['agent.routes'] ?? []).flatMap(({ outgoing }) =>
      outgoing.filter(({ kind }) => kind === 'redis'),
    );
    return {
      route: route.route,
      statements,
      location,
      shared: context.sharedCache ?? null,
      ownRedis: redis[0]?.peer ?? null,
      ignoredHeaders: context.sameForEveryone?.get(route.route) ?? [],
    };
  },

  async explainRefusal(finding, context) {
    const route = routeOf(context.measurement, finding.subject.kind === 'route' ? finding.subject.route : null);
    return route === null ? 'the route was not observed' : whyNot(route, context);
  },

  async predict(plan, _finding, { measurement }) {
    const { 'agent.routes': routes = [], 'agent.runtime': runtime, 'agent.statements': statements = [] } = measurement.observations;
    const route = routeOf(measurement, `GET ${plan.route}`);
    const hits = route === null ? null : predictHits(route, statements);
    const cpuMs = runtime?.cpuMs ?? 0;
    const own = route === null ? 0 : cpuOf(route, routes, cpuMs);
    const eachMs = hitCpuMs + (plan.shared === null ? 0 : askingCpuMs);
    const spared = (share: number) => shareOf(Math.max(share * (1 - shadowShare) * (own - eachMs * (route?.requests ?? 0)), 0), cpuMs);
    return {
      metric: 'cpu.time',
      // Less than the least: a hit costs more on a slower processor, and what is shared by all requests stays.
      change: {
        point: -spared(hits?.point ?? 0),
        lower: -spared(hits?.most ?? 0),
        upper: -spared((hits?.least ?? 0) / 2),
        confidenceLevel: 0.95,
      },
      model: 'queueing',
      assumptions: [
        `requests repeat as they did: ${percent(hits?.repeatedShare ?? 0)} of them had been asked in the same words`,
        'requests of one key and writes come independently of each other (Poisson)',
        ...(plan.ignoredHeaders.length === 0 ? [] : ['how often clients ask for what others were answered was not seen, and is not in it']),
        `an answer from memory costs ${eachMs} ms of CPU${plan.shared === null ? '' : ', Redis asked before it'} (own measurement)`,
      ],
    };
  },

  toggles: policyId,

  async inspect(plan, { agent }) {
    return agent !== null && (await agent.policies()).includes(policyId(plan)) ? 'present' : 'absent';
  },

  async apply(plan, { agent, sql, changes, share, expiresAfterMs }) {
    if (agent === null || sql === null || changes === undefined) {
      const problem = agent === null ? 'the target runs without the agent' : "the database's changes cannot be followed from here";
      throw new AnnealError('ANNEAL_APPLY_FAILED', { remedy: id, problem });
    }
    const name = policyId(plan);
    if ((await agent.policies()).includes(name)) return;
    const tables = await readTables(sql);
    const connection = connectionOf(sql);
    // One for all policies of this process, which share what they know; and new for every process, so that nothing a killed one left there counts.
    const scope = `${connection.database}-${agent.hello.pid}`;
    const policy: Policy = {
      kind: 'cache-responses',
      routes: [plan.route],
      knowledge: {
        connection,
        statements: plan.statements,
        outsideWriters: 'streamed',
        // A trial has one process of the target on each arm.
        ...(plan.shared === null ? {} : { shared: { ...plan.shared, scope, processes: 1 } }),
      },
      maximumBytes,
      shadowShare,
      ...(plan.ignoredHeaders.length === 0 ? {} : { ignoredHeaders: plan.ignoredHeaders }),
    };
    await agent.apply(name, policy, { share, expiresAfterMs });
    try {
      await changes(name, outsideWriters(agent, name, tables));
    } catch (cause) {
      await agent.revoke(name);
      throw new AnnealError(
        'ANNEAL_APPLY_FAILED',
        { remedy: id, problem: cause instanceof Error ? cause.message : String(cause) },
        { cause },
      );
    }
  },

  async revert(plan, { agent, changes }) {
    await agent?.revoke(policyId(plan));
    await changes?.(policyId(plan), null);
  },

  async cost() {
    // What is kept is bounded, and part of the process's memory that the trial measures.
    return { diskBytes: 0, buildMs: 0, memoryBytes: maximumBytes, connections: 1 };
  },

  touches: ({ route }) => ({ statementIds: [], routes: [`GET ${route}`], writtenTables: [] }),

  describe({ route, location, shared, ownRedis, ignoredHeaders }) {
    const where = location === null ? '' : ` at ${location.file}:${location.line}`;
    const others =
      shared === null
        ? 'Where others write to the database too, follow its log (a logical replication slot); an expiry alone answers with the past.'
        : 'Keep the generations in the Redis that all processes share: mark there what a write is about to change, count it up when the server has answered, and ask before every answer from memory.';
    return {
      title: `Answers of GET ${shorten(route)} are kept until what they are made of is written`,
      sql: null,
      lasting:
        `Keep the answer${where} by URL${ignoredHeaders.length === 0 ? ' and identity' : ''}. Note a generation per table before reading, keep only what was read within one, and count it up after each commit before the writer is answered. ` +
        others,
      reservations: [
        ...(ignoredHeaders.length === 0 ? [] : [sharedAmongAll(route, ignoredHeaders)]),
        ...(shared === null ? aloneReservations(ownRedis) : sharedReservations(shared)),
        ...commonReservations,
      ],
    };
  },
});

const commonReservations = [
  'An answer from memory reaches none of the application’s code: access logs, counters and rate limits of its own do not see the request.',
  'Whoever tells clients apart by their address alone, and says so nowhere in the request, would be answered with one another’s answers.',
  'One answer of fifty is made anew for ever and compared; one that differs without a write to explain it ends the policy.',
];

/** First of all, because it is the one that gives something away. */
function sharedAmongAll(route: string, headers: readonly string[]): string {
  return (
    `The configuration says that answers of ${route} are the same whoever asks (\`cache.sameForEveryone\`): one is kept whatever ${headers.join(' and ')} say, ` +
    'and given to everybody, also to whom the application would have refused. Of those that it marks as private, or as varying by these, none is kept.'
  );
}

function aloneReservations(ownRedis: string | null): readonly string[] {
  return [
    'Nobody is answered with less than this process has acknowledged; writes of others are seen as late as the database’s log is read (milliseconds).',
    ...(ownRedis === null
      ? []
      : [
          `The backend talks to a Redis at ${ownRedis}: where more than one process serves, name it in the configuration (\`cache.redisUrl\`), and they are held to one another’s writes.`,
        ]),
  ];
}

function sharedReservations({ host, port }: NonNullable<CacheResponsesPlan['shared']>): readonly string[] {
  return [
    `Nobody is answered with less than any process has acknowledged that shares the Redis at ${host}:${port}; what else writes is seen as late as the database’s log is read (milliseconds).`,
    'Every answer from memory asks that Redis first, and every write waits for it once more: its trial, with one process, has both in its figures. Without that Redis nothing is answered from memory.',
    'What was written when is kept there in one hash, `anneal:{...}:generations`, which expires an hour after its last use.',
  ];
}

function routeOf({ observations }: Measurement, name: string | null): RouteObservation | null {
  return observations['agent.routes']?.find((route) => routeName(route) === name) ?? null;
}

/** Null where nothing speaks against it. */
async function whyNot(route: RouteObservation, { measurement, samples, sql, sqlParser }: PlanningContext): Promise<string | null> {
  if (sql === null) return 'there is no database to ask what its statements read';
  const outOfReach = whyOutOfReach(measurement);
  if (outOfReach !== null) return outOfReach;
  if (route.outgoing.length > 0) return 'its requests ask other services, which nobody tells of changes';
  const log = await whyNoLog(sql);
  if (log !== null) return log;
  const own = new Map(route.statements.map(({ statementId }) => [statementId, samples.get(statementId) ?? []]));
  if ([...own.values()].some((seen) => seen.length === 0)) return 'one of its statements was not seen as it is sent';
  for (const [statementId, seen] of own) {
    const known = await cacheKnowledge(sql, sqlParser, new Map([[statementId, seen]]));
    if (known.length > 0 && known.every(({ reads }) => reads !== null)) continue;
    const text = measurement.observations['agent.statements']?.find((statement) => statement.id === statementId)?.text ?? 'one statement';
    return `the answer of "${shorten(text)}" depends on more than tables, or nothing shows that it does not`;
  }
  return null;
}

/** Without the log nobody would hear of what other processes write. */
async function whyNoLog(sql: Sql): Promise<string | null> {
  const { rows } = await sql.query<{ level: string; allowed: boolean; free: boolean }>(
    `SELECT current_setting('wal_level') AS level, (SELECT rolreplication OR rolsuper FROM pg_roles WHERE rolname = current_user) AS allowed,
      (SELECT count(*) FROM pg_replication_slots) < current_setting('max_replication_slots')::int AS free`,
  );
  const { level, allowed, free } = rows[0]!;
  if (level !== 'logical') return `writes of other processes cannot be followed: wal_level is ${level}, not logical`;
  if (!allowed) return 'writes of other processes cannot be followed: the role may not replicate';
  return free ? null : 'writes of other processes cannot be followed: all replication slots are taken';
}

/** The arm's own: its application was given the same URL. */
function connectionOf({ label }: Sql): CacheKnowledge['connection'] {
  const [, user = '', host = '', port = '', database = ''] = /^(.*)@(.*):(\d+)\/(.*)$/.exec(label) ?? [];
  return { user, host, port: Number(port), database };
}

function policyId({ route }: CacheResponsesPlan): string {
  return `${id}:${route}`;
}
