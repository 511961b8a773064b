import { certainShare } from '../../../finding/evidence-rate.ts';
import { defineRule, type RuleOutcome } from '../../../finding/finding.ts';
import { levelOf } from '../../../finding/level.ts';
import { shareOf } from '../../../finding/request-time.ts';
import { bytes, percent, quantity } from '../../../finding/wording.ts';
import { routeName } from '../call-sites.ts';

/** One TCP segment on Ethernet: "304 Not Modified" takes one too, so a shorter answer saves nothing. */
const onePacketBytes = 1_460;

export const missingValidators = defineRule({
  id: 'api/missing-validators',
  title: 'The same answer is sent again because nobody can ask whether it changed',
  documentation: {
    what: 'A GET route answers the same client with the same bytes again, and its answers have neither ETag or Last-Modified nor Cache-Control or Expires.',
    why: 'A browser, an app or a CDN that holds the answer already has no way to know that it may be kept, or to ask whether it still holds; so all of it is sent each time.',
    threshold:
      'Answers beyond 1,460 bytes, the one packet that "304 Not Modified" takes as well, most of them without such a header; what was repeated unchanged is certainly the share of all answered bytes asked for (1 % by default). Bodies are compared by their hash, for each address and identity apart.',
    fix: 'An ETag with an answer of 304 to If-None-Match; a Cache-Control with the age that the content bears.',
    falsePositives: 'It is not a defect where no client keeps answers: then the header costs its hash and brings nothing.',
    sources: ['RFC 9110, 8.8 and 13', 'RFC 9111'],
  },
  requires: ['agent.routes'],
  diagnose({ 'agent.routes': routes }, settings) {
    const allBytes = routes.reduce((sum, route) => sum + route.responseBytes, 0);
    return routes.flatMap((route): RuleOutcome[] => {
      const { answers } = route;
      if (answers === null || answers.equalRepeats === 0) return [];
      const name = routeName(route);
      const share = shareOf(route.responseBytes * shareOf(answers.equalRepeatBytes, answers.bodyBytes), allBytes);
      if (share < settings.minimumShare) return [];
      const silence = (reason: string): RuleOutcome[] => [{ silent: { subject: name, reason } }];
      if (answers.withValidator * 2 >= answers.reads) return silence('its answers have an ETag or Last-Modified');
      if (answers.withCacheControl * 2 >= answers.reads)
        return silence('its answers say with Cache-Control or Expires how long they may be kept');
      const meanBytes = answers.equalRepeatBytes / answers.equalRepeats;
      if (meanBytes <= onePacketBytes) return silence(`an answer of ${bytes(meanBytes)} takes one packet, as "304 Not Modified" does`);
      const certain = certainShare(share, answers.equalRepeats);
      if (certain < settings.minimumShare) {
        return silence(
          `what it repeats unchanged is ${percent(share)} of all bytes answered, ${percent(certain)} of it certain: below ${percent(settings.minimumShare)}`,
        );
      }
      return [
        {
          level: levelOf(certain),
          message:
            `${name} sent the same ${bytes(meanBytes)} again in ${quantity(answers.equalRepeats)} of the ${quantity(answers.repeats)} answers that the same client had asked for before, ` +
            `without an ETag or Cache-Control: ${percent(share)} of all bytes answered.`,
          subject: { kind: 'route', key: name, route: name, statementId: null },
          locations: route.answeredAt === null ? [] : [route.answeredAt],
          impact: { resource: 'response-bytes', share, certainShare: certain },
          evidence: [
            { label: 'answers that were equal again', value: answers.equalRepeats, unit: '1', provenance: 'measured', source: 'agent' },
            { label: 'answers asked for before', value: answers.repeats, unit: '1', provenance: 'measured', source: 'agent' },
            {
              label: 'bytes in those that were equal',
              value: answers.equalRepeatBytes,
              unit: 'By',
              provenance: 'measured',
              source: 'agent',
            },
            { label: 'answers read', value: answers.reads, unit: '1', provenance: 'measured', source: 'agent' },
            {
              label: 'of those with ETag or Last-Modified',
              value: answers.withValidator,
              unit: '1',
              provenance: 'measured',
              source: 'agent',
            },
            {
              label: 'of those with Cache-Control or Expires',
              value: answers.withCacheControl,
              unit: '1',
              provenance: 'measured',
              source: 'agent',
            },
          ],
          costIfIgnored: `${bytes(meanBytes)} go to clients that have them already, each time; with an age in Cache-Control most of those requests would not even be made.`,
          proposal: {
            title: `Give the answers of ${name} an ETag`,
            text:
              'A hash of the body (@fastify/etag, Express does it by itself, hono/etag, koa-etag with koa-conditional-get), and 304 to If-None-Match. ' +
              'The answer is still computed; Cache-Control with a max-age saves that too, for as long as an old answer does no harm.',
            code: `reply.header('etag', etag).header('cache-control', 'private, no-cache');`,
            expected: { point: -share, lower: -share, upper: 0, confidenceLevel: 0.95 },
          },
        },
      ];
    });
  },
});
