import { certainShare } from '../../../finding/evidence-rate.ts';
import { defineRule, type RuleOutcome } from '../../../finding/finding.ts';
import { levelOf } from '../../../finding/level.ts';
import { requestTimeMs, shareOf } from '../../../finding/request-time.ts';
import { shorten } from '../../../finding/subject.ts';
import { percent, quantity } from '../../../finding/wording.ts';
import { callSitesOf, placeName } from '../call-sites.ts';

/** Three quarters for nothing, as in database/wide-rows: a ranking that reads three candidates for each place it gives stays below. */
const mostShownShare = 0.25;

/** At 2 µs a row for receiving it, a hundred rows keep the main thread as long as five queries (0.04 ms each). */
const fewestDroppedRows = 100;

/** Fewer comparisons could be fewer than the cases that need all rows. */
const fewestComparisons = 3;

export const overFetchedRows = defineRule({
  id: 'api/over-fetched-rows',
  title: 'Rows are read and dropped before the answer',
  documentation: {
    what: 'A statement’s rows go into the answer, but only a few of them: the application filters or cuts what the database could.',
    why: 'The database reads and sends the other rows, the driver makes objects of them, and the more there are in the table the slower it gets.',
    threshold:
      'At most a quarter of the rows is found in the JSON answers, over at least three comparisons, and a hundred rows a call are dropped (as much of the main thread as five queries). The statement must certainly take the share of request time asked for (1 % by default).',
    fix: 'The condition, or the LIMIT, in the statement.',
    falsePositives:
      'It is not a defect where the rows are computed with: a ranking by a function that the database does not have, a sum beside a list.',
    sources: ['Own measurement of pg, as stated'],
  },
  requires: ['agent.routes', 'agent.runtime', 'postgres.statements'],
  yieldsTo: ['api/unbounded-result'],
  diagnose({ 'agent.routes': routes, 'agent.runtime': runtime, 'postgres.statements': statements }, settings) {
    const totalMs = requestTimeMs(routes, runtime);
    return callSitesOf(routes).flatMap((site): RuleOutcome[] => {
      const statement = statements.find(({ id }) => id === site.statementId);
      const { shown } = site;
      if (statement?.kind !== 'select' || shown === null || shown.rows === 0 || shown.comparisons < fewestComparisons) return [];
      const shownShare = shareOf(shown.shownRows, shown.rows);
      const rowsPerCall = shown.rows / shown.comparisons;
      const dropped = rowsPerCall * (1 - shownShare);
      if (dropped < fewestDroppedRows) return [];
      const silence = (reason: string): RuleOutcome[] => [
        { silent: { subject: `${shorten(statement.text)} at ${placeName(site.locations[0])}`, reason } },
      ];
      if (shownShare > mostShownShare) return silence(`its answers show ${percent(shownShare)} of its rows`);
      const share = shareOf(site.totalMs * (1 - shownShare), totalMs);
      const certain = certainShare(share, site.calls);
      if (certain < settings.minimumShare)
        return silence(
          `its dropped rows take ${percent(share)} of request time, ${percent(certain)} of it certain: below ${percent(settings.minimumShare)}`,
        );
      return [
        {
          level: levelOf(certain),
          message:
            `${placeName(site.locations[0])} reads ${quantity(rowsPerCall)} rows per call and ${site.routes[0]} shows ${quantity(rowsPerCall - dropped)} of them: ` +
            `the rest is dropped after it was read and sent, ${percent(share)} of the workload's request time.`,
          subject: { kind: 'route', key: site.key, route: site.routes[0], statementId: site.statementId },
          locations: site.locations,
          impact: { resource: 'request-time', share, certainShare: certain },
          evidence: [
            { label: 'statement', value: statement.text, unit: '', provenance: 'measured', source: 'agent' },
            { label: 'rows per call', value: rowsPerCall, unit: '1', provenance: 'measured', source: 'agent' },
            { label: 'rows shown per call', value: rowsPerCall - dropped, unit: '1', provenance: 'measured', source: 'agent' },
            { label: 'results compared with their answers', value: shown.comparisons, unit: '1', provenance: 'measured', source: 'agent' },
            {
              label: 'time of the statement, seen by the client',
              value: site.totalMs,
              unit: 'ms',
              provenance: 'measured',
              source: 'agent',
            },
            { label: 'calls', value: site.calls, unit: '1', provenance: 'measured', source: 'agent' },
          ],
          costIfIgnored: `${quantity(dropped * site.calls)} rows in this window were made into objects and dropped, and more with every row that is added.`,
          proposal: {
            title: 'Let the database choose the rows',
            text: `Write what ${placeName(site.locations[0])} does to the rows afterwards (the filter, the cut) as WHERE, DISTINCT ON or ORDER BY with LIMIT into the statement.`,
            code: null,
            expected: { point: -share, lower: -share, upper: 0, confidenceLevel: 0.95 },
          },
        },
      ];
    });
  },
});
