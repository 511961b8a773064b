import { percent } from '../finding/wording.ts';
import type { Measurement } from '../measurement/measurement.ts';
import type { Estimate } from '../stats/estimate.ts';
import type { Calibration } from './calibrate-arms.ts';
import { placeboDrift, provability } from './calibrate.ts';
import { compareArms, wholeWorkload, type AnswersCompared, type ArmsCompared, type Bench } from './compare-arms.ts';
import { assess, verdictOf } from './decide.ts';
import { compareAnswers } from './equality.ts';
import { guardsOf } from './guards.ts';
import { leanTo } from './lean-to-changes.ts';
import { keptRounds } from './paired-evidence.ts';
import { routeGroup, statementGroup, type TriedChange } from './planned-change.ts';
import { policyExpiryMs } from './policy-terms.ts';
import { stepIsOfRoute } from './route-of-step.ts';
import { placeboMetric } from './slice.ts';
import { toggledPolicies } from './toggling.ts';
import type { Equality, Result, Trial, TrialDesign, Verdict } from './trial.ts';

export interface TrialRequest {
  readonly baseDatabase: string | null;
  /** Kept before: on both arms. */
  readonly kept: readonly TriedChange[];
  readonly changes: readonly TriedChange[];
  readonly design: Pick<TrialDesign, 'looks' | 'nominalLevel' | 'minimumEffect' | 'seed' | 'sliceMs'>;
  readonly writeVolumeMargin: number;
  readonly calibration: Calibration;
  /** Of ordinary traffic: which scenarios run what the changes touch. */
  readonly measurement: Measurement;
}

/**
 * Tries changes that are apart from each other on one pair of arms. Each is judged by its own metric;
 * the guards and the answers are common to all, so when one of those fails for several, they are tried
 * again in halves, and those in halves if need be: nobody is condemned for a neighbour, and a culprit is
 * found in the logarithm of their number.
 */
export async function tryChanges(bench: Bench, asked: TrialRequest): Promise<readonly Trial[]> {
  const toggled = toggledPolicies(asked.changes);
  const request =
    toggled === null ? asked : { ...asked, calibration: { ...asked.calibration, noise: await asked.calibration.toggledNoise() } };
  const { workload, leanings, notes } = leanTo(request.changes, { ...bench, ...request.design, measurement: request.measurement });
  const questions = request.changes.map((change) => {
    const { metric: primary, prediction } = change;
    const noise = request.calibration.noise.find((figure) => figure.metric === primary);
    const { minimumEffect, sentence } = provability(noise, request.design, prediction?.change.point ?? null);
    bench.context.progress.note(`${change.description.title}: ${sentence}`);
    return {
      primary,
      guards: guardsOf(change, request, leanings.get(change.id)),
      looks: request.design.looks,
      nominalLevel: request.design.nominalLevel,
      minimumEffect,
      negligibleEffect: request.design.minimumEffect,
    };
  });
  for (const note of notes) bench.context.progress.note(note);
  let known: Equality | undefined;
  const equalityOf = ({ baseline, candidate }: AnswersCompared) => (known ??= compareAnswers(baseline, candidate, request.calibration));
  const compared = await compareArms(
    { ...bench, workload },
    {
      label: request.changes.map((change) => change.id).join('+'),
      baseDatabase: request.baseDatabase,
      standing: request.kept,
      changes: request.changes,
      groups: request.changes.flatMap(statementGroup),
      routeGroups: request.changes.flatMap(routeGroup),
      mostRounds: request.design.looks.at(-1)!,
      ...(toggled === null ? {} : { toggled }),
      isDecided: (rounds, answers) =>
        // Answers that differ decide alone; the first look's figures say what the change would have been worth. Of several
        // changes one may be innocent, and only its figures can tell that it should be tried again alone.
        (request.changes.length === 1 &&
          equalityOf(answers).result === 'mismatch' &&
          keptRounds(rounds).length >= request.design.looks[0]!) ||
        questions.every((question) => assess({ ...question, rounds }).finished),
    },
  );
  const equality = equalityOf(compared.answers);
  const expiresAfterMs = policyExpiryMs(bench, request.design.looks.at(-1)!);
  const trials = request.changes.map((change, index): Trial => {
    const question = questions[index]!;
    const leaning = leanings.get(change.id);
    const judgement = assess({ ...question, rounds: compared.rounds });
    return {
      id: change.id,
      finding: change.findings[0] ?? null,
      remedyId: change.remedy.id,
      ...(change.isPatch === true ? { isPatch: true } : {}),
      description: change.description,
      plan: change.plan,
      prediction: change.prediction,
      design: {
        ...request.design,
        minimumEffect: question.minimumEffect,
        sharedWith: request.changes.filter((other) => other !== change).map((other) => other.id),
        ...(leaning === undefined ? {} : { leaning }),
        ...(toggled === null ? {} : { toggled: true }),
        ...(change.scope === 'process' ? { policy: { share: 1, expiresAfterMs } } : {}),
      },
      primary: judgement.primary,
      guards: judgement.guards,
      equality,
      cost: compared.costs.get(change.id)!,
      placebo: placeboDrift(compared.rounds, [placeboMetric], question),
      verdict: toggledVerdict(verdictOf(judgement.primary, judgement.guards, equality, judgement.reason), {
        change,
        measured: judgement.primary.change,
        ended: compared.ended,
        isToggled: toggled !== null,
      }),
      rounds: compared.rounds,
      distributions: distributionsOf(change, compared),
    };
  });
  if (request.changes.length === 1 || !trials.some(failedInCommon)) return trials;
  const again = request.changes.filter((_, index) => failedInCommon(trials[index]!));
  const retried: Trial[] = [];
  for (const half of halves(again)) retried.push(...(await tryChanges(bench, { ...request, changes: half })));
  return trials.map((trial) => retried.find(({ id }) => id === trial.id) ?? trial);
}

function halves<T>(items: readonly T[]): readonly (readonly T[])[] {
  const middle = Math.ceil(items.length / 2);
  return [items.slice(0, middle), items.slice(middle)].filter((half) => half.length > 0);
}

/** Its own metric improved, and yet something that the changes share stood in the way. */
function failedInCommon(trial: Trial): boolean {
  return trial.verdict.decision === 'rollback' && trial.primary.result === 'improved';
}

/**
 * A policy that ended by itself had a reason, and one that brings less than half of what was promised brings it for
 * another reason than the one understood: neither is left to act on its own.
 */
function toggledVerdict(
  verdict: Verdict,
  {
    change,
    measured,
    ended,
    isToggled,
  }: { readonly change: TriedChange; readonly measured: Estimate; readonly ended: string | null; readonly isToggled: boolean },
): Verdict {
  const rollback = (performance: Result, reason: string): Verdict => ({
    decision: 'rollback',
    performance,
    equality: verdict.decision === 'keep' ? 'match' : verdict.equality,
    reason,
  });
  if (ended !== null) return rollback('inconclusive', ended);
  const promised = change.prediction?.change.point ?? 0;
  if (!isToggled || verdict.decision !== 'keep' || measured.point <= promised / 2) return verdict;
  return rollback('improved', `it brings ${percent(-measured.point)}, less than half of the ${percent(-promised)} predicted`);
}

function distributionsOf({ touched }: TriedChange, compared: ArmsCompared): Trial['distributions'] {
  if (touched === null) return compared.distributions;
  return compared.distributions.filter(
    ({ subject }) => subject === wholeWorkload || touched.routes.some((route) => stepIsOfRoute(subject, route)),
  );
}
