import { defineRemedy } from '../../../remedy/remedy.ts';
import { quantileUs } from '../../../stats/histogram.ts';
import { siteOf, type SiteOfFinding } from '../outgoing-site-of-finding.ts';
import { carriedOutByAgent } from '../policy-remedy.ts';

/** A type, not an interface, so that it is Json. */
export type LimitOutgoingCallsPlan = {
  readonly peers: readonly string[];
  readonly timeoutMs: number;
  readonly routes: readonly string[];
  readonly location: { readonly file: string; readonly line: number } | null;
};

const id = 'api/limit-outgoing-calls';

/** Room for the peer to become that much slower before calls are cut that would have been answered. */
const slackFactor = 3;

/** One lost packet delays a call by a second (the first retransmission timer of RFC 6298, section 2.1): that is no reason to give it up. */
const retransmissionMs = 1_000;

/** A p99.9 needs a thousand requests to show. */
const fewestRequests = 1_000;

export const limitOutgoingCalls = defineRemedy<LimitOutgoingCallsPlan>({
  id,
  title: 'Limit how long a call to another service may take',
  addresses: ['api/outgoing-without-timeout'],
  scope: 'process',
  risk: 'medium',
  effort: 'none',
  // A call that took longer than the limit and came back is an error now.
  contract: 'changes-contract',

  async plan(finding, { measurement }) {
    const seen = siteOf(finding, measurement);
    if (seen === null || requestsOf(seen) < fewestRequests) return null;
    return { peers: seen.peers, timeoutMs: limitFor(seen), routes: seen.site.routes, location: seen.location };
  },

  async explainRefusal(finding, { measurement }) {
    const seen = siteOf(finding, measurement);
    if (seen === null) return 'the calls were not observed';
    const requests = requestsOf(seen);
    return requests < fewestRequests
      ? `${requests} requests do not show what the slowest good answer takes: at least ${fewestRequests} do`
      : null;
  },

  async predict() {
    return {
      metric: 'latency.p99',
      change: { point: 0, lower: -0.05, upper: 0.05, confidenceLevel: 0.95 },
      model: 'amdahl',
      assumptions: [
        'while the service answers as it did, no call reaches the limit: what it is worth shows when the service hangs, which no trial makes it do',
      ],
    };
  },

  ...carriedOutByAgent(id, policyId, policyOf),

  touches: (plan) => ({ statementIds: [], routes: plan.routes, writtenTables: [] }),

  describe(plan) {
    const { peers, timeoutMs, location } = plan;
    const where = location === null ? '' : ` at ${location.file}:${location.line}`;
    return {
      title: `Calls to ${peers.join(', ')} end after ${timeoutMs} ms`,
      sql: null,
      policies: [policyOf(plan)],
      lasting: `Pass \`signal: AbortSignal.timeout(${timeoutMs})\` with the call${where}, and answer something sensible when it is over.`,
      reservations: ['It makes nothing faster. It bounds how long requests hang, and what they hold, when the service does.'],
    };
  },
});

/**
 * What a call takes is not known one by one, but no call that is waited for takes longer than its request: the slowest
 * route's p99.9 bounds the calls' own.
 */
function limitFor({ routes }: SiteOfFinding): number {
  const slowestMs = Math.max(...routes.map(({ durationUs }) => quantileUs(durationUs, 0.999) / 1000));
  return Math.ceil(Math.max(slackFactor * slowestMs, slowestMs + retransmissionMs));
}

function requestsOf({ routes }: SiteOfFinding): number {
  return routes.reduce((sum, route) => sum + route.requests, 0);
}

function policyOf({ peers, timeoutMs }: LimitOutgoingCallsPlan) {
  return { kind: 'outgoing-timeout', peers, timeoutMs } as const;
}

function policyId(plan: LimitOutgoingCallsPlan): string {
  return `${id}:${plan.peers.join(',')}:${plan.timeoutMs}`;
}
