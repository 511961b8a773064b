import { resolve } from 'node:path';
import { Option, type Command } from 'commander';
import { findConfigFile, loadConfig, resolveSettings, type AnnealConfig, type Settings } from '../config.ts';
import { AnnealError } from '../errors.ts';

export interface OutputOptions {
  readonly json?: boolean;
  readonly quiet?: boolean;
}

export interface TargetOptions extends OutputOptions {
  readonly config?: string;
  readonly start?: string;
  readonly url?: readonly string[];
  readonly rate?: number;
  readonly window?: number;
  readonly seed?: number;
  readonly output?: string;
}

export function withOutputOptions(command: Command): Command {
  return command
    .addOption(new Option('--json', 'print one JSON document on stdout'))
    .addOption(new Option('--quiet', 'no progress on stderr'));
}

/** The options of every command that works on a target. Flags win over the environment, the environment over the file. */
export function withTargetOptions(command: Command): Command {
  return withOutputOptions(command)
    .addOption(new Option('--config <file>', 'configuration; default: anneal.config.ts in this folder').env('ANNEAL_CONFIG'))
    .addOption(new Option('--start <command>', 'shell command that starts the backend').env('ANNEAL_START'))
    .addOption(
      new Option('--url <request>', 'a request of the workload, e.g. "/users/1" or "POST /orders {\\"item\\":1}"; repeat it').argParser(
        (value: string, previous: readonly string[] | undefined) => [...(previous ?? []), value],
      ),
    )
    .addOption(
      new Option('--rate <perSecond>', 'requests per second for --url (default 20)').env('ANNEAL_RATE').argParser(positive('--rate')),
    )
    .addOption(new Option('--window <seconds>', 'how long to measure (default 30)').env('ANNEAL_WINDOW').argParser(positive('--window')))
    .addOption(
      new Option('--seed <number>', 'seed of everything that is drawn or shuffled (default 1)')
        .env('ANNEAL_SEED')
        .argParser(whole('--seed')),
    )
    .addOption(new Option('--output <folder>', 'where runs and the ledger are kept (default .anneal)').env('ANNEAL_OUTPUT'));
}

/** Throws the errors of `config.ts`, and ANNEAL_CONFIG_MISSING when neither a file nor flags name a target. */
export async function settingsOf(options: TargetOptions, folder = process.cwd()): Promise<Settings> {
  const path = options.config === undefined ? findConfigFile(folder) : resolve(folder, options.config);
  const fromFile = path === null ? null : await loadConfig(path);
  const merged = mergeFlags(fromFile, options);
  return resolveSettings(merged, path === null ? folder : resolve(path, '..'));
}

/** For commands that read the ledger: they need the folder alone, and work without a configuration. */
export async function outputFolderOf(options: TargetOptions, folder = process.cwd()): Promise<string> {
  if (options.output !== undefined) return resolve(folder, options.output);
  const path = options.config === undefined ? findConfigFile(folder) : resolve(folder, options.config);
  if (path === null) return resolve(folder, '.anneal');
  return resolve(path, '..', (await loadConfig(path)).output ?? '.anneal');
}

function mergeFlags(file: AnnealConfig | null, options: TargetOptions): AnnealConfig {
  const start = options.start ?? file?.target.start;
  const workload = workloadOf(file, options);
  if (start === undefined) throw new AnnealError('ANNEAL_CONFIG_MISSING', { problem: 'no configuration file and no --start' });
  if (workload === undefined) throw new AnnealError('ANNEAL_CONFIG_MISSING', { problem: 'no configuration file and no --url' });
  return {
    ...file,
    target: { ...file?.target, start },
    workload,
    ...(options.window === undefined ? {} : { measure: { ...file?.measure, windowMs: options.window * 1000 } }),
    ...(options.seed === undefined ? {} : { seed: options.seed }),
    ...(options.output === undefined ? {} : { output: options.output }),
  };
}

function workloadOf(file: AnnealConfig | null, options: TargetOptions): AnnealConfig['workload'] | undefined {
  if (options.url !== undefined) return { urls: options.url, ...(options.rate === undefined ? {} : { ratePerSecond: options.rate }) };
  if (file === null || options.rate === undefined) return file?.workload;
  if ('urls' in file.workload) return { ...file.workload, ratePerSecond: options.rate };
  return { ...file.workload, executor: { type: 'constant-arrival-rate', ratePerSecond: options.rate } };
}

function positive(flag: string): (value: string) => number {
  return (value) => {
    const number = Number(value);
    if (!Number.isFinite(number) || number <= 0)
      throw new AnnealError('ANNEAL_USAGE', { problem: `${flag} takes a number above 0, not "${value}"`, command: '' });
    return number;
  };
}

function whole(flag: string): (value: string) => number {
  return (value) => {
    const number = Number(value);
    if (!Number.isInteger(number) || number < 0)
      throw new AnnealError('ANNEAL_USAGE', { problem: `${flag} takes a whole number, not "${value}"`, command: '' });
    return number;
  };
}
