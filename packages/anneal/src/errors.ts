/**
 * The one catalogue of everything that can go wrong and is not our bug. A code, a sentence, a hint
 * and an exit code; docs/reference/errors.md is generated from it.
 */

export const exitCodes = {
  done: 0,
  gateFailed: 1,
  usage: 2,
  inconclusive: 3,
  blocked: 4,
  rolledBack: 5,
  rollbackIncomplete: 6,
  bug: 70,
  interrupted: 130,
  terminated: 143,
} as const;

export type ExitCode = (typeof exitCodes)[keyof typeof exitCodes];

interface CatalogueEntry {
  /** `{name}` is filled from the error's details. */
  readonly message: string;
  /** What to do next. */
  readonly hint: string;
  readonly exitCode: ExitCode;
}

const { usage, blocked, inconclusive, rollbackIncomplete, rolledBack, gateFailed, interrupted } = exitCodes;

export const catalogue = {
  ANNEAL_CONFIG_INVALID: {
    message: 'the configuration {path} is not valid: {problem}',
    hint: 'docs/reference/configuration.md lists every key',
    exitCode: usage,
  },
  ANNEAL_CONFIG_UNREADABLE: {
    message: 'the configuration {path} cannot be loaded: {problem}',
    hint: 'run it with node to see where it fails, or write a fresh one with `anneal init`',
    exitCode: usage,
  },
  ANNEAL_CONFIG_MISSING: {
    message: 'there is no target to work on: {problem}',
    hint: 'run `anneal init` here, or give --start "node app.js" and --url /path',
    exitCode: usage,
  },
  ANNEAL_USAGE: { message: '{problem}', hint: 'see `anneal {command} --help`', exitCode: usage },
  ANNEAL_WORKLOAD_EMPTY: {
    message: 'the workload {name} sends nothing: {problem}',
    hint: 'give it at least one scenario with a weight above 0 and one step, or --url /path; `anneal import --writes` takes requests that write, too',
    exitCode: usage,
  },
  ANNEAL_WORKLOAD_INVALID: {
    message: 'the workload {name} is not valid: {problem}',
    hint: 'docs/how-to/describe-your-traffic.md shows what a workload may hold',
    exitCode: usage,
  },
  ANNEAL_WORKLOAD_WRITES: {
    message: 'the workload writes, and {url} runs on data that were not given for change',
    hint: 'leave out every step but GET, or give --start so that Anneal can run the backend on a copy',
    exitCode: blocked,
  },
  ANNEAL_TRAFFIC_UNREADABLE: {
    message: '{file} cannot be read as traffic: {problem}',
    hint: '`anneal import` reads HAR, OpenAPI, access logs (common, combined, JSON lines) and k6 scripts; --format says which one a file is',
    exitCode: usage,
  },
  ANNEAL_RECORDING_REFUSED: {
    message: 'nothing is recorded: {problem}',
    hint: 'set `record: { consent: true }` in anneal.config.ts once you may record what your users ask for',
    exitCode: blocked,
  },
  ANNEAL_LOGIN_FAILED: {
    message: 'the workload cannot log in: {problem}',
    hint: 'try the login request by hand; `login.token` is the JSON path of the token in its answer',
    exitCode: blocked,
  },

  ANNEAL_TARGET_UNREACHABLE: {
    message: 'the target does not answer at {url}: {problem}',
    hint: 'a backend that Anneal starts has to read its port from {portVariable}, one that runs already has to run there; is `target.ready` a path it answers?',
    exitCode: blocked,
  },
  ANNEAL_PORT_TAKEN: {
    message: 'Anneal cannot listen on port {port}: {problem}',
    hint: 'a collector may run there already: choose another with --otlp <port>, and set OTEL_EXPORTER_OTLP_ENDPOINT of the backend to it',
    exitCode: blocked,
  },
  ANNEAL_TARGET_EXITED: {
    message: 'the target ended while starting ({outcome}): {output}',
    hint: 'start it by hand with the same command: {command}',
    exitCode: blocked,
  },
  ANNEAL_TARGET_CRASHED: {
    message: 'the target crashed under load ({outcome}): {output}',
    hint: 'nothing was concluded from this run; lower the rate or fix the crash first',
    exitCode: blocked,
  },
  ANNEAL_TARGET_FAILING: {
    message: '{share} of the answers are errors ({statuses})',
    hint: "a target that fails cannot be optimised: check the workload's paths, login and data",
    exitCode: blocked,
  },

  ANNEAL_DATABASE_UNREACHABLE: {
    message: 'the database {database} does not answer: {problem}',
    hint: 'is it running, and is DATABASE_URL right?',
    exitCode: blocked,
  },
  ANNEAL_DATABASE_CREDENTIALS: {
    message: 'the database {database} refuses the login: {problem}',
    hint: 'check user and password in DATABASE_URL',
    exitCode: blocked,
  },
  ANNEAL_DATABASE_MISSING: {
    message: 'the database {database} does not exist',
    hint: 'create it, or correct the name in DATABASE_URL',
    exitCode: blocked,
  },
  ANNEAL_DATABASE_UNSUPPORTED: {
    message: 'the database {database} is not one Anneal can read: {problem}',
    hint: '`optimize` and what measures needs PostgreSQL 12 or later; `anneal check database` reads MySQL 8 and MariaDB 10.11 and later too',
    exitCode: blocked,
  },
  ANNEAL_DATABASE_NOT_OURS: {
    message: 'the database {database} is not on this machine and was not given for change',
    hint: 'set `database.allowRemoteChange: true` in the configuration if you mean it; `anneal diagnose` measures it where it is when every request of the workload is a GET',
    exitCode: blocked,
  },
  ANNEAL_DATABASE_BUSY: {
    message: 'the database {database} cannot be copied while {sessions} other session(s) use it: {applications}',
    hint: 'stop them (the backend itself included: Anneal starts its own copy), or point DATABASE_URL at a copy',
    exitCode: blocked,
  },
  ANNEAL_DATABASE_PRIVILEGE: { message: 'the role {role} may not {action}', hint: '{remedy}', exitCode: blocked },
  ANNEAL_DATABASE_LOCKED: {
    message: '{action} waited longer than {waitMs} ms for {holders}',
    hint: 'end those transactions, or try again when they are over',
    exitCode: blocked,
  },
  ANNEAL_DATABASE_READ_ONLY: {
    message: 'the database {database} is read-only (a replica?)',
    hint: 'point DATABASE_URL at the primary, or use `anneal diagnose`',
    exitCode: blocked,
  },
  ANNEAL_EXTENSION_MISSING: { message: 'the extension {extension} is missing: {problem}', hint: '{remedy}', exitCode: blocked },
  ANNEAL_DISK_LOW: {
    message: '{free} free, {needed} needed for two copies of the database',
    hint: 'free some space or optimise a smaller copy',
    exitCode: blocked,
  },

  ANNEAL_CHANGES_UNAVAILABLE: {
    message: "the database's changes cannot be followed: {problem}",
    hint: 'it takes wal_level = logical, a role with REPLICATION and a free replication slot; without them nothing is cached that others may write',
    exitCode: blocked,
  },
  ANNEAL_AGENT_SILENT: {
    message: 'no agent said hello within {timeoutMs} ms',
    hint: 'the target must be a Node process (22.19 or later) that inherits NODE_OPTIONS',
    exitCode: blocked,
  },
  ANNEAL_AGENT_LOST: { message: "the agent's connection closed: {problem}", hint: 'the target ended or was restarted', exitCode: blocked },
  ANNEAL_POLICY_INVALID: { message: 'the policy is not valid: {problem}', hint: '{wanted}', exitCode: usage },
  ANNEAL_POLICY_REFUSED: { message: 'the agent refused the policy {policy}: {problem}', hint: 'nothing was changed', exitCode: rolledBack },
  ANNEAL_POLICY_IN_CLUSTER: {
    message: 'no policy can be tried: {problem}',
    hint: 'most servers take the number of workers from the environment or the command line: one for the trial, under a rate that one can serve',
    exitCode: blocked,
  },

  ANNEAL_HOLD_NOTHING: {
    message: 'there is no policy to hold: {problem}',
    hint: 'policies that `anneal optimize` proved can be held; `anneal history` lists them as proven',
    exitCode: blocked,
  },
  ANNEAL_HOLD_SOCKET: {
    message: 'nobody can be met at {path}: {problem}',
    hint: 'another `anneal hold` may be at work there; --socket takes another path (at most some 100 characters), for the backend in ANNEAL_HOLD',
    exitCode: blocked,
  },

  ANNEAL_MEASUREMENT_UNTRUSTED: {
    message: 'no window could be trusted: {problems}',
    hint: 'lower the rate, close other programs, or lengthen the window',
    exitCode: inconclusive,
  },
  ANNEAL_THRESHOLD_FAILED: {
    message: 'thresholds failed: {thresholds}',
    hint: 'the measured values are in the report',
    exitCode: gateFailed,
  },

  ANNEAL_PATCH_UNUSABLE: {
    message: 'the patch does not apply to the working tree: {problem}',
    hint: 'make it against the tree as it is now (`git diff > fix.diff`, then take the change back), or give --worktree with a folder that has the change',
    exitCode: usage,
  },
  ANNEAL_NO_WORKING_TREE: {
    message: '{path} is in no git working tree: how much of it belongs to the backend cannot be told',
    hint: 'run `git init` there, or give --worktree with a folder that has the change',
    exitCode: usage,
  },
  ANNEAL_WORKTREE_MISSING: {
    message: 'there is no folder {path}',
    hint: 'give the folder that the backend is started in when the change is in place, e.g. one made by `git worktree add`',
    exitCode: usage,
  },
  ANNEAL_CHANGE_BREAKS_TARGET: {
    message: '{change} breaks the target: {problem}',
    hint: 'the target without it started and answered; start it with the change by hand to see why it does not',
    exitCode: gateFailed,
  },
  ANNEAL_WORKSPACE_TOO_LARGE: {
    message: '{free} free, {needed} needed for two copies of the working tree {path}',
    hint: 'move what the backend does not need out of it, or give --worktree with a folder that has the change',
    exitCode: blocked,
  },

  ANNEAL_DESIGN_IMPOSSIBLE: {
    message: 'a trial with looks after {looks} rounds cannot decide: {problem}',
    hint: 'the standard looks are 10, 15, 20, 30, 40, 60; short ones are 9, 12, 16, 24',
    exitCode: usage,
  },
  ANNEAL_APPLY_FAILED: {
    message: '{remedy} could not be applied: {problem}',
    hint: 'it was rolled back; `anneal history` shows the entry',
    exitCode: rolledBack,
  },
  ANNEAL_REMEDY_UNSUPPORTED: {
    message: '{remedy} is not applied: {problem}',
    hint: '{instead}',
    exitCode: blocked,
  },
  ANNEAL_ROLLBACK_INCOMPLETE: {
    message: 'not everything could be undone: {problem}',
    hint: 'run `anneal recover` again once the database answers; until then this stays: {remains}',
    exitCode: rollbackIncomplete,
  },
  ANNEAL_LEDGER_BROKEN: {
    message: 'the ledger {path} was changed: entry {sequence} does not match its hash',
    hint: 'nothing was done. Restore the file from a backup, or move it away to begin a new one',
    exitCode: blocked,
  },
  ANNEAL_LEDGER_LOCKED: {
    message: 'another Anneal (process {pid}) is at work in {path}',
    hint: 'wait for it; if it was killed, run `anneal recover`',
    exitCode: blocked,
  },
  ANNEAL_RUN_OPEN: {
    message: 'the run {run} was interrupted and is not undone yet',
    hint: 'run `anneal recover` first',
    exitCode: blocked,
  },
  ANNEAL_TRIAL_UNKNOWN: { message: 'there is no kept change {id}', hint: '`anneal history` lists them', exitCode: usage },
  ANNEAL_RUN_UNKNOWN: { message: 'there is no run {id} in {path}', hint: '`anneal history` lists them', exitCode: usage },
  ANNEAL_REPORT_UNREADABLE: {
    message: '{path} is not a report this Anneal can read: {problem}',
    hint: 'read it with the version that wrote it, or run the command again',
    exitCode: usage,
  },
  ANNEAL_SNAPSHOT_EMPTY: {
    message: 'the snapshot holds no statement to advise on: {problem}',
    hint: 'install pg_stat_statements, let the workload run, and take the snapshot again',
    exitCode: blocked,
  },
  ANNEAL_SNAPSHOT_UNREADABLE: {
    message: '{path} is not a snapshot this Anneal can read: {problem}',
    hint: 'write a fresh one with `anneal snapshot --database-url postgres://... --output {path}`',
    exitCode: usage,
  },
  ANNEAL_LAB_MISSING: {
    message: 'the demo needs the laboratory backend, which is not part of the installed package',
    hint: 'clone the repository and run `make demo` there',
    exitCode: usage,
  },
  ANNEAL_INTERRUPTED: { message: 'interrupted', hint: 'everything that was applied has been undone', exitCode: interrupted },
} as const satisfies Record<string, CatalogueEntry>;

export type ErrorCode = keyof typeof catalogue;

/** The only error Anneal throws on purpose. Anything else that escapes is our bug (exit code 70). */
export class AnnealError extends Error {
  override readonly name = 'AnnealError';
  readonly code: ErrorCode;
  readonly hint: string;
  readonly exitCode: ExitCode;
  readonly details: Readonly<Record<string, string | number>>;

  constructor(code: ErrorCode, details: Readonly<Record<string, string | number>> = {}, options?: { readonly cause?: unknown }) {
    super(fill(catalogue[code].message, details), options);
    this.code = code;
    this.hint = fill(catalogue[code].hint, details);
    this.exitCode = catalogue[code].exitCode;
    this.details = details;
  }
}

function fill(template: string, details: Readonly<Record<string, string | number>>): string {
  return template.replaceAll(/\{(\w+)\}/g, (whole, name: string) => String(details[name] ?? whole));
}
