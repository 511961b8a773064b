import type { AssessedFinding, Assessment, Costs, Window } from './assessment.ts';
import type { Finding, Impact } from '../finding/finding.ts';
import { subjectName } from '../finding/subject.ts';
import { summariseCalibration } from '../prediction/calibration.ts';
import { quantileUs } from '../stats/histogram.ts';
import { isHarmful } from '../trial/decide.ts';
import { leaningInWords } from '../trial/lean-traffic.ts';
import { guardedAnywhere } from '../trial/guards.ts';
import type { Equality, Result, Trial, TrialDesign, Verdict } from '../trial/trial.ts';
import { bytes, change, counted, duration, interval, level, metricName, plain, quantity, share } from './format.ts';

/** The sentences that every report shares, so that a terminal, a page and a file never say different things. */

/** The one thing to know, with its number, interval and where it comes from. */
export function headline(assessment: Assessment): string {
  const { summary, findings, trials, run } = assessment;
  const brought = trials.find(isBrought);
  if (brought !== undefined) return broughtHeadline(brought);
  if (summary.overall !== null) {
    const { metric, change } = summary.overall;
    return `${capital(metricName(metric))} ${interval(change, metric)}, measured: everything kept together against the original, in fresh processes.`;
  }
  if (summary.trials.kept > 0)
    return `${counted(summary.trials.kept, 'change')} kept; together they were not measured against the original.`;
  const patches = trials.filter(isPatch);
  const proven = patches.filter(({ verdict }) => verdict.decision === 'keep');
  if (proven.length > 0)
    return `${counted(proven.length, 'patch', 'patches')} of the source proven, for you to apply; nothing was changed.`;
  if (trials.length > patches.length)
    return `Nothing was kept: ${counted(trials.length - patches.length, 'change')} tried, every one rolled back.`;
  if (patches.length > 0) return `Nothing was proven: ${counted(patches.length, 'patch', 'patches')} of the source tried.`;
  const standing = findings.filter((finding) => finding.standing !== 'suppressed').length;
  if (standing > 0) return `${counted(standing, 'finding')}; nothing was changed.`;
  if (run.command === 'measure' || run.command === 'load') return windowWords(assessment.windows[0]);
  const isBlind = blindRules(assessment).length > 0;
  return `Nothing was found that holds this backend back under this traffic${isBlind ? ', by the rules that had data' : ''}.`;
}

function broughtHeadline(trial: Trial): string {
  const { primary, equality, description, verdict } = trial;
  const refused = refusedShare(trial);
  if (verdict.decision === 'rollback') return `Not proven (${verdictWord(trial)}). ${description.title}: ${verdictReason(trial)}`;
  return (
    `Proven: ${metricName(primary.metric)} ${interval(primary.change, primary.metric)} with equal answers, ` +
    (refused === null ? '' : `${share(refused)} of the requests refused, `) +
    `measured in ${counted(primary.rounds, 'round')} on two arms, ${counted(equality.compared, 'answer')} compared.`
  );
}

/** Rate, latency and errors of a window in one sentence. */
export function windowWords(window: Window | undefined): string {
  if (window === undefined) return 'Nothing was measured.';
  if (window.load === null) return `Measured for ${duration(window.durationMs)} without load of our own.`;
  const { requests, failedRequests, refusedRequests = 0, requestsPerSecond, responseTimeUs } = window.load;
  const errors = failedRequests - refusedRequests;
  const [p50, p95, p99] = [0.5, 0.95, 0.99].map((q) => duration(quantileUs(responseTimeUs, q) / 1000));
  return (
    `${counted(requests, 'request')} at ${quantity(requestsPerSecond)}/s for ${duration(window.durationMs)}: ` +
    `p50 ${p50}, p95 ${p95}, p99 ${p99}, ${errors === 0 ? 'no errors' : counted(errors, 'error')}` +
    `${refusedRequests === 0 ? '' : `, ${quantity(refusedRequests)} refused by a policy`} (measured).`
  );
}

/** What became of a trial, in a few words; never "no change" for "cannot tell". */
export function verdictWord(trial: Pick<Trial, 'verdict' | 'finding' | 'isPatch'>): string {
  const { verdict } = trial;
  if (isBrought(trial)) return broughtWord(verdict);
  if (isPatch(trial)) return `${isHarmful(verdict) ? 'withdrawn: ' : ''}${broughtWord(verdict)}`;
  if (verdict.decision === 'keep') return 'kept';
  if (verdict.equality === 'mismatch') return 'rolled back: answers differ';
  if (verdict.performance === 'improved' && verdict.equality === 'unknown') return 'rolled back: answers not compared';
  return `rolled back: ${resultWord(verdict.performance)}`;
}

/** Nothing was applied and nothing is taken back: somebody's own change is told what it is. */
function broughtWord(verdict: Verdict): string {
  if (verdict.decision === 'keep') return 'proven: improved, equal';
  if (verdict.equality === 'mismatch') return 'answers differ';
  if (verdict.performance === 'improved' && verdict.equality === 'unknown') return 'improved, but answers not compared';
  return verdict.performance === 'improved' ? 'improved, but not confirmed' : resultWord(verdict.performance);
}

/** Whether somebody brought the change; else a rule found why and a remedy planned it. */
export function isBrought({ finding }: Pick<Trial, 'finding'>): boolean {
  return finding === null;
}

/** Whether it is a patch of the source, which is neither kept nor rolled back: it stays a file. */
export function isPatch(trial: Pick<Trial, 'isPatch'>): boolean {
  return trial.isPatch === true;
}

/** What is to stand in the target, until somebody undoes it. */
export function isKept(trial: Pick<Trial, 'verdict' | 'isPatch'>): boolean {
  return trial.verdict.decision === 'keep' && !isPatch(trial);
}

/** What a person does to keep it for good; null where nobody should, or nothing is to be done. */
export function lastingWords(trial: Pick<Trial, 'description' | 'verdict' | 'isPatch'>): string | null {
  return isPatch(trial) && trial.verdict.decision === 'rollback' ? null : trial.description.lasting;
}

/** The title of the last comparison, which was made in fresh processes. */
export function overallWords({ trials }: Pick<Assessment, 'trials'>): string {
  return trials.some(isBrought) ? 'The change once more, against the original' : 'Everything kept, against the original';
}

/** How many changes were tried and what became of them; null where the headline has said it of the only one. */
export function triedWords({ summary, trials }: Pick<Assessment, 'summary' | 'trials'>): string | null {
  const { kept, rolledBack, inconclusive } = summary.trials;
  if (kept + rolledBack === 0 || trials.some(isBrought)) return null;
  return `${counted(kept + rolledBack, 'change')} tried: ${kept} kept, ${rolledBack} rolled back, ${inconclusive} of them inconclusive.`;
}

/** How many patches of the source were written and what became of them; null where there is none. */
export function patchesWords({ findings }: Pick<Assessment, 'findings'>): string | null {
  const byFile = new Map(findings.flatMap(({ patch }) => (patch === undefined ? [] : [[patch.file, patch] as const])));
  if (byFile.size === 0) return null;
  const standings = [...Map.groupBy(byFile.values(), ({ standing }) => standing)];
  return `${counted(byFile.size, 'patch', 'patches')} of the source written, none applied: ${standings.map(([standing, group]) => `${group.length} ${standing}`).join(', ')}.`;
}

/** What was predicted, in figures. */
export function predictedWords({ prediction }: Pick<Trial, 'prediction'>): string {
  return prediction === null ? 'nothing' : interval(prediction.change, prediction.metric);
}

/** From what, and what it takes for granted. */
export function predictionWords({ prediction }: Pick<Trial, 'prediction'>): string {
  if (prediction === null) return 'Nobody predicted what it is worth.';
  const { metric, change, model, assumptions } = prediction;
  return `Predicted before the trial (${model}): ${metricName(metric)} ${interval(change, metric)}. Assumed: ${assumptions.join('; ') || 'nothing'}.`;
}

/** Sentences of the trial write a hyphen before negative numbers; reports print a minus sign. */
export function withMinus(sentence: string): string {
  return sentence.replaceAll(/(?<=^|[\s(])-(?=\d)/gu, '−');
}

export function resultWord(result: Result): string {
  return result === 'no-change' ? 'no change' : result;
}

export type Tone = 'good' | 'bad' | 'open';

/** Good was kept; bad is proven worse or answers differently; open could be neither proven nor refuted. */
export function toneOf(verdict: Verdict): Tone {
  if (verdict.decision === 'keep') return 'good';
  return isHarmful(verdict) ? 'bad' : 'open';
}

/** Why, in a sentence. */
export function verdictReason(trial: Pick<Trial, 'verdict' | 'design' | 'equality' | 'primary' | 'guards'>): string {
  const { verdict, design } = trial;
  if (verdict.decision === 'rollback') {
    const metrics = [trial.primary, ...trial.guards].map(({ metric }) => metric);
    // The longest first: `latency.p95` is the beginning of `latency.p95:GET /orders`.
    const named = metrics
      .toSorted((one, other) => other.length - one.length)
      .reduce((reason, metric) => reason.replaceAll(metric, metricName(metric)), plain(verdict.reason));
    return sentence(withMinus(named));
  }
  return `The whole interval lies beyond ${change(-design.minimumEffect)}, no guard was lost, and ${counted(trial.equality.compared, 'answer')} are equal.`;
}

/** File, line and function, or what it is about where no source could name a line. */
export function placeOf(finding: Pick<Finding, 'locations' | 'subject'>): string {
  const [first] = finding.locations;
  if (first === undefined) return plain(subjectName(finding.subject));
  return plain(`${first.file}:${first.line}${first.function === null ? '' : ` (${first.function})`}`);
}

/** As `placeOf`, without the function: for a column of a table. */
export function lineOf({ locations, subject }: Pick<Finding, 'locations' | 'subject'>): string {
  return placeOf({ subject, locations: locations.slice(0, 1).map((location) => ({ ...location, function: null })) });
}

/** The share, and what of it is certain given how few times it was seen. */
export function impactWords({ resource, share: part, certainShare }: Impact): string {
  const certain = share(certainShare) === share(part) ? '' : `, at least ${share(certainShare)}`;
  if (resource === 'headroom') return `${share(part)} of its headroom is used up`;
  return `${share(part)} of ${resource.replace('-', ' ')}${certain}`;
}

export function designWords({ design, rounds }: Pick<Trial, 'design' | 'rounds'>): string {
  const dropped = rounds.filter((round) => round.dropped.length > 0).length;
  const leaning = design.leaning === undefined ? '' : `; ${plain(leaningInWords(design.leaning))}`;
  const sharing = design.sharedWith.length === 0 ? '' : `; shared its arms with ${design.sharedWith.join(', ')}`;
  const policy =
    design.policy === undefined
      ? ''
      : `; the policy acted on ${design.policy.share === 1 ? 'all requests' : `${share(design.policy.share)} of the requests`} that it meets, and would have ended by itself after ${duration(design.policy.expiresAfterMs)}`;
  return (
    `${counted(rounds.length - dropped, 'round')} kept, ${dropped} dropped before anyone looked at the outcome; ` +
    `one slice of ${duration(design.sliceMs)} ${design.toggled === true ? 'with the policy off and one with it on in each round, in one process and' : 'per arm and round'} in random order (seed ${design.seed}); ${lookWords(design)}; ` +
    `to be kept, the whole interval must lie below ${change(-design.minimumEffect)}${leaning}${sharing}${policy}.`
  );
}

function lookWords({ looks, nominalLevel }: TrialDesign): string {
  return `looks after ${looks.join(', ')} rounds, each at ${level(1 - nominalLevel)}`;
}

export function equalityWords(equality: Equality): string {
  const compared = counted(equality.compared, 'answer');
  const masked = equality.masks.length === 0 ? 'no field masked' : `${counted(equality.masks.length, 'field')} masked`;
  const reordered = equality.reordered === 0 ? '' : `, ${quantity(equality.reordered)} equal but for an order that SQL leaves open`;
  const unknown = equality.unknown?.length ?? 0;
  if (equality.result === 'match') return `${compared} compared, all equal; ${masked}${reordered}.`;
  if (equality.result === 'mismatch')
    return `${compared} compared, ${counted(equality.mismatches.length, 'difference')}; ${masked}${reordered}.`;
  return `${compared} compared, ${unknown === 0 ? 'and that proves nothing' : `${counted(unknown, 'request')} could not be compared`}; ${masked}${reordered}.`;
}

/** How answers compare, and how many requests got none because a policy refused them. */
export function answersWords(trial: Pick<Trial, 'equality' | 'rounds'>): string {
  return [equalityWords(trial.equality), refusedWords(trial)].filter((words) => words !== null).join(' ');
}

/** Null where nobody was refused. */
export function refusedWords(trial: Pick<Trial, 'rounds'>): string | null {
  const { refused, requests } = refusedIn(trial);
  if (refused === 0) return null;
  return `Requests refused: ${share(refused / requests)} (${quantity(refused)} of ${quantity(requests)}) by the policy on trial, which its limits allow; they are neither answers nor errors.`;
}

function refusedShare(trial: Pick<Trial, 'rounds'>): number | null {
  const { refused, requests } = refusedIn(trial);
  return refused === 0 ? null : refused / requests;
}

function refusedIn({ rounds }: Pick<Trial, 'rounds'>): { readonly refused: number; readonly requests: number } {
  const slices = rounds.filter(({ dropped }) => dropped.length === 0).map(({ candidate }) => candidate);
  return {
    refused: slices.reduce((sum, { refusedRequests }) => sum + (refusedRequests ?? 0), 0),
    requests: slices.reduce((sum, { requests }) => sum + requests, 0),
  };
}

/** What the kept changes take; only what they take. */
export function costWords({ diskBytes, buildMs, memoryBytes, connections, writeVolumeChange }: Costs): readonly string[] {
  return [
    ...(diskBytes === 0 ? [] : [`${bytes(diskBytes)} of disk`]),
    ...(buildMs === 0 ? [] : [`${duration(buildMs)} to build`]),
    ...(memoryBytes === 0 ? [] : [`${bytes(memoryBytes)} of memory`]),
    ...(connections === 0 ? [] : [counted(connections, 'more connection')]),
    ...(writeVolumeChange === null ? [] : [`write volume ${change(writeVolumeChange)}`]),
  ];
}

/** How well predictions did; null when nothing was predicted. */
export function calibrationWords({ calibration }: Pick<Assessment, 'calibration'>): string | null {
  const summary = summariseCalibration(calibration);
  if (summary === null) return null;
  const inside = calibration.filter((entry) => entry.inside).length;
  return (
    `${inside} of ${counted(summary.predictions, 'measured change')} fell inside the predicted interval; ` +
    `the median prediction was off by a factor of ${quantity(Math.exp(summary.medianAbsoluteLogError))} in what was left.`
  );
}

/** What a reader must know before trusting a figure: untrusted windows, gaps, missing rules. */
export function reservations(assessment: Assessment): readonly string[] {
  const { windows, trials, domains, overall, noiseFloor } = assessment;
  const inconclusive = overall?.comparisons.filter((comparison) => comparison.result === 'inconclusive') ?? [];
  const unguarded = trials
    .filter((trial) => isBrought(trial) || isPatch(trial))
    .flatMap(({ primary, guards }) => {
      const measured = new Set([primary, ...guards].filter(({ rounds }) => rounds > 0).map(({ metric }) => metric));
      return guardedAnywhere.filter((metric) => !measured.has(metric));
    });
  const lateRounds = trials.flatMap((trial) => trial.rounds).filter((round) => round.late.length > 0).length;
  const ruleless = domains.filter((domain) => domain.rules === 0).map((domain) => domain.title);
  return [
    ...distrust(assessment),
    // A source that rules would have read takes nothing from a trial; what a trial lacks is said below.
    ...(trials.some(isBrought) ? [] : windows).flatMap(unread),
    ...blindRules(assessment),
    ...(inconclusive.length === 0
      ? []
      : [`Not decided by the final comparison: ${inconclusive.map(({ metric }) => metricName(metric)).join(', ')}.`]),
    ...(unguarded.length === 0
      ? []
      : [`Not measured on both arms, so that the change was not held to it: ${[...new Set(unguarded)].map(metricName).join(', ')}.`]),
    ...(noiseFloor?.reservations ?? []),
    ...trials.flatMap(({ description }) => description.reservations ?? []),
    ...(trials.some(isPatch)
      ? [
          'Each patch of the source was tried alone, beside what was kept in the database and without policies, and not confirmed in a second pair of processes: after applying several, prove them together with `anneal try`.',
        ]
      : []),
    ...(lateRounds === 0
      ? []
      : [`${counted(lateRounds, 'round')} of trials counted latency from the actual send instead of the due time.`]),
    ...(ruleless.length === 0 ? [] : [`No rules yet for: ${ruleless.join(', ')}.`]),
  ].map(plain);
}

/** Windows whose figures are not, or not all, to be trusted, and why; to be said before anything is believed. */
export function distrust({ windows }: Pick<Assessment, 'windows'>): readonly string[] {
  return windows.flatMap(({ title, quality, load }) => {
    const ofLoad = new Set(load?.validity.problems);
    const doubts = quality.trusted ? quality.problems.filter((problem) => ofLoad.has(problem)) : quality.problems;
    const doubt = quality.trusted ? 'is exact in counts and costs, not in latencies' : 'is not to be trusted';
    return [
      ...(quality.trusted && doubts.length === 0 ? [] : [`The window "${title}" ${doubt}: ${doubts.join('; ') || 'no reason given'}.`]),
      // What a source says of itself is no doubt of the load's latencies.
      ...quality.problems.filter((problem) => !doubts.includes(problem)).map((problem) => `In the window "${title}": ${problem}.`),
    ];
  });
}

/** What no probe could read, by why: a target without a database has one such reason and not a page of them. */
function unread({ gaps }: Window): readonly string[] {
  return [...Map.groupBy(gaps, ({ reason }) => reason)].map(([reason, group]) => {
    const names = group.map(({ capability }) => capability).join(', ');
    return `${names} ${group.length === 1 ? 'was' : 'were'} not read: ${reason}.`;
  });
}

/** Rules that could not look, by why what they lacked was not there (see `finding/diagnose.ts`). */
function blindRules({ silences }: Pick<Assessment, 'silences'>): readonly string[] {
  const blind = silences.flatMap(({ ruleId, subject, reason }) => {
    const beginning = `no data: ${subject}: `;
    return reason.startsWith(beginning) ? [{ ruleId, lacked: subject, reason: reason.slice(beginning.length) }] : [];
  });
  return [...Map.groupBy(blind, ({ reason }) => reason)].map(([reason, group]) => {
    const rules = counted(new Set(group.map(({ ruleId }) => ruleId)).size, 'rule');
    const lacked = new Set(group.map(({ lacked }) => lacked));
    return `${rules} had no data: ${lacked.size === 1 ? `${[...lacked][0]!}: ` : ''}${reason}.`;
  });
}

export interface RuleSilences {
  readonly ruleId: string;
  readonly silences: Assessment['silences'];
}

export function silencesByRule({ silences }: Pick<Assessment, 'silences'>): readonly RuleSilences[] {
  return [...Map.groupBy(silences, ({ ruleId }) => ruleId)].map(([ruleId, silences]) => ({ ruleId, silences }));
}

/** Why the finding stands as it does; the trial's own words where there was one. */
export function standingWords(finding: AssessedFinding, { trials }: Pick<Assessment, 'trials'>): string {
  const trial = trials.find(({ id }) => id === finding.trialId);
  if (trial !== undefined && trial.verdict.decision === 'rollback') return verdictReason(trial);
  return sentence(finding.standingReason);
}

export function findingsByStanding(findings: readonly AssessedFinding[]): readonly string[] {
  return [...Map.groupBy(findings, ({ standing }) => standing)].map(([standing, group]) => `${group.length} ${standing}`);
}

/** With a capital, unless the first word is a name: `orders.id`, `app.js:21` and p95 are written as they are. */
export function capital(words: string): string {
  return /^[a-z]+(?:[\s,.-]|$)/u.test(words) && !/^[a-z]+[.]\S/u.test(words) ? words.charAt(0).toUpperCase() + words.slice(1) : words;
}

/** With a capital and one full stop, whoever wrote it. */
export function sentence(words: string): string {
  return `${capital(plain(words)).replace(/\.$/u, '')}.`;
}
