import type { Measurement } from '../../../measurement/measurement.ts';
import { defineRemedy } from '../../../remedy/remedy.ts';
import { certainShare } from '../../../finding/evidence-rate.ts';
import { shareOf } from '../../../finding/request-time.ts';
import { siteOf, type SiteOfFinding } from '../outgoing-site-of-finding.ts';
import { carriedOutByAgent } from '../policy-remedy.ts';

/** A type, not an interface, so that it is Json. */
export type KeepOutgoingConnectionsPlan = {
  readonly peers: readonly string[];
  readonly routes: readonly string[];
  readonly location: { readonly file: string; readonly line: number } | null;
};

const id = 'api/keep-outgoing-connections';

export const keepOutgoingConnections = defineRemedy<KeepOutgoingConnectionsPlan>({
  id,
  title: 'Keep connections to another service',
  addresses: ['api/outgoing-without-keep-alive'],
  scope: 'process',
  // A call can meet a connection that its peer is closing at that moment; a call over a new one cannot.
  risk: 'medium',
  effort: 'none',
  contract: 'transparent',

  async plan(finding, { measurement }) {
    const seen = siteOf(finding, measurement);
    if (seen === null || closedByPeer(seen)) return null;
    return { peers: seen.peers, routes: seen.site.routes, location: seen.location };
  },

  async explainRefusal(finding, { measurement }) {
    const seen = siteOf(finding, measurement);
    if (seen === null) return 'the calls were not observed';
    return closedByPeer(seen) ? 'the peer closes the connections though it is asked to keep them: that can only be changed there' : null;
  },

  async predict(_plan, finding, { measurement }) {
    const { point, certain } = connectShareOf(siteOf(finding, measurement), measurement);
    return {
      metric: 'latency.p50',
      // Some calls still open one: the first, those after a pause, and those whose agent the policy leaves alone.
      change: { point: -point, lower: -point, upper: -certain / 2, confidenceLevel: 0.95 },
      model: 'amdahl',
      assumptions: [
        'the connections are made by agents of node:http or node:https that keep none; what `fetch` does with its connections stays as it is',
        'what a connection takes to be made is what the call waits less, in every request alike',
      ],
    };
  },

  ...carriedOutByAgent(id, policyId, policyOf),

  touches: (plan) => ({ statementIds: [], routes: plan.routes, writtenTables: [] }),

  describe(plan) {
    const { peers, location } = plan;
    const where = location === null ? 'with every request to it' : `at ${location.file}:${location.line}`;
    return {
      title: `Connections to ${peers.join(', ')} are kept for the next call`,
      sql: null,
      policies: [policyOf(plan)],
      lasting: `Make one \`new http.Agent({ keepAlive: true, timeout: 4_000 })\` (node:https: \`https.Agent\`) per process and pass it ${where}. The peer must keep idle connections for longer than those 4 s.`,
    };
  },
});

function closedByPeer({ site }: SiteOfFinding): boolean {
  return site.keepAliveRefused / site.connectionsOpened >= 0.5;
}

function connectShareOf(seen: SiteOfFinding | null, { observations }: Measurement): { readonly point: number; readonly certain: number } {
  if (seen === null) return { point: 0, certain: 0 };
  const totalMs = (observations['agent.routes'] ?? []).reduce((sum, route) => sum + route.totalMs, 0);
  const point = shareOf(seen.site.connectMs, totalMs);
  return { point, certain: certainShare(point, seen.site.connectionsOpened) };
}

function policyOf({ peers }: KeepOutgoingConnectionsPlan) {
  return { kind: 'outgoing-keep-alive', peers } as const;
}

function policyId(plan: KeepOutgoingConnectionsPlan): string {
  return `${id}:${plan.peers.join(',')}`;
}
