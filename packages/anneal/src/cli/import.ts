import { writeFile } from 'node:fs/promises';
import { resolve } from 'node:path';
import { Option, type Command } from 'commander';
import { AnnealError } from '../errors.ts';
import { importTraffic, record, trafficFormats, type CallOptions, type Imported } from '../index.ts';
import {
  addressOf,
  positive,
  settingsOf,
  withOutputOptions,
  withTargetOptions,
  type OutputOptions,
  type TargetOptions,
} from './options.ts';

interface ImportCommandOptions extends OutputOptions {
  readonly output: string;
  readonly format?: string;
  readonly writes?: boolean;
  readonly origin?: string;
  readonly rate?: number;
}

/** `anneal import`: a workload out of what was recorded elsewhere. */
export function addImportCommand(program: Command): void {
  withOutputOptions(
    program
      .command('import')
      .description('make a workload of recorded traffic: HAR, access logs, OpenAPI, k6 scripts; only GET unless told otherwise')
      .argument('<files...>', trafficFormats.map(({ title }) => title).join('; ')),
  )
    .addOption(new Option('--output <file>', 'where the workload is written').default('anneal-traffic.json'))
    .addOption(new Option('--format <id>', 'of all files; default: recognised').choices(trafficFormats.map(({ id }) => id)))
    .option('--writes', 'take requests that may write, too; trials replay them on copies')
    .option('--origin <url>', 'whose requests are meant, e.g. https://api.example.com; default: the one with the most')
    .addOption(new Option('--rate <perSecond>', 'in place of the recorded moments').argParser(positive('--rate')))
    .action(async (files: readonly string[], options: ImportCommandOptions) => {
      const imported = await importTraffic(files, {
        writes: options.writes === true,
        ...(options.format === undefined ? {} : { format: options.format }),
        ...(options.origin === undefined ? {} : { origin: new URL(addressOf(options.origin, '--origin')).origin }),
        ...(options.rate === undefined ? {} : { ratePerSecond: options.rate }),
      });
      await save(imported, options, 'import');
    });
}

interface RecordCommandOptions extends TargetOptions {
  readonly to: string;
  readonly for: number;
}

/** `anneal record`: a workload out of what users ask for now. */
export function addRecordCommand(program: Command, callOptions: (options: OutputOptions) => CallOptions): void {
  withTargetOptions(
    program
      .command('record')
      .description(
        'start the backend where its users find it and make a workload of what they ask for; needs `record: { consent: true }` in the configuration',
      ),
  )
    .addOption(new Option('--for <seconds>', 'how long').default(60).argParser(positive('--for')))
    .addOption(new Option('--to <file>', 'where the workload is written').default('anneal-traffic.json'))
    .action(async (options: RecordCommandOptions) => {
      const settings = await settingsOf({ ...options, url: options.url ?? ['/'] });
      await save(
        await record(settings, { ...callOptions(options), durationMs: options.for * 1000 }),
        { ...options, output: options.to },
        'record',
      );
    });
}

async function save(
  { workload, requests, problems }: Imported,
  options: OutputOptions & { readonly output: string },
  command: string,
): Promise<void> {
  const path = resolve(options.output);
  try {
    // For the owner alone: paths may hold identifiers of customers.
    await writeFile(path, `${JSON.stringify(workload, null, 1)}\n`, { mode: 0o600, flag: 'wx' });
  } catch (cause) {
    const problem = `${path} cannot be written: ${cause instanceof Error ? cause.message : String(cause)}`;
    throw new AnnealError('ANNEAL_USAGE', { problem, command }, { cause });
  }
  const summary = { file: path, requests, scenarios: workload.scenarios.map(({ name, weight }) => ({ name, weight })), problems };
  process.stdout.write(options.json === true ? `${JSON.stringify(summary, null, 2)}\n` : text(summary));
}

function text({
  file,
  requests,
  scenarios,
  problems,
}: {
  readonly file: string;
  readonly requests: number;
  readonly scenarios: readonly { readonly name: string; readonly weight: number }[];
  readonly problems: readonly string[];
}): string {
  const shown = scenarios.toSorted((a, b) => b.weight - a.weight).slice(0, 20);
  return `${[
    `Wrote ${file}: ${requests} requests of ${scenarios.length} routes.`,
    ...shown.map(({ name, weight }) => `  ${String(weight).padStart(7)}  ${name}`),
    ...(scenarios.length > shown.length ? [`           and ${scenarios.length - shown.length} more`] : []),
    ...problems.map((problem) => `  note: ${problem}`),
    `Next: anneal diagnose --start "node app.js" --workload ${file}`,
  ].join('\n')}\n`;
}
