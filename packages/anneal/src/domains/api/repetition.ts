import { certainShare } from '../../finding/evidence-rate.ts';
import type { DiagnoseSettings, Evidence, Finding, RuleOutcome } from '../../finding/finding.ts';
import { levelOf } from '../../finding/level.ts';
import { shorten } from '../../finding/subject.ts';
import { milliseconds, percent, quantity } from '../../finding/wording.ts';
import type { RouteObservation, StatementObservation } from '../../measurement/observations.ts';
import type { Estimate } from '../../stats/estimate.ts';
import { batchedForm } from './batched-form.ts';
import { callSitesOf, placeName, statementText, type CallSite } from './call-sites.ts';

export type Overlap = 'sequential' | 'parallel';

export interface Repetition {
  readonly site: CallSite;
  readonly statement: StatementObservation | null;
  /** Calls per repeating request. */
  readonly callsPerRequest: number;
  /** Of those, with parameters new to the request. */
  readonly distinctPerRequest: number;
  /** Client time of one call. */
  readonly meanMs: number;
  readonly overlapShare: number;
}

/** What one repetition costs, as the rule that reports it reckons. */
export interface RepetitionCost {
  readonly resource: 'request-time' | 'database-time' | 'cpu-time';
  readonly share: number;
  readonly evidence: readonly Evidence[];
  /** Change of `resource` if all but one call went away. */
  readonly expected: Estimate;
  readonly consequence: string;
}

/**
 * A loop over data, not a pair: two calls may be two different questions (before and after, this
 * and previous), three of one text from one line are not written by hand.
 */
export const fewestRepeats = 3;

/**
 * The N+1 rules' common part: which call sites loop over data, and what was looked at and is none.
 * `cost` prices those that overlap in the wanted way.
 */
export function diagnoseRepetition(
  wanted: Overlap,
  { routes, statements }: { readonly routes: readonly RouteObservation[]; readonly statements: readonly StatementObservation[] },
  settings: DiagnoseSettings,
  cost: (repetition: Repetition) => RepetitionCost,
): readonly RuleOutcome[] {
  return callSitesOf(routes).flatMap((site): RuleOutcome[] => {
    if (site.maxCallsPerRequest < 2) return [];
    const statement = statements.find(({ id }) => id === site.statementId) ?? null;
    const repetition = repetitionOf(site, statement);
    const reason = whyNot(wanted, repetition);
    if (reason !== null) return [silence(site, statements, reason)];
    const priced = cost(repetition);
    const certain = certainShare(priced.share, site.repeatingRequests);
    if (certain < settings.minimumShare) {
      const figure = `${percent(priced.share)} of the workload's ${priced.resource.replace('-', ' ')}, ${percent(certain)} of it certain`;
      return [silence(site, statements, `it takes ${figure}: below ${percent(settings.minimumShare)}`)];
    }
    return [finding(wanted, repetition, priced, certain, statements)];
  });
}

function repetitionOf(site: CallSite, statement: StatementObservation | null): Repetition {
  const requests = Math.max(site.repeatingRequests, 1);
  return {
    site,
    statement,
    callsPerRequest: site.repeatingCalls / requests,
    distinctPerRequest: site.distinctCalls / requests,
    meanMs: site.totalMs / Math.max(site.calls, 1),
    overlapShare: site.overlappingCalls / Math.max(site.repeatingCalls, 1),
  };
}

function whyNot(wanted: Overlap, { site, statement, distinctPerRequest, overlapShare }: Repetition): string | null {
  if (site.maxCallsPerRequest < fewestRepeats) return 'it runs at most twice in a request: a bounded pair, not a loop over data';
  if (statement?.kind === 'other') return 'it controls the session or the transaction: it cannot be merged with its like';
  // The cost is in the calls: a shared loader that is mostly called once is not accused for its rare lists.
  if (site.repeatingCalls / site.calls < 0.5) {
    return `only ${percent(site.repeatingCalls / site.calls)} of its calls are made by requests that repeat it`;
  }
  // Repeated parameters are a question asked again: api/duplicate-query's cause.
  if (distinctPerRequest < fewestRepeats) {
    return `its parameters differ only ${quantity(distinctPerRequest)} times in a request: it asks the same again (api/duplicate-query)`;
  }
  // With n calls started together n - 1 overlap (two thirds of three), in a loop with await none does: a half tells them apart.
  const overlap: Overlap = overlapShare >= 0.5 ? 'parallel' : 'sequential';
  if (overlap === wanted) return null;
  return overlap === 'parallel'
    ? 'its calls run side by side: api/parallel-n-plus-one'
    : 'its calls run one after the other: api/sequential-n-plus-one';
}

function silence(site: CallSite, statements: readonly StatementObservation[], reason: string): RuleOutcome {
  return { silent: { subject: `${shorten(statementText(statements, site.statementId))} at ${placeName(site.locations[0])}`, reason } };
}

function finding(
  wanted: Overlap,
  repetition: Repetition,
  cost: RepetitionCost,
  certain: number,
  statements: readonly StatementObservation[],
): Omit<Finding, 'ruleId' | 'fingerprint'> {
  const { site, statement, callsPerRequest, distinctPerRequest, meanMs, overlapShare } = repetition;
  const text = statementText(statements, site.statementId);
  const parent = site.parentStatementId === null ? null : statementText(statements, site.parentStatementId);
  const manner = wanted === 'sequential' ? 'one after the other' : 'side by side';
  const measured = (label: string, value: number | string, unit: string): Evidence => ({
    label,
    value,
    unit,
    provenance: 'measured',
    source: 'agent',
  });
  return {
    level: levelOf(certain),
    message:
      `${placeName(site.locations[0])} sends "${shorten(text)}" ${quantity(callsPerRequest)} times per request, ${manner}, ` +
      `${milliseconds(meanMs)} each: ${percent(cost.share)} of the workload's ${cost.resource.replace('-', ' ')}.`,
    subject: { kind: 'route', key: site.key, route: site.routes[0], statementId: site.statementId },
    locations: site.locations,
    impact: { resource: cost.resource, share: cost.share, certainShare: certain },
    evidence: [
      measured('statement', text, ''),
      measured('calls per request that repeats it', callsPerRequest, '1'),
      measured('different parameters per such request', distinctPerRequest, '1'),
      measured('requests that repeat it', site.repeatingRequests, '1'),
      measured('share of calls begun while another was running', overlapShare, '1'),
      measured('mean time of a call, seen by the client', meanMs, 'ms'),
      ...(parent === null ? [] : [measured('statement whose rows hold the parameters', parent, '')]),
      ...(site.routes.length === 1 ? [] : [measured('routes that come by here', site.routes.join(', '), '')]),
      ...cost.evidence,
    ],
    costIfIgnored: cost.consequence,
    proposal: {
      title: statement?.kind === 'insert' ? 'Write all rows with one statement' : 'Ask for all keys with one statement',
      text: proposalText(repetition, parent),
      code: statement === null ? null : batchedForm(statement),
      expected: cost.expected,
    },
  };
}

function proposalText({ statement, callsPerRequest }: Repetition, parent: string | null): string {
  const kind = statement?.kind ?? 'select';
  if (kind === 'insert') {
    return `Collect the rows and write them with one INSERT ... SELECT * FROM unnest($1, $2, ...) in place of ${quantity(callsPerRequest)} statements.`;
  }
  if (kind === 'update' || kind === 'delete') {
    return `Collect the keys and values and change all rows with one statement joined to unnest($1, $2, ...) in place of ${quantity(callsPerRequest)} statements.`;
  }
  const join =
    parent === null
      ? 'No earlier result of the request was seen to hold the parameters: where each call runs under another schema or tenant (search_path), the calls cannot be merged as they are.'
      : `The parameters come from the rows of "${shorten(parent)}", so a JOIN there is the shortest form.`;
  return `Collect the keys first, ask once, and put the rows into a Map by key. ${join}`;
}
