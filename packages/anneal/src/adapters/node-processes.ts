import { execFile, spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { setTimeout as wait } from 'node:timers/promises';
import { promisify } from 'node:util';
import type { ProcessIdentity, Processes, ProcessSpec, ProcessUsage, RunningProcess } from '../ports/processes.ts';
import { hasProc, isAlive, readEveryStat, readOwnUsage, readStat } from './linux-proc.ts';
import { freePort } from './free-port.ts';

/** How long a backend may take to finish its requests and close its pools. */
const defaultGraceMs = 5000;
/** SIGKILL cannot be refused; only a process inside an uninterruptible system call outlives it for a moment. */
const killWaitMs = 5000;
const shortestPollMs = 5;
const longestPollMs = 100;
const keptOutputChars = 8192;
const shownOutputLines = 20;

export function createProcesses(): Processes {
  return {
    start,
    async usage(pid) {
      return hasProc ? usageOfTree(pid) : null;
    },
    identify,
    async end(identity) {
      const current = await identify(identity.pid);
      if (current?.startTicks !== identity.startTicks) return;
      await endGroup(identity.pid, defaultGraceMs);
    },
    freePort,
  };
}

/**
 * Waits on descriptor 3 for the word to begin, then becomes the command. `exec` keeps pid and start time, so the
 * identity announced before is the command's own. When Anneal dies first the descriptor closes and nothing runs.
 */
const heldCommand = 'read -r begin <&3 || exit 125; exec 3<&-; exec /bin/sh -c "$1"';

async function start(spec: ProcessSpec, announce?: (identity: ProcessIdentity) => Promise<void>): Promise<RunningProcess> {
  const child = spawn('/bin/sh', ['-c', heldCommand, 'sh', spec.command], {
    cwd: spec.cwd,
    env: { ...process.env, ...spec.env },
    detached: true,
    stdio: ['ignore', 'pipe', 'pipe', 'pipe'],
  });
  const output = keepRecentOutput(child);
  if (child.pid === undefined) throw await firstError(child);
  const { pid } = child;
  // Read at once: a child cannot be reaped before the event loop turns, so even one that already died is still listed.
  const identity = await identify(pid);
  if (identity === null) throw new Error(`process ${pid} cannot be identified on this platform`);

  let stopping: Promise<void> | null = null;
  const exited = new Promise<{ code: number | null; signal: string | null }>((resolve) => {
    child.once('exit', (code, signal) => {
      // The command ended on its own; what it left in its group would hold ports and connections for ever.
      if (stopping === null) signalGroup(pid, 'SIGKILL');
      // The last words arrive on `close`, which a process outside the group could hold open.
      const ended = () => resolve({ code, signal });
      child.once('close', ended);
      setTimeout(ended, 500).unref();
    });
  });
  const stop = (graceMs = defaultGraceMs): Promise<void> => (stopping ??= endGroup(pid, graceMs).then(async () => void (await exited)));

  try {
    await announce?.(identity);
  } catch (error) {
    await stop(0);
    throw error;
  }
  const begin = child.stdio[3];
  // EPIPE when the process was ended meanwhile: `exited` tells that story.
  begin?.on('error', () => {});
  if (begin !== null && begin !== undefined && 'end' in begin) begin.end('begin\n');
  return { identity, exited, recentOutput: output, stop, [Symbol.asyncDispose]: () => stop() };
}

async function firstError(child: ChildProcess): Promise<Error> {
  const [error] = (await once(child, 'error')) as [Error];
  return error;
}

function keepRecentOutput(child: ChildProcess): () => string {
  let kept = '';
  for (const stream of [child.stdout, child.stderr]) {
    stream?.setEncoding('utf8').on('data', (chunk: string) => {
      kept = `${kept}${chunk}`.slice(-keptOutputChars);
    });
  }
  return () => kept.trimEnd().split('\n').slice(-shownOutputLines).join('\n');
}

async function identify(pid: number): Promise<ProcessIdentity | null> {
  if (!hasProc) return identifyByPs(pid);
  const stat = readStat(pid);
  return stat === null ? null : { pid, startTicks: stat.startTicks };
}

/** POSIX systems without /proc: `ps` tells the start to the second. */
async function identifyByPs(pid: number): Promise<ProcessIdentity | null> {
  try {
    const { stdout } = await promisify(execFile)('ps', ['-o', 'lstart=', '-p', String(pid)], { env: { ...process.env, LC_ALL: 'C' } });
    const startedMs = Date.parse(stdout.trim());
    return Number.isNaN(startedMs) ? null : { pid, startTicks: startedMs / 1000 };
  } catch {
    return null;
  }
}

/** Ends every process of the group and resolves when none of them lives. */
async function endGroup(group: number, graceMs: number): Promise<void> {
  if (!signalGroup(group, 'SIGTERM')) return;
  if (await isGone(group, graceMs)) return;
  signalGroup(group, 'SIGKILL');
  if (!(await isGone(group, killWaitMs))) throw new Error(`process group ${group} outlived SIGKILL by ${killWaitMs} ms`);
}

/** False when the group has no process. */
function signalGroup(group: number, signal: NodeJS.Signals | 0): boolean {
  try {
    process.kill(-group, signal);
    return true;
  } catch {
    return false;
  }
}

async function isGone(group: number, withinMs: number): Promise<boolean> {
  for (let waitedMs = 0, pollMs = shortestPollMs; ; waitedMs += pollMs, pollMs = Math.min(2 * pollMs, longestPollMs)) {
    if (!groupLives(group)) return true;
    if (waitedMs >= withinMs) return false;
    await wait(pollMs);
  }
}

/** A dead process that its parent never waited for still takes signals, so the state has to be looked at. */
function groupLives(group: number): boolean {
  if (!signalGroup(group, 0)) return false;
  if (!hasProc) return true;
  return readEveryStat().some((stat) => stat.group === group && isAlive(stat));
}

function usageOfTree(pid: number): ProcessUsage | null {
  const root = readOwnUsage(pid);
  if (root === null) return null;
  return root.children
    .flatMap((child) => usageOfTree(child) ?? [])
    .reduce((sum, usage) => ({ cpuMs: sum.cpuMs + usage.cpuMs, residentBytes: sum.residentBytes + usage.residentBytes }), {
      cpuMs: root.cpuMs,
      residentBytes: root.residentBytes,
    });
}
