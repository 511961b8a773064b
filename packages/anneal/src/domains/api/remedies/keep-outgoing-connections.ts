import type { RouteObservation } from '../../../measurement/observations.ts';
import { defineRemedy } from '../../../remedy/remedy.ts';
import { shareOf } from '../../../finding/request-time.ts';
import { percent } from '../../../finding/wording.ts';
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
    const seen = siteOf(finding, measurement);
    const share = seen === null ? 0 : shareOf(seen.site.connectMs, connectMsOf(seen.routes));
    const rate = seen === null ? 0 : (seen.site.requests * 1000) / measurement.durationMs;
    // Arrivals are Poisson: the share of pauses that are longer than an idle connection is kept.
    const reopened = Math.exp((-rate * idleMs) / 1000);
    return {
      metric: `connect.time:${plan.routes.join(', ')}`,
      // Less, where calls still open one: the first, those side by side, and those whose agent the policy leaves alone.
      change: { point: -share * (1 - reopened), lower: -share, upper: (-share * (1 - reopened)) / 2, confidenceLevel: 0.95 },
      model: 'amdahl',
      assumptions: [
        'the connections are made by agents of node:http or node:https that keep none; what `fetch` does with its connections stays as it is',
        `requests of ${plan.routes.join(', ')} wait for connections for ${percent(connectShareOf(seen))} of their time, calls side by side side by side: so much they can gain`,
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
      lasting: `Make one \`new http.Agent({ keepAlive: true, timeout: ${idleMs} })\` (node:https: \`https.Agent\`) per process and pass it ${where}. The peer must keep idle connections for longer than those ${idleMs / 1000} s.`,
    };
  },
});

/** How long the policy keeps a connection that nobody uses; Node's own servers close one after 5 s. */
const idleMs = 4_000;

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
function connectShareOf(seen: SiteOfFinding | null): number {
  if (seen === null) return 0;
  const { site, routes } = seen;
  const sum = (figure: (route: RouteObservation) => number) => routes.reduce((total, route) => total + figure(route), 0);
  const calledMs = sum(({ outgoing }) => outgoing.reduce((total, call) => total + (call.kind === 'http' ? call.totalMs : 0), 0));
  const connectMs = shareOf(site.connectMs, calledMs) * sum(({ outgoingMs }) => outgoingMs);
  return shareOf(
    connectMs,
    sum(({ totalMs }) => totalMs),
  );
}

function connectMsOf(routes: readonly RouteObservation[]): number {
  return routes.flatMap(({ outgoing }) => outgoing).reduce((sum, { connectMs }) => sum + connectMs, 0);
}

function policyOf({ peers }: KeepOutgoingConnectionsPlan) {
  return { kind: 'outgoing-keep-alive', peers } as const;
}

function policyId(plan: KeepOutgoingConnectionsPlan): string {
  return `${id}:${plan.peers.join(',')}`;
}
