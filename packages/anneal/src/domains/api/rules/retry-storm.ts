import { certainShare } from '../../../finding/evidence-rate.ts';
import { defineRule, type RuleOutcome } from '../../../finding/finding.ts';
import { levelOf } from '../../../finding/level.ts';
import { elsewhereShare } from '../../../finding/request-time.ts';
import { milliseconds, percent, quantity } from '../../../finding/wording.ts';
import { placeName } from '../call-sites.ts';
import { callName, commonEvidence, measured, outgoingSitesOf, siteName } from '../outgoing-sites.ts';

/** Google SRE Book, chapter 21: a client retries as long as retries are below a tenth of what it sends; beyond that they are the overload. */
const retryBudgetShare = 0.1;

/** The same chapter: a request that failed three times is given up. */
const mostAttempts = 3;

export const retryStorm = defineRule({
  id: 'api/retry-storm',
  title: 'Failed calls are repeated at once',
  documentation: {
    what: 'Calls to another service that failed are made again within milliseconds, or more than three times, and are more than a tenth of all calls there.',
    why: 'A service fails when it has too much to do; retries at once give it more of that, and turn a short overload into a lasting one. The request waits for every attempt.',
    threshold:
      'More than 10 % of the calls are certainly retries (the retry budget of the Google SRE Book), and most of them come less than 10 ms after the failure, which is no wait on purpose, or one call was tried more than three times.',
    fix: 'Wait before each retry, exponentially longer and with jitter; give up after three attempts; stop altogether while most calls fail (a budget or a circuit breaker).',
    falsePositives: 'It is not a defect where the failure was of one connection and the retry goes to another replica.',
    sources: ['Google SRE Book, chapter 21, Handling Overload', 'AWS Architecture Blog, Exponential Backoff And Jitter'],
  },
  requires: ['agent.routes', 'agent.runtime'],
  diagnose({ 'agent.routes': routes, 'agent.runtime': runtime }, settings) {
    return outgoingSitesOf(routes, 'http').flatMap((site): RuleOutcome[] => {
      if (site.retries === 0) return [];
      const silence = (reason: string): RuleOutcome[] => [{ silent: { subject: siteName(site), reason } }];
      const retryShare = site.retries / site.calls;
      const certainRetries = certainShare(retryShare, site.retries);
      if (certainRetries < retryBudgetShare) {
        return silence(
          `${percent(retryShare)} of its calls are retries, ${percent(certainRetries)} certainly: within a budget of ${percent(retryBudgetShare)}`,
        );
      }
      const atOnce = site.promptRetries / site.retries >= 0.5;
      if (!atOnce && site.mostAttempts <= mostAttempts) {
        return silence(
          `its retries wait ${site.shortestRetryGapMs === null ? '' : `${milliseconds(site.shortestRetryGapMs)} or more `}and end after ${quantity(site.mostAttempts)} attempts`,
        );
      }
      const share = elsewhereShare(site.retryMs, routes, runtime);
      const certain = certainShare(share, site.retries);
      const isFelt = certain >= settings.minimumShare;
      const amplification = site.calls / (site.calls - site.retries);
      const manner = atOnce ? 'at once' : `up to ${quantity(site.mostAttempts)} times`;
      return [
        {
          level: isFelt ? levelOf(certain) : 'warning',
          message:
            `${placeName(site.locations[0])} repeats failed calls of ${callName(site)} ${manner}: ${percent(retryShare)} of its calls are retries, ` +
            `so the service gets ${quantity(amplification)} times the load${isFelt ? `, and they take ${percent(share)} of the workload's request time` : ''}.`,
          subject: { kind: 'route', key: site.key, route: site.routes[0], statementId: null },
          locations: site.locations,
          impact: isFelt
            ? { resource: 'request-time', share, certainShare: certain }
            : { resource: 'headroom', share: retryShare, certainShare: certainRetries },
          evidence: [
            ...commonEvidence(site),
            measured('calls that failed', site.errors, '1'),
            measured('retries', site.retries, '1'),
            measured('retries less than 10 ms after the failure', site.promptRetries, '1'),
            ...(site.shortestRetryGapMs === null ? [] : [measured('shortest wait before a retry', site.shortestRetryGapMs, 'ms')]),
            measured('most attempts of one call', site.mostAttempts, '1'),
            measured('calls per call that was meant', amplification, '1'),
          ],
          costIfIgnored: `When the service falters it gets at least ${quantity(amplification)} times its load, and up to ${quantity(site.mostAttempts)} times when all calls fail: it does not recover before the retries stop.`,
          proposal: {
            title: 'Back off before retrying, and give up early',
            text:
              'Wait before each retry, twice as long as before and by a random part of it; try three times at the most; and keep a budget over all requests, so that retries never exceed a tenth of the calls. ' +
              'Retry only what may be done twice.',
            code: [
              'const waitMs = Math.random() * 100 * 2 ** attempt; // full jitter, from 100 ms on',
              'await new Promise((resolve) => setTimeout(resolve, waitMs));',
            ].join('\n'),
            expected: null,
          },
        },
      ];
    });
  },
});
