export interface WorkingTree {
  /** Symbolic links resolved. */
  readonly root: string;
  /** The folder asked about, relative to the root; empty for the root itself. */
  readonly within: string;
}

/** Working trees of source code, and copies of them that can be changed without anybody's tree being touched. */
export interface Workspaces {
  /** The git working tree that holds the folder; null where there is none. */
  treeOf(folder: string): Promise<WorkingTree | null>;
  /** Bytes that a copy of it takes: everything but what `copy` leaves out or links. */
  sizeBytes(root: string, leaveOut: readonly string[]): Promise<number>;
  /**
   * Copies the tree as it is on disk, whether git knows, ignores or has never seen a file. Left out: `.git`, sockets,
   * what this user may not read (a backend of this user could not either) and the folders of `leaveOut`. Installed
   * packages are linked and not copied; packages that are part of the tree itself (workspaces) are those of the copy.
   */
  copy(root: string, to: string, leaveOut: readonly string[]): Promise<void>;
  /**
   * Applies a unified diff to a folder that is no git working tree; paths of the diff are relative to `root` or to
   * `root/within`. All of it or nothing, and nothing outside of the folder or behind a symbolic link.
   * Throws ANNEAL_PATCH_UNUSABLE.
   */
  applyPatch(root: string, within: string, patch: string): Promise<void>;
  /** The scripts below `root` that were made from the file at `path`, as their source maps tell; installed packages aside. */
  madeFrom(root: string, path: string): Promise<readonly string[]>;
}
