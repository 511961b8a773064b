import { readFile } from 'node:fs/promises';
import { Option, type Command } from 'commander';
import { AnnealError } from '../errors.ts';
import { advise, parseSnapshot, takeSnapshot, type CallOptions, type DatabaseSnapshot } from '../index.ts';
import { adviceText } from './advice-text.ts';
import { ledgerPlaceOf, withOutputOptions, type OutputOptions } from './options.ts';

interface AdviseCommandOptions extends OutputOptions {
  readonly databaseUrl?: string;
  readonly config?: string;
  readonly budget?: number;
  readonly width?: number;
  readonly seconds?: number;
  readonly whyNot?: readonly string[];
}

/** `anneal advise`: which indexes are worth building and which are worth dropping. */
export function addAdviseCommand(program: Command, callOptions: (options: OutputOptions) => CallOptions): void {
  withOutputOptions(
    program
      .command('advise')
      .description(
        'which indexes the workload is worth building and dropping, by the planner itself, from a snapshot alone; changes nothing',
      )
      .argument('[snapshot]', 'file of `anneal snapshot`; without it the database is read, once and read-only'),
  )
    .addOption(new Option('--database-url <url>', "PostgreSQL to read; default: the configuration's, else DATABASE_URL"))
    .addOption(new Option('--config <file>', 'configuration; default: anneal.config.ts in this folder').env('ANNEAL_CONFIG'))
    .addOption(
      new Option(
        '--budget <size>',
        'storage for all new indexes together, e.g. 500MB (default: a tenth of the tables, at least 100MB)',
      ).argParser(sizeOf),
    )
    .addOption(
      new Option('--width <columns>', 'most columns of an index, payload included (default 3)').argParser(wholeBetween('--width', 1, 8)),
    )
    .addOption(
      new Option('--seconds <number>', 'how long to look; the best answer so far stands (default 60)').argParser(
        wholeBetween('--seconds', 1, 86_400),
      ),
    )
    .addOption(
      new Option(
        '--why-not <index>',
        'say which number spoke against an index: "orders(customer_id, at)" or "(customer_id, at)"; repeat it',
      ).argParser((value: string, previous: readonly string[] | undefined) => [...(previous ?? []), value]),
    )
    .action(async (file: string | undefined, options: AdviseCommandOptions) => {
      const snapshot = file === undefined ? await readDatabase(options, callOptions) : parseSnapshot(await contentOf(file), file);
      const report = await advise(snapshot, {
        ...callOptions(options),
        ...(options.budget === undefined ? {} : { budgetBytes: options.budget }),
        ...(options.width === undefined ? {} : { width: options.width }),
        ...(options.seconds === undefined ? {} : { seconds: options.seconds }),
        ...(options.whyNot === undefined ? {} : { whyNot: options.whyNot }),
      });
      process.stdout.write(options.json === true ? `${JSON.stringify(report, null, 2)}\n` : adviceText(report));
    });
}

/** Nothing is written down, so the values need not be hidden, and plans are better with them. */
async function readDatabase(
  options: AdviseCommandOptions,
  callOptions: (options: OutputOptions) => CallOptions,
): Promise<DatabaseSnapshot> {
  const url = options.databaseUrl ?? (await ledgerPlaceOf(options.config === undefined ? {} : { config: options.config })).databaseUrl;
  if (url !== null) return takeSnapshot(url, { ...callOptions(options), values: 'kept' });
  throw new AnnealError('ANNEAL_USAGE', {
    problem: 'name a snapshot file, set DATABASE_URL or give --database-url',
    command: 'advise',
  });
}

async function contentOf(file: string): Promise<string> {
  try {
    return await readFile(file, 'utf8');
  } catch (cause) {
    const problem = cause instanceof Error ? cause.message : String(cause);
    throw new AnnealError('ANNEAL_SNAPSHOT_UNREADABLE', { path: file, problem }, { cause });
  }
}

const units: Readonly<Record<string, number>> = {
  '': 1,
  b: 1,
  kb: 1e3,
  mb: 1e6,
  gb: 1e9,
  tb: 1e12,
  kib: 2 ** 10,
  mib: 2 ** 20,
  gib: 2 ** 30,
};

function sizeOf(text: string): number {
  const [, amount, unit] = /^\s*(\d+(?:\.\d+)?)\s*([a-z]*)\s*$/iu.exec(text) ?? [];
  const factor = units[(unit ?? '').toLowerCase()];
  if (amount === undefined || factor === undefined) {
    throw new AnnealError('ANNEAL_USAGE', { problem: `--budget takes a size such as 500MB, not "${text}"`, command: 'advise' });
  }
  return Number(amount) * factor;
}

function wholeBetween(flag: string, least: number, most: number): (text: string) => number {
  return (text) => {
    const number = Number(text);
    if (Number.isInteger(number) && number >= least && number <= most) return number;
    throw new AnnealError('ANNEAL_USAGE', {
      problem: `${flag} takes a whole number from ${least} to ${most}, not "${text}"`,
      command: 'advise',
    });
  };
}
