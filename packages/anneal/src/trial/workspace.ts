import { basename } from 'node:path';
import type { Outside } from '../ports/outside.ts';
import { undoUnderIntent, underIntent, type Journal } from './intent.ts';

/** A copy of a working tree, gone when it is disposed. */
export interface Workspace extends AsyncDisposable {
  readonly path: string;
}

/** Every folder of ours begins with it, and no other folder is ever removed. */
const ourPrefix = 'anneal-workspace-';

export function workspaceName(role: string): string {
  return `${ourPrefix}${role}`;
}

/**
 * Copies the tree at `root` to `path`, whose last part is a `workspaceName`, and lets `prepare` change it. Announced in
 * the ledger first, so that `recover` finds what a killed run left. On any error nothing stays.
 */
export async function openWorkspace(
  journal: Journal & { readonly outside: Pick<Outside, 'files' | 'workspaces'> },
  { root, path, leaveOut, prepare }: WorkspaceRequest,
): Promise<Workspace> {
  const { files, workspaces } = journal.outside;
  const remove = () => removeWorkspace(journal, files, path);
  try {
    await underIntent(journal, { kind: 'create-folder', path }, async () => {
      await workspaces.copy(root, path, leaveOut);
      await prepare?.();
    });
  } catch (error) {
    await remove();
    throw error;
  }
  return { path, [Symbol.asyncDispose]: remove };
}

export interface WorkspaceRequest {
  readonly root: string;
  readonly path: string;
  /** Folders of the tree that are not copied. */
  readonly leaveOut: readonly string[];
  readonly prepare?: () => Promise<void>;
}

/** Removes the copy; one that is gone already is no error. */
export async function removeWorkspace(journal: Journal, files: Outside['files'], path: string): Promise<void> {
  if (!basename(path).startsWith(ourPrefix)) throw new Error(`${path} is not a copy of a working tree`);
  await undoUnderIntent(journal, { kind: 'remove-folder', path }, () => files.remove(path));
}
