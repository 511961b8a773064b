import { CommanderError } from 'commander';
import { AnnealError, exitCodes } from '../errors.ts';
import { createProgram } from './program.ts';

/**
 * The command line: stdout carries the result, stderr the progress and the errors.
 * The first Ctrl-C or SIGTERM undoes what is under way and ends; the second ends at once.
 */
async function main(): Promise<void> {
  // A reader that has seen enough, such as `head`, is no error.
  process.stdout.on('error', (error: NodeJS.ErrnoException) => {
    if (error.code !== 'EPIPE') throw error;
  });
  const interruption = new AbortController();
  const signals = { SIGINT: exitCodes.interrupted, SIGTERM: exitCodes.terminated } as const;
  for (const [signal, exitCode] of Object.entries(signals)) {
    process.on(signal, () => {
      if (interruption.signal.aborted) process.exit(exitCode);
      process.stderr.write(`\n${signal}: undoing what is under way (again to stop at once; then run \`anneal recover\`)\n`);
      process.exitCode = exitCode;
      interruption.abort(new AnnealError('ANNEAL_INTERRUPTED'));
    });
  }
  try {
    const exitCode = await createProgram(interruption.signal).run(process.argv);
    process.exitCode ??= exitCode;
  } catch (error) {
    process.exitCode ??= report(error);
  }
}

function report(error: unknown): number {
  if (error instanceof CommanderError) return error.exitCode === 0 ? exitCodes.done : exitCodes.usage;
  if (error instanceof AnnealError) {
    process.stderr.write(`${error.code}: ${error.message}\n  hint: ${error.hint}\n`);
    return error.exitCode;
  }
  const trace = error instanceof Error ? (error.stack ?? error.message) : String(error);
  process.stderr.write(`This is a bug in Anneal, not in your backend:\n${trace}\n`);
  return exitCodes.bug;
}

await main();
