import { isAbsolute, relative } from 'node:path';
import type { AgentSummary, OutgoingSummary, RouteSummary, SourceLocation, StatementSummary, StatementText } from '@anneal/agent/protocol';
import type { StatementSample } from '../ports/planner.ts';
import type { SqlParser } from '../ports/sql-parser.ts';
import type {
  CodeLocation,
  Observations,
  OutgoingObservation,
  RepetitionObservation,
  RouteObservation,
  RouteStatementObservation,
  StatementObservation,
} from './observations.ts';
import { mergeShown } from './shown.ts';

/** What a summary says of requests and of their statements, whoever summed up. Real parameters come as samples, for memory only. */
export function observeSummary(
  summary: Pick<AgentSummary, 'routes' | 'background' | 'statementTexts' | 'profile'>,
  parser: SqlParser,
  locate: Locate,
): {
  readonly routes: Observations['agent.routes'];
  readonly statements: Observations['agent.statements'];
  readonly samples: ReadonlyMap<string, readonly StatementSample[]>;
} {
  const statements = new Statements(summary.statementTexts, parser);
  return {
    routes: summary.routes.map((route) => routeObservation(route, cpuMsOf(route, summary.profile), statements, locate)),
    statements: statementObservations(summary, statements, locate),
    samples: statements.samples(),
  };
}

export type Locate = (location: SourceLocation) => CodeLocation;

/** The first folder that holds the file tells its name: a symbolic link makes the process's own folder another one than ours. */
export function locator(folders: readonly string[]): Locate {
  return ({ file, line, column, function: name }) => {
    const inside = folders.map((folder) => relative(folder, file)).find((path) => !path.startsWith('..') && !isAbsolute(path));
    return { file: inside ?? file, line, column, function: name };
  };
}

interface KnownStatement {
  readonly id: string;
  /** The agent's text without literals. */
  readonly template: string;
  readonly sample: string;
}

/** The agent's templates by the identity that the server's statistics share: the real parser's fingerprint. */
class Statements {
  readonly parser: SqlParser;
  readonly #byTemplate = new Map<number, KnownStatement>();
  readonly #samples = new Map<string, StatementSample[]>();
  readonly #repetitions = new Map<string, RepetitionObservation>();

  constructor(texts: readonly StatementText[], parser: SqlParser) {
    this.parser = parser;
    for (const { templateId, template, sample, parameterSets, repetition } of texts) {
      const id = parser.fingerprint(sample) ?? `text:${template}`;
      this.#byTemplate.set(templateId, { id, template, sample });
      const samples = this.#samples.get(id) ?? [];
      const sets = parameterSets.length === 0 ? [null] : parameterSets;
      samples.push(...sets.map((values) => ({ text: sample, values })));
      this.#samples.set(id, samples);
      if (repetition !== undefined) {
        const { calls, repeats } = this.#repetitions.get(id) ?? { calls: 0, repeats: 0 };
        this.#repetitions.set(id, { calls: calls + repetition.calls, repeats: repeats + repetition.repeats });
      }
    }
  }

  of(templateId: number): KnownStatement {
    const known = this.#byTemplate.get(templateId);
    if (known === undefined) throw new Error(`the agent counts template ${templateId} and does not send its text`);
    return known;
  }

  /** Null where the parent was seen but made no call in this window. */
  idOf(templateId: number | null): string | null {
    return templateId === null ? null : (this.#byTemplate.get(templateId)?.id ?? null);
  }

  /** Null where it was not seen in this window. */
  textOf(templateId: number | null): string | null {
    return templateId === null ? null : (this.#byTemplate.get(templateId)?.template ?? null);
  }

  /** Undefined where no call was looked at. */
  repetitionOf(id: string): RepetitionObservation | undefined {
    return this.#repetitions.get(id);
  }

  samples(): ReadonlyMap<string, readonly StatementSample[]> {
    return this.#samples;
  }
}

/** A route of which no sample was taken has used too little to be seen. */
function cpuMsOf({ method, route }: RouteSummary, profile: AgentSummary['profile']): number | null {
  if (profile === null) return null;
  return profile.routes.find((used) => used.method === method && used.route === route)?.cpuMs ?? 0;
}

function routeObservation(route: RouteSummary, cpuMs: number | null, statements: Statements, locate: Locate): RouteObservation {
  return {
    method: route.method,
    route: route.route,
    requests: route.requests,
    errors: route.errors,
    ...(route.identicalRequests === undefined ? {} : { identicalRequests: route.identicalRequests }),
    followed: route.followed,
    durationUs: route.durationUs,
    totalMs: route.durationUs.sum / 1000,
    queryMs: route.queryMs,
    outgoingMs: route.outgoingMs,
    redisMs: route.redisMs,
    poolWaitMs: route.poolWaitMs,
    heldIdleMs: route.heldIdleMs,
    heldAt: route.heldAt.map(({ location, heldIdleMs, requests }) => ({ ...locate(location), heldIdleMs, requests })),
    serialisationMs: route.serialisationMs,
    longestSerialisationMs: route.longestSerialisationMs,
    responseBytes: route.responseBytes,
    largestResponseBytes: route.largestResponseBytes,
    cpuMs,
    answeredAt: route.answeredAt === null ? null : locate(route.answeredAt),
    answers: route.answers,
    synchronousCalls: route.synchronousCalls.map((call) => ({ ...call, location: call.location === null ? null : locate(call.location) })),
    statements: mergeStatements(
      route.statements.map((statement) => routeStatement(statement, statements, locate)),
      route.requests,
    ),
    outgoing: mergeOutgoing(
      route.outgoing.map((outgoing) => outgoingObservation(outgoing, statements, locate)),
      route.requests,
    ),
  };
}

function outgoingObservation(outgoing: OutgoingSummary, statements: Statements, locate: Locate): OutgoingObservation {
  const { location, parentTemplateId, ...counts } = outgoing;
  return {
    ...counts,
    location: location === null ? null : locate(location),
    parentStatement: statements.textOf(parentTemplateId),
  };
}

/** One line is one place: the column differs between a call that was made at once and one that a package made after waiting. */
function mergeOutgoing(outgoing: readonly OutgoingObservation[], requests: number): readonly OutgoingObservation[] {
  const groups = Map.groupBy(outgoing, ({ kind, peer, operation, location }) =>
    JSON.stringify([kind, peer, operation, location?.file, location?.line]),
  );
  return [...groups.values()].map((group) => group.reduce((one, other) => mergedOutgoing(one, other, requests)));
}

function mergedOutgoing(one: OutgoingObservation, other: OutgoingObservation, requests: number): OutgoingObservation {
  const gaps = [one.shortestRetryGapMs, other.shortestRetryGapMs].filter((gap) => gap !== null);
  return {
    ...one,
    via: one.via ?? other.via,
    ...mergedCalls(one, other, requests),
    errors: one.errors + other.errors,
    distinctCallsShare: ofRepeating(one, other, ({ distinctCallsShare }) => distinctCallsShare),
    parentStatement: one.parentStatement ?? other.parentStatement,
    connectionsOpened: one.connectionsOpened + other.connectionsOpened,
    connectionsReused: one.connectionsReused + other.connectionsReused,
    connectMs: one.connectMs + other.connectMs,
    keepAliveRefused: one.keepAliveRefused + other.keepAliveRefused,
    withoutTimeout: one.withoutTimeout + other.withoutTimeout,
    retries: one.retries + other.retries,
    promptRetries: one.promptRetries + other.promptRetries,
    shortestRetryGapMs: gaps.length === 0 ? null : Math.min(...gaps),
    retryMs: one.retryMs + other.retryMs,
    mostAttempts: Math.max(one.mostAttempts, other.mostAttempts),
    insideTransactionCalls: one.insideTransactionCalls + other.insideTransactionCalls,
    insideTransactionMs: one.insideTransactionMs + other.insideTransactionMs,
    unreadAnswers: one.unreadAnswers + other.unreadAnswers,
    unreadWaitMs: one.unreadWaitMs + other.unreadWaitMs,
  };
}

function routeStatement(statement: StatementSummary, statements: Statements, locate: Locate): RouteStatementObservation {
  const { templateId, location, parentTemplateId, errors: _, ...counts } = statement;
  return {
    ...counts,
    statementId: statements.of(templateId).id,
    location: location === null ? null : locate(location),
    parentStatementId: statements.idOf(parentTemplateId),
  };
}

/** Templates that differ in case, white space or the length of a list are one statement to the parser. */
function mergeStatements(statements: readonly RouteStatementObservation[], requests: number): readonly RouteStatementObservation[] {
  const groups = Map.groupBy(statements, ({ statementId, location }) => `${statementId} ${placeKey(location)}`);
  return [...groups.values()].map((group) => group.reduce((one, other) => merged(one, other, requests)));
}

function merged(one: RouteStatementObservation, other: RouteStatementObservation, requests: number): RouteStatementObservation {
  return {
    ...mergedCalls(one, other, requests),
    statementId: one.statementId,
    location: one.location,
    distinctParametersShare: ofRepeating(one, other, ({ distinctParametersShare }) => distinctParametersShare),
    parentStatementId: one.parentStatementId ?? other.parentStatementId,
    rows: one.rows + other.rows,
    receivedBytes: one.receivedBytes + other.receivedBytes,
    shown: mergeShown([one.shown, other.shown]),
  };
}

/** What is counted alike of statements and of calls to other services. */
type Calls = Pick<
  RouteStatementObservation & OutgoingObservation,
  'calls' | 'requests' | 'maxCallsPerRequest' | 'repeatingRequests' | 'repeatingCalls' | 'duplicateCalls' | 'overlappingShare' | 'totalMs'
>;

/** A request that made both counts twice in the sum, and no more of them can have been than came. */
function mergedCalls(one: Calls, other: Calls, requests: number): Calls {
  return {
    calls: one.calls + other.calls,
    requests: Math.min(one.requests + other.requests, requests),
    maxCallsPerRequest: Math.max(one.maxCallsPerRequest, other.maxCallsPerRequest),
    repeatingRequests: Math.min(one.repeatingRequests + other.repeatingRequests, requests),
    repeatingCalls: one.repeatingCalls + other.repeatingCalls,
    duplicateCalls: one.duplicateCalls + other.duplicateCalls,
    overlappingShare: ofRepeating(one, other, ({ overlappingShare }) => overlappingShare),
    totalMs: one.totalMs + other.totalMs,
  };
}

/** A share of the calls in repeating requests, of both together. */
function ofRepeating<Each extends Calls>(one: Each, other: Each, shareOf: (each: Each) => number): number {
  const repeatingCalls = one.repeatingCalls + other.repeatingCalls;
  return repeatingCalls === 0 ? 0 : (shareOf(one) * one.repeatingCalls + shareOf(other) * other.repeatingCalls) / repeatingCalls;
}

/** One statement's calls from one place, on behalf of one route or (null) of none. */
interface Use {
  readonly route: string | null;
  readonly statement: StatementSummary;
}

function statementObservations(
  summary: Pick<AgentSummary, 'routes' | 'background'>,
  statements: Statements,
  locate: Locate,
): readonly StatementObservation[] {
  const uses: Use[] = [
    ...summary.background.map((statement) => ({ route: null, statement })),
    ...summary.routes.flatMap(({ method, route, statements: inRoute }) =>
      inRoute.map((statement) => ({ route: `${method} ${route}`, statement })),
    ),
  ];
  const groups = Map.groupBy(uses, ({ statement }) => statements.of(statement.templateId).id);
  return [...groups]
    .map(([id, group]) => statementObservation(id, group, statements, locate))
    .sort((one, other) => other.totalMs - one.totalMs);
}

function statementObservation(id: string, uses: readonly Use[], statements: Statements, locate: Locate): StatementObservation {
  const { sample, template } = statements.of(uses[0]!.statement.templateId);
  const shape = statements.parser.shape(sample);
  const calls = sumOf(uses, ({ calls }) => calls);
  const repetition = statements.repetitionOf(id);
  return {
    id,
    text: shape === null ? template : statements.parser.normalise(sample),
    kind: shape?.kind ?? 'other',
    tables: shape?.tables.map(({ schema, name }) => (schema === null ? name : `${schema}.${name}`)) ?? [],
    shape,
    calls,
    totalMs: sumOf(uses, ({ totalMs }) => totalMs),
    source: 'client',
    rows: sumOf(uses, ({ rows }) => rows),
    sharedBlocksHit: 0,
    sharedBlocksRead: 0,
    tempBlocksWritten: 0,
    walBytes: 0,
    locations: byCalls(
      uses.flatMap(({ statement }) =>
        statement.location === null
          ? []
          : [{ key: placeKey(statement.location), value: locate(statement.location), calls: statement.calls }],
      ),
    ),
    routes: byCalls(uses.flatMap(({ route, statement }) => (route === null ? [] : [{ key: route, value: route, calls: statement.calls }]))),
    ...(repetition === undefined ? {} : { repetition }),
  };
}

function sumOf(uses: readonly Use[], value: (statement: StatementSummary) => number): number {
  return uses.reduce((sum, { statement }) => sum + value(statement), 0);
}

/** Each value once, most calls first. */
function byCalls<Value>(counted: readonly { readonly key: string; readonly value: Value; readonly calls: number }[]): readonly Value[] {
  return [...Map.groupBy(counted, ({ key }) => key).values()]
    .map((group) => ({ value: group[0]!.value, calls: group.reduce((sum, { calls }) => sum + calls, 0) }))
    .sort((one, other) => other.calls - one.calls)
    .map(({ value }) => value);
}

function placeKey(location: Omit<CodeLocation, 'function'> | null): string {
  return location === null ? '' : `${location.file}:${location.line}:${location.column ?? 0}`;
}
