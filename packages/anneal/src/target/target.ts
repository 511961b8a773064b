/** The backend under study: how it starts, where it listens, what it stores in. */
export interface Target {
  readonly name: string;
  /** Shell command line that starts it in the foreground. */
  readonly startCommand: string;
  readonly workingDirectory: string;
  readonly env: Readonly<Record<string, string>>;
  /** The environment variable it reads its port from. */
  readonly portVariable: string;
  /** Answers below 500 once the target is ready. */
  readonly readyPath: string;
  readonly readyTimeoutMs: number;
  readonly database: TargetDatabase | null;
  /** It exports OpenTelemetry traces, which are read in place of an agent. Port 0: any that is free. */
  readonly traces?: { readonly port: number };
  /** Where somebody else runs it already: it is not started, stopped or given an agent. */
  readonly running?: RunningElsewhere;
}

export interface RunningElsewhere {
  readonly url: string;
  /** Its process on this machine, for its CPU time and memory; null where nobody said. */
  readonly pid: number | null;
}

export interface TargetDatabase {
  /** Never printed: holds the password. */
  readonly url: string;
  /** The environment variable the target reads it from. */
  readonly urlVariable: string;
  /** Set in the configuration to let Anneal change a database that is not on this machine. */
  readonly allowRemoteChange: boolean;
}

/** A Redis that takes connections in the clear and without a login. */
export interface RedisAddress {
  readonly host: string;
  readonly port: number;
}

/** What exactly was measured; two measurements compare only when it agrees. */
export interface TargetFingerprint {
  readonly name: string;
  readonly startCommand: string;
  readonly nodeVersion: string | null;
  readonly databaseVersion: string | null;
  /** SHA-256 of the schema's DDL as the catalogue shows it. */
  readonly schemaHash: string | null;
  readonly cpus: number;
  readonly memoryBytes: number;
}
