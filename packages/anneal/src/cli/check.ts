import { Argument, Option, type Command } from 'commander';
import { AnnealError, exitCodes, type ExitCode } from '../errors.ts';
import { checkDatabase, renderHealth, type CallOptions } from '../index.ts';
import { ledgerPlaceOf, withOutputOptions, type OutputOptions } from './options.ts';

interface CheckOptions extends OutputOptions {
  readonly databaseUrl?: string;
  readonly config?: string;
  readonly only?: readonly string[];
}

/** `anneal check <subject>`: a look without a load. The database is the one subject so far. */
export function addCheckCommand(
  program: Command,
  callOptions: (options: OutputOptions) => CallOptions,
  finish: (exitCode: ExitCode) => void,
): void {
  withOutputOptions(
    program
      .command('check')
      .description(
        'look at the database as it is, read-only and without a load, in under ten seconds; exit code 1 when a finding of level error stands',
      ),
  )
    .addArgument(new Argument('<subject>', 'what to look at').choices(['database']))
    .addOption(
      new Option(
        '--database-url <url>',
        "PostgreSQL, MySQL or MariaDB to read; default: the configuration's, else DATABASE_URL (keeps the password out of the process list)",
      ),
    )
    .addOption(new Option('--config <file>', 'configuration; default: anneal.config.ts in this folder').env('ANNEAL_CONFIG'))
    .addOption(
      new Option('--only <id>', 'run this check alone, e.g. stale-statistics; repeat it').argParser(
        (value: string, previous: readonly string[] | undefined) => [...(previous ?? []), value],
      ),
    )
    .action(async (_subject: string, options: CheckOptions) => {
      const url = options.databaseUrl ?? (await ledgerPlaceOf(options)).databaseUrl;
      if (url === null)
        throw new AnnealError('ANNEAL_USAGE', {
          problem: 'no database is named: set DATABASE_URL or give --database-url',
          command: 'check',
        });
      const report = await checkDatabase(url, { ...callOptions(options), ...(options.only === undefined ? {} : { only: options.only }) });
      process.stdout.write(options.json === true ? `${JSON.stringify(report, null, 2)}\n` : renderHealth(report, process.stdout));
      finish(report.findings.some(({ level }) => level === 'error') ? exitCodes.gateFailed : exitCodes.done);
    });
}
