import { certainShare } from '../../../finding/evidence-rate.ts';
import { defineRule, type RuleOutcome } from '../../../finding/finding.ts';
import { levelOf } from '../../../finding/level.ts';
import { elsewhereShare } from '../../../finding/request-time.ts';
import { milliseconds, percent, quantity } from '../../../finding/wording.ts';
import { placeName } from '../call-sites.ts';
import { callName, commonEvidence, measured, outgoingSitesOf, siteName, type OutgoingSite } from '../outgoing-sites.ts';
import { fewestRepeats } from '../repetition.ts';

export const redisRoundTrips = defineRule({
  id: 'api/redis-round-trips',
  title: 'One Redis round trip per key',
  documentation: {
    what: 'A request sends the same Redis command from the same line three times or more, each with other arguments, and waits for each reply before the next.',
    why: 'Redis answers in microseconds; what is waited for is the network and the event loop, once per command. A pipeline waits once for all of them.',
    threshold:
      'Three commands of one name from one line in one request, less than half of them overlapping, and their time certainly takes the share of request time asked for (1 % by default).',
    fix: 'A pipeline, or one command for all keys (MGET, HMGET, DEL with several keys).',
    falsePositives:
      'It is not a defect where a command depends on the reply before it, such as walking a SCAN cursor; a script (EVAL) is the shorter way there.',
    sources: ['Redis documentation, Pipelining: round trip time'],
  },
  requires: ['agent.routes', 'agent.runtime'],
  diagnose({ 'agent.routes': routes, 'agent.runtime': runtime }, settings) {
    return outgoingSitesOf(routes, 'redis').flatMap((site): RuleOutcome[] => {
      if (site.maxCallsPerRequest < 2) return [];
      const silence = (reason: string): RuleOutcome[] => [{ silent: { subject: siteName(site), reason } }];
      const reason = whyNot(site);
      if (reason !== null) return silence(reason);
      const meanMs = site.totalMs / site.calls;
      const perRequest = site.repeatingCalls / site.repeatingRequests;
      const share = elsewhereShare(site.repeatingCalls * meanMs, routes, runtime);
      const certain = certainShare(share, site.repeatingRequests);
      if (certain < settings.minimumShare) {
        return silence(
          `it takes ${percent(share)} of request time, ${percent(certain)} of it certain: below ${percent(settings.minimumShare)}`,
        );
      }
      const avoidable = share * ((perRequest - 1) / perRequest);
      return [
        {
          level: levelOf(certain),
          message:
            `${placeName(site.locations[0])} sends ${quantity(perRequest)} commands ${callName(site)} per request, one after the other, ` +
            `${milliseconds(meanMs)} each: ${percent(share)} of the workload's request time.`,
          subject: { kind: 'route', key: site.key, route: site.routes[0], statementId: null },
          locations: site.locations,
          impact: { resource: 'request-time', share, certainShare: certain },
          evidence: [
            ...commonEvidence(site),
            measured('commands per request that repeats them', perRequest, '1'),
            measured('different arguments per such request', site.distinctCalls / site.repeatingRequests, '1'),
          ],
          costIfIgnored: `${percent(share)} of all request time stays, and it grows with the number of keys and with the distance to Redis.`,
          proposal: {
            title: site.operation === 'GET' ? 'Read all keys with MGET' : 'Send the commands in one pipeline',
            text: 'The commands do not wait for each other, so they can travel together: one round trip in place of one per key. In a cluster, keys of one command must share a slot; a pipeline need not.',
            code: site.operation === 'GET' ? 'const values = await redis.mget(keys); // node-redis: mGet' : null,
            // All but one round trip; at the least nine tenths of that: within Redis a simple command takes microseconds, a round trip tenths of a millisecond.
            expected: { point: -avoidable, lower: -avoidable, upper: -avoidable * 0.9, confidenceLevel: 0.95 },
          },
        },
      ];
    });
  },
});

function whyNot(site: OutgoingSite): string | null {
  if (site.maxCallsPerRequest < fewestRepeats) return 'it is sent at most twice in a request: a bounded pair, not a loop over keys';
  if (site.repeatingCalls / site.calls < 0.5) {
    return `only ${percent(site.repeatingCalls / site.calls)} of its commands are sent by requests that repeat it`;
  }
  if (site.overlappingCalls / site.repeatingCalls >= 0.5)
    return 'its commands are sent together: a pipeline, or side by side over one connection';
  const distinct = site.distinctCalls / site.repeatingRequests;
  if (distinct < fewestRepeats) return `its arguments differ only ${quantity(distinct)} times in a request: it asks the same again`;
  if (/^[HSZ]?SCAN$/.test(site.operation)) return 'a cursor can only be walked step by step';
  return null;
}
