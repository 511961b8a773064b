import type { Finding } from '../finding/finding.ts';
import type { Prediction } from '../prediction/prediction.ts';
import type { Description, Json, PlanningContext, Remedy, Touched } from '../remedy/remedy.ts';

/** A remedy made concrete: what will be done, what it should bring, and what it can touch. */
export interface PlannedChange {
  readonly id: string;
  /** The finding it was planned for, and those that the same plan answers too. */
  readonly findings: readonly [Finding, ...Finding[]];
  readonly remedy: Remedy;
  readonly scope: Remedy['scope'];
  readonly plan: Json;
  readonly prediction: Prediction;
  readonly description: Description;
  readonly touched: Touched;
}

export interface Planning {
  readonly changes: readonly PlannedChange[];
  /** Findings that no remedy answers, by fingerprint, each with the reason. */
  readonly unplanned: ReadonlyMap<string, string>;
}

/** Plans in the order of the findings, so the first change is the one worth most. Equal plans become one change. */
export async function planChanges(
  runId: string,
  findings: readonly Finding[],
  remedies: readonly Remedy[],
  context: PlanningContext,
): Promise<Planning> {
  const changes: PlannedChange[] = [];
  const unplanned = new Map<string, string>();
  for (const finding of findings) {
    const remedy = remedies.find((candidate) => candidate.addresses.includes(finding.ruleId));
    if (remedy === undefined) {
      unplanned.set(finding.fingerprint, 'no automatic remedy: the proposal is for a person to write');
      continue;
    }
    const plan = await remedy.plan(finding, context);
    if (plan === null) {
      const reason = await remedy.explainRefusal?.(finding, context);
      unplanned.set(finding.fingerprint, `${remedy.title}: ${reason ?? 'nothing that can be tried safely was found'}`);
      continue;
    }
    const twin = changes.findIndex((change) => change.remedy === remedy && JSON.stringify(change.plan) === JSON.stringify(plan));
    if (twin >= 0) {
      const change = changes[twin]!;
      changes[twin] = { ...change, findings: [...change.findings, finding] };
      continue;
    }
    changes.push({
      id: `${runId}-${changes.length + 1}`,
      findings: [finding],
      remedy,
      scope: remedy.scope,
      plan,
      prediction: await remedy.predict(plan, finding, context),
      description: remedy.describe(plan),
      touched: remedy.touches(plan, context.measurement),
    });
  }
  return { changes, unplanned };
}
