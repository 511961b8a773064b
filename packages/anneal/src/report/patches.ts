import type { AssessedFinding, Assessment } from './assessment.ts';

/** `changes/`: a patch of the source for every finding whose fix is mechanical, and a README that says how each is proven. */
export const patchFolder = 'changes';

export interface PatchFile {
  readonly name: string;
  readonly content: string;
  readonly finding: AssessedFinding;
}

export function patchFiles({ findings }: Pick<Assessment, 'findings'>): readonly PatchFile[] {
  return findings
    .flatMap((finding) =>
      finding.proposal.patch === undefined || finding.standing === 'suppressed' ? [] : [{ finding, patch: finding.proposal.patch }],
    )
    .map(({ finding, patch }, index) => ({
      name: `${String(index + 1).padStart(3, '0')}-${finding.ruleId.split('/')[1]!}.patch`,
      content: `${finding.message}\n${patch.title}.\n\n${patch.diff}`,
      finding,
    }));
}

export function patchReadme(files: readonly PatchFile[]): string {
  return [
    '# Changes of the source',
    '',
    'Written from patterns, not yet tried. Read each, then prove it before you keep it:',
    '',
    ...files.flatMap(({ name, finding }) => [`- \`anneal try --patch ${name}\`: ${finding.proposal.patch!.title} (${finding.ruleId})`]),
    '',
    'and apply it in the folder the backend runs in with `git apply`.',
    '',
  ].join('\n');
}
