import { execFileSync } from 'node:child_process';

/** Makes the folder a git working tree whose one commit holds all that is not ignored. */
export function commitAll(folder: string): void {
  const git = (...args: readonly string[]) => execFileSync('git', args, { cwd: folder });
  git('init', '-q');
  git('add', '-A');
  git('-c', 'user.name=test', '-c', 'user.email=test@example.org', 'commit', '-qm', 'as it is');
}
