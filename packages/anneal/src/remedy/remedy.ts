import type { Finding, RuleId } from '../finding/finding.ts';
import type { Measurement } from '../measurement/measurement.ts';
import type { AgentControl } from '../ports/agent.ts';
import type { ChangeListener } from '../ports/change-stream.ts';
import type { Mysql } from '../ports/mysql.ts';
import type { Planner, StatementSample } from '../ports/planner.ts';
import type { SqlParser } from '../ports/sql-parser.ts';
import type { Sql } from '../ports/sql.ts';
import type { MetricId, Prediction } from '../prediction/prediction.ts';
import type { RedisAddress, Target } from '../target/target.ts';

export type Json = null | boolean | number | string | readonly Json[] | { readonly [key: string]: Json };

/** A reversible change. Its plan is data: a new process can undo what a killed one began. */
export interface Remedy<Plan extends Json = Json> {
  readonly id: RuleId;
  readonly title: string;
  readonly addresses: readonly RuleId[];
  /**
   * `database`: DDL that outlives the process. `process`: a policy, gone when the agent's socket is. `launch`: the target
   * is started differently, from another source or in another environment; it ends with the process.
   */
  readonly scope: 'database' | 'process' | 'launch';
  readonly risk: 'low' | 'medium' | 'high';
  readonly effort: 'none' | 'restart' | 'build';
  readonly contract: 'transparent' | 'changes-contract';
  /** Null: this finding has no such remedy, e.g. an equal index exists already. Reads only. */
  plan(finding: Finding, context: PlanningContext): Promise<Plan | null>;
  /** Why `plan` gave null, as a sentence for the report; null when there is a plan. Reads only. */
  explainRefusal?(finding: Finding, context: PlanningContext): Promise<string | null>;
  predict(plan: Plan, finding: Finding, context: PlanningContext): Promise<Prediction>;
  /**
   * For the scope `process`: the policy that `apply` puts in force, where it can be proven by toggling. Its trial then switches
   * it off and on in one process, in which nothing else differs, instead of comparing two. Left out where what it brings needs
   * longer to show than a slice lasts, such as a pool that opens connections when they are asked for.
   */
  toggles?(plan: Plan): string;
  /**
   * For the scope `process`: what it is made of was found out about this schema of the database, and holds for no other. Where it
   * stays in force after its trial the schema is watched.
   */
  readonly restsOnSchema?: true;
  /**
   * For the scope `process`: whether its plan was made for one process of the target, so that a second one which serves beside it
   * could let somebody read less than he was told is written.
   */
  readonly aloneInProcess?: true;
  /** It saves what a client has already: those of its trial keep answers by their ETag and ask for them again with it, as browsers do. */
  readonly clientsRevalidate?: true;
  /** It refuses requests by limits that somebody set: those are counted apart, and everything else is of the answers given. */
  readonly refuses?: true;
  /**
   * What it is paid for with, by design: how much worse its trial's guards may find these metrics, relative. Each with its
   * reason, in the remedy. What is not named keeps the margin that nobody would notice.
   */
  allowances?(plan: Plan, measurement: Measurement): Readonly<Partial<Record<MetricId, number>>>;
  /** For the scope `launch`: how the target is started with the change. */
  launch?(plan: Plan, target: Target): Target;
  inspect(plan: Plan, context: ActContext): Promise<Presence>;
  /** Idempotent: applying what is present changes nothing. */
  apply(plan: Plan, context: ActContext): Promise<void>;
  /** Idempotent: reverting what is absent changes nothing. Restores what was, never what it guesses. */
  revert(plan: Plan, context: ActContext): Promise<void>;
  /** Measured after `apply`: what the change takes. */
  cost(plan: Plan, context: ActContext): Promise<Cost>;
  /** Which statements and routes the change can touch: two plans that share none may share a trial. */
  touches(plan: Plan, measurement: Measurement): Touched;
  /** For people: what is done, in one line; and the lasting form. */
  describe(plan: Plan): Description;
}

export type Presence = 'absent' | 'partial' | 'present';

export interface PlanningContext {
  readonly measurement: Measurement;
  /** A read-only connection, or null when the target has no database. */
  readonly sql: Sql | null;
  readonly sqlParser: SqlParser;
  /** Null when no engine is to be had; predictions then rest on plan costs alone. */
  readonly planner: Planner | null;
  /** Real parameter values, held in memory only and never written anywhere. */
  readonly samples: ReadonlyMap<string, readonly StatementSample[]>;
  /** How long a policy's trial leaves it in force at a time; absent where nobody will try it. */
  readonly sliceMs?: number;
  /** What the processes of the target share, as its owner said; absent where one process serves, or nobody said. */
  readonly sharedCache?: RedisAddress;
  /** By route, request headers in lower case that do not change its answer, as its owner said; absent where he said nothing. */
  readonly sameForEveryone?: ReadonlyMap<string, readonly string[]>;
}

export interface ActContext {
  readonly sql: Sql | null;
  /** Where the target's database is MySQL or MariaDB; `sql` is null then. */
  readonly mysql?: Mysql;
  readonly agent: AgentControl | null;
  readonly signal?: AbortSignal;
  /** A second, read-only connection to the same database, for progress of what `sql` is busy with. */
  readonly watching?: Sql;
  /**
   * Follows the commits of the database that `sql` is connected to, for the policy of that id, until it is asked with null
   * or the arm ends. Absent where nobody keeps the stream: the target itself.
   */
  readonly changes?: (policyId: string, listener: ChangeListener | null) => Promise<void>;
  /** Policies end by themselves after so long; without it with the conversation alone. */
  readonly expiresAfterMs?: number;
  /** Policies act on so much of the traffic that they meet (0-1), drawn per request, and refuse what cannot be shared out; default 1. */
  readonly share?: number;
  /** One line of progress, e.g. the share of an index build. */
  readonly report?: (detail: string) => void;
}

export interface Cost {
  readonly diskBytes: number;
  readonly buildMs: number;
  readonly memoryBytes: number;
  readonly connections: number;
}

export interface Touched {
  readonly statementIds: readonly string[];
  readonly routes: readonly string[];
  /** `schema.table` whose writes become dearer. */
  readonly writtenTables: readonly string[];
}

export interface Description {
  readonly title: string;
  /** SQL of the change and its undo; null for a policy. */
  readonly sql: { readonly up: string; readonly down: string } | null;
  /** What a person writes to keep it for good, when the change itself does not last. */
  readonly lasting: string | null;
  /** Sentences: what a reader must know before trusting the figures of its trial. */
  readonly reservations?: readonly string[];
  /** The agent's policies that are the change, where they can be in force without Anneal (`ANNEAL_POLICIES`). */
  readonly policies?: readonly Json[];
}

/** Hides the plan's own type, so that remedies of different plans stand in one list. */
export function defineRemedy<Plan extends Json>(remedy: Remedy<Plan>): Remedy {
  return remedy;
}
