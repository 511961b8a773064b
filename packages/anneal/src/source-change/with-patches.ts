import { isAbsolute, join } from 'node:path';
import type { Finding } from '../finding/finding.ts';
import type { Files } from '../ports/files.ts';
import type { Json } from '../remedy/remedy.ts';
import type { Codemod } from './codemod.ts';
import { writePatch } from './write-patch.ts';

/** Larger ones are bundles: a patch of what a tool writes is lost at the next build. */
const largestSource = 512 * 1024;

/** A patch of the source, for one finding. */
export interface FindingPatch {
  readonly finding: Finding;
  readonly codemod: Codemod;
  readonly diff: string;
}

/** Patches of the source for the findings whose fix is mechanical, in their order; `withPatches` puts them into the findings. */
export async function writePatches(
  findings: readonly Finding[],
  codemods: readonly Codemod[],
  source: SourceOfFindings,
): Promise<readonly FindingPatch[]> {
  const written = await Promise.all(findings.map((finding) => patchFor(finding, codemods, source)));
  return written.filter((patch) => patch !== null);
}

export interface SourceOfFindings {
  readonly workingDirectory: string;
  readonly files: Pick<Files, 'read'>;
  /** The plan of the finding's remedy; null where there is none. */
  readonly planOf: (finding: Finding) => Json | null;
}

/** Reads the file that the finding names, below the working directory only; null where it is gone or cannot be read. */
async function patchFor(
  finding: Finding,
  codemods: readonly Codemod[],
  { workingDirectory, files, planOf }: SourceOfFindings,
): Promise<FindingPatch | null> {
  const [at] = finding.locations;
  const fitting = codemods.filter(({ addresses }) => addresses.includes(finding.ruleId));
  if (at === undefined || fitting.length === 0 || isAbsolute(at.file) || /(?:^|\/)(?:\.\.|node_modules)\//.test(at.file)) return null;
  const text = await files.read(join(workingDirectory, at.file)).catch(() => null);
  if (text === null || text.length > largestSource) return null;
  for (const codemod of fitting) {
    const written = writePatch(codemod, at.file, text, at, { finding, plan: planOf(finding) });
    if ('patch' in written) return { finding, codemod, diff: written.patch };
  }
  return null;
}

/** The same findings, those that a patch was written for with it. */
export function withPatches(findings: readonly Finding[], patches: readonly FindingPatch[]): readonly Finding[] {
  const byFinding = new Map(patches.map((patch) => [patch.finding.fingerprint, patch]));
  return findings.map((finding) => {
    const patch = byFinding.get(finding.fingerprint);
    if (patch === undefined) return finding;
    return { ...finding, proposal: { ...finding.proposal, patch: { title: patch.codemod.title, diff: patch.diff } } };
  });
}
