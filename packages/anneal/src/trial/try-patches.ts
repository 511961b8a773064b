import { join, relative } from 'node:path';
import { AnnealError, type ErrorCode } from '../errors.ts';
import type { Outside } from '../ports/outside.ts';
import type { Bench } from './compare-arms.ts';
import { standingBeside, type PatchChange } from './patch-changes.ts';
import type { TriedChange } from './planned-change.ts';
import { copyTree, type TreeCopy, type TreeCopyRequest } from './tree-copy.ts';
import type { Trial } from './trial.ts';
import { tryChanges, type TrialRequest } from './try-changes.ts';

export interface PatchTrialsRequest extends Omit<TrialRequest, 'kept' | 'changes'> {
  readonly patches: readonly PatchChange[];
  /** What was kept, and confirmed. */
  readonly kept: readonly TriedChange[];
  readonly tree: TreeCopyRequest;
  readonly workspaces: Outside['workspaces'];
  /** Asked before each: null, or why no trial may begin any more. */
  readonly refusal: () => string | null;
  /** Called before its trial begins. */
  readonly announce: (patch: PatchChange) => Promise<void>;
  /** Called when a patch is done with. */
  readonly conclude: (patch: PatchChange, outcome: PatchOutcome) => Promise<void>;
}

export type PatchOutcome =
  | { readonly trial: Trial }
  /** The target does not run with it. */
  | { readonly withdrawn: string }
  /** It had no trial; or no trial could show what it is worth, as things are. */
  | { readonly untried: string }
  | { readonly unprovable: string };

/**
 * Tries each patch alone, from two copies of the working tree that differ in the patch. Copies are gone when it returns.
 * A patch that the target does not start with, or a tree that cannot be copied or run from a copy, ends no run.
 */
export async function tryPatches(bench: Bench, request: PatchTrialsRequest): Promise<void> {
  const { patches, kept, announce, conclude } = request;
  let copy: TreeCopy | null = null;
  let unusable: string | null = null;
  /** Known once a trial has shown it: what runs is made from the source, and starting does not make it anew. */
  let isBuiltBefore = false;
  try {
    for (const patch of patches) {
      const { standing, answeredBy } = standingBeside(patch, kept);
      const refusal = unusable ?? answeredBy ?? request.refusal();
      if (refusal !== null) {
        await conclude(patch, { untried: refusal });
        continue;
      }
      bench.context.progress.stage(`Trying ${patch.description.title}`);
      await announce(patch);
      try {
        copy ??= await copyTree(journalOf(bench, request), request.tree);
        const outcome = await tryOne(bench, copy, patch, { ...request, kept: standing, isBuiltBefore });
        isBuiltBefore ||= 'unprovable' in outcome;
        await conclude(patch, outcome);
      } catch (error) {
        if (!(error instanceof AnnealError) || !survivable.has(error.code)) throw error;
        const reason = inOneLine(error.message);
        if (error.code === 'ANNEAL_CHANGE_BREAKS_TARGET') await conclude(patch, { withdrawn: reason });
        else if (error.code === 'ANNEAL_PATCH_UNUSABLE') await conclude(patch, { untried: reason });
        else {
          // What is wrong with the copy without a patch is wrong with it for every patch.
          unusable = `it cannot be tried from a copy of the working tree: ${reason}`;
          await conclude(patch, { untried: unusable });
        }
      }
    }
  } finally {
    await copy?.[Symbol.asyncDispose]();
  }
}

async function tryOne(
  bench: Bench,
  copy: TreeCopy,
  patch: PatchChange,
  request: PatchTrialsRequest & { readonly isBuiltBefore: boolean },
): Promise<PatchOutcome> {
  const { file } = patch.findings[0]!.locations[0]!;
  const made = await request.workspaces.madeFrom(copy.root, join(copy.workingDirectory, file));
  const notBuilt = {
    unprovable: `what runs is made from ${file}, and starting the backend does not make it anew: let the start command build it, or try a folder that is built with \`anneal try --worktree\``,
  };
  if (request.isBuiltBefore && made.length > 0) return notBuilt;
  await using patched = await copy.withPatch(patch.role, patch.diff);
  const target = { ...bench.context.target, workingDirectory: copy.workingDirectory };
  const [trial] = await tryChanges({ ...bench, context: { ...bench.context, target } }, { ...request, changes: [patch] });
  const isBlind = made.length > 0 && !(await isMadeAnew(bench, made, { from: copy.root, to: patched.path }));
  // A gain or another answer shows that the patch reached what runs: it is loaded as it is written, beside old builds.
  const hasEffect = trial!.primary.result === 'improved' || trial!.equality.result === 'mismatch';
  return isBlind && !hasEffect ? notBuilt : { trial: trial! };
}

/** Whether any of what was made differs between the two copies, as it does where starting makes it. */
async function isMadeAnew(
  { context }: Bench,
  made: readonly string[],
  { from, to }: { readonly from: string; readonly to: string },
): Promise<boolean> {
  for (const path of made) {
    const both = [path, join(to, relative(from, path))].map((script) => context.outside.files.read(script).catch(() => null));
    const [before, after] = await Promise.all(both);
    if (before !== after) return true;
  }
  return false;
}

function journalOf({ context }: Bench, { workspaces }: PatchTrialsRequest) {
  return { ...context, outside: { files: context.outside.files, workspaces } };
}

/** A backend's last words may be a page of stack: of that a report shows the beginning. */
function inOneLine(message: string): string {
  const line = message.replaceAll(/[\s^]+/g, ' ').trim();
  return line.length <= 300 ? line : `${line.slice(0, 299)}…`;
}

/** Said of this patch, or of the copies that it would be tried in; anything else ends the run as it would in any trial. */
const survivable: ReadonlySet<ErrorCode> = new Set([
  'ANNEAL_CHANGE_BREAKS_TARGET',
  'ANNEAL_PATCH_UNUSABLE',
  'ANNEAL_WORKSPACE_TOO_LARGE',
  'ANNEAL_TARGET_EXITED',
  'ANNEAL_TARGET_UNREACHABLE',
  'ANNEAL_TARGET_CRASHED',
  'ANNEAL_TARGET_FAILING',
]);
