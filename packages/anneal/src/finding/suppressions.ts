import { resolve } from 'node:path';
import type { Files } from '../ports/files.ts';
import type { Finding } from './finding.ts';

/**
 * `// anneal-ignore <rule> -- <reason>` on the line of a finding or the line above it. Without a
 * reason it does not count: a silenced finding that nobody can explain is worse than a loud one.
 */
const comment = /(?:\/\/|\/\*|#)\s*anneal-ignore\s+(\S+)\s+--\s+(.+?)\s*(?:\*\/)?$/;

/** By fingerprint, the reason given in the source. Files that cannot be read suppress nothing. */
export async function readSuppressions(
  findings: readonly Finding[],
  workingDirectory: string,
  files: Pick<Files, 'read'>,
): Promise<ReadonlyMap<string, string>> {
  const sources = new Map<string, Promise<readonly string[]>>();
  const linesOf = (file: string) => {
    const known = sources.get(file) ?? files.read(resolve(workingDirectory, file)).then(splitLines, () => []);
    sources.set(file, known);
    return known;
  };
  const suppressed = new Map<string, string>();
  for (const finding of findings) {
    for (const { file, line } of finding.locations) {
      const lines = await linesOf(file);
      const reason = [lines[line - 1], lines[line - 2]].map((text) => reasonIn(text ?? '', finding.ruleId)).find((found) => found !== null);
      if (typeof reason === 'string') suppressed.set(finding.fingerprint, `suppressed at ${file}:${line}: ${reason}`);
    }
  }
  return suppressed;
}

function reasonIn(line: string, ruleId: string): string | null {
  const match = comment.exec(line.trimEnd());
  return match?.[1] === ruleId ? match[2]! : null;
}

function splitLines(text: string): readonly string[] {
  return text.split(/\r?\n/);
}
