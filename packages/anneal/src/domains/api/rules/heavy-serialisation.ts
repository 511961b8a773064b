import { certainShare } from '../../../finding/evidence-rate.ts';
import { defineRule, type RuleOutcome } from '../../../finding/finding.ts';
import { levelOf } from '../../../finding/level.ts';
import { shareOf } from '../../../finding/request-time.ts';
import { bytes, milliseconds, percent, quantity } from '../../../finding/wording.ts';
import { residualDelayMs } from '../../../prediction/queueing.ts';
import { placeName, routeName } from '../call-sites.ts';
import { computingShare, mainThreadMs } from '../main-thread.ts';

/**
 * A millisecond of serialisation is some 100 kB of JSON and as much of the main thread as 25 queries
 * cost (0.04 ms each): no page of titles comes near it, and below it a handler's own work is dearer.
 */
const heavyMsPerAnswer = 1;

export const heavySerialisation = defineRule({
  id: 'api/heavy-serialisation',
  title: 'Turning the answer into JSON takes the main thread',
  documentation: {
    what: 'JSON.stringify of one answer takes a millisecond or more, during which the event loop serves nobody else.',
    why: 'The answer holds more than its reader can use, or carries a document through the process that the database had as text already.',
    threshold:
      'A millisecond for one answer: some 100 kB of JSON, and as much of the main thread as 25 queries cost. The time must certainly take the share of request time asked for (1 % by default).',
    fix: 'Fewer fields or rows; a document that the database holds as JSON goes through as text; an answer that is sent often is kept serialised.',
    falsePositives: 'It is not a defect in an export that is asked for now and then.',
    sources: ['RFC 8259', 'Own measurement of JSON.stringify, as stated'],
  },
  requires: ['agent.routes', 'agent.runtime'],
  yieldsTo: ['api/unbounded-result', 'database/wide-rows'],
  diagnose({ 'agent.routes': routes, 'agent.runtime': runtime }, settings) {
    return routes.flatMap((route): RuleOutcome[] => {
      if (route.serialisationMs === 0 || route.requests === 0) return [];
      const name = routeName(route);
      const silence = (reason: string): RuleOutcome[] => [{ silent: { subject: name, reason } }];
      // Timed by the clock: what the machine gave to others meanwhile is in it.
      const meanMs = (route.serialisationMs * computingShare(runtime)) / route.requests;
      const meanBytes = route.responseBytes / route.requests;
      const share = shareOf(route.serialisationMs, mainThreadMs(runtime));
      if (meanMs < heavyMsPerAnswer && share < settings.minimumShare) return [];
      if (meanMs < heavyMsPerAnswer)
        return silence(`an answer of ${bytes(meanBytes)} is serialised in ${milliseconds(meanMs)}: less than ${heavyMsPerAnswer} ms`);
      const certain = certainShare(share, route.requests);
      if (certain < settings.minimumShare) {
        return silence(
          `its serialisation takes ${percent(share)} of the process's CPU, ${percent(certain)} of it certain: below ${percent(settings.minimumShare)}`,
        );
      }
      const delayMs = residualDelayMs((route.requests * 1000) / runtime.windowMs, meanMs ** 2);
      // No source names the line that answers; the statement that brought most of it is nearest.
      const origin = route.statements.toSorted((left, right) => right.receivedBytes - left.receivedBytes)[0];
      const at = origin?.location === undefined || origin.location === null ? '' : ` (its data comes from ${placeName(origin.location)})`;
      return [
        {
          level: levelOf(certain),
          message:
            `${name}${at} serialises ${bytes(meanBytes)} per answer in ${milliseconds(meanMs)} (longest ${milliseconds(route.longestSerialisationMs)}): ` +
            `${percent(share)} of the process's CPU, all of it on the event loop.`,
          subject: { kind: 'route', key: name, route: name, statementId: null },
          locations: origin?.location === undefined || origin.location === null ? [] : [origin.location],
          impact: { resource: 'cpu-time', share, certainShare: certain },
          evidence: [
            { label: 'serialisation per answer', value: meanMs, unit: 'ms', provenance: 'measured', source: 'agent' },
            { label: 'longest serialisation', value: route.longestSerialisationMs, unit: 'ms', provenance: 'measured', source: 'agent' },
            { label: 'bytes per answer', value: meanBytes, unit: 'By', provenance: 'measured', source: 'agent' },
            {
              label: 'rows per answer of the statement that brings most',
              value: (origin?.rows ?? 0) / route.requests,
              unit: '1',
              provenance: 'measured',
              source: 'agent',
            },
            { label: 'answers', value: route.requests, unit: '1', provenance: 'measured', source: 'agent' },
            {
              label: 'added wait of every other request',
              value: delayMs,
              unit: 'ms',
              provenance: 'predicted',
              source: 'residual life, r·d²/2',
            },
          ],
          costIfIgnored: `Each of ${quantity(route.requests)} answers stops all other requests for ${milliseconds(meanMs)}, and longer as the documents grow.`,
          proposal: {
            title: 'Answer with less, or with JSON the database has already',
            text:
              'Send the fields the page shows and let details be asked for. Where a JSONB document goes out unchanged, select it as text and send the text: ' +
              'then neither JSON.parse nor JSON.stringify runs in the process.',
            code: "const { rows } = await pool.query('SELECT document::text AS document FROM ...');\nreply.type('application/json; charset=utf-8').send(rows[0].document);",
            // Sent as text, the serialisation is gone altogether; with fewer fields, a part of it.
            expected: { point: -share, lower: -share, upper: 0, confidenceLevel: 0.95 },
          },
        },
      ];
    });
  },
});
