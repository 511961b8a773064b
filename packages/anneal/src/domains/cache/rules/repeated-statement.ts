import { certainShare } from '../../../finding/evidence-rate.ts';
import { defineRule, type RuleOutcome } from '../../../finding/finding.ts';
import { repeatsOnPurpose } from '../../../finding/repeats-on-purpose.ts';
import { requestTimeMs, shareOf } from '../../../finding/request-time.ts';
import { shorten } from '../../../finding/subject.ts';
import { milliseconds, percent, quantity } from '../../../finding/wording.ts';
import type { RouteObservation, StatementObservation } from '../../../measurement/observations.ts';
import { predictStatementHits, routeName, sparedWhole } from '../hit-model.ts';
import { doubtOf } from '../repeated-by-the-workload.ts';

export const repeatedStatement = defineRule({
  id: 'cache/repeated-statement',
  title: 'Requests ask the database for what others were told',
  documentation: {
    what: 'A SELECT is sent with the parameters that another request sent it with before, and its tables are rarely written in between: a session, settings, permissions, a catalogue.',
    why: 'Each time the request waits for the database, and the database finds the same rows. Where the answers differ by who asks they cannot be kept whole, but what they are made of can.',
    threshold:
      'What a cache of its results would spare certainly is the share of request time asked for (1 % by default), even if every write to one of its tables dropped all of them, and beside what a cache of whole answers would spare already.',
    fix: 'Keep the result by its parameters until one of its tables or rows is written.',
    falsePositives:
      'It is always a question: a healthy backend asks again too, and a workload that plays a few sessions or asks for a few written-out addresses repeats parameters where clients would not. It is not a defect where the answer depends on more than tables: the clock, chance, a lock.',
    sources: [
      'J. W. Cohen, The Single Server Queue, 1982: of two independent Poisson streams the next event belongs to one in proportion to its rate',
      'D. R. K. Ports et al., Transactional Consistency and Automatic Management in an Application Data Cache, OSDI 2010',
    ],
  },
  // What makes each call slow, or makes it at all, is the cause: without it there is less to spare.
  yieldsTo: [
    'api/sequential-n-plus-one',
    'api/parallel-n-plus-one',
    'api/duplicate-query',
    'database/missing-index',
    'database/missing-sort-index',
    'database/missing-expression-index',
    'database/missing-foreign-key-index',
    'database/unindexed-json-containment',
    'database/unindexed-text-search',
    'database/function-on-indexed-column',
    'database/or-across-columns',
    'database/not-in-subquery',
    'database/count-for-existence',
    'database/join-made-distinct',
    'database/deep-offset',
  ],
  requires: ['agent.routes', 'agent.runtime', 'agent.statements', 'load'],
  diagnose({ 'agent.routes': routes, 'agent.runtime': runtime, 'agent.statements': statements, load }, settings) {
    const allMs = requestTimeMs(routes, runtime);
    return statements.flatMap((statement): RuleOutcome[] => {
      const hits = statement.kind === 'select' && statement.tables.length > 0 ? predictStatementHits(statement, statements) : null;
      const uses = usesOf(statement, routes, statements);
      const leftShare = shareOf(
        uses.reduce((sum, { leftMs }) => sum + leftMs, 0),
        allMs,
      );
      if (hits === null || hits.repeatedShare * leftShare < settings.minimumShare) return [];
      const silence = (reason: string): RuleOutcome[] => [{ silent: { subject: shorten(statement.text), reason } }];
      const purpose = repeatsOnPurpose(statement);
      if (purpose !== null) return silence(purpose);
      const share = hits.least * leftShare;
      const { calls, repeats } = statement.repetition!;
      const certain = certainShare(share, repeats);
      if (certain < settings.minimumShare) {
        return silence(
          `${percent(hits.repeatedShare)} of its calls repeat others, but with ${quantity(hits.writes)} writes to its tables only ${percent(certain)} of request time is certain to be spared: below ${percent(settings.minimumShare)}`,
        );
      }
      // Without parameters it is the same for everybody, whoever the workload plays.
      const doubt = /\$\d/.test(statement.text) ? doubtOf(load, uses[0]!.route) : null;
      const meanMs = statement.totalMs / statement.calls;
      const [place] = statement.locations;
      const where = place === undefined ? '' : ` at ${place.file}:${place.line}`;
      return [
        {
          // A cache is paid for with memory and care, and healthy backends ask again too: what it is worth only a trial can answer.
          level: 'note',
          message:
            `"${shorten(statement.text)}"${where} takes ${milliseconds(meanMs)}, and ${percent(hits.repeatedShare)} of its calls had been made before with the same parameters; ` +
            `kept until something is written they would be spared ${percent(hits.least)} of the time: ${percent(share)} of all request time.${doubt === null ? '' : ` ${doubt}`}`,
          subject: {
            kind: 'statement',
            key: statement.id,
            statementId: statement.id,
            text: statement.text,
            tables: statement.tables,
            columns: [],
          },
          locations: statement.locations,
          impact: { resource: 'request-time', share, certainShare: certain },
          evidence: [
            { label: 'calls looked at', value: calls, unit: '1', provenance: 'measured', source: 'agent' },
            { label: 'made before with the same parameters', value: repeats, unit: '1', provenance: 'measured', source: 'agent' },
            { label: 'writes to its tables', value: hits.writes, unit: '1', provenance: 'measured', source: 'agent' },
            { label: 'mean time of a call, seen by the client', value: meanMs, unit: 'ms', provenance: 'measured', source: 'agent' },
            {
              label: 'calls answered from memory at least',
              value: 100 * hits.least,
              unit: '%',
              provenance: 'predicted',
              source: 'renewal model',
            },
            {
              label: 'routes that ask it',
              value: uses.map(({ route }) => routeName(route)).join(', '),
              unit: '',
              provenance: 'measured',
              source: 'agent',
            },
          ],
          costIfIgnored: `${percent(share)} of all request time goes on asking for what was answered before.`,
          proposal: {
            title: 'Keep its results until their tables are written',
            text:
              'Keep the rows by text and parameters, and drop them when one of their tables is written: after the commit and before the writer is answered, and never from a read that began before the write. ' +
              'An expiry alone answers with the past.',
            code: null,
            expected: { point: -share, lower: -hits.repeatedShare * leftShare, upper: -certain, confidenceLevel: 0.95 },
          },
        },
      ];
    });
  },
});

/** The routes that ask it, most time first, each with what a cache of its whole answers would leave of that time. */
function usesOf({ id }: StatementObservation, routes: readonly RouteObservation[], statements: readonly StatementObservation[]) {
  return routes
    .flatMap((route) => {
      const calls = route.statements.filter(({ statementId }) => statementId === id);
      if (calls.length === 0) return [];
      const ownMs = calls.reduce((sum, { totalMs }) => sum + totalMs, 0);
      return [{ route, leftMs: ownMs * (1 - sparedWhole(route, statements)) }];
    })
    .sort((one, other) => other.leftMs - one.leftMs);
}
