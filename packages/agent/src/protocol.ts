import type { HistogramData } from './histogram.ts';
import type { Policy } from './policies/index.ts';
import type { PolicyTerms } from './policies/policy.ts';

export { batchedText, batchPrefix, templateHash, textHash, type BatchForm } from './statements/batched-text.ts';
export type { Policy, PolicyTerms };

/** The agent knows a statement by this; what Anneal tells it about statements is in the same words. */
export { sqlTemplate } from './statements/sql-template.ts';

/**
 * What the agent and Anneal say to each other: one JSON document per line over a Unix socket.
 * The agent connects; Anneal listens. Anneal must be newer than or as new as the agent.
 *
 * Counts and durations are those since the agent's last summary, never since the process started.
 */
export { holdVariable, policiesVariable, protocolVersion, silenceMs, socketVariable } from './channel/agreed.ts';

/** What a policy may be, for those who write one by hand. */
export { readPolicies, stands, type Misread } from './policies/forms.ts';

/** Says that a request was refused by a policy, and of which kind. */
export { refusalHeader } from './policies/admission/refusal.ts';

/** What kept results and answers cost the database beside what they read. */
export { snapshotText } from './policies/invalidation/snapshots.ts';

export type FromAgent =
  | ({ readonly type: 'hello'; readonly key: string } & AgentHello)
  /** The first word over a second socket: the agent that said hello with this key goes on over it, and is done with its first. */
  | { readonly type: 'moved'; readonly key: string }
  | { readonly type: 'summary'; readonly replyTo: number; readonly summary: AgentSummary }
  | { readonly type: 'done'; readonly replyTo: number }
  | { readonly type: 'refused'; readonly replyTo: number; readonly reason: string }
  | ({ readonly type: 'recording'; readonly replyTo: number } & Recording)
  | { readonly type: 'policies'; readonly replyTo: number; readonly ids: readonly string[] }
  | { readonly type: 'toggled'; readonly replyTo: number; readonly blocks: readonly ToggledBlock[] };

export type ToAgent =
  | { readonly type: 'flush'; readonly id: number }
  | { readonly type: 'start-profile'; readonly id: number }
  /** All policies end when the socket closes, whatever their terms. */
  | ({ readonly type: 'apply-policy'; readonly id: number; readonly policyId: string; readonly policy: Policy } & PolicyTerms)
  /** Off: traffic passes as if the policy were not there, at once; it stays in force. */
  | { readonly type: 'switch-policy'; readonly id: number; readonly policyId: string; readonly on: boolean }
  /** What only Anneal can see and the policy has to know (other writers' commits); the policy's own type of message. */
  | { readonly type: 'inform-policy'; readonly id: number; readonly policyId: string; readonly news: unknown }
  | { readonly type: 'revoke-policy'; readonly id: number; readonly policyId: string }
  /** Proof in the live process: on and off in blocks, answered by `toggled` when they are over, or `refused` with why they were cut short. */
  | ({ readonly type: 'toggle-policy'; readonly id: number } & Toggling)
  /** Notes down a share of what the application is asked, at most so many requests, until `stop-recording`. */
  | { readonly type: 'start-recording'; readonly id: number; readonly share: number; readonly most: number }
  | { readonly type: 'stop-recording'; readonly id: number }
  | { readonly type: 'list-policies'; readonly id: number }
  /** A sign of life. Policies go off when nothing has been heard of Anneal for `silenceMs`; switched on again they act again. */
  | { readonly type: 'heartbeat' }
  /** Observation on or off, for measuring what it costs. Policies stay as they are. */
  | { readonly type: 'observe'; readonly id: number; readonly on: boolean };

export interface Toggling {
  /** Null toggles nothing at all: what its two states seem to differ by is the noise floor. */
  readonly policyId: string | null;
  /** Long beside a request: those that an edge interrupts are in no response time. */
  readonly blockMs: number;
  /** An even number; each pair has one block of each state, in an order drawn from the seed. */
  readonly blocks: number;
  readonly seed: number;
  /** The same order with the states exchanged: what met one state in the same traffic before meets the other now. */
  readonly inverted?: boolean;
}

export interface ToggledBlock {
  readonly on: boolean;
  readonly durationMs: number;
  /** Of the whole process, the agent and all other threads included. */
  readonly cpuMs: number;
  /** Begun in this block. */
  readonly requests: number;
  /** Ended in this block, whenever they began: those its CPU time was spent on, with those still running. */
  readonly ended: number;
  /** Begun in this block and still running when it ended; they are in no response time. */
  readonly straddling: number;
  /** Begun in this block and answered with 500 or above or not at all, as far as they ended before the last block did. */
  readonly failed: number;
  /** From the request's head to the last byte handed to the system, of those that began and ended in this block. */
  readonly responseTimeUs: HistogramData;
}

/** Traffic as it came. Addresses are as sent: they are redacted before anything is written. */
export interface Recording {
  /** In the order of their answers. */
  readonly requests: readonly ArrivedRequest[];
  /** Beyond the most that was asked for. */
  readonly missed: number;
}

export interface ArrivedRequest {
  /** Milliseconds since 1970. */
  readonly atMs: number;
  readonly method: string;
  readonly target: string;
  readonly status: number;
  readonly hadCredentials: boolean;
}

export interface AgentHello {
  readonly version: number;
  readonly pid: number;
  readonly nodeVersion: string;
  readonly workingDirectory: string;
  /** What could be hooked, with versions: `pg 8.23.1`, `fastify 5.12.8`, `node:http`. */
  readonly hooks: readonly string[];
}

export interface AgentSummary {
  readonly fromMs: number;
  readonly toMs: number;
  readonly hooks: readonly string[];
  readonly runtime: RuntimeSummary;
  readonly routes: readonly RouteSummary[];
  /** Statements of no request: timers, start-up, sockets. */
  readonly background: readonly StatementSummary[];
  /** Texts by the ids used in this summary, each with a few real parameter sets. */
  readonly statementTexts: readonly StatementText[];
  readonly pools: readonly PoolSummary[];
  readonly policies: readonly PolicySummary[];
  readonly profile: ProfileSummary | null;
  /** What the agent dropped to stay within its memory bounds, and errors of its own, as sentences. */
  readonly problems: readonly string[];
}

/** A policy in force and what it did since the last summary: hits, batches, refusals, by names that carry their units. */
export interface PolicySummary {
  readonly id: string;
  readonly kind: Policy['kind'];
  readonly on: boolean;
  /** Of the requests that it meets, 0-1; absent: it acts on all of them. */
  readonly share?: number;
  readonly figures: Readonly<Record<string, number>>;
}

export interface RuntimeSummary {
  readonly cpuMs: number;
  readonly eventLoopUtilizationShare: number;
  readonly eventLoopDelayUs: HistogramData;
  readonly gcMs: number;
  readonly gcCount: number;
  readonly heapUsedBytes: number;
  readonly residentBytes: number;
}

export interface SourceLocation {
  /** Absolute path. */
  readonly file: string;
  readonly line: number;
  readonly column: number;
  readonly function: string | null;
}

/**
 * Under much traffic (beyond 500 requests and statements a second) only rows of requests are looked at, each for what
 * arrived until the next row too, so that all sums stand for every request. Statements, waits and held connections are
 * scaled to all of the route's requests; `followed` says from how many.
 */
export interface RouteSummary {
  readonly method: string;
  readonly route: string;
  readonly requests: number;
  readonly followed: number;
  readonly errors: number;
  /** GETs that arrived while an identical one by the same client and identity was running; absent where a source cannot tell. */
  readonly identicalRequests?: number;
  readonly durationUs: HistogramData;
  readonly queryMs: number;
  /** Wall time with at least one call to another service on its way; overlaps count once. */
  readonly outgoingMs: number;
  /** Wall time with at least one Redis command on its way; overlaps count once. */
  readonly redisMs: number;
  readonly poolWaitMs: number;
  readonly heldIdleMs: number;
  readonly heldAt: readonly { readonly location: SourceLocation; readonly heldIdleMs: number; readonly requests: number }[];
  readonly serialisationMs: number;
  readonly longestSerialisationMs: number;
  readonly responseBytes: number;
  readonly largestResponseBytes: number;
  /** Where the application sends its answers from, else where it declares the route; null where neither shows. */
  readonly answeredAt: SourceLocation | null;
  /** Null where no answer was looked at. */
  readonly answers: AnswerSummary | null;
  /** Calls of `...Sync` functions of fs, crypto, zlib and child_process, most time first. */
  readonly synchronousCalls: readonly SynchronousCallSummary[];
  readonly statements: readonly StatementSummary[];
  readonly outgoing: readonly OutgoingSummary[];
}

/** One template from one call site (within one route). The fields mean what `RouteStatementObservation`'s of the same name do. */
export interface StatementSummary {
  readonly templateId: number;
  readonly location: SourceLocation | null;
  readonly calls: number;
  readonly errors: number;
  readonly requests: number;
  readonly maxCallsPerRequest: number;
  readonly repeatingRequests: number;
  readonly repeatingCalls: number;
  readonly distinctParametersShare: number;
  readonly duplicateCalls: number;
  readonly overlappingShare: number;
  readonly parentTemplateId: number | null;
  readonly totalMs: number;
  readonly rows: number;
  readonly receivedBytes: number;
  /** Null where no result was compared with its answer. */
  readonly shown: ShownSummary | null;
}

/** What of a statement's results stood in the JSON that its requests answered with. Of those compared; never scaled. */
export interface ShownSummary {
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

/** The answers of a route that were looked at: all in light traffic, else a sample. Never scaled. */
export interface AnswerSummary {
  readonly examined: number;
  readonly bodyBytes: number;
  /** Of a type that compresses, not compressed, and longer than a server may send at once (14,600 bytes). */
  readonly large: number;
  /** Of those: the ones whose clients had said that they take compressed ones. */
  readonly uncompressed: number;
  readonly uncompressedBytes: number;
  /** A few of those were compressed (gzip, zlib's own level) to see what it brings. */
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
export interface SynchronousCallSummary {
  /** `fs.readFileSync` */
  readonly name: string;
  readonly location: SourceLocation | null;
  readonly calls: number;
  readonly requests: number;
  readonly totalMs: number;
  readonly longestMs: number;
}

export type OutgoingKind = 'http' | 'redis' | 'queue';

/** One operation of one other service, asked for from one call site (within one route). The fields mean what `OutgoingObservation`'s of the same name do. */
export interface OutgoingSummary {
  readonly kind: OutgoingKind;
  readonly peer: string;
  readonly operation: string;
  readonly location: SourceLocation | null;
  readonly via: string | null;
  readonly calls: number;
  readonly errors: number;
  readonly requests: number;
  readonly maxCallsPerRequest: number;
  readonly repeatingRequests: number;
  readonly repeatingCalls: number;
  readonly distinctCallsShare: number;
  readonly duplicateCalls: number;
  readonly overlappingShare: number;
  readonly parentTemplateId: number | null;
  readonly totalMs: number;
  readonly connectionsOpened: number;
  readonly connectionsReused: number;
  readonly connectMs: number;
  readonly keepAliveRefused: number;
  readonly withoutTimeout: number;
  readonly retries: number;
  readonly promptRetries: number;
  readonly shortestRetryGapMs: number | null;
  readonly retryMs: number;
  readonly mostAttempts: number;
  readonly insideTransactionCalls: number;
  readonly insideTransactionMs: number;
  readonly unreadAnswers: number;
  readonly unreadWaitMs: number;
}

export interface StatementText {
  readonly templateId: number;
  /** Literals replaced by `?`; safe to store. */
  readonly template: string;
  /** One text as sent. May hold literals: never stored, used for EXPLAIN only. */
  readonly sample: string;
  /** Up to five parameter sets as sent. Never stored, used for EXPLAIN only. */
  readonly parameterSets: readonly (readonly unknown[])[];
  /** Absent where no call was looked at, or a source cannot tell. */
  readonly repetition?: RepetitionSummary;
}

/** Calls of requests whose answers were looked at, from wherever; a sample, never scaled. */
export interface RepetitionSummary {
  readonly calls: number;
  /** Of those: asked before with the same parameters and literals, in this request or another one. What the application asks over a connection that it took out itself is none. */
  readonly repeats: number;
}

export interface PoolSummary {
  readonly name: string;
  readonly location: SourceLocation | null;
  readonly max: number;
  readonly checkouts: number;
  readonly waits: number;
  readonly waitUs: HistogramData;
  readonly heldUs: HistogramData;
  readonly peakInUse: number;
  readonly peakWaiting: number;
}

export interface ProfileSummary {
  readonly intervalUs: number;
  readonly sampledMs: number;
  readonly functions: readonly {
    readonly location: SourceLocation;
    readonly selfMs: number;
    /** Of those: in its own code and what the language does for it, not in libraries. */
    readonly ownMs: number;
    /** The line of its own code that was met most often; null where only what it calls was met. */
    readonly hottestLine: number | null;
    /** For which routes it ran, most time first: an estimate from when requests were open (see `attribution.ts`). Empty where that says nothing. */
    readonly routes: readonly { readonly method: string; readonly route: string; readonly cpuMs: number }[];
    readonly heaviestCallee: string | null;
    readonly heaviestCalleeMs: number;
    readonly longestStretchMs: number;
    readonly blockingStretches: number;
    readonly blockingMs: number;
  }[];
  /** CPU time by route, estimated the same way. */
  readonly routes: readonly { readonly method: string; readonly route: string; readonly cpuMs: number }[];
  readonly heap: HeapSummary | null;
}

/** What was allocated and what stayed, by the function of the application that allocated it (V8 keeps no line inside it). */
export interface HeapSummary {
  /** Asked where collections took much of the time before: everything that was allocated in the window, kept or not. 0 where it was not asked. */
  readonly allocationMs: number;
  readonly allocatedBytes: number;
  readonly allocators: readonly { readonly location: SourceLocation; readonly sizeBytes: number }[];
  /** Full collections, by when they were after the window's beginning, and what the old generation held right after. */
  readonly fullCollections: readonly { readonly atMs: number; readonly liveBytes: number }[];
  /** Asked where what full collections left has grown: what was allocated in the window and is still there. 0 where it was not asked. */
  readonly survivorsMs: number;
  readonly survivors: readonly { readonly location: SourceLocation; readonly sizeBytes: number }[];
  /** Beyond it the process dies. */
  readonly limitBytes: number;
}
