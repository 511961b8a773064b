import { defineRule } from '../../../finding/finding.ts';
import { requestTimeMs, shareOf } from '../../../finding/request-time.ts';
import { percent } from '../../../finding/wording.ts';
import { diagnoseRepetition } from '../repetition.ts';

export const sequentialNPlusOne = defineRule({
  id: 'api/sequential-n-plus-one',
  title: 'One query per row, one after the other',
  documentation: {
    what: 'A request sends the same statement from the same line three times or more, each with other parameters, and waits for each before the next.',
    why: 'Every call costs a round trip and client work that one statement for all keys pays once; the request takes as much longer as there are rows.',
    threshold:
      'Three calls of one statement from one line in one request: two may be two questions, three are a loop. Less than half of them overlap, and their time certainly takes the share of request time asked for (1 % by default).',
    fix: 'One statement for all keys (`= ANY($1)`), then a map by key in the process; a loader that batches per request does the same without moving code.',
    falsePositives:
      'It is not a defect where the loop is bounded to two, where each call runs in the schema of another tenant, or where a later call depends on what an earlier one wrote.',
    sources: ["Little's law: a request waits for the sum of its calls"],
  },
  requires: ['agent.routes', 'agent.runtime', 'postgres.statements'],
  diagnose({ 'agent.routes': routes, 'agent.runtime': runtime, 'postgres.statements': statements }, settings) {
    const totalMs = requestTimeMs(routes, runtime);
    return diagnoseRepetition('sequential', { routes, statements }, settings, ({ site, statement, callsPerRequest, meanMs }) => {
      // The calls follow each other, so their times add up in the request.
      const share = shareOf(site.repeatingCalls * meanMs, totalMs);
      const avoidable = (callsPerRequest - 1) / callsPerRequest;
      // All but one call saved at the most; at the least what the server did not need: it may have to do the same work for the one statement.
      const serverMs = statement?.source === 'server' ? Math.min(statement.totalMs / Math.max(statement.calls, 1), meanMs) : meanMs;
      const savedMs = site.repeatingRequests * (callsPerRequest - 1) * meanMs;
      return {
        resource: 'request-time',
        share,
        evidence: [
          {
            label: 'time saved per request with one statement',
            value: savedMs / site.repeatingRequests,
            unit: 'ms',
            provenance: 'predicted',
            source: '(n - 1) x mean time of a call',
          },
        ],
        expected: {
          point: -share * avoidable,
          lower: -share * avoidable,
          upper: -share * avoidable * (1 - serverMs / meanMs),
          confidenceLevel: 0.95,
        },
        consequence: `${percent(share)} of all request time stays, and it grows with the number of rows and with the distance to the database.`,
      };
    });
  },
});
