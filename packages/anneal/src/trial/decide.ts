import { AnnealError } from '../errors.ts';
import { percent } from '../finding/wording.ts';
import type { MetricId } from '../prediction/prediction.ts';
import type { Estimate } from '../stats/estimate.ts';
import { nominalLevelOf } from '../stats/group-sequential.ts';
import { smallestSignedRankP } from '../stats/signed-rank.ts';
import { pairedEvidence, type PairedEvidence } from './paired-evidence.ts';
import type { Comparison, Equality, GuardResult, Result, Round, TrialDesign, Verdict } from './trial.ts';

/** Numbers of kept rounds after which the evidence is looked at; between looks nobody decides. */
export const standardLooks: readonly number[] = [10, 15, 20, 30, 40, 60];

/**
 * For changes whose effect is large: over after 24 rounds, blind to what only 60 can show. Nine is the
 * first number of rounds at which ten guards can all hold: 2^-9 is below the tenth of a look's level.
 */
export const shortLooks: readonly number[] = [9, 12, 16, 24];

/** Above it too much was thrown away for the rest to be typical. */
const droppedShareLimit = 0.4;

export interface Guard {
  readonly metric: MetricId;
  /** The worst change that still counts as none, relative; for `errors` a difference of shares. */
  readonly margin: number;
}

export interface Judgement {
  readonly primary: Comparison;
  readonly guards: readonly GuardResult[];
  /** True once more rounds cannot change the verdict, or may not. */
  readonly finished: boolean;
  /** Why it is finished, or what it waits for. */
  readonly reason: string;
}

export interface Question extends Pick<TrialDesign, 'looks' | 'nominalLevel' | 'minimumEffect'> {
  /** What counts as nothing; default the minimum effect. It stays when noise raises what a keep needs: not to know is not "no change". */
  readonly negligibleEffect?: number;
  /** In the order they were taken, dropped ones included. */
  readonly rounds: readonly Round[];
  readonly primary: MetricId;
  readonly guards: readonly Guard[];
}

/**
 * The level of each look that keeps the chance of calling equal arms different, over all looks
 * together, at `overallLevel`. The signed-rank statistic is discrete and therefore stays below it.
 *
 * @throws ANNEAL_DESIGN_IMPOSSIBLE when the looks do not increase, or when one is so early that even
 * rounds that all agree would not be significant
 */
export function nominalLevelFor(looks: readonly number[], overallLevel = 0.05): number {
  const refuse = (problem: string) => new AnnealError('ANNEAL_DESIGN_IMPOSSIBLE', { looks: looks.join(', '), problem });
  if (looks.length === 0) throw refuse('there is no look');
  if (looks.some((look, index) => !Number.isInteger(look) || look <= (looks[index - 1] ?? 0))) {
    throw refuse('looks are whole numbers of rounds, each above the one before');
  }
  const level = nominalLevelOf(looks, overallLevel);
  const first = looks[0]!;
  if (smallestSignedRankP(first) > level) {
    throw refuse(
      `after ${first} rounds that all agree p is still ${smallestSignedRankP(first)}, and each look is judged at ${level.toFixed(4)}`,
    );
  }
  return level;
}

/**
 * The protocol's whole judgement, from the rounds alone: the first look that decides, decides, and
 * later rounds no longer matter, so anyone who has the rounds finds the same verdict.
 */
export function assess(question: Question): Judgement {
  let judgement: Judgement | undefined;
  for (const look of question.looks) {
    const rounds = upToLook(question.rounds, look);
    const kept = rounds.filter((round) => round.dropped.length === 0);
    const spoilt = tooManyDropped(rounds, look, question.nominalLevel);
    if (spoilt !== null) return { ...undecided(question, kept), finished: true, reason: spoilt };
    if (kept.length < look) {
      const waiting = `${kept.length} of ${look} rounds are in`;
      return judgement === undefined
        ? { ...undecided(question, kept), finished: false, reason: waiting }
        : { ...judgement, reason: `${judgement.reason}; ${waiting}` };
    }
    judgement = judge(question, kept);
    if (judgement.finished) return judgement;
  }
  if (judgement === undefined) throw new RangeError('a design without looks cannot be judged');
  return { ...judgement, finished: true, reason: `${judgement.reason} after all ${question.looks.at(-1)} rounds` };
}

/**
 * Keeps what improved, lost no guard and answers the same; rolls everything else back and says why.
 * `reason` is the judgement's, for an inconclusive trial that ended for another reason than its figures.
 */
export function verdictOf(primary: Comparison, guards: readonly GuardResult[], equality: Equality, reason?: string): Verdict {
  const worse = guards.filter((guard) => guard.result === 'regressed');
  const unproven = guards.filter((guard) => !guard.holds);
  const rollback = (performance: Result, reason: string): Verdict => ({
    decision: 'rollback',
    performance,
    equality: equality.result,
    reason,
  });
  const performance = worse.length > 0 ? 'regressed' : primary.result;
  if (equality.result === 'mismatch') {
    const [first] = equality.mismatches;
    return rollback(
      performance,
      first === undefined ? 'answers differ' : `answers differ: ${first.request} at ${first.where}: ${first.difference}`,
    );
  }
  if (worse.length > 0) return rollback('regressed', `${worse.map(guardInWords).join('; ')}; ${inWords(primary)}`);
  if (primary.result !== 'improved') {
    return rollback(primary.result, primary.result === 'inconclusive' && reason !== undefined ? reason : inWords(primary));
  }
  if (unproven.length > 0) return rollback('inconclusive', `${inWords(primary)}, but ${unproven.map(guardInWords).join('; ')}`);
  if (equality.result === 'unknown') {
    const unknown = equality.unknown?.[0];
    return rollback(
      'improved',
      unknown === undefined ? 'no answers were compared' : `answers could not be compared: ${unknown.request}: ${unknown.reason}`,
    );
  }
  return { decision: 'keep', performance: 'improved', equality: 'match' };
}

/** Other answers, or worse than before: nobody should have it. */
export function isHarmful(verdict: Verdict): boolean {
  return verdict.decision === 'rollback' && (verdict.equality === 'mismatch' || verdict.performance === 'regressed');
}

/** Improved and regressed need the whole interval beyond the minimum effect; no-change needs it inside what counts as nothing. */
export function resultOf(change: Estimate, minimumEffect: number, negligibleEffect = minimumEffect): Result {
  if (change.upper < -minimumEffect) return 'improved';
  if (change.lower > minimumEffect) return 'regressed';
  return change.lower > -negligibleEffect && change.upper < negligibleEffect ? 'no-change' : 'inconclusive';
}

function judge(question: Question, kept: readonly Round[]): Judgement {
  const level = 1 - question.nominalLevel;
  const primary = compare(pairedEvidence(question.primary, kept), level, level, question.minimumEffect, question.negligibleEffect);
  const guards = holdGuards(question.guards, kept, question.nominalLevel);
  const worse = guards.find((guard) => guard.result === 'regressed');
  const unproven = guards.filter((guard) => !guard.holds);
  const because = (finished: boolean, reason: string): Judgement => ({ primary, guards, finished, reason });
  if (worse !== undefined) return because(true, guardInWords(worse));
  if (primary.result === 'inconclusive') return because(false, inWords(primary));
  if (primary.result === 'improved' && unproven.length > 0) {
    return because(false, `${inWords(primary)}, but ${unproven.map(guardInWords).join('; ')}`);
  }
  return because(true, inWords(primary));
}

/** The figures so far, without a result: nobody decides between looks. */
function undecided(question: Question, kept: readonly Round[]): Pick<Judgement, 'primary' | 'guards'> {
  const { primary, guards } = judge(question, kept);
  return {
    primary: { ...primary, result: 'inconclusive' },
    guards: guards.map((guard) => ({ ...guard, result: 'inconclusive', holds: false })),
  };
}

function compare(evidence: PairedEvidence, shownLevel: number, neededLevel: number, effect: number, negligible = effect): Comparison {
  const change = evidence.change(shownLevel);
  const tested = evidence.change(neededLevel);
  return {
    metric: evidence.metric,
    baseline: evidence.baseline,
    candidate: evidence.candidate,
    change,
    result: tested.confidenceLevel < neededLevel ? 'inconclusive' : resultOf(tested, effect, negligible),
    rounds: evidence.rounds,
  };
}

/**
 * Non-inferiority of every guard with Holm's step-down correction (Scandinavian Journal of Statistics
 * 6, 1979): the smallest of m p-values is tested at level / m, the next at level / (m - 1), until one
 * fails. Each guard's interval is shown at the level it was tested at, so that it holds exactly when
 * its upper end is below the margin.
 *
 * The family is tested one-sided at the nominal level of a look. Over all looks the chance that a guard
 * exactly at its margin passes stays near the overall level, since one side at this level is what two
 * sides at twice the level are.
 */
function holdGuards(guards: readonly Guard[], kept: readonly Round[], nominalLevel: number): readonly GuardResult[] {
  const tested = guards.map((guard) => {
    const evidence = pairedEvidence(guard.metric, kept);
    return { ...guard, evidence, p: evidence.chanceOfWorse(guard.margin) };
  });
  const results = new Map<Guard['metric'], GuardResult>();
  let failedLevel: number | null = null;
  const ascending = tested.toSorted((one, other) => one.p - other.p);
  for (const [rank, { metric, margin, evidence, p }] of ascending.entries()) {
    const level: number = failedLevel ?? nominalLevel / (tested.length - rank);
    const comparison = compare(evidence, 1 - 2 * level, 1 - nominalLevel, margin);
    const holds: boolean =
      failedLevel === null && p <= level && comparison.change.upper < margin && comparison.change.confidenceLevel >= 1 - 2 * level;
    if (!holds) failedLevel = level;
    results.set(metric, { ...comparison, margin, holds });
  }
  return tested.map(({ metric }) => results.get(metric)!);
}

/** Rounds up to the one that fills the look; all of them while it is not filled. */
function upToLook(rounds: readonly Round[], look: number): readonly Round[] {
  let kept = 0;
  const end = rounds.findIndex((round) => {
    if (round.dropped.length === 0) kept += 1;
    return kept === look;
  });
  return end < 0 ? rounds : rounds.slice(0, end + 1);
}

/**
 * Null while the dropped rounds are few and fall on both arms alike. A candidate whose slices are
 * dropped more often than the baseline's would be judged by its good moments only.
 */
function tooManyDropped(rounds: readonly Round[], look: number, nominalLevel: number): string | null {
  const dropped = rounds.filter((round) => round.dropped.length > 0);
  const share = dropped.length / (look + dropped.length);
  if (share > droppedShareLimit) {
    return `${dropped.length} of ${rounds.length} rounds had to be dropped, the first because of ${dropped[0]!.dropped[0]}`;
  }
  const onlyBecauseOf = (arm: string) => dropped.filter((round) => round.dropped.every((reason) => reason.startsWith(arm))).length;
  const candidate = onlyBecauseOf('candidate');
  const baseline = onlyBecauseOf('baseline');
  if (coinTail(candidate, candidate + baseline) > nominalLevel) return null;
  return `${candidate} rounds were dropped for the candidate's slice and ${baseline} for the baseline's: what is left are the candidate's good moments`;
}

/** Chance of at least `heads` heads in `tosses` of a fair coin: the sign test. */
function coinTail(heads: number, tosses: number): number {
  let term = 2 ** -tosses;
  let tail = 0;
  for (let count = 0; count <= tosses; count += 1) {
    if (count >= heads) tail += term;
    term *= (tosses - count) / (count + 1);
  }
  return tail;
}

function inWords(comparison: Comparison): string {
  if (comparison.rounds === 0) return `${comparison.metric} was not measured on both arms`;
  const { change, metric, result } = comparison;
  const said = result === 'no-change' ? 'did not change' : result === 'inconclusive' ? 'is inconclusive' : result;
  const interval = `${signed(metric, change.lower)} to ${signed(metric, change.upper)}`;
  return `${metric} ${said}: ${signed(metric, change.point)} (${interval}) in ${comparison.rounds} rounds`;
}

function guardInWords(guard: GuardResult): string {
  if (guard.rounds === 0) return `${guard.metric} was not measured on both arms`;
  const { change, metric } = guard;
  const margin = signed(metric, guard.margin);
  return guard.result === 'regressed'
    ? `${metric} regressed: ${signed(metric, change.point)}, beyond its margin of ${margin}`
    : `${metric} may be up to ${signed(metric, change.upper)}, and its margin is ${margin}`;
}

function signed(metric: MetricId, change: number): string {
  const amount = percent(change);
  const inUnit = metric === 'errors' ? amount.replace('%', 'percentage points') : amount;
  return change > 0 ? `+${inUnit}` : inUnit;
}
