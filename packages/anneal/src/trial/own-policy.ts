import { stands, type Policy } from '@anneal/agent/protocol';
import { AnnealError } from '../errors.ts';
import type { Measurement } from '../measurement/measurement.ts';
import type { MetricId } from '../prediction/prediction.ts';
import type { Json } from '../remedy/remedy.ts';
import type { TriedChange } from './planned-change.ts';

export const ownPolicyId = 'own/policy';

/** Policies that somebody brought, in force on the candidate arm together: one change, as they would be in one file. */
export function ownPolicies(
  id: string,
  policies: readonly Policy[],
  { metric = metricOf(policies), measurement }: { readonly metric?: MetricId | undefined; readonly measurement: Measurement },
): TriedChange {
  const refuses = policies.some(refusesRequests);
  const written = JSON.parse(JSON.stringify(policies)) as readonly Json[];
  const standing = policies.every(stands);
  const routes = routesOf(policies);
  return {
    id,
    findings: [],
    remedy: {
      id: ownPolicyId,
      scope: 'process',
      effort: 'none',
      ...(refuses ? { refuses: true } : {}),
      ...(policies.some(({ kind }) => kind === 'conditional-responses') ? { clientsRevalidate: true } : {}),
      async apply(_plan, { agent, expiresAfterMs, share }) {
        for (const [index, policy] of policies.entries()) {
          const name = `${ownPolicyId}/${index + 1}-${policy.kind}`;
          if (agent === null)
            throw new AnnealError('ANNEAL_POLICY_REFUSED', { policy: name, problem: 'the backend runs without the agent' });
          await agent.apply(name, policy, { expiresAfterMs, share });
        }
      },
      cost: async () => ({ diskBytes: 0, buildMs: 0, memoryBytes: 0, connections: 0 }),
    },
    scope: 'process',
    plan: { policies: written },
    metric,
    prediction: null,
    description: {
      title: policies.map(inWords).join('; '),
      sql: null,
      lasting: standing ? null : "Set the pool's own `max`: a policy of the kind pool-size ends with Anneal.",
      ...(standing ? { policies: written } : {}),
      reservations: refuses ? reservationsOf(policies) : [],
    },
    touched: routes === null ? null : { statementIds: [], routes, writtenTables: [] },
    ...(refuses ? { allowances: refusalAllowances(policies, measurement) } : {}),
  };
}

/** What it promises, which is what it is decided by where nobody says otherwise. */
function metricOf(policies: readonly Policy[]): MetricId {
  // Limits are for those who are answered: the slow ones among them are who waits in a queue.
  if (policies.some(refusesRequests)) return 'latency.p95';
  const routes = routesOf(policies);
  if (routes !== null) return `response.bytes:${routes.join(', ')}`;
  return metrics[policies[0]!.kind] ?? 'cpu.time';
}

/** Where all of them are about what some routes answer: those. Null: they may touch more, or something else. */
function routesOf(policies: readonly Policy[]): readonly string[] | null {
  const routes = policies.map((policy) =>
    policy.kind === 'compress-responses' || policy.kind === 'conditional-responses' ? policy.routes.map((route) => `GET ${route}`) : null,
  );
  return routes.includes(null) ? null : [...new Set(routes.flatMap((names) => names ?? []))];
}

const metrics: Readonly<Partial<Record<Policy['kind'], MetricId>>> = {
  'outgoing-keep-alive': 'latency.p50',
  'outgoing-timeout': 'latency.p99',
  'pool-size': 'pool.wait',
};

function refusesRequests({ kind }: Policy): boolean {
  return kind === 'shed-load' || kind === 'limit-rate' || kind === 'limit-pool-waiting' || kind === 'break-circuit';
}

/**
 * A refusal is charged to the answers given. It is a small part of an answer's work, so answers that cost up to twice as much
 * are the price of refusing; where CPU is what is short, the guard of `answer.interval` sees what that takes from others.
 */
const refusalCost = 1;

/**
 * A rate limit is meant to answer less: it may give as few answers as one client alone would get, and a quarter fewer because
 * that is what rounds on a busy machine differ by. All other limits are to refuse only what could not have been answered anyway.
 */
function refusalAllowances(policies: readonly Policy[], { observations }: Measurement): Readonly<Partial<Record<MetricId, number>>> {
  const rates = policies.flatMap((policy) => (policy.kind === 'limit-rate' ? [policy.ratePerSecond] : []));
  const answeredPerSecond = observations.load?.requestsPerSecond ?? 0;
  const rarer = rates.length === 0 ? 0 : Math.max((1.25 * answeredPerSecond) / Math.min(...rates) - 1, 0);
  return { 'cpu.time': refusalCost, ...(rarer > 0 ? { 'answer.interval': rarer } : {}) };
}

function inWords(policy: Policy): string {
  switch (policy.kind) {
    case 'shed-load':
      return `At most ${policy.maxConcurrent} answered at once, ${policy.maxWaiting} waiting (shed-load)`;
    case 'limit-rate':
      return `At most ${policy.ratePerSecond} requests a second ${policy.per.length === 0 ? 'in all' : `per ${policy.per.map(keyInWords).join(' and ')}`} (limit-rate)`;
    case 'limit-pool-waiting':
      return `At most ${policy.maxWaiting} waiting for the pool ${policy.pool} (limit-pool-waiting)`;
    case 'break-circuit':
      return `No calls to ${policy.peer} while it fails (break-circuit)`;
    default:
      return `The policy ${policy.kind}`;
  }
}

function keyInWords(key: Extract<Policy, { readonly kind: 'limit-rate' }>['per'][number]): string {
  return typeof key === 'object' ? key.header : key;
}

function reservationsOf(policies: readonly Policy[]): readonly string[] {
  const inside = policies.some(({ kind }) => kind === 'limit-pool-waiting' || kind === 'break-circuit');
  return [
    'Refused requests are neither answers nor errors here: times and costs are those of the answers given, and what refusing costs is charged to them.',
    ...(inside
      ? ['Who is refused inside of the application gets an error from its own handler; the errors of this report leave those out.']
      : []),
    'Clients of the trial do not come back after a refusal. Those that do at once, and not after Retry-After, bring more load than it had.',
  ];
}
