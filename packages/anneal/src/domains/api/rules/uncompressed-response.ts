import { certainShare } from '../../../finding/evidence-rate.ts';
import { defineRule, type RuleOutcome } from '../../../finding/finding.ts';
import { levelOf } from '../../../finding/level.ts';
import { shareOf } from '../../../finding/request-time.ts';
import { bytes, milliseconds, percent, quantity } from '../../../finding/wording.ts';
import { routeName } from '../call-sites.ts';

/** What a server may send before it hears from the client again: ten segments of 1,460 bytes (RFC 6928). Each further flight may be twice as long. */
const firstFlightBytes = 14_600;

/** zlib at its own level takes some 6 to 20 ms for a megabyte of JSON on one core; the upper end is what is told. */
const compressionMsPerMegabyte = 20;

export const uncompressedResponse = defineRule({
  id: 'api/uncompressed-response',
  title: 'A long text is sent uncompressed to clients that take it compressed',
  documentation: {
    what: 'A route answers with text or JSON beyond 14,600 bytes, the client had said that it takes compressed answers (Accept-Encoding), and the answer is sent as it is.',
    why: 'Everything beyond the first flight of packets costs another round trip to the client, which no server can make faster, and the bytes cost whoever pays for the traffic.',
    threshold:
      'More than 14,600 bytes, the ten segments that TCP sends at once (RFC 6928): a shorter answer arrives no sooner compressed. A few of the answers are really compressed to know what it brings; the bytes saved are certainly the share of all answered bytes asked for (1 % by default).',
    fix: 'Compression where the answer is sent: the framework’s plugin, or the proxy in front.',
    falsePositives:
      'It is not a defect where a proxy between here and the client compresses (then it asks for uncompressed answers, or should), or where an answer that holds a secret echoes what an attacker may choose (BREACH).',
    sources: ['RFC 6928, initial window of ten segments', 'RFC 9110, 8.4 and 12.5.3', 'Own measurement of zlib, as stated'],
  },
  requires: ['agent.routes'],
  diagnose({ 'agent.routes': routes }, settings) {
    const allBytes = routes.reduce((sum, route) => sum + route.responseBytes, 0);
    return routes.flatMap((route): RuleOutcome[] => {
      const { answers } = route;
      if (answers === null || answers.large === 0) return [];
      const name = routeName(route);
      const silence = (reason: string): RuleOutcome[] => [{ silent: { subject: name, reason } }];
      if (answers.uncompressed === 0)
        return silence(`its answers are long and uncompressed, and no client said that it takes compressed ones`);
      if (answers.sampledBytes === 0) return silence('none of its long answers could be compressed to see what it brings');
      const kept = answers.sampledCompressedBytes / answers.sampledBytes;
      const longShare = shareOf(answers.uncompressedBytes, answers.bodyBytes);
      const share = shareOf(route.responseBytes * longShare * (1 - kept), allBytes);
      const certain = certainShare(share, answers.uncompressed);
      if (certain < settings.minimumShare) {
        return silence(
          `compressing would save ${percent(share)} of all bytes answered, ${percent(certain)} of it certain: below ${percent(settings.minimumShare)}`,
        );
      }
      const meanBytes = answers.uncompressedBytes / answers.uncompressed;
      const spared = flights(meanBytes) - flights(meanBytes * kept);
      const costMs = (meanBytes / 1e6) * compressionMsPerMegabyte;
      return [
        {
          level: levelOf(certain),
          message:
            `${name} sends ${bytes(meanBytes)} uncompressed to clients that take it compressed; gzip makes ${bytes(meanBytes * kept)} of it: ` +
            `${percent(share)} of all bytes answered${spared > 0 ? `, and ${quantity(spared)} round trip(s) to the client each time` : ''}.`,
          subject: { kind: 'route', key: name, route: name, statementId: null },
          locations: route.answeredAt === null ? [] : [route.answeredAt],
          impact: { resource: 'response-bytes', share, certainShare: certain },
          evidence: [
            { label: 'bytes per answer', value: meanBytes, unit: 'By', provenance: 'measured', source: 'agent' },
            {
              label: 'the same compressed',
              value: meanBytes * kept,
              unit: 'By',
              provenance: 'measured',
              source: 'gzip of up to three answers',
            },
            {
              label: 'such answers among those looked at',
              value: answers.uncompressed,
              unit: '1',
              provenance: 'measured',
              source: 'agent',
            },
            { label: 'answers looked at', value: answers.examined, unit: '1', provenance: 'measured', source: 'agent' },
            { label: 'round trips saved per answer', value: spared, unit: '1', provenance: 'predicted', source: 'TCP slow start' },
            {
              label: 'CPU for compressing one',
              value: costMs,
              unit: 'ms',
              provenance: 'assumed',
              source: `${compressionMsPerMegabyte} ms for a megabyte`,
            },
          ],
          costIfIgnored: `${bytes(route.responseBytes * longShare * (1 - kept))} in this window were sent for nothing, and clients far away wait ${quantity(spared)} round trip(s) longer.`,
          proposal: {
            title: `Compress the answers of ${name}`,
            text:
              `Use the framework's compression (@fastify/compress, compression for Express, hono/compress, koa-compress) from ${bytes(firstFlightBytes)} on, or the proxy's. ` +
              `It costs about ${milliseconds(costMs)} of CPU for each answer, in libuv's threads, and sets Content-Encoding and Vary.`,
            code: `app.register(compress, { threshold: ${firstFlightBytes} });`,
            expected: { point: -share, lower: -share, upper: -certain, confidenceLevel: 0.95 },
          },
        },
      ];
    });
  },
});

/** Flights of packets that an answer takes when each may be twice as long as the one before. */
function flights(sizeBytes: number): number {
  return Math.max(Math.ceil(Math.log2(sizeBytes / firstFlightBytes + 1)), 1);
}
