import type { Subject } from '../finding/finding.ts';
import { subjectName } from '../finding/subject.ts';
import type { Estimate } from '../stats/estimate.ts';
import type { CalibrationEntry, MetricId, Prediction } from './prediction.ts';

/** What scoring reads of a trial. */
export interface PredictedTrial {
  readonly remedyId: string;
  readonly finding: { readonly subject: Subject } | null;
  readonly prediction: Prediction | null;
  readonly primary: { readonly metric: MetricId; readonly change: Estimate };
  readonly guards: readonly { readonly metric: MetricId; readonly change: Estimate }[];
}

export interface CalibrationSummary {
  readonly predictions: number;
  /** Share of predictions whose interval held the measured point. */
  readonly insideShare: number;
  /** Median of |ln(measured / predicted)| of what was left: 0.1 is "a tenth off". */
  readonly medianAbsoluteLogError: number;
}

/**
 * Every prediction beside what its trial measured, whatever the verdict: a prediction that led to a
 * rollback counts like any other. A change that nobody predicted and a trial that did not measure the predicted metric score nothing.
 */
export function scoreTrials(trials: readonly PredictedTrial[]): readonly CalibrationEntry[] {
  return trials.flatMap((trial) => {
    if (trial.prediction === null || trial.finding === null) return [];
    const { metric, change: predicted } = trial.prediction;
    const measured = [trial.primary, ...trial.guards].find((comparison) => comparison.metric === metric)?.change;
    if (measured === undefined) return [];
    const inside = measured.point >= predicted.lower && measured.point <= predicted.upper;
    return [{ remedy: trial.remedyId, subject: subjectName(trial.finding.subject), metric, predicted, measured, inside }];
  });
}

/** Null when there is nothing to summarise. */
export function summariseCalibration(entries: readonly CalibrationEntry[]): CalibrationSummary | null {
  if (entries.length === 0) return null;
  const errors = entries.map(({ predicted, measured }) => Math.abs(logOfRemaining(measured.point) - logOfRemaining(predicted.point)));
  const sorted = errors.sort((left, right) => left - right);
  const middle = sorted.length / 2;
  return {
    predictions: entries.length,
    insideShare: entries.filter((entry) => entry.inside).length / entries.length,
    medianAbsoluteLogError: (sorted[Math.ceil(middle) - 1]! + sorted[Math.floor(middle)]!) / 2,
  };
}

/** Less than a thousandth left is "gone" for any trial: without the floor, gone against nearly gone would be infinitely wrong. */
function logOfRemaining(change: number): number {
  return Math.log(Math.max(1 + change, 0.001));
}
