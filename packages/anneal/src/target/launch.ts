import { AnnealError } from '../errors.ts';
import type { AgentControl, AgentListener } from '../ports/agent.ts';
import type { Outside } from '../ports/outside.ts';
import type { ProcessIdentity, RunningProcess } from '../ports/processes.ts';
import { ask } from './ask.ts';
import type { RunningElsewhere, Target } from './target.ts';

export interface LaunchOptions {
  /** Default: one that is free. */
  readonly port?: number;
  /** Default: the target's own database. */
  readonly databaseUrl?: string;
  readonly withAgent: boolean;
  readonly signal: AbortSignal;
  /** Called with the process's identity before its command begins; when it rejects the command never runs. */
  readonly announce?: (identity: ProcessIdentity) => Promise<void>;
  readonly onProgress?: (detail: string) => void;
}

/** A backend that answers, whoever started it. */
export interface AnsweringTarget {
  readonly baseUrl: string;
  /** Whose CPU time and memory are read: the Node process where an agent runs, else the shell's; null where it is not known. */
  readonly pid: number | null;
  readonly agent: AgentControl | null;
  /** How it ended, when it ended without being told to. Always null for one that somebody else started. */
  crashed(): TargetEnd | null;
  stop(): Promise<void>;
}

export interface RunningTarget extends AnsweringTarget, AsyncDisposable {
  /** The shell's process group. */
  readonly process: RunningProcess;
}

export interface TargetEnd {
  readonly outcome: string;
  /** Its last lines, passwords in URLs masked. */
  readonly output: string;
}

/** Once it answers, the agent has long been loaded: `--import` runs before the application. */
const agentTimeoutMs = 10_000;
const longestPauseMs = 200;

/**
 * Starts the target and resolves once its ready path answers below 500 and, where asked for, its agent said hello.
 * Nothing of it is left running when this rejects: ANNEAL_TARGET_EXITED, ANNEAL_TARGET_UNREACHABLE,
 * ANNEAL_AGENT_SILENT, or the signal's reason.
 */
export async function launchTarget(
  outside: Pick<Outside, 'agents' | 'clock' | 'processes'>,
  target: Target,
  options: LaunchOptions,
): Promise<RunningTarget> {
  options.signal.throwIfAborted();
  const port = options.port ?? (await outside.processes.freePort());
  const listener = options.withAgent ? await outside.agents.listen() : null;
  let running: RunningProcess | null = null;
  const waiting = new AbortController();
  let stopping = false;
  const stop = async () => {
    stopping = true;
    // The agent's socket goes last: closing it first would switch policies off under requests still being answered.
    try {
      await running?.stop();
    } finally {
      await listener?.[Symbol.asyncDispose]();
    }
  };
  try {
    const env = environmentOf(target, port, options.databaseUrl, listener, outside.agents);
    running = await outside.processes.start({ command: target.startCommand, cwd: target.workingDirectory, env }, options.announce);
    const started = running;
    let end: TargetEnd | null = null;
    const ended = started.exited.then(({ code, signal }) => {
      const outcome = signal === null ? `exit code ${code}` : `signal ${signal}`;
      const exit = { outcome, output: maskPasswords(started.recentOutput()) };
      if (!stopping) end = exit;
      return exit;
    });
    const exitedWhileStarting = ended.then((exit) => {
      throw new AnnealError('ANNEAL_TARGET_EXITED', { ...exit, command: target.startCommand });
    });
    // Once it runs, an exit is a crash that the caller asks about, not a rejection that nobody awaits.
    exitedWhileStarting.catch(() => {});
    const signal = AbortSignal.any([options.signal, waiting.signal]);
    const baseUrl = await Promise.race([answering(outside, target, port, { ...options, signal }), exitedWhileStarting]);
    options.onProgress?.(`answers at ${baseUrl}`);
    const agent = listener === null ? null : await Promise.race([listener.connected(agentTimeoutMs), exitedWhileStarting]);
    options.signal.throwIfAborted();
    const pid = agent?.hello.pid ?? started.identity.pid;
    return { baseUrl, process: started, pid, agent, crashed: () => end, stop, [Symbol.asyncDispose]: stop };
  } catch (error) {
    waiting.abort();
    await stop();
    throw error;
  }
}

/** The target where it runs already; nothing is started, and nothing of it will be stopped. Throws ANNEAL_TARGET_UNREACHABLE. */
export async function attachTarget(target: Target, { url, pid }: RunningElsewhere, signal: AbortSignal): Promise<AnsweringTarget> {
  const { status, problem } = await ask(new URL(target.readyPath, url).href, signal);
  signal.throwIfAborted();
  if (status === null || status >= 500)
    throw new AnnealError('ANNEAL_TARGET_UNREACHABLE', { url, problem, portVariable: target.portVariable });
  return { baseUrl: url, pid, agent: null, crashed: () => null, stop: async () => {} };
}

function environmentOf(
  target: Target,
  port: number,
  databaseUrl: string | undefined,
  listener: AgentListener | null,
  agents: Outside['agents'],
): Readonly<Record<string, string>> {
  const database = target.database;
  const url = databaseUrl ?? database?.url;
  return {
    ...target.env,
    [target.portVariable]: String(port),
    ...(database === null || url === undefined ? {} : { [database.urlVariable]: url }),
    ...(listener === null
      ? {}
      : {
          ANNEAL_SOCKET: listener.socketPath,
          NODE_OPTIONS: [target.env['NODE_OPTIONS'] ?? process.env['NODE_OPTIONS'], `--import ${quoteOption(agents.importSpecifier)}`]
            .filter(Boolean)
            .join(' '),
        }),
  };
}

/** NODE_OPTIONS is split at spaces, outside of double quotes: Node's command-line documentation. */
function quoteOption(value: string): string {
  return /[\s"\\]/.test(value) ? `"${value.replaceAll(/["\\]/g, String.raw`\$&`)}"` : value;
}

/** `localhost` means one address to one framework and the other to the next, so both loopbacks are asked. */
const loopbacks = ['127.0.0.1', '[::1]'];

async function answering(
  outside: Pick<Outside, 'clock'>,
  target: Target,
  port: number,
  { signal, onProgress }: LaunchOptions,
): Promise<string> {
  const deadlineMs = outside.clock.monotonicMs() + target.readyTimeoutMs;
  let problem = 'no attempt was made';
  for (let pauseMs = 10; ; pauseMs = Math.min(2 * pauseMs, longestPauseMs)) {
    for (const host of loopbacks) {
      const baseUrl = `http://${host}:${port}`;
      const answer = await ask(`${baseUrl}${target.readyPath}`, signal);
      if (answer.status !== null && answer.status < 500) return baseUrl;
      // What the first address says is what people expect to read about.
      if (host === loopbacks[0] || answer.status !== null) problem = answer.problem;
    }
    signal.throwIfAborted();
    if (outside.clock.monotonicMs() >= deadlineMs) break;
    onProgress?.(`waiting for it to answer (${problem})`);
    await outside.clock.sleep(pauseMs, signal);
  }
  const url = `http://${loopbacks[0]}:${port}${target.readyPath}`;
  throw new AnnealError('ANNEAL_TARGET_UNREACHABLE', { url, problem, portVariable: target.portVariable });
}

/** Backends like to print the connection string that they failed to connect with. */
function maskPasswords(output: string): string {
  return output.replaceAll(/(:\/\/[^\s:/@]*):[^\s@]*@/g, '$1:***@');
}
