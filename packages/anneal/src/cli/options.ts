import { resolve } from 'node:path';
import { Option, type Command } from 'commander';
import { findConfigFile, loadConfig, loadWorkloadFile, resolveSettings, type AnnealConfig, type Settings } from '../config.ts';
import { AnnealError } from '../errors.ts';
import type { LedgerPlace } from '../index.ts';
import type { Workload } from '../workload/workload.ts';

export interface OutputOptions {
  readonly json?: boolean;
  readonly quiet?: boolean;
}

export interface LedgerOptions extends OutputOptions {
  readonly config?: string;
  readonly output?: string;
}

export interface TargetOptions extends LedgerOptions {
  readonly start?: string;
  readonly attach?: string;
  readonly url?: readonly string[];
  readonly rate?: number;
  readonly workload?: string;
  readonly speed?: number;
  readonly otlp?: number | true;
  readonly within?: number;
  readonly window?: number;
  readonly seed?: number;
}

export function withOutputOptions(command: Command): Command {
  return command
    .addOption(new Option('--json', 'print one JSON document on stdout'))
    .addOption(new Option('--quiet', 'no progress on stderr'));
}

export function withLedgerOptions(command: Command): Command {
  return withOutputOptions(command)
    .addOption(new Option('--config <file>', 'configuration; default: anneal.config.ts in this folder').env('ANNEAL_CONFIG'))
    .addOption(new Option('--output <folder>', 'where runs and the ledger are kept (default .anneal)').env('ANNEAL_OUTPUT'));
}

/** The options of every command that works on a target. Flags win over the environment, the environment over the file. */
export function withTargetOptions(command: Command): Command {
  return withLedgerOptions(command)
    .addOption(new Option('--start <command>', 'shell command that starts the backend').env('ANNEAL_START'))
    .addOption(
      new Option('--url <request>', `a request of the workload, e.g. /users/1 or 'POST /orders {"item":1}'; repeat it`).argParser(
        (value: string, previous: readonly string[] | undefined) => [...(previous ?? []), value],
      ),
    )
    .addOption(
      new Option('--rate <perSecond>', 'requests per second for --url (default 20)').env('ANNEAL_RATE').argParser(positive('--rate')),
    )
    .addOption(new Option('--workload <file>', 'a workload as `anneal import` writes it, in place of --url').env('ANNEAL_WORKLOAD'))
    .addOption(new Option('--speed <factor>', 'plays recorded traffic so many times faster (default 1)').argParser(positive('--speed')))
    .addOption(new Option('--window <seconds>', 'how long to measure (default 30)').env('ANNEAL_WINDOW').argParser(positive('--window')))
    .addOption(
      new Option(
        '--otlp [port]',
        'read the OpenTelemetry traces that the backend exports, of any language, in place of the agent',
      ).argParser(whole('--otlp')),
    )
    .addOption(
      new Option('--seed <number>', 'seed of everything that is drawn or shuffled (default 1)')
        .env('ANNEAL_SEED')
        .argParser(whole('--seed')),
    );
}

/** Throws the errors of `config.ts`, and ANNEAL_CONFIG_MISSING when neither a file nor flags name a target. */
export async function settingsOf(options: TargetOptions, folder = process.cwd()): Promise<Settings> {
  const path = options.config === undefined ? findConfigFile(folder) : resolve(folder, options.config);
  const fromFile = path === null ? null : await loadConfig(path);
  const place = path === null ? folder : resolve(path, '..');
  const settings = resolveSettings(mergeFlags(fromFile, options, place), place);
  return options.attach === undefined ? settings : { ...settings, attachUrl: addressOf(options.attach, '--attach') };
}

/** For commands that only measure: the target may be running already. */
export function withAttachOption(command: Command): Command {
  return command.addOption(new Option('--attach <url>', 'measure a backend that already runs there; nothing is started or changed'));
}

/** Options that several commands have do not know which of them was given. */
const anyCommand = '<command>';

export function addressOf(text: string, flag: string): string {
  const url = URL.parse(text);
  if (url === null || !/^https?:$/.test(url.protocol)) {
    throw new AnnealError('ANNEAL_USAGE', {
      problem: `${flag} takes an address such as http://127.0.0.1:3000, not "${text}"`,
      command: anyCommand,
    });
  }
  return url.href;
}

/** For commands that read the ledger: they work without a configuration, and without naming a target again. */
export async function ledgerPlaceOf(options: LedgerOptions, folder = process.cwd()): Promise<LedgerPlace> {
  const path = options.config === undefined ? findConfigFile(folder) : resolve(folder, options.config);
  const config = path === null ? null : await loadConfig(path);
  const outputFolder = resolve(path === null ? folder : resolve(path, '..'), config?.output ?? '.anneal');
  return {
    outputFolder: options.output === undefined ? outputFolder : resolve(folder, options.output),
    databaseUrl: config?.database?.url ?? process.env[config?.database?.urlVariable ?? 'DATABASE_URL'] ?? null,
  };
}

function mergeFlags(file: AnnealConfig | null, options: TargetOptions, folder: string): AnnealConfig {
  const start = options.start ?? file?.target.start ?? (options.attach === undefined ? undefined : 'started by somebody else');
  const workload = withSpeed(workloadOf(file, options, folder), options.speed);
  if (start === undefined) throw new AnnealError('ANNEAL_CONFIG_MISSING', { problem: 'no configuration file and no --start' });
  if (workload === undefined)
    throw new AnnealError('ANNEAL_CONFIG_MISSING', { problem: 'no configuration file, no --workload and no --url' });
  return {
    ...file,
    target: { ...file?.target, start, ...(options.otlp === undefined ? {} : { otlp: options.otlp }) },
    workload,
    ...(options.window === undefined ? {} : { measure: { ...file?.measure, windowMs: options.window * 1000 } }),
    ...(options.within === undefined ? {} : { trial: { ...file?.trial, withinMs: options.within * 60_000 } }),
    ...(options.seed === undefined ? {} : { seed: options.seed }),
    ...(options.output === undefined ? {} : { output: options.output }),
  };
}

function workloadOf(file: AnnealConfig | null, options: TargetOptions, folder: string): AnnealConfig['workload'] | undefined {
  if (options.workload !== undefined) {
    if (options.url !== undefined)
      throw new AnnealError('ANNEAL_USAGE', { problem: 'give --workload or --url, not both', command: anyCommand });
    return withRate(loadWorkloadFile(resolve(options.workload)), options.rate);
  }
  if (options.url !== undefined) return { urls: options.url, ...(options.rate === undefined ? {} : { ratePerSecond: options.rate }) };
  if (file === null || options.rate === undefined) return file?.workload;
  if ('urls' in file.workload) return { ...file.workload, ratePerSecond: options.rate };
  return withRate('file' in file.workload ? loadWorkloadFile(resolve(folder, file.workload.file)) : file.workload, options.rate);
}

function withRate(workload: Workload, ratePerSecond: number | undefined): Workload {
  return ratePerSecond === undefined ? workload : { ...workload, executor: { type: 'constant-arrival-rate', ratePerSecond } };
}

function withSpeed(workload: AnnealConfig['workload'] | undefined, speed: number | undefined): AnnealConfig['workload'] | undefined {
  if (speed === undefined || workload === undefined) return workload;
  if ('file' in workload) return { ...workload, speed };
  if ('executor' in workload && workload.executor.type === 'recorded-arrivals')
    return { ...workload, executor: { ...workload.executor, speed } };
  throw new AnnealError('ANNEAL_USAGE', {
    problem: '--speed is for recorded traffic; --rate sets how much other traffic there is',
    command: anyCommand,
  });
}

export function positive(flag: string): (value: string) => number {
  return (value) => {
    const number = Number(value);
    if (!Number.isFinite(number) || number <= 0)
      throw new AnnealError('ANNEAL_USAGE', { problem: `${flag} takes a number above 0, not "${value}"`, command: anyCommand });
    return number;
  };
}

function whole(flag: string): (value: string) => number {
  return (value) => {
    const number = Number(value);
    if (!Number.isInteger(number) || number < 0)
      throw new AnnealError('ANNEAL_USAGE', { problem: `${flag} takes a whole number, not "${value}"`, command: anyCommand });
    return number;
  };
}
