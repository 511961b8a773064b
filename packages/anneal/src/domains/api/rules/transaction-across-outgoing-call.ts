import { certainShare } from '../../../finding/evidence-rate.ts';
import { defineRule, type RuleOutcome } from '../../../finding/finding.ts';
import { levelOf } from '../../../finding/level.ts';
import { connectionWaitMs, shareOf, waitShare } from '../../../finding/request-time.ts';
import { milliseconds, percent } from '../../../finding/wording.ts';
import { placeName } from '../call-sites.ts';
import { callName, commonEvidence, measured, outgoingSitesOf, siteName } from '../outgoing-sites.ts';

/** As for a connection held idle: ten milliseconds are some twenty round trips within a data centre, in which nobody else gets the rows. */
const heldMsThatMatters = 10;

export const transactionAcrossOutgoingCall = defineRule({
  id: 'api/transaction-across-outgoing-call',
  title: 'A transaction waits for another service',
  documentation: {
    what: 'A transaction is open (BEGIN, no COMMIT yet) while its request calls another service, and runs no statement meanwhile.',
    why: 'Its row locks, its connection and its snapshot are held as long as a machine elsewhere takes: others wait for the rows and the pool, VACUUM cannot clean up, and when the service hangs, the tables do.',
    threshold:
      'A call keeps the transaction waiting 10 ms or more on average, and the waiting transactions certainly take 1 % (or the share asked for) of the capacity of the pools, or of request time by what others wait for a connection.',
    fix: 'Call before BEGIN or after COMMIT; where both must happen or neither, write an outbox row in the transaction and call from a job.',
    falsePositives:
      'It is not a defect where the lock is meant to be held for the call, such as one that lets a single worker call at a time.',
    sources: [
      'PostgreSQL manual 19.11: idle_in_transaction_session_timeout',
      'Richardson, Microservices Patterns, 3.3: transactional outbox',
    ],
  },
  requires: ['agent.routes', 'agent.pools', 'agent.runtime'],
  diagnose({ 'agent.routes': routes, 'agent.pools': pools, 'agent.runtime': runtime }, settings) {
    const capacityMs = pools.reduce((sum, pool) => sum + pool.max * runtime.windowMs, 0);
    const heldMs = pools.reduce((sum, pool) => sum + pool.heldUs.sum / 1000, 0);
    return outgoingSitesOf(routes, 'http').flatMap((site): RuleOutcome[] => {
      const { insideTransactionCalls: calls, insideTransactionMs: insideMs } = site;
      if (calls === 0) return [];
      const silence = (reason: string): RuleOutcome[] => [{ silent: { subject: siteName(site), reason } }];
      const meanMs = insideMs / calls;
      if (meanMs < heldMsThatMatters)
        return silence(`it keeps a transaction waiting ${milliseconds(meanMs)}: no longer than a few statements would`);
      const capacityShare = shareOf(insideMs, capacityMs);
      const certainCapacity = certainShare(capacityShare, calls);
      // What others wait for a connection is owed to each holder in proportion to the time it holds: the least it can be, since a queue's wait is convex in its load.
      const share = waitShare(connectionWaitMs(routes) * shareOf(insideMs, heldMs), routes, runtime);
      const certain = certainShare(share, calls);
      const isFelt = certain >= settings.minimumShare;
      if (!isFelt && certainCapacity < settings.minimumShare) {
        return silence(
          `its transactions hold ${percent(capacityShare)} of the pools' capacity meanwhile, ${percent(certainCapacity)} of it certain: below ${percent(settings.minimumShare)}`,
        );
      }
      return [
        {
          level: isFelt ? levelOf(certain) : 'warning',
          message:
            `${placeName(site.locations[0])} calls ${callName(site)} inside a transaction, which waits ${milliseconds(meanMs)} for it with its locks and its connection: ` +
            `${percent(capacityShare)} of the pool's capacity${isFelt ? `, and ${percent(share)} of the workload's request time waits for that` : ''}.`,
          subject: { kind: 'route', key: site.key, route: site.routes[0], statementId: null },
          locations: site.locations,
          impact: isFelt
            ? { resource: 'request-time', share, certainShare: certain }
            : { resource: 'headroom', share: capacityShare, certainShare: certainCapacity },
          evidence: [
            ...commonEvidence(site),
            measured('calls inside an open transaction that ran no statement meanwhile', calls, '1'),
            measured('time transactions waited for them', insideMs, 'ms'),
            measured("share of the pools' capacity held meanwhile", capacityShare, '1'),
          ],
          costIfIgnored: 'A slow day of that service becomes one of the database: locks, connections and the oldest snapshot wait for it.',
          proposal: {
            title: 'Call outside of the transaction',
            text: 'Ask before BEGIN what the transaction needs to know, or commit first and call afterwards. Where the call must happen if and only if the transaction commits, write what has to be called into a table in the same transaction and let a worker call.',
            code: [
              'const verdict = await ask(); // before any lock',
              "await client.query('BEGIN');",
              '...',
              "await client.query('COMMIT');",
            ].join('\n'),
            expected: isFelt
              ? { point: -share, lower: -waitShare(connectionWaitMs(routes), routes, runtime), upper: -certain, confidenceLevel: 0.95 }
              : null,
          },
        },
      ];
    });
  },
});
