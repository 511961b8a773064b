import { readFile } from 'node:fs/promises';
import { resolve } from 'node:path';
import { Option, type Command } from 'commander';
import { AnnealError, exitCodes, type ExitCode } from '../errors.ts';
import { tryChange, type Assessment, type CallOptions, type ChangeToTry, type MetricId, type Server } from '../index.ts';
import { addressOf, settingsOf, withTargetOptions, type OutputOptions, type TargetOptions } from './options.ts';

interface TryOptions extends TargetOptions {
  readonly patch?: string;
  readonly worktree?: string;
  readonly env?: Readonly<Record<string, string>>;
  readonly sql?: string;
  readonly policy?: string;
  readonly urlA?: string;
  readonly urlB?: string;
  readonly pidA?: number;
  readonly pidB?: number;
  readonly allowWrites?: boolean;
  readonly metric?: MetricId;
}

const metrics: readonly MetricId[] = [
  'cpu.time',
  'database.time',
  'pool.wait',
  'latency.p50',
  'latency.p95',
  'latency.p99',
  'answer.interval',
  'response.bytes',
  'memory',
  'wal.bytes',
];

/** `anneal try`: exit code 0 only for a change that is proven better and answers the same. */
export function addTryCommand(
  program: Command,
  callOptions: (options: OutputOptions) => CallOptions,
  print: (assessment: Assessment, options: OutputOptions) => void,
  finish: (exitCode: ExitCode) => void,
): void {
  withTargetOptions(
    program
      .command('try')
      .description(
        'prove a change of your own: two arms, the same traffic, answers compared; your tree and your database stay as they are. ' +
          'Exit code 0: better and equal; 1: worse, or answers differ; 3: no change, or inconclusive',
      ),
  )
    .addOption(new Option('--patch <file>', 'a unified diff against your working tree as it is now (git diff); "-" reads it from stdin'))
    .addOption(new Option('--worktree <folder>', "a folder that has the change, in place of the backend's own"))
    .addOption(new Option('--env <name=value>', 'set on the candidate arm only; repeat it').argParser(environment))
    .addOption(new Option('--sql <file>', "statements for the candidate's copy of the database"))
    .addOption(
      new Option(
        '--policy <file>',
        'a policy of the agent with its limits, in force on the candidate arm; also as JSON in place of the file',
      ),
    )
    .addOption(new Option('--url-a <address>', 'a server that runs already, as it was'))
    .addOption(new Option('--url-b <address>', 'a server that runs already, with the change'))
    .addOption(new Option('--pid-a <pid>', 'process of --url-a on this machine, for its CPU time and memory').argParser(processId))
    .addOption(new Option('--pid-b <pid>', 'process of --url-b').argParser(processId))
    .addOption(new Option('--allow-writes', 'let the workload write to the data of --url-a and --url-b'))
    .addOption(
      new Option(
        '--metric <metric>',
        'what decides, per request; default: CPU time, database time for SQL alone, p50 latency for URLs, p95 latency for limits',
      ).choices(metrics),
    )
    .action(async (options: TryOptions) => {
      const change = await changeOf(options);
      const attached = change.servers === undefined ? options : { ...options, attach: change.servers.a.url };
      const assessment = await tryChange(await settingsOf(attached), change, {
        ...callOptions(options),
        ...(options.metric === undefined ? {} : { metric: options.metric }),
        mayWrite: options.allowWrites === true,
      });
      print(assessment, options);
      finish(exitCodeOf(assessment));
    });
}

function exitCodeOf({ trials: [trial] }: Assessment): ExitCode {
  if (trial?.verdict.decision === 'keep') return exitCodes.done;
  const isWorse = trial?.verdict.equality === 'mismatch' || trial?.verdict.performance === 'regressed';
  return isWorse ? exitCodes.gateFailed : exitCodes.inconclusive;
}

async function changeOf(options: TryOptions): Promise<ChangeToTry> {
  const { patch, worktree, env, sql, policy } = options;
  const servers = serversOf(options);
  return {
    ...(patch === undefined ? {} : { patch: await contentOf('--patch', patch) }),
    ...(worktree === undefined ? {} : { worktree: resolve(worktree) }),
    ...(env === undefined ? {} : { env }),
    ...(sql === undefined ? {} : { sql: await contentOf('--sql', sql) }),
    ...(policy === undefined ? {} : { policies: /^\s*\{/.test(policy) ? policy : await contentOf('--policy', policy) }),
    ...(servers === null ? {} : { servers }),
  };
}

function serversOf({ urlA, urlB, pidA, pidB }: TryOptions): NonNullable<ChangeToTry['servers']> | null {
  if (urlA === undefined && urlB === undefined) return null;
  if (urlA === undefined || urlB === undefined) throw usage('--url-a and --url-b belong together');
  return { a: serverAt('--url-a', urlA, pidA), b: serverAt('--url-b', urlB, pidB) };
}

function serverAt(flag: string, url: string, pid: number | undefined): Server {
  return { url: addressOf(url, flag), ...(pid === undefined ? {} : { pid }) };
}

async function contentOf(flag: string, path: string): Promise<string> {
  try {
    return await readFile(path === '-' ? '/dev/stdin' : path, 'utf8');
  } catch (error) {
    throw usage(`${flag} ${path} cannot be read: ${error instanceof Error ? error.message : String(error)}`);
  }
}

function environment(value: string, previous: Readonly<Record<string, string>> | undefined): Readonly<Record<string, string>> {
  const equals = value.indexOf('=');
  if (equals <= 0) throw usage(`--env takes NAME=VALUE, not "${value}"`);
  return { ...previous, [value.slice(0, equals)]: value.slice(equals + 1) };
}

function processId(value: string): number {
  const pid = Number(value);
  if (!Number.isInteger(pid) || pid <= 0) throw usage(`a process is named by its number, not "${value}"`);
  return pid;
}

function usage(problem: string): AnnealError {
  return new AnnealError('ANNEAL_USAGE', { problem, command: 'try' });
}
