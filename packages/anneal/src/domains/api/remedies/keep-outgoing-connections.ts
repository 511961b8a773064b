import type { RouteObservation } from '../../../measurement/observations.ts';
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
    return { peers: [...new Set(seen.peers.map(inAnyRun))], routes: seen.site.routes, location: seen.location };
  },

  async explainRefusal(finding, { measurement }) {
    const seen = siteOf(finding, measurement);
    if (seen === null) return 'the calls were not observed';
    return closedByPeer(seen) ? 'the peer closes the connections though it is asked to keep them: that can only be changed there' : null;
  },

  async predict(plan, finding, { measurement }) {
    const { point, certain } = connectShareOf(siteOf(finding, measurement));
    return {
      metric: `route.time:${plan.routes.join(', ')}`,
      // More, by what opening and closing take beside the wait for the connection: CPU of this process, and the peer's to accept.
      // Less, where calls still open one: the first, those after a pause, and those whose agent the policy leaves alone.
      change: { point: -point, lower: -Math.min(2 * point, 0.95), upper: -certain / 2, confidenceLevel: 0.95 },
      model: 'amdahl',
      assumptions: [
        'the connections are made by agents of node:http or node:https that keep none; what `fetch` does with its connections stays as it is',
        'what a connection takes to be made is what its call waits less; calls side by side wait side by side',
      ],
    };
  },

  toggles: policyId,

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

/** What a system gives to who asks for any free port begins here (Linux's `ip_local_port_range`; from 49152 by RFC 6335, 6). */
const firstGivenPort = 32_768;

/** A peer on the same machine at such a port was started for this run: in the next one, and on a trial's arms, its port is another. */
function inAnyRun(peer: string): string {
  const [, host, port] = /^(localhost|127(?:\.\d+){3}|\[::1\]):(\d+)$/.exec(peer) ?? [];
  return host !== undefined && Number(port) >= firstGivenPort ? `${host}:*` : peer;
}

function closedByPeer({ site }: SiteOfFinding): boolean {
  return site.keepAliveRefused / site.connectionsOpened >= 0.5;
}

/**
 * Of the time of the requests that make the calls. Their time outside counts once where calls overlap; of that time the
 * connections' part is what it is of the calls' own.
 */
function connectShareOf(seen: SiteOfFinding | null): { readonly point: number; readonly certain: number } {
  if (seen === null) return { point: 0, certain: 0 };
  const { site, routes } = seen;
  const sum = (figure: (route: RouteObservation) => number) => routes.reduce((total, route) => total + figure(route), 0);
  const calledMs = sum(({ outgoing }) => outgoing.reduce((total, call) => total + (call.kind === 'http' ? call.totalMs : 0), 0));
  const connectMs = shareOf(site.connectMs, calledMs) * sum(({ outgoingMs }) => outgoingMs);
  const point = shareOf(
    connectMs,
    sum(({ totalMs }) => totalMs),
  );
  return { point, certain: certainShare(point, site.connectionsOpened) };
}

function policyOf({ peers }: KeepOutgoingConnectionsPlan) {
  return { kind: 'outgoing-keep-alive', peers } as const;
}

function policyId(plan: KeepOutgoingConnectionsPlan): string {
  return `${id}:${plan.peers.join(',')}`;
}
