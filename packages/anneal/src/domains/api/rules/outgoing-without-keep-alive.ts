import { certainShare } from '../../../finding/evidence-rate.ts';
import { defineRule, type RuleOutcome } from '../../../finding/finding.ts';
import { levelOf } from '../../../finding/level.ts';
import { elsewhereShare } from '../../../finding/request-time.ts';
import { milliseconds, percent, quantity } from '../../../finding/wording.ts';
import { placeName } from '../call-sites.ts';
import { callName, commonEvidence, measured, outgoingSitesOf, siteName } from '../outgoing-sites.ts';

/** Undici keeps an idle connection for 4 s, Node's server for 5 s: calls that come more rarely find none, whoever asks for it. */
const keptIdleMs = 4_000;

/** Linux: a closed connection keeps its port for 60 s (TIME_WAIT), and there are 28,232 of them per peer (ip_local_port_range 32768 to 60999). */
const portHeldMs = 60_000;
const portsPerPeer = 28_232;

export const outgoingWithoutKeepAlive = defineRule({
  id: 'api/outgoing-without-keep-alive',
  title: 'A new connection for every call to another service',
  documentation: {
    what: 'Calls from one line open a connection each instead of using one that is there, although they follow each other within seconds.',
    why: 'Every connection costs a round trip, with TLS two or three and milliseconds of CPU, before the call begins; and closed connections hold their ports for a minute.',
    threshold:
      'At least half of the calls had to wait for a new connection, they come more often than every 4 s (as long as clients keep an idle one), and making the connections certainly takes the share of request time asked for (1 % by default), or the ports in TIME_WAIT certainly are that share of those there are for one peer.',
    fix: 'One agent or dispatcher for the process, with keep-alive: `new Agent({ keepAlive: true })` made once, or `fetch`, which keeps connections by itself.',
    falsePositives: 'It is not a defect of the caller where the peer closes the connections; the finding says so when that was seen.',
    sources: ['Node.js documentation, http.Agent: keepAlive', 'RFC 9112, 9.3 Persistence', 'Linux, ip(7): ip_local_port_range'],
  },
  requires: ['agent.routes', 'agent.runtime'],
  diagnose({ 'agent.routes': routes, 'agent.runtime': runtime }, settings) {
    return outgoingSitesOf(routes, 'http', 'place').flatMap((site): RuleOutcome[] => {
      const { connectionsOpened: opened, connectionsReused: reused } = site;
      if (opened === 0) return [];
      const silence = (reason: string): RuleOutcome[] => [{ silent: { subject: siteName(site), reason } }];
      const openedShare = opened / (opened + reused);
      if (openedShare < 0.5) return silence(`${percent(1 - openedShare)} of its calls found a connection that was there`);
      if (runtime.windowMs / site.calls > keptIdleMs) {
        return silence(`it is called every ${milliseconds(runtime.windowMs / site.calls)}: no connection is kept that long`);
      }
      const meanConnectMs = site.connectMs / opened;
      const share = elsewhereShare(site.connectMs, routes, runtime);
      const certain = certainShare(share, opened);
      const portsShare = Math.min((opened * portHeldMs) / runtime.windowMs / portsPerPeer, 1);
      const certainPorts = certainShare(portsShare, opened);
      const isFelt = certain >= settings.minimumShare;
      if (!isFelt && certainPorts < settings.minimumShare) {
        return silence(
          `making its connections takes ${percent(share)} of request time, ${percent(certain)} of it certain, and they hold ${percent(portsShare)} of the ports there are: both below ${percent(settings.minimumShare)}`,
        );
      }
      const peerCloses = site.keepAliveRefused / opened >= 0.5;
      return [
        {
          level: isFelt ? levelOf(certain) : 'warning',
          message:
            `${placeName(site.locations[0])} opens a connection for ${percent(openedShare)} of its calls of ${callName(site)}, ${milliseconds(meanConnectMs)} each` +
            `${peerCloses ? ', because the peer closes them' : ''}: ` +
            (isFelt
              ? `${percent(share)} of the workload's request time.`
              : `${percent(portsShare)} of the ports there are for one peer wait to be free again.`),
          subject: { kind: 'route', key: site.key, route: site.routes[0], statementId: null },
          locations: site.locations,
          impact: isFelt
            ? { resource: 'request-time', share, certainShare: certain }
            : { resource: 'headroom', share: portsShare, certainShare: certainPorts },
          evidence: [
            ...commonEvidence(site),
            measured('connections opened', opened, '1'),
            measured('calls that found a connection', reused, '1'),
            measured('mean time to make a connection', meanConnectMs, 'ms'),
            measured('connections the peer closed though asked to keep them', site.keepAliveRefused, '1'),
            {
              label: 'share of the ports for one peer that are in TIME_WAIT',
              value: portsShare,
              unit: '1',
              provenance: 'predicted',
              source: "Little's law: connections per second x 60 s, of 28,232",
            },
          ],
          costIfIgnored: `${quantity((opened * 1000) / runtime.windowMs)} connections a second are made for one call each; with TLS or a distance to the peer each costs more than here.`,
          proposal: {
            title: peerCloses ? 'Let the peer keep its connections' : 'Keep connections for the next call',
            text: peerCloses
              ? 'The peer answers `Connection: close` although it was asked to keep the connection: switch keep-alive on there, with an idle time longer than this client keeps its connections (4 s for fetch).'
              : 'Make one agent (node:http) or dispatcher (undici) when the process starts and pass it to every call; the default agent of node:http and the global fetch keep connections by themselves, as long as no `agent: false`, no `Connection: close` and no agent per call is given.',
            code: peerCloses ? null : 'const agent = new http.Agent({ keepAlive: true }); // once per process, passed with every request',
            expected: isFelt ? { point: -share, lower: -share, upper: -certain * openedShare, confidenceLevel: 0.95 } : null,
          },
        },
      ];
    });
  },
});
