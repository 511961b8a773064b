import { join } from 'node:path';
import { AnnealError } from '../errors.ts';
import { bytes } from '../finding/wording.ts';
import type { Outside } from '../ports/outside.ts';
import type { WorkingTree } from '../ports/workspaces.ts';
import type { Progress } from '../ports/progress.ts';
import type { Journal } from './intent.ts';
import { openWorkspace, workspaceName, type Workspace } from './workspace.ts';

/** A copy of the target's working tree, from which those with a patch are made: nobody's own tree is changed. */
export interface TreeCopy extends AsyncDisposable {
  readonly root: string;
  /** The target's working directory in the copy. */
  readonly workingDirectory: string;
  /**
   * A copy of the copy, with the patch. The arms that run from the two differ in the patch and in nothing else, whatever is
   * edited in the tree meanwhile. `role` names its folder. Throws ANNEAL_PATCH_UNUSABLE.
   */
  withPatch(role: string, patch: string): Promise<Workspace>;
}

export interface TreeCopyRequest {
  readonly tree: WorkingTree;
  /** The run's own folder, in which the copies lie. */
  readonly folder: string;
  /** Folders of the tree that are not copied. */
  readonly leaveOut: readonly string[];
}

/**
 * Copies the working tree once, after it has made sure that there is room for a second copy. Announced in the ledger, as
 * those with a patch are, so that `recover` removes what a killed run left. Throws ANNEAL_WORKSPACE_TOO_LARGE.
 */
export async function copyTree(
  journal: Journal & { readonly outside: Pick<Outside, 'files' | 'workspaces'>; readonly progress: Progress },
  { tree: { root, within }, folder, leaveOut }: TreeCopyRequest,
): Promise<TreeCopy> {
  const { files, workspaces } = journal.outside;
  const sizeBytes = await workspaces.sizeBytes(root, leaveOut);
  journal.progress.stage(`Copying the working tree twice (${bytes(sizeBytes)} each), once with the patch`);
  const free = await files.freeBytes(folder);
  if (free !== null && free < 2 * sizeBytes)
    throw new AnnealError('ANNEAL_WORKSPACE_TOO_LARGE', { free: bytes(free), needed: bytes(2 * sizeBytes), path: root });
  const copy = await openWorkspace(journal, { root, path: join(folder, workspaceName('baseline')), leaveOut });
  return {
    root: copy.path,
    workingDirectory: join(copy.path, within),
    withPatch(role, patch) {
      const path = patchedPath(folder, role);
      const prepare = () => workspaces.applyPatch(path, within, patch);
      return openWorkspace(journal, { root: copy.path, path, leaveOut: [], prepare });
    },
    [Symbol.asyncDispose]: () => copy[Symbol.asyncDispose](),
  };
}

function patchedPath(folder: string, role: string): string {
  return join(folder, workspaceName(role));
}

/** Where the target's working directory will be in the copy of that role. */
export function patchedWorkingDirectory({ tree, folder }: Pick<TreeCopyRequest, 'tree' | 'folder'>, role: string): string {
  return join(patchedPath(folder, role), tree.within);
}
