import { certainShare } from '../../../finding/evidence-rate.ts';
import { defineRule, type RuleOutcome } from '../../../finding/finding.ts';
import { levelOf } from '../../../finding/level.ts';
import { elsewhereShare } from '../../../finding/request-time.ts';
import { shorten } from '../../../finding/subject.ts';
import { milliseconds, percent, quantity } from '../../../finding/wording.ts';
import { placeName } from '../call-sites.ts';
import { callName, commonEvidence, measured, outgoingSitesOf, siteName, type OutgoingSite } from '../outgoing-sites.ts';
import { fewestRepeats } from '../repetition.ts';

export const chattyOutgoingCalls = defineRule({
  id: 'api/chatty-outgoing-calls',
  title: 'One call to another service per item',
  documentation: {
    what: 'A request asks another service the same kind of question three times or more, each about something else, from the same line.',
    why: 'Each call costs a round trip, the client work of both sides and one more chance to fail; one after the other, the request takes as much longer as there are items.',
    threshold:
      'Three calls of one operation from one line in one request, each for something else: two may be two questions, three are a loop. One after the other, their time certainly takes the share of request time asked for (1 % by default); side by side, the time of one of them does, because the request waits for about one.',
    fix: 'Ask for all items with one call where the service offers that; else let a bounded number run side by side, and keep answers that others ask for again.',
    falsePositives:
      'It is not a defect where each call depends on the answer before it (pages of a listing) or where the service is meant to be asked item by item.',
    sources: [
      "Little's law: a request waits for the sum of its calls",
      'Nygard, Release It!, 2nd edition, chapter 4: every integration point is a chance to fail',
    ],
  },
  requires: ['agent.routes', 'agent.runtime'],
  diagnose({ 'agent.routes': routes, 'agent.runtime': runtime }, settings) {
    return outgoingSitesOf(routes, 'http').flatMap((site): RuleOutcome[] => {
      if (site.maxCallsPerRequest < 2) return [];
      const silence = (reason: string): RuleOutcome[] => [{ silent: { subject: siteName(site), reason } }];
      const reason = whyNot(site);
      if (reason !== null) return silence(reason);
      const sideBySide = site.overlappingCalls / site.repeatingCalls >= 0.5;
      const meanMs = site.totalMs / site.calls;
      const perRequest = site.repeatingCalls / site.repeatingRequests;
      const waitMs = sideBySide ? site.repeatingRequests * meanMs : site.repeatingCalls * meanMs;
      const share = elsewhereShare(waitMs, routes, runtime);
      const certain = certainShare(share, site.repeatingRequests);
      if (certain < settings.minimumShare) {
        return silence(
          `its loops take ${percent(share)} of request time, ${percent(certain)} of it certain: below ${percent(settings.minimumShare)}`,
        );
      }
      const parent = site.parentStatement === null ? null : shorten(site.parentStatement);
      const avoidable = share * ((perRequest - 1) / perRequest);
      return [
        {
          // Side by side the request waits for the slowest alone: what one call for all would save it, nothing here tells.
          level: sideBySide ? 'note' : levelOf(certain),
          message:
            `${placeName(site.locations[0])} makes ${quantity(perRequest)} calls of ${callName(site)} per request, ${sideBySide ? 'side by side' : 'one after the other'}, ` +
            `${milliseconds(meanMs)} each: ${percent(share)} of the workload's request time.`,
          subject: { kind: 'route', key: site.key, route: site.routes[0], statementId: null },
          locations: site.locations,
          impact: { resource: 'request-time', share, certainShare: certain },
          evidence: [
            ...commonEvidence(site),
            measured('calls per request that repeats it', perRequest, '1'),
            measured('different questions per such request', site.distinctCalls / site.repeatingRequests, '1'),
            measured('share of calls begun while another was running', site.overlappingCalls / site.repeatingCalls, '1'),
            ...(parent === null ? [] : [measured('statement whose rows hold what the calls differ by', parent, '')]),
          ],
          costIfIgnored: sideBySide
            ? `The service answers ${quantity(perRequest)} calls for every request, and a request is as slow as the slowest of them.`
            : `${percent(share)} of all request time stays, and it grows with the number of items and with the distance to the service.`,
          proposal: {
            title: 'Ask once for all items',
            text:
              `Collect the keys${parent === null ? '' : ` (they are rows of "${parent}")`} and ask for all with one call, if the service takes a list. Where it does not, ` +
              'run a bounded number of calls side by side, and keep the answers that are asked for again for as long as they may be old.',
            code: sideBySide
              ? null
              : 'const answers = await Promise.all(keys.map((key) => ask(key))); // bounded, where there can be many keys',
            expected: sideBySide
              ? null
              : // All but one call saved; at the least half of that, where the service takes twice as long for twice the items but serves two calls at a time.
                { point: -avoidable, lower: -avoidable, upper: -avoidable / 2, confidenceLevel: 0.95 },
          },
        },
      ];
    });
  },
});

function whyNot(site: OutgoingSite): string | null {
  if (site.maxCallsPerRequest < fewestRepeats) return 'it is called at most twice in a request: a bounded pair, not a loop over items';
  if (site.repeatingCalls / site.calls < 0.5) {
    return `only ${percent(site.repeatingCalls / site.calls)} of its calls are made by requests that repeat it`;
  }
  const distinct = site.distinctCalls / site.repeatingRequests;
  if (distinct < fewestRepeats) {
    return site.retries >= site.duplicateCalls
      ? 'its repetitions are retries of what failed (api/retry-storm)'
      : `it asks for only ${quantity(distinct)} different things in a request: it asks the same again, as one who waits for something does`;
  }
  return null;
}
