import { certainShare } from '../../../finding/evidence-rate.ts';
import { defineRule, type RuleOutcome } from '../../../finding/finding.ts';
import { shareOf } from '../../../finding/request-time.ts';
import { percent, quantity } from '../../../finding/wording.ts';
import { placeName } from '../call-sites.ts';
import { callName, commonEvidence, measured, outgoingSitesOf, siteName } from '../outgoing-sites.ts';

/** Undici's own limit for the head of an answer; node:http has none. */
const undiciLimitS = 300;

export const outgoingWithoutTimeout = defineRule({
  id: 'api/outgoing-without-timeout',
  title: 'A call to another service that may last for ever',
  documentation: {
    what: 'A call is made without a signal and without any other limit that could be seen: `fetch` whose dispatcher keeps its 300 s, or a node:http request that nobody ends on `timeout`.',
    why: 'When the service hangs, every request that asks it hangs with it, and holds its memory, its socket and perhaps a database connection: one dependency takes the whole backend down.',
    threshold:
      'Most calls from one line have no limit, and certainly 1 % of all requests (or the share asked for) depend on them: fewer requests that hang do not take a backend down.',
    fix: '`signal: AbortSignal.timeout(ms)` with a little more than the slowest good answer takes, and an answer for when it is over.',
    falsePositives:
      'It is not a defect where the limit is kept outside of the call (a race against a timer, a proxy in between): that cannot be seen. Calls made by packages with a clock of their own are left alone.',
    sources: [
      'Node.js documentation, http: request.setTimeout',
      'Undici documentation, Client: headersTimeout',
      'Nygard, Release It!, 2nd edition, chapter 5: Timeouts',
    ],
  },
  requires: ['agent.routes', 'agent.runtime'],
  diagnose({ 'agent.routes': routes, 'agent.runtime': runtime }, settings) {
    const requests = routes.reduce((sum, route) => sum + route.requests, 0);
    return outgoingSitesOf(routes, 'http', 'place').flatMap((site): RuleOutcome[] => {
      if (site.withoutTimeout === 0) return [];
      const silence = (reason: string): RuleOutcome[] => [{ silent: { subject: siteName(site), reason } }];
      const unlimitedShare = site.withoutTimeout / site.calls;
      if (unlimitedShare < 0.5) return silence(`${percent(1 - unlimitedShare)} of its calls are limited in time`);
      const share = shareOf(site.requests * unlimitedShare, requests);
      const certain = certainShare(share, site.requests);
      if (certain < settings.minimumShare) {
        return silence(
          `${percent(share)} of all requests depend on it, ${percent(certain)} certainly: below ${percent(settings.minimumShare)}`,
        );
      }
      const perSecond = (site.requests * 1000) / runtime.windowMs;
      return [
        {
          level: 'warning',
          message: `${placeName(site.locations[0])} calls ${callName(site)} without any limit of time: ${percent(share)} of all requests hang for as long as it does.`,
          subject: { kind: 'route', key: site.key, route: site.routes[0], statementId: null },
          locations: site.locations,
          impact: { resource: 'headroom', share, certainShare: certain },
          evidence: [
            ...commonEvidence(site),
            measured('calls without a limit', site.withoutTimeout, '1'),
            measured('share of all requests that make them', share, '1'),
            {
              label: 'requests that hang when the service has hung for 300 s',
              value: perSecond * undiciLimitS,
              unit: '1',
              provenance: 'predicted',
              source: "Little's law: requests per second x 300 s",
            },
          ],
          costIfIgnored: `If the service stops answering, ${quantity(perSecond)} requests a second pile up, ${quantity(perSecond * undiciLimitS)} of them before fetch gives up by itself (node:http never does).`,
          proposal: {
            title: 'Give the call a limit',
            text: 'Pass a signal that ends it after a little more than the slowest good answer takes, and decide what to answer then. A retry needs a limit that covers all attempts.',
            code: 'await fetch(url, { signal: AbortSignal.timeout(2_000) });',
            expected: null,
          },
        },
      ];
    });
  },
});
