import { spawn } from 'node:child_process';
import { join } from 'node:path';

const main = join(import.meta.dirname, '../../packages/anneal/src/cli/main.ts');

export interface CliResult {
  readonly exitCode: number | null;
  readonly stdout: string;
  readonly stderr: string;
}

/** Runs the command line as a user would, in a folder of its own choice. `env` replaces what it names; null removes it. */
export async function anneal(
  args: readonly string[],
  options: { readonly cwd: string; readonly env?: Readonly<Record<string, string | null>> },
): Promise<CliResult> {
  const env = { ...process.env, NO_COLOR: '1' } as Record<string, string | undefined>;
  for (const [name, value] of Object.entries(options.env ?? {})) env[name] = value ?? undefined;
  const child = spawn(process.execPath, ['--conditions=@anneal/source', main, ...args], { cwd: options.cwd, env });
  let stdout = '';
  let stderr = '';
  child.stdout.on('data', (chunk: Buffer) => (stdout += chunk.toString()));
  child.stderr.on('data', (chunk: Buffer) => (stderr += chunk.toString()));
  const exitCode = await new Promise<number | null>((resolve) => child.on('close', resolve));
  return { exitCode, stdout, stderr };
}
