import { createHash } from 'node:crypto';
import type { Measurement } from '../measurement/measurement.ts';
import type { FindingPatch } from '../source-change/with-patches.ts';
import { ownChange } from './own-change.ts';
import type { TriedChange } from './planned-change.ts';

/** A patch of the source that Anneal wrote, as a change that has a trial. Whatever its verdict, it stays a file. */
export interface PatchChange extends TriedChange {
  readonly isPatch: true;
  readonly diff: string;
  /** Names the copy of the working tree that it is applied to. */
  readonly role: string;
}

export interface PatchPlanning {
  readonly changes: readonly PatchChange[];
  /** Why no trial could show what a patch is worth, by its finding's fingerprint. */
  readonly unprovable: ReadonlyMap<string, string>;
}

export interface PatchPlanningRequest {
  readonly run: string;
  /** Changes that were planned for the same findings. */
  readonly planned: readonly TriedChange[];
  readonly measurement: Measurement;
  /** The target's working directory in the copy of that role. */
  readonly workingDirectory: (role: string) => string;
  /** Whether slices of load tell how long the target's routes take: an agent does. */
  readonly seesRoutes: boolean;
}

/** In the order of the findings; one that answers several findings has one trial. */
export function planPatches(
  patches: readonly FindingPatch[],
  { run, planned, measurement, workingDirectory, seesRoutes }: PatchPlanningRequest,
): PatchPlanning {
  const unprovable = new Map<string, string>();
  const changes: PatchChange[] = [];
  for (const [diff, alike] of Map.groupBy(patches, (patch) => patch.diff)) {
    const [{ finding, codemod }] = alike as [FindingPatch, ...FindingPatch[]];
    const judged = judgementOf({ finding, codemod, diff }, planned, { measurement, seesRoutes });
    if ('unprovable' in judged) {
      for (const other of alike) unprovable.set(other.finding.fingerprint, judged.unprovable);
      continue;
    }
    const role = `patch-${changes.length + 1}`;
    const place = finding.locations[0]!;
    const own = ownChange(`${run}-${role}`, {
      title: `Patch of ${place.file}:${place.line}: ${codemod.title}`,
      lasting: 'Apply the patch (`git apply`) in the folder the backend runs in.',
      plan: { codemod: codemod.id, patch: { files: [place.file], sha256: createHash('sha256').update(diff).digest('hex') } },
      workingDirectory: workingDirectory(role),
      env: {},
      sql: [],
      running: null,
      metric: judged.metric,
      reservations: [],
    });
    changes.push({
      ...own,
      isPatch: true,
      diff,
      role,
      findings: alike.map((patch) => patch.finding),
      remedy: { ...own.remedy, id: codemod.id },
      prediction: judged.prediction,
      touched: judged.touched,
    });
  }
  return { changes, unprovable };
}

/**
 * A policy and the patch that takes its place save the same: what was predicted of the one from measured facts holds for
 * the other. Nothing else is predicted here.
 */
function judgementOf(
  { finding, codemod }: FindingPatch,
  planned: readonly TriedChange[],
  { measurement, seesRoutes }: Pick<PatchPlanningRequest, 'measurement' | 'seesRoutes'>,
): Pick<TriedChange, 'metric' | 'prediction' | 'touched'> | { readonly unprovable: string } {
  const own = codemod.judgedBy?.(finding, measurement);
  if (own !== undefined) return 'unprovable' in own ? own : { metric: own.metric, prediction: null, touched: null };
  const policy = planned.find((change) => change.scope === 'process' && answers(change, finding));
  if (policy !== undefined && (seesRoutes || !/^(?:route\.time|response\.bytes):/.test(policy.metric))) {
    return { metric: policy.metric, prediction: policy.prediction, touched: policy.touched };
  }
  if (finding.subject.kind !== 'route' || !seesRoutes) return { metric: 'cpu.time', prediction: null, touched: null };
  const { route } = finding.subject;
  return { metric: `route.time:${route}`, prediction: null, touched: { statementIds: [], routes: [route], writtenTables: [] } };
}

/**
 * What stands on both arms of a patch's trial: what stays on the database. Policies end with Anneal, so whoever applies the
 * patch has none, and the one that it is the lasting form of would leave it nothing to save. `answeredBy` says, where
 * something that stays has answered the patch's findings already, why the patch needs no trial.
 */
export function standingBeside(
  patch: Pick<TriedChange, 'findings'>,
  kept: readonly TriedChange[],
): { readonly standing: readonly TriedChange[]; readonly answeredBy: string | null } {
  const standing = kept.filter(({ scope }) => scope === 'database');
  const answer = standing.find((change) => patch.findings.every((finding) => answers(change, finding)));
  return { standing, answeredBy: answer === undefined ? null : `"${answer.description.title}" was kept and answers it already` };
}

function answers(change: Pick<TriedChange, 'findings'>, { fingerprint }: FindingPatch['finding']): boolean {
  return change.findings.some((finding) => finding.fingerprint === fingerprint);
}
