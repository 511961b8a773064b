import { isAbsolute, join } from 'node:path';
import type { Finding } from '../finding/finding.ts';
import type { Files } from '../ports/files.ts';
import type { Json } from '../remedy/remedy.ts';
import type { Codemod } from './codemod.ts';
import { writePatch } from './write-patch.ts';

/** Larger ones are bundles: a patch of what a tool writes is lost at the next build. */
const largestSource = 512 * 1024;

/**
 * The findings, those with a mechanical fix with a patch of the source. Reads the files that findings name, below the
 * working directory only; one that is gone or cannot be read gets no patch. `planOf` gives the plan of a finding's remedy.
 */
export function withPatches(
  findings: readonly Finding[],
  codemods: readonly Codemod[],
  source: { readonly workingDirectory: string; readonly files: Pick<Files, 'read'>; readonly planOf: (finding: Finding) => Json | null },
): Promise<readonly Finding[]> {
  return Promise.all(
    findings.map(async (finding) => {
      const [at] = finding.locations;
      const fitting = codemods.filter(({ addresses }) => addresses.includes(finding.ruleId));
      if (at === undefined || fitting.length === 0 || isAbsolute(at.file) || /(?:^|\/)(?:\.\.|node_modules)\//.test(at.file))
        return finding;
      const text = await source.files.read(join(source.workingDirectory, at.file)).catch(() => null);
      if (text === null || text.length > largestSource) return finding;
      const context = { finding, plan: source.planOf(finding) };
      for (const codemod of fitting) {
        const written = writePatch(codemod, at.file, text, at, context);
        if ('patch' in written)
          return { ...finding, proposal: { ...finding.proposal, patch: { title: codemod.title, diff: written.patch } } };
      }
      return finding;
    }),
  );
}
