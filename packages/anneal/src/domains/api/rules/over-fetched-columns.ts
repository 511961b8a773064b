import { certainShare } from '../../../finding/evidence-rate.ts';
import { defineRule, type RuleOutcome } from '../../../finding/finding.ts';
import { levelOf } from '../../../finding/level.ts';
import { requestTimeMs, shareOf } from '../../../finding/request-time.ts';
import { shorten } from '../../../finding/subject.ts';
import { bytes, percent } from '../../../finding/wording.ts';
import { callSitesOf, placeName } from '../call-sites.ts';

/** One packet on Ethernet: leaving less than that out of a result saves none. */
const onePacketBytes = 1_460;

/** Fewer comparisons could be fewer than the cases in which a column is used. */
const fewestComparisons = 3;

export const overFetchedColumns = defineRule({
  id: 'api/over-fetched-columns',
  title: 'Columns are read that no answer shows',
  documentation: {
    what: 'A statement’s rows go into the answer, and some of its columns never do: neither by name nor by value, nor as a parameter of a later statement.',
    why: 'The database reads and sends them, the driver parses them and the process keeps them, for nothing.',
    threshold:
      'In none of at least three results compared with their JSON answers, weighing half of the result or more and over 1,460 bytes per call (one packet: less saves none). The statement must certainly take the share of request time asked for (1 % by default).',
    fix: 'Name the columns that the answer needs.',
    falsePositives:
      'It is not a defect where the process computes with the column (sorts, filters, signs) without showing it: that nobody can see from outside.',
    sources: ['RFC 9293, maximum segment size on Ethernet', 'PostgreSQL manual 66.2 TOAST'],
  },
  requires: ['agent.routes', 'agent.runtime', 'postgres.statements'],
  yieldsTo: ['api/over-fetched-rows', 'database/wide-rows'],
  diagnose({ 'agent.routes': routes, 'agent.runtime': runtime, 'postgres.statements': statements }, settings) {
    const totalMs = requestTimeMs(routes, runtime);
    return callSitesOf(routes).flatMap((site): RuleOutcome[] => {
      const statement = statements.find(({ id }) => id === site.statementId);
      const { shown } = site;
      if (statement?.kind !== 'select' || shown === null || shown.comparisons < fewestComparisons) return [];
      const weight = (columns: typeof shown.columns) => columns.reduce((sum, { sizeBytes }) => sum + sizeBytes, 0) / shown.comparisons;
      const unseen = shown.columns
        .filter((column) => column.shown === 0 && column.sizeBytes > 0)
        .toSorted((one, other) => other.sizeBytes - one.sizeBytes);
      const unseenShare = shareOf(weight(unseen), weight(shown.columns));
      if (unseen.length === 0 || unseenShare < 0.5) return [];
      const silence = (reason: string): RuleOutcome[] => [
        { silent: { subject: `${shorten(statement.text)} at ${placeName(site.locations[0])}`, reason } },
      ];
      if (weight(unseen) <= onePacketBytes)
        return silence(
          `what no answer shows of it are ${bytes(weight(unseen))} a call: they fit one packet, so leaving them out saves none`,
        );
      const share = shareOf(site.totalMs * unseenShare, totalMs);
      const certain = certainShare(share, site.calls);
      if (certain < settings.minimumShare)
        return silence(
          `its unused part takes ${percent(share)} of request time, ${percent(certain)} of it certain: below ${percent(settings.minimumShare)}`,
        );
      const names = unseen.map(({ name }) => name);
      const used = shown.columns.filter((column) => !unseen.includes(column)).map(({ name }) => name);
      return [
        {
          level: levelOf(certain),
          message:
            `${placeName(site.locations[0])} reads ${names.join(', ')} for ${site.routes.join(', ')}, which no answer shows: ` +
            `${bytes(weight(unseen))} of ${bytes(weight(shown.columns))} per call, ${percent(share)} of the workload's request time.`,
          subject: { kind: 'route', key: site.key, route: site.routes[0], statementId: site.statementId },
          locations: site.locations,
          impact: { resource: 'request-time', share, certainShare: certain },
          evidence: [
            { label: 'statement', value: statement.text, unit: '', provenance: 'measured', source: 'agent' },
            { label: 'columns that no answer shows', value: names.join(', '), unit: '', provenance: 'measured', source: 'agent' },
            { label: 'results compared with their answers', value: shown.comparisons, unit: '1', provenance: 'measured', source: 'agent' },
            { label: 'weight of those columns per call', value: weight(unseen), unit: 'By', provenance: 'measured', source: 'agent' },
            { label: 'weight of all columns per call', value: weight(shown.columns), unit: 'By', provenance: 'measured', source: 'agent' },
            { label: 'calls', value: site.calls, unit: '1', provenance: 'measured', source: 'agent' },
          ],
          costIfIgnored: `${bytes(weight(unseen) * site.calls)} in this window were read, sent and parsed for nothing.`,
          proposal: {
            title: `Leave ${names.join(', ')} out`,
            text:
              `Read ${used.join(', ')} only, unless the code computes with ${names.join(', ')}. ` +
              'Long values that lie out of line (TOAST) are then not even read from disk.',
            code: statement.shape?.tables.length === 1 ? `SELECT ${used.join(', ')} FROM ${statement.tables[0]} ...` : null,
            expected: { point: -share, lower: -share, upper: 0, confidenceLevel: 0.95 },
          },
        },
      ];
    });
  },
});
