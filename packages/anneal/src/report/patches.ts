import type { Finding } from '../finding/finding.ts';
import { isHarmful } from '../trial/decide.ts';
import type { PatchOutcome } from '../trial/try-patches.ts';
import type { Trial } from '../trial/trial.ts';
import type { AssessedFinding, AssessedPatch, Assessment } from './assessment.ts';
import { interval, metricName } from './format.ts';
import { verdictReason } from './story.ts';

/** `changes/`: a patch of the source for every finding whose fix is mechanical, and a README that says how each is proven. */
export const patchFolder = 'changes';

/**
 * What became of each patch, by the fingerprints of the findings that it was written for. Findings of one and the same patch
 * share its file. Of suppressed findings there is none.
 */
export function assessPatches(
  findings: readonly Finding[],
  { suppressed, outcomes }: { readonly suppressed: ReadonlyMap<string, string>; readonly outcomes: ReadonlyMap<string, PatchOutcome> },
): ReadonlyMap<string, AssessedPatch> {
  const written = findings.filter(({ proposal, fingerprint }) => proposal.patch !== undefined && !suppressed.has(fingerprint));
  const byDiff = Map.groupBy(written, ({ proposal }) => proposal.patch!.diff);
  return new Map(
    [...byDiff.values()].flatMap((alike, index) => {
      const [{ ruleId, fingerprint }] = alike as [Finding, ...Finding[]];
      const became = becameOf(outcomes.get(fingerprint) ?? { untried: 'not tried in this run' });
      const name = `${String(index + 1).padStart(3, '0')}-${ruleId.split('/')[1]!}.patch`;
      const file = became.standing === 'withdrawn' ? `${patchFolder}/withdrawn/${name}` : `${patchFolder}/${name}`;
      return alike.map((finding) => [finding.fingerprint, { ...became, file }] as const);
    }),
  );
}

function becameOf(outcome: PatchOutcome): Omit<AssessedPatch, 'file'> {
  if ('untried' in outcome) return { standing: 'untried', reason: outcome.untried, trialId: null };
  if ('unprovable' in outcome) return { standing: 'unprovable', reason: outcome.unprovable, trialId: null };
  if ('withdrawn' in outcome) return { standing: 'withdrawn', reason: outcome.withdrawn, trialId: null };
  const { id: trialId, verdict } = outcome.trial;
  if (verdict.decision === 'keep') return { standing: 'proven', reason: null, trialId };
  return { standing: isHarmful(verdict) ? 'withdrawn' : 'undecided', reason: verdict.reason, trialId };
}

export interface PatchFile {
  /** Below the run's folder. */
  readonly name: string;
  readonly content: string;
  readonly finding: PatchedFinding;
}

type PatchedFinding = AssessedFinding & { readonly patch: AssessedPatch };

export function patchFiles({ findings, trials }: Pick<Assessment, 'findings' | 'trials'>): readonly PatchFile[] {
  const byFile = new Map<string, PatchFile>();
  for (const finding of findings) {
    const { patch, proposal } = finding;
    if (patch === undefined || proposal.patch === undefined || byFile.has(patch.file)) continue;
    const patched = { ...finding, patch };
    const content = `${finding.message}\n${proposal.patch.title}.\n${patchWords(patch, { trials })}\n\n${proposal.patch.diff}`;
    byFile.set(patch.file, { name: patch.file, content, finding: patched });
  }
  return [...byFile.values()];
}

/** What became of the patch, with the figure that decided. */
export function patchWords(patch: AssessedPatch, { trials }: Pick<Assessment, 'trials'>): string {
  const trial = trials.find(({ id }) => id === patch.trialId);
  if (trial === undefined) return `${patch.standing === 'withdrawn' ? 'Withdrawn' : 'Not tried'}: ${patch.reason}.`;
  if (patch.standing === 'proven') return `Proven: ${measuredWords(trial)}, answers equal.`;
  return `${patch.standing === 'withdrawn' ? 'Withdrawn' : 'Tried and not proven'}: ${verdictReason(trial)}`;
}

function measuredWords({ primary }: Trial): string {
  return `${metricName(primary.metric)} ${interval(primary.change, primary.metric)}`;
}

export function patchReadme(files: readonly PatchFile[], { trials }: Pick<Assessment, 'trials'>): string {
  const section = (title: string, standing: AssessedPatch['standing']) => {
    const lines = files
      .filter(({ finding }) => finding.patch.standing === standing)
      .map(({ name, finding }) => {
        const what = `${finding.proposal.patch!.title} (${finding.ruleId})`;
        return `- \`${name.slice(patchFolder.length + 1)}\`: ${what}. ${patchWords(finding.patch, { trials })}`;
      });
    return lines.length === 0 ? [] : ['', `## ${title}`, '', ...lines];
  };
  return [
    '# Changes of the source',
    '',
    'Written from patterns; none is applied. Read each, then apply it with `git apply` in the folder the backend runs in.',
    ...(files.some(({ finding }) => finding.patch.trialId !== null)
      ? ['Each was tried alone: after applying several, prove them together with `anneal try`.']
      : []),
    ...section('Proven on two arms', 'proven'),
    ...section('Not tried: prove them with `anneal try --patch`', 'untried'),
    ...section('Tried and not proven', 'undecided'),
    ...section('Not for a trial, as things are', 'unprovable'),
    ...section('Withdrawn: do not apply them', 'withdrawn'),
    '',
  ].join('\n');
}
