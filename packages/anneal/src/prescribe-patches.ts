import { domains } from './domains/index.ts';
import type { Finding } from './finding/finding.ts';
import type { Measurement } from './measurement/measurement.ts';
import type { RunResults } from './report/assemble.ts';
import type { Run } from './run.ts';
import { writePatches, type FindingPatch } from './source-change/with-patches.ts';
import { planPatches, type PatchChange } from './trial/patch-changes.ts';
import type { TriedChange } from './trial/planned-change.ts';
import { patchedWorkingDirectory, type TreeCopyRequest } from './trial/tree-copy.ts';
import type { PatchOutcome } from './trial/try-patches.ts';

const codemods = domains.flatMap((domain) => domain.codemods ?? []);

/** Patches of the source for the findings whose fix is mechanical. */
export function writePatchesOf(
  { settings, outside }: Run,
  findings: readonly Finding[],
  changes: readonly TriedChange[],
): Promise<readonly FindingPatch[]> {
  const planOf = ({ fingerprint }: Finding) =>
    changes.find((change) => change.findings.some((finding) => finding.fingerprint === fingerprint))?.plan ?? null;
  return writePatches(findings, codemods, { workingDirectory: settings.target.workingDirectory, files: outside.files, planOf });
}

export interface PlannedPatches {
  readonly written: readonly FindingPatch[];
  /** Null where no patch will be tried. */
  readonly planned: { readonly changes: readonly PatchChange[]; readonly tree: TreeCopyRequest } | null;
  /** What is known of the others already, by their finding's fingerprint. */
  readonly outcomes: ReadonlyMap<string, PatchOutcome>;
}

/** Written before anything is tried: the noise floor covers what their trials are decided by. */
export async function prescribePatches(
  run: Run,
  measurement: Measurement,
  { changes, findings, suppressed }: Pick<RunResults, 'changes' | 'findings' | 'suppressed'>,
): Promise<PlannedPatches> {
  const { settings, outside, folder } = run;
  const written = await writePatchesOf(run, findings, changes);
  const standing = written.filter(({ finding }) => !suppressed.has(finding.fingerprint));
  const without = (reason: string) => new Map(standing.map(({ finding }) => [finding.fingerprint, { untried: reason }]));
  if (standing.length === 0) return { written, planned: null, outcomes: new Map() };
  if (settings.attachUrl !== null) return { written, planned: null, outcomes: without('a server that runs already has no second source') };
  const tree = await outside.workspaces.treeOf(settings.target.workingDirectory);
  if (tree === null) return { written, planned: null, outcomes: without('the backend lies in no git working tree that could be copied') };
  const request: TreeCopyRequest = { tree, folder, leaveOut: [settings.outputFolder] };
  const planned = planPatches(standing, {
    run: run.id,
    planned: changes,
    measurement,
    workingDirectory: (role) => patchedWorkingDirectory(request, role),
    seesRoutes: settings.target.traces === undefined,
  });
  return {
    written,
    planned: { changes: planned.changes, tree: request },
    outcomes: new Map([...planned.unprovable].map(([fingerprint, unprovable]) => [fingerprint, { unprovable }])),
  };
}
