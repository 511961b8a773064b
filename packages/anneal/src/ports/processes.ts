export interface ProcessSpec {
  /** A shell command line, as the user would type it. */
  readonly command: string;
  readonly cwd: string;
  /** Added to Anneal's own environment. */
  readonly env: Readonly<Record<string, string>>;
}

/** Names a process beyond the reuse of its pid: the kernel's start time is part of it. */
export interface ProcessIdentity {
  readonly pid: number;
  /** Field 22 of /proc/<pid>/stat, clock ticks since boot; where there is no /proc, seconds since 1970. */
  readonly startTicks: number;
}

export interface RunningProcess extends AsyncDisposable {
  readonly identity: ProcessIdentity;
  /** Resolves when the process ends. */
  readonly exited: Promise<{ readonly code: number | null; readonly signal: string | null }>;
  /** The last lines of stdout and stderr together, for error messages. */
  recentOutput(): string;
  /** SIGTERM to the whole process group, SIGKILL after `graceMs`; resolves when it is gone. */
  stop(graceMs?: number): Promise<void>;
}

export interface ProcessUsage {
  /** User plus system CPU of the process and its living descendants. */
  readonly cpuMs: number;
  readonly residentBytes: number;
}

export interface Processes {
  /**
   * Starts the command in its own process group. The process exists, and has its final identity, when `announce`
   * is called; the command begins in it only once `announce` has resolved. When `announce` rejects, or Anneal dies
   * before, the command never runs: no process is ever at work that was not written down first.
   */
  start(spec: ProcessSpec, announce?: (identity: ProcessIdentity) => Promise<void>): Promise<RunningProcess>;
  /** Null when the process is gone. Linux only: reads /proc; elsewhere null. */
  usage(pid: number): Promise<ProcessUsage | null>;
  identify(pid: number): Promise<ProcessIdentity | null>;
  /** Ends the group of exactly that process; does nothing when the identity no longer matches. */
  end(identity: ProcessIdentity): Promise<void>;
  freePort(): Promise<number>;
}
