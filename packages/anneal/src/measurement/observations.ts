import type { IndexDefinition, StatementPlan } from '../ports/planner.ts';
import type { StatementShape } from '../ports/sql-parser.ts';
import type { HistogramData } from '../stats/histogram.ts';
import type { LoadResult } from '../workload/load-result.ts';
import type { DatabaseHealth } from './database-health.ts';
import type { MysqlObservations } from './mysql-observations.ts';

/**
 * What probes can see in one window, by capability. A rule names the capabilities it `requires`;
 * where one is missing the rule stays silent and says which.
 *
 * Everything counts within the window, never since the server started; only what `DatabaseHealth` and `MysqlObservations` add is a state.
 */
export interface Observations extends DatabaseHealth, MysqlObservations {
  readonly load: LoadResult;
  readonly 'agent.routes': readonly RouteObservation[];
  readonly 'agent.pools': readonly PoolObservation[];
  readonly 'agent.runtime': RuntimeObservation;
  readonly 'agent.profile': ProfileObservation;
  /** Statements as the application sent them. */
  readonly 'agent.statements': readonly StatementObservation[];
  /** Statements as pg_stat_statements counted them. */
  readonly 'postgres.server-statements': readonly StatementObservation[];
  /** Both, joined by fingerprint: what rules read. */
  readonly 'postgres.statements': readonly StatementObservation[];
  readonly 'postgres.tables': readonly TableObservation[];
  readonly 'postgres.indexes': readonly IndexObservation[];
  readonly 'postgres.columns': readonly ColumnObservation[];
  readonly 'postgres.foreign-keys': readonly ForeignKeyObservation[];
  readonly 'postgres.settings': Readonly<Record<string, string>>;
  readonly 'postgres.waits': readonly WaitObservation[];
  /** Plans by statement id. */
  readonly 'postgres.plans': Readonly<Record<string, StatementPlan>>;
  readonly 'system.processes': readonly ProcessObservation[];
}

export type Capability = keyof Observations;

export interface CodeLocation {
  /** Relative to the target's working directory where it lies inside it. */
  readonly file: string;
  readonly line: number;
  readonly column?: number;
  readonly function: string | null;
}

export interface RouteObservation {
  readonly method: string;
  /** The framework's name (`/posts/:id`), else a templated URL. */
  readonly route: string;
  readonly requests: number;
  readonly errors: number;
  /** GETs that arrived while an identical one by the same client and identity was running; absent where a source cannot tell. */
  readonly identicalRequests?: number;
  /** Under much traffic: those whose statements were followed; what is said of statements, waits and held connections is scaled from them. */
  readonly followed: number;
  readonly durationUs: HistogramData;
  /** Wall time requests of this route spent, summed. */
  readonly totalMs: number;
  /** Wall time in queries, counted once where queries overlap. */
  readonly queryMs: number;
  /** Wall time with at least one call to another service on its way, counted once where calls overlap. */
  readonly outgoingMs: number;
  /** Wall time with at least one Redis command on its way, counted once where commands overlap. */
  readonly redisMs: number;
  readonly poolWaitMs: number;
  /** Time a connection was checked out while no query ran on it. */
  readonly heldIdleMs: number;
  /** Where such a connection was checked out, most time first. */
  readonly heldAt: readonly (CodeLocation & { readonly heldIdleMs: number; readonly requests: number })[];
  readonly serialisationMs: number;
  readonly longestSerialisationMs: number;
  readonly responseBytes: number;
  readonly largestResponseBytes: number;
  /** CPU time of the main thread, estimated from the profile's samples and from when requests were open; null without a profile. */
  readonly cpuMs: number | null;
  /** Where the application sends its answers from, else where it declares the route; null where neither shows. */
  readonly answeredAt: CodeLocation | null;
  /** Null where no answer was looked at. */
  readonly answers: AnswerObservation | null;
  /** Calls of `...Sync` functions of fs, crypto, zlib and child_process, most time first. */
  readonly synchronousCalls: readonly SynchronousCallObservation[];
  readonly statements: readonly RouteStatementObservation[];
  /** What it asked of other services, Redis and queues. */
  readonly outgoing: readonly OutgoingObservation[];
}

/** The answers of a route that were looked at: all in light traffic, else a sample. Never scaled. */
export interface AnswerObservation {
  readonly examined: number;
  readonly bodyBytes: number;
  /** Of a type that compresses, not compressed, and longer than a server may send at once (14,600 bytes, RFC 6928). */
  readonly large: number;
  /** Of those: the ones whose clients had said that they take compressed ones. */
  readonly uncompressed: number;
  readonly uncompressedBytes: number;
  /** A few of those were compressed to see what it brings. */
  readonly sampledBytes: number;
  readonly sampledCompressedBytes: number;
  /** Answers to GET with status 200 that were read whole. */
  readonly reads: number;
  /** Of those: by somebody who said who asks (Authorization, Cookie). */
  readonly identifiedReads: number;
  /** Of those: with ETag or Last-Modified; with Cache-Control or Expires. */
  readonly withValidator: number;
  readonly withCacheControl: number;
  /** Of those: asked for before by the same client in the same words; answered the same as the time before; and what those weighed. */
  readonly repeats: number;
  readonly equalRepeats: number;
  readonly equalRepeatBytes: number;
}

/** One synchronous function from one place within one route; calls inside other such calls count with those. */
export interface SynchronousCallObservation {
  /** `fs.readFileSync` */
  readonly name: string;
  readonly location: CodeLocation | null;
  readonly calls: number;
  readonly requests: number;
  readonly totalMs: number;
  readonly longestMs: number;
}

/** What of a statement's results stood in the JSON that its requests answered with; of those compared, never scaled. */
export interface ShownObservation {
  readonly comparisons: number;
  /** Rows of the comparisons in which rows could be told apart, and how many of those were shown. */
  readonly rows: number;
  readonly shownRows: number;
  readonly columns: readonly {
    readonly name: string;
    /** What its values weigh as text, summed over the comparisons. */
    readonly sizeBytes: number;
    /** Comparisons in which it was shown, or went into a later statement. */
    readonly shown: number;
  }[];
}

/** One statement from one call site within one route. */
export interface RouteStatementObservation {
  /** Fingerprint: the key into `postgres.statements`. */
  readonly statementId: string;
  readonly location: CodeLocation | null;
  readonly calls: number;
  /** Requests in which it ran at least once. */
  readonly requests: number;
  readonly maxCallsPerRequest: number;
  /** Requests in which it ran three times or more. */
  readonly repeatingRequests: number;
  /** Calls made in those requests. */
  readonly repeatingCalls: number;
  /** Of the calls in repeating requests: share whose parameters had not been seen before in the same request. */
  readonly distinctParametersShare: number;
  /** Calls whose template and parameters equal an earlier call's of the same request. */
  readonly duplicateCalls: number;
  /** Of the calls in repeating requests: share that began while another call of the same statement and request was running. */
  readonly overlappingShare: number;
  /** The statement whose result held the parameters of the repeated calls; null when not seen. */
  readonly parentStatementId: string | null;
  readonly totalMs: number;
  readonly rows: number;
  /** Bytes of row data received from the database. */
  readonly receivedBytes: number;
  /** Null where no result was compared with its answer. */
  readonly shown: ShownObservation | null;
}

/** One operation of one other service, asked for from one call site within one route. */
export interface OutgoingObservation {
  readonly kind: 'http' | 'redis' | 'queue';
  /** `host:port`, or the name of a queue. */
  readonly peer: string;
  /** `GET /users/:id`, a Redis command, what is done to a queue; never a value. */
  readonly operation: string;
  readonly location: CodeLocation | null;
  /** The package that made the call for the application; null where it made it itself. */
  readonly via: string | null;
  readonly calls: number;
  /** Calls without an answer, or answered with 5xx, 408 or 429. */
  readonly errors: number;
  /** Requests that made at least one call. */
  readonly requests: number;
  readonly maxCallsPerRequest: number;
  /** Requests that made three calls or more. */
  readonly repeatingRequests: number;
  /** Calls made in those requests. */
  readonly repeatingCalls: number;
  /** Of the calls in repeating requests: share that asked for what their request had not asked for before. */
  readonly distinctCallsShare: number;
  /** Calls equal to an earlier one of the same request that had not failed. */
  readonly duplicateCalls: number;
  /** Of the calls in repeating requests: share that began while another one was running. */
  readonly overlappingShare: number;
  /** The statement whose result held what the calls differ by, without literals; null when not seen. */
  readonly parentStatement: string | null;
  /** From the call to the last byte of the answer, summed. */
  readonly totalMs: number;
  /** Calls that had to wait for a connection to be made, and calls that found one. Neither is known of Redis and queues. */
  readonly connectionsOpened: number;
  readonly connectionsReused: number;
  /** How long those connections took to make, summed. */
  readonly connectMs: number;
  /** Calls after which the peer closed the connection though it was asked to keep it. */
  readonly keepAliveRefused: number;
  /** Calls that nothing limited in time, as far as that can be seen. */
  readonly withoutTimeout: number;
  /** Calls equal to an earlier one of the same request that had failed. */
  readonly retries: number;
  /** Of those, the ones that came less than 10 ms after the failure. */
  readonly promptRetries: number;
  /** The shortest time between a failure and its retry; null without retries. */
  readonly shortestRetryGapMs: number | null;
  /** Time of the retries themselves. */
  readonly retryMs: number;
  /** The most attempts of one call in one request. */
  readonly mostAttempts: number;
  /** Calls during which a transaction of their request stayed open without any statement. */
  readonly insideTransactionCalls: number;
  /** How long transactions stayed so, counted once where calls overlap. */
  readonly insideTransactionMs: number;
  /** Calls whose answer was complete before the response and whose body nobody read. */
  readonly unreadAnswers: number;
  /** Of those, time of waits of 100 ms or more in which the request did nothing else. */
  readonly unreadWaitMs: number;
}

export interface PoolObservation {
  readonly name: string;
  readonly location: CodeLocation | null;
  readonly max: number;
  readonly checkouts: number;
  /** Checkouts that had to wait for another caller's release. */
  readonly waits: number;
  readonly waitMs: number;
  readonly waitUs: HistogramData;
  /** From checkout to release, microseconds. */
  readonly heldUs: HistogramData;
  readonly peakInUse: number;
  readonly peakWaiting: number;
}

export interface RuntimeObservation {
  readonly nodeVersion: string;
  readonly windowMs: number;
  readonly cpuMs: number;
  readonly eventLoopUtilizationShare: number;
  /** Delay of the event loop beyond its sampling resolution, microseconds. */
  readonly eventLoopDelayUs: HistogramData;
  readonly gcMs: number;
  readonly gcCount: number;
  readonly heapUsedBytes: number;
  readonly residentBytes: number;
  /** What the agent could hook, with versions: `pg 8.23.1`, `fastify 5.12.8`. */
  readonly hooks?: readonly string[];
  /** How many others of the target's served as well, as the workers of a cluster do: unseen, and no policy acts on them. Absent: none. */
  readonly otherProcesses?: number;
}

/** CPU samples folded onto the application's own functions. */
export interface ProfileObservation {
  readonly intervalUs: number;
  readonly sampledMs: number;
  readonly functions: readonly ProfiledFunction[];
  /** Null where it was not sampled. */
  readonly heap: HeapObservation | null;
}

/** What was allocated and what stayed, by the function of the application that allocated it. */
export interface HeapObservation {
  /** Asked where collections took much of the time before: everything that was allocated in the window, kept or not. 0 where it was not asked. */
  readonly allocationMs: number;
  readonly allocatedBytes: number;
  readonly allocators: readonly { readonly location: CodeLocation; readonly sizeBytes: number }[];
  /** Full collections, by when they were after the window's beginning, and what the old generation held right after. */
  readonly fullCollections: readonly { readonly atMs: number; readonly liveBytes: number }[];
  /** Asked where what full collections left has grown: what was allocated in the window and is still there. 0 where it was not asked. */
  readonly survivorsMs: number;
  readonly survivors: readonly { readonly location: CodeLocation; readonly sizeBytes: number }[];
  /** Beyond it the process dies. */
  readonly limitBytes: number;
}

export interface ProfiledFunction {
  readonly location: CodeLocation;
  /** CPU of this function and of everything outside the application that it called synchronously. */
  readonly selfMs: number;
  /** Of those: in its own code and what the language does for it, not in libraries. */
  readonly ownMs: number;
  /** The line of its own code that was met most often; null where only what it calls was met. */
  readonly hottestLine: number | null;
  /** For which routes it ran, most time first: an estimate from when requests were open. Empty where that says nothing. */
  readonly routes: readonly { readonly method: string; readonly route: string; readonly cpuMs: number }[];
  /** The synchronous library call that took most of it, e.g. `scryptSync`; null when it is its own code. */
  readonly heaviestCallee: string | null;
  readonly heaviestCalleeMs: number;
  /** Longest uninterrupted stretch of samples. */
  readonly longestStretchMs: number;
  /** Stretches of at least 10 ms. */
  readonly blockingStretches: number;
  readonly blockingMs: number;
}

export interface StatementObservation {
  /** The real parser's fingerprint: the same for texts that differ only in constants. */
  readonly id: string;
  /** Normalised: no constant of the application is in it. */
  readonly text: string;
  readonly kind: 'select' | 'insert' | 'update' | 'delete' | 'other';
  readonly tables: readonly string[];
  /** What the parse tree says; null where the text does not parse. */
  readonly shape: StatementShape | null;
  readonly calls: number;
  /** Server execution time (pg_stat_statements) when `source` is `server`, else the client's. */
  readonly totalMs: number;
  readonly source: 'server' | 'client';
  readonly rows: number;
  readonly sharedBlocksHit: number;
  readonly sharedBlocksRead: number;
  readonly tempBlocksWritten: number;
  readonly walBytes: number;
  /** Where the application sends it from, most calls first; empty when no agent saw it. */
  readonly locations: readonly CodeLocation[];
  /** Routes it ran for, `GET /posts/:id`; empty for background work. */
  readonly routes: readonly string[];
  /** Only of what an agent saw: absent where no call was looked at. */
  readonly repetition?: RepetitionObservation;
}

/** Calls of requests whose answers were looked at; a sample, never scaled. */
export interface RepetitionObservation {
  readonly calls: number;
  /**
   * Of those: asked before with the same parameters and literals, by whichever request. Of more different ones than the agent
   * keeps, or than a sample holds, fewer are seen than there are.
   */
  readonly repeats: number;
}

export interface TableObservation {
  readonly schema: string;
  readonly name: string;
  readonly liveRows: number;
  readonly sizeBytes: number;
  readonly sequentialScans: number;
  readonly sequentialRowsRead: number;
  readonly indexScans: number;
  readonly inserts: number;
  readonly updates: number;
  readonly hotUpdates: number;
  readonly deletes: number;
}

export interface IndexObservation {
  readonly name: string;
  readonly definition: IndexDefinition;
  readonly sizeBytes: number;
  readonly scans: number;
  readonly valid: boolean;
  readonly unique: boolean;
  readonly primary: boolean;
}

export interface ColumnObservation {
  readonly schema: string;
  readonly table: string;
  readonly name: string;
  readonly type: string;
  readonly averageWidthBytes: number;
  /** PostgreSQL's n_distinct: positive a count, negative minus the share of rows. */
  readonly distinct: number;
  readonly nullShare: number;
  /** The catalogue forbids NULL; absent where nobody asked. */
  readonly notNull?: boolean;
}

export interface ForeignKeyObservation {
  readonly name: string;
  readonly schema: string;
  readonly table: string;
  /** In the constraint's order; `referencedColumns` match by position. */
  readonly columns: readonly string[];
  readonly referencedSchema: string;
  readonly referencedTable: string;
  readonly referencedColumns: readonly string[];
}

export interface WaitObservation {
  readonly event: string;
  readonly eventType: string;
  readonly samples: number;
  readonly share: number;
}

export interface ProcessObservation {
  readonly role: 'target' | 'database' | 'generator';
  readonly pid: number;
  readonly cpuMs: number;
  readonly residentBytes: number;
}
