import type { AgentControl } from '../ports/agent.ts';
import type { Clock } from '../ports/clock.ts';
import type { StatementSample } from '../ports/planner.ts';
import type { Processes } from '../ports/processes.ts';
import type { SqlParser } from '../ports/sql-parser.ts';
import type { Sql } from '../ports/sql.ts';
import type { TraceListener } from '../ports/traces.ts';
import type { Capability, Observations } from './observations.ts';

export type Arm = 'baseline' | 'candidate';

/** What the probes saw in one window. */
export interface Measurement {
  readonly id: string;
  readonly arm: Arm;
  readonly startedAt: string;
  readonly durationMs: number;
  readonly observations: Partial<Observations>;
  /** Capabilities that could not be read, each with its reason. */
  readonly gaps: readonly Gap[];
  readonly quality: Quality;
}

export interface Gap {
  readonly capability: Capability;
  readonly reason: string;
}

export interface Quality {
  readonly trusted: boolean;
  readonly problems: readonly string[];
}

/** Reads one source over a window. It never changes the target. */
export interface Probe {
  readonly id: string;
  readonly provides: readonly Capability[];
  /** Takes the opening reading; the returned function takes the closing one and gives the difference. */
  open(context: ProbeContext): Promise<ProbeWindow>;
}

export interface ProbeContext {
  /** Read-only connection to the target's database; null when it has none. */
  readonly sql: Sql | null;
  /** Null when the target runs without the agent. */
  readonly agent: AgentControl | null;
  /** Where the target exports its traces to, in place of an agent. */
  readonly traces?: TraceListener;
  readonly processes: Processes;
  readonly clock: Clock;
  readonly sqlParser: SqlParser;
  readonly targetPid: number | null;
  /** Locations are told relative to it. */
  readonly workingDirectory: string;
}

export interface ProbeWindow {
  close(): Promise<ProbeReading>;
}

export interface ProbeReading {
  readonly observations: Partial<Observations>;
  /** Real parameter values by statement id, for EXPLAIN: held in memory, never written. */
  readonly samples?: ReadonlyMap<string, readonly StatementSample[]>;
  readonly gaps: readonly Gap[];
  /** What the source itself says it left out or broke on, as sentences. */
  readonly problems?: readonly string[];
}

/** Computes further observations from those of a window: a join, or plans of the statements it saw. */
export interface Derivation {
  readonly id: string;
  readonly provides: readonly Capability[];
  derive(
    context: ProbeContext,
    observations: Partial<Observations>,
    samples: ReadonlyMap<string, readonly StatementSample[]>,
  ): Promise<ProbeReading>;
}
