import type { Finding } from '../finding/finding.ts';
import type { MetricId, Prediction } from '../prediction/prediction.ts';
import type { Description, Json, PlanningContext, Remedy, Touched } from '../remedy/remedy.ts';
import { otherProcessesIn, whyNoPolicy } from './one-process.ts';
import type { RouteGroup, StatementGroup } from './slice.ts';

/** A change as a trial sees it, whoever thought of it. */
export interface TriedChange {
  readonly id: string;
  /** Those it answers; none where somebody brought it. */
  readonly findings: readonly Finding[];
  /** How an arm gets it. */
  readonly remedy: Pick<Remedy, 'id' | 'scope' | 'effort' | 'launch' | 'apply' | 'cost' | 'toggles' | 'clientsRevalidate' | 'refuses'>;
  readonly scope: Remedy['scope'];
  readonly plan: Json;
  /** What its trial is decided by, chosen before it begins. */
  readonly metric: MetricId;
  readonly prediction: Prediction | null;
  readonly description: Description;
  /** Null: nobody knows, so it may touch anything. */
  readonly touched: Touched | null;
  /** Margins of guards that it is paid for with, where they are wider than the usual ones. */
  readonly allowances?: Readonly<Partial<Record<MetricId, number>>>;
  /** A patch of the source that Anneal wrote: proven or not, it stays a file. */
  readonly isPatch?: true;
}

/** A remedy made concrete: what will be done, what it should bring, and what it can touch. */
export interface PlannedChange extends TriedChange {
  /** The finding it was planned for, and those that the same plan answers too. */
  readonly findings: readonly [Finding, ...Finding[]];
  readonly remedy: Remedy;
  readonly prediction: Prediction;
  readonly touched: Touched;
}

/** The time and the log of the statements a change touches and of the writes that pay for it; none for a policy. */
export function statementGroup(change: Pick<TriedChange, 'metric' | 'touched'>): readonly StatementGroup[] {
  const [, figure, key] = /^(database\.time|wal\.bytes):(.*)$/su.exec(change.metric) ?? [];
  if (key === undefined || change.touched === null) return [];
  return [{ key, statementIds: new Set(change.touched.statementIds), judgedByLog: figure === 'wal.bytes' }];
}

/** The routes whose duration, connecting or answers a change is judged by; none for one that is judged by something else. */
export function routeGroup(change: Pick<TriedChange, 'metric' | 'touched'>): readonly RouteGroup[] {
  const [, figure, key] = /^(route\.time|connect\.time|response\.bytes):(.*)$/su.exec(change.metric) ?? [];
  if (key === undefined || change.touched === null) return [];
  return [{ key, routes: new Set(change.touched.routes), judgedByTime: figure !== 'response.bytes' }];
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
    const noPolicy = remedy.scope === 'process' ? whyNoPolicy(otherProcessesIn(context.measurement)) : null;
    const plan = noPolicy === null ? await remedy.plan(finding, context) : null;
    if (plan === null) {
      const reason = noPolicy ?? (await remedy.explainRefusal?.(finding, context));
      unplanned.set(finding.fingerprint, `${remedy.title}: ${reason ?? 'nothing that can be tried safely was found'}`);
      continue;
    }
    const twin = changes.findIndex((change) => change.remedy === remedy && JSON.stringify(change.plan) === JSON.stringify(plan));
    if (twin >= 0) {
      const change = changes[twin]!;
      changes[twin] = { ...change, findings: [...change.findings, finding] };
      continue;
    }
    const prediction = await remedy.predict(plan, finding, context);
    // A question about everything at once that promises nothing would cost a trial of its own and all the patience there is.
    if (finding.level === 'note' && prediction.metric === 'database.time' && prediction.change.point === 0) {
      unplanned.set(finding.fingerprint, `${remedy.title}: nothing predicts a gain, so it was not tried; \`anneal try\` can`);
      continue;
    }
    changes.push({
      id: `${runId}-${changes.length + 1}`,
      findings: [finding],
      remedy,
      scope: remedy.scope,
      plan,
      metric: prediction.metric,
      prediction,
      description: remedy.describe(plan),
      touched: remedy.touches(plan, context.measurement),
      ...(remedy.allowances === undefined ? {} : { allowances: remedy.allowances(plan, context.measurement) }),
    });
  }
  return { changes, unplanned };
}
