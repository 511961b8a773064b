import { writeFile } from 'node:fs/promises';
import { resolve } from 'node:path';
import { Option, type Command } from 'commander';
import { AnnealError } from '../errors.ts';
import { takeSnapshot, type CallOptions, type DatabaseSnapshot } from '../index.ts';
import { ledgerPlaceOf, withOutputOptions, type OutputOptions } from './options.ts';

interface SnapshotCommandOptions extends OutputOptions {
  readonly databaseUrl?: string;
  readonly config?: string;
  readonly output: string;
  readonly values: DatabaseSnapshot['values'];
}

/** `anneal snapshot`: everything a planner needs of a database, in a file. */
export function addSnapshotCommand(program: Command, callOptions: (options: OutputOptions) => CallOptions): void {
  withOutputOptions(
    program
      .command('snapshot')
      .description(
        'write what a planner needs of the database into a file: schema, statistics, settings and statements, never a row; read-only',
      ),
  )
    .addOption(
      new Option(
        '--database-url <url>',
        "PostgreSQL to read; default: the configuration's, else DATABASE_URL (keeps the password out of the process list)",
      ),
    )
    .addOption(new Option('--config <file>', 'configuration; default: anneal.config.ts in this folder').env('ANNEAL_CONFIG'))
    .addOption(new Option('--output <file>', 'where it is written').default('anneal-snapshot.json'))
    .addOption(
      new Option('--values <mode>', 'column values in the statistics: as they are, as tokens in the same order, or none')
        .choices(['kept', 'hashed', 'left-out'])
        .default('hashed'),
    )
    .action(async (options: SnapshotCommandOptions) => {
      const url = options.databaseUrl ?? (await ledgerPlaceOf(options.config === undefined ? {} : { config: options.config })).databaseUrl;
      if (url === null) {
        throw new AnnealError('ANNEAL_USAGE', {
          problem: 'no database is named: set DATABASE_URL or give --database-url',
          command: 'snapshot',
        });
      }
      const snapshot = await takeSnapshot(url, { ...callOptions(options), values: options.values });
      const path = resolve(options.output);
      const content = `${JSON.stringify(snapshot)}\n`;
      await write(path, content);
      const summary = {
        file: path,
        sizeBytes: Buffer.byteLength(content),
        tables: snapshot.tables.length,
        indexes: snapshot.indexes.length,
        statements: snapshot.statements.length,
        values: snapshot.values,
        gaps: snapshot.gaps,
      };
      process.stdout.write(options.json === true ? `${JSON.stringify(summary, null, 2)}\n` : text(summary));
    });
}

/** For the owner alone: with values kept it holds some of the database's own. */
async function write(path: string, content: string): Promise<void> {
  try {
    await writeFile(path, content, { mode: 0o600 });
  } catch (cause) {
    const problem = `${path} cannot be written: ${cause instanceof Error ? cause.message : String(cause)}`;
    throw new AnnealError('ANNEAL_USAGE', { problem, command: 'snapshot' }, { cause });
  }
}

function text({
  file,
  sizeBytes,
  tables,
  indexes,
  statements,
  values,
  gaps,
}: {
  readonly file: string;
  readonly sizeBytes: number;
  readonly tables: number;
  readonly indexes: number;
  readonly statements: number;
  readonly values: string;
  readonly gaps: readonly string[];
}): string {
  const lines = [
    `Wrote ${file} (${(sizeBytes / 1024).toFixed(0)} KiB): ${tables} tables, ${indexes} indexes, ${statements} statements, column values ${values}.`,
    ...gaps.map((gap) => `  gap: ${gap}`),
  ];
  return `${lines.join('\n')}\n`;
}
