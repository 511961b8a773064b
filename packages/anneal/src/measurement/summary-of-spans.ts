import type { OutgoingSummary, RouteSummary, SourceLocation, StatementSummary, StatementText } from '@anneal/agent/protocol';
import type { Span } from '../ports/traces.ts';
import type { SqlParser } from '../ports/sql-parser.ts';
import { Histogram } from '../stats/histogram.ts';

/** Requests and what they asked for, out of spans: what an agent of our own would have summed up, as far as spans tell. */
export interface SpanSummary {
  readonly routes: readonly RouteSummary[];
  readonly background: readonly StatementSummary[];
  readonly statementTexts: readonly StatementText[];
  /** What the spans do not tell, as sentences without a full stop. */
  readonly gaps: readonly string[];
}

/** As in the agent: three calls of one statement in one request are the fewest that show a loop. */
const repeatsFrom = 3;

/**
 * A server span is a request of the route it names; client spans below it, through however many internal ones, are its statements and
 * its outgoing calls. Attribute names are those of OpenTelemetry's semantic conventions for HTTP, database and code, stable
 * (1.2x) and before. Spans of requests that began outside of the window are left out.
 */
export function summaryOfSpans(
  spans: readonly Span[],
  window: { readonly fromMs: number; readonly toMs: number },
  parser: SqlParser,
): SpanSummary {
  const byId = new Map(spans.map((span) => [`${span.traceId}/${span.spanId}`, span]));
  const parentOf = ({ traceId, parentSpanId }: Span) => (parentSpanId === null ? undefined : byId.get(`${traceId}/${parentSpanId}`));
  const isInside = ({ startMs }: Span) => startMs >= window.fromMs && startMs < window.toMs;
  const requests = new Map<Span, Request>();
  for (const span of spans) if (span.kind === 'server' && isInside(span)) requests.set(span, { span, statements: [], outgoing: [] });

  const templates = new Templates(parser);
  const background: StatementCall[] = [];
  let orphans = 0;
  for (const span of spans) {
    if (span.kind !== 'client' || isNested(span, parentOf(span))) continue;
    const holder = requestAround(span, parentOf);
    const request = holder === null ? undefined : requests.get(holder);
    const sql = statementOf(span);
    if (sql !== null) {
      const call: StatementCall = { span, location: locationOf(span), template: templates.of(sql), parameters: parametersOf(span) };
      if (request !== undefined) request.statements.push(call);
      else if (holder === null && isInside(span)) background.push(call);
      else orphans += 1;
      continue;
    }
    const destination = destinationOf(span);
    if (destination !== null && request !== undefined) request.outgoing.push({ span, location: locationOf(span), ...destination });
  }

  const routes = Map.groupBy(requests.values(), ({ span }) => `${methodOf(span)} ${routeOf(span)}`);
  const calls = [...requests.values()].flatMap(({ statements }) => statements);
  return {
    routes: [...routes.values()].map(routeSummary),
    background: [...Map.groupBy(background, callKey).values()].map((group) => statementSummary([group])),
    statementTexts: templates.texts(),
    gaps: [
      ...(calls.some(({ parameters }) => parameters === null)
        ? ['its spans carry no parameters, so a statement that is asked again with the same ones is told as one with new ones']
        : []),
      ...(calls.length > 0 && calls.every(({ location }) => location === null)
        ? ['its spans carry no code.file.path, so no line can be named']
        : []),
      ...(orphans > 0 ? [`${orphans} statements belong to requests that began outside of the window`] : []),
    ],
  };
}

interface Request {
  readonly span: Span;
  readonly statements: StatementCall[];
  readonly outgoing: OutgoingCall[];
}

interface StatementCall {
  readonly span: Span;
  readonly location: SourceLocation | null;
  readonly template: number;
  /** Null where the span does not carry them. */
  readonly parameters: string | null;
}

interface OutgoingCall {
  readonly span: Span;
  readonly location: SourceLocation | null;
  readonly kind: 'http' | 'redis';
  readonly peer: string;
  readonly operation: string;
  /** What tells one call from another; null where nothing does. */
  readonly identity: string | null;
}

/** A driver's span inside an ORM's tells the same call again. */
function isNested(span: Span, parent: Span | undefined): boolean {
  return parent !== undefined && parent.kind === 'client' && (statementOf(parent) !== null) === (statementOf(span) !== null);
}

function requestAround(span: Span, parentOf: (span: Span) => Span | undefined): Span | null {
  for (let parent = parentOf(span); parent !== undefined; parent = parentOf(parent)) if (parent.kind === 'server') return parent;
  return null;
}

function text(span: Span, ...names: readonly string[]): string | null {
  for (const name of names) {
    const value = span.attributes[name];
    if (value !== undefined && value !== '') return String(value);
  }
  return null;
}

const relational = /^(?:postgres|postgresql|mysql|mariadb|mssql|microsoft\.sql_server|oracle|oracle\.db|sqlite|cockroachdb|other_sql)$/;

function statementOf(span: Span): string | null {
  const system = text(span, 'db.system.name', 'db.system');
  return system !== null && relational.test(system) ? text(span, 'db.query.text', 'db.statement') : null;
}

/** `db.query.parameter.<key>` is opt-in. */
function parametersOf(span: Span): string | null {
  const given = Object.entries(span.attributes).filter(([name]) => name.startsWith('db.query.parameter.'));
  return given.length === 0 ? null : JSON.stringify(given.toSorted(([one], [other]) => (one < other ? -1 : 1)));
}

function destinationOf(span: Span): Pick<OutgoingCall, 'kind' | 'peer' | 'operation' | 'identity'> | null {
  const system = text(span, 'db.system.name', 'db.system');
  const server = text(span, 'server.address', 'net.peer.name', 'net.peer.ip') ?? 'unknown';
  const port = text(span, 'server.port', 'net.peer.port');
  const peer = port === null ? server : `${server}:${port}`;
  if (system === 'redis') {
    const operation = (text(span, 'db.operation.name', 'db.operation') ?? span.name).split(' ')[0]!.toUpperCase();
    return { kind: 'redis', peer, operation, identity: text(span, 'db.query.text', 'db.statement') };
  }
  const method = text(span, 'http.request.method', 'http.method');
  if (method === null || system !== null) return null;
  const address = text(span, 'url.full', 'http.url');
  const url = address === null ? null : URL.parse(address);
  return {
    kind: 'http',
    peer: url?.host ?? peer,
    operation: `${method} ${templated(url?.pathname ?? '/')}`,
    identity: url === null ? null : `${method} ${url.pathname}${url.search}`,
  };
}

function methodOf(span: Span): string {
  return text(span, 'http.request.method', 'http.method') ?? 'GET';
}

function routeOf(span: Span): string {
  const route = text(span, 'http.route');
  if (route !== null) return route.startsWith('/') ? route : `/${route}`;
  const path = text(span, 'url.path', 'http.target');
  return path === null ? span.name : templated(path.split('?', 1)[0]!);
}

/** Segments that are data, by their looks. */
function templated(path: string): string {
  return path
    .split('/')
    .map((segment) => (/^\d+$|^[\da-f]{8}-[\da-f-]{27}$|^[\da-f]{16,}$|%/i.test(segment) ? ':id' : segment))
    .join('/');
}

function locationOf(span: Span): SourceLocation | null {
  const file = text(span, 'code.file.path', 'code.filepath');
  const line = Number(text(span, 'code.line.number', 'code.lineno'));
  if (file === null || !Number.isInteger(line) || line < 1) return null;
  return { file, line, column: 0, function: text(span, 'code.function.name', 'code.function') };
}

class Templates {
  readonly #parser: SqlParser;
  readonly #ids = new Map<string, number>();
  readonly #texts: StatementText[] = [];

  constructor(parser: SqlParser) {
    this.#parser = parser;
  }

  of(sql: string): number {
    const template = this.#parser.normalise(sql);
    const known = this.#ids.get(template);
    if (known !== undefined) return known;
    const templateId = this.#texts.length;
    this.#ids.set(template, templateId);
    this.#texts.push({ templateId, template, sample: sql, parameterSets: [] });
    return templateId;
  }

  texts(): readonly StatementText[] {
    return this.#texts;
  }
}

const callKey = ({ template, location }: StatementCall) => `${template} ${location?.file ?? ''}:${location?.line ?? 0}`;

function routeSummary(requests: readonly Request[]): RouteSummary {
  const durations = new Histogram();
  for (const { span } of requests) durations.record((span.endMs - span.startMs) * 1000);
  const first = requests[0]!.span;
  const grouped = <Call>(callsOf: (request: Request) => readonly Call[], keyOf: (call: Call) => string) => {
    const groups = new Map<string, (readonly Call[])[]>();
    for (const request of requests) {
      for (const [key, calls] of Map.groupBy(callsOf(request), keyOf)) groups.set(key, [...(groups.get(key) ?? []), calls]);
    }
    return [...groups.values()];
  };
  const sumOf = (figure: (request: Request) => number) => requests.reduce((sum, request) => sum + figure(request), 0);
  return {
    method: methodOf(first),
    route: routeOf(first),
    requests: requests.length,
    followed: requests.length,
    errors: requests.filter(({ span }) => span.failed || Number(text(span, 'http.response.status_code', 'http.status_code')) >= 500).length,
    durationUs: durations.toData(),
    queryMs: sumOf(({ statements }) => coveredMs(statements)),
    outgoingMs: sumOf(({ outgoing }) => coveredMs(outgoing.filter(({ kind }) => kind === 'http'))),
    redisMs: sumOf(({ outgoing }) => coveredMs(outgoing.filter(({ kind }) => kind === 'redis'))),
    poolWaitMs: 0,
    heldIdleMs: 0,
    heldAt: [],
    serialisationMs: 0,
    longestSerialisationMs: 0,
    responseBytes: sumOf(({ span }) => Number(text(span, 'http.response.body.size', 'http.response_content_length') ?? 0)),
    largestResponseBytes: 0,
    answeredAt: null,
    answers: null,
    synchronousCalls: [],
    statements: grouped(({ statements }) => statements, callKey).map(statementSummary),
    outgoing: grouped(
      ({ outgoing }) => outgoing,
      ({ kind, peer, operation, location }) => JSON.stringify([kind, peer, operation, location?.file, location?.line]),
    ).map(outgoingSummary),
  };
}

interface Repeating {
  readonly calls: number;
  readonly errors: number;
  readonly requests: number;
  readonly maxCallsPerRequest: number;
  readonly repeatingRequests: number;
  readonly repeatingCalls: number;
  readonly duplicateCalls: number;
  readonly distinctShare: number;
  readonly overlappingShare: number;
  readonly totalMs: number;
}

/** `groups`: the calls of one thing from one place, request by request. `identityOf`: null where calls cannot be told apart, and are taken to differ. */
function repeating<Call extends { readonly span: Span }>(
  groups: readonly (readonly Call[])[],
  identityOf: (call: Call) => string | null,
): Repeating {
  let [duplicates, distinct, overlapping, repeatingCalls] = [0, 0, 0, 0];
  for (const calls of groups) {
    const seen = new Set<string>();
    let repeated = 0;
    for (const call of calls) {
      const identity = identityOf(call);
      if (identity === null) continue;
      if (seen.has(identity)) repeated += 1;
      seen.add(identity);
    }
    duplicates += repeated;
    if (calls.length < repeatsFrom) continue;
    repeatingCalls += calls.length;
    distinct += calls.length - repeated;
    let lastEndMs = Number.NEGATIVE_INFINITY;
    for (const { span } of calls.toSorted((one, other) => one.span.startMs - other.span.startMs)) {
      if (span.startMs < lastEndMs) overlapping += 1;
      lastEndMs = Math.max(lastEndMs, span.endMs);
    }
  }
  const all = groups.flat();
  return {
    calls: all.length,
    errors: all.filter(({ span }) => span.failed).length,
    requests: groups.length,
    maxCallsPerRequest: Math.max(...groups.map(({ length }) => length)),
    repeatingRequests: groups.filter(({ length }) => length >= repeatsFrom).length,
    repeatingCalls,
    duplicateCalls: duplicates,
    distinctShare: repeatingCalls === 0 ? 0 : distinct / repeatingCalls,
    overlappingShare: repeatingCalls === 0 ? 0 : overlapping / repeatingCalls,
    totalMs: all.reduce((sum, { span }) => sum + span.endMs - span.startMs, 0),
  };
}

function statementSummary(groups: readonly (readonly StatementCall[])[]): StatementSummary {
  const { template, location } = groups[0]![0]!;
  const { distinctShare, ...counts } = repeating(groups, ({ parameters }) => parameters);
  const rows = groups.flat().reduce((sum, { span }) => sum + Number(text(span, 'db.response.returned_rows') ?? 0), 0);
  return {
    ...counts,
    templateId: template,
    location,
    distinctParametersShare: distinctShare,
    parentTemplateId: null,
    rows,
    receivedBytes: 0,
    shown: null,
  };
}

function outgoingSummary(groups: readonly (readonly OutgoingCall[])[]): OutgoingSummary {
  const { kind, peer, operation, location } = groups[0]![0]!;
  const { distinctShare, ...counts } = repeating(groups, ({ identity }) => identity);
  return {
    ...counts,
    kind,
    peer,
    operation,
    location,
    via: null,
    distinctCallsShare: distinctShare,
    parentTemplateId: null,
    connectionsOpened: 0,
    connectionsReused: 0,
    connectMs: 0,
    keepAliveRefused: 0,
    withoutTimeout: 0,
    retries: 0,
    promptRetries: 0,
    shortestRetryGapMs: null,
    retryMs: 0,
    mostAttempts: 1,
    insideTransactionCalls: 0,
    insideTransactionMs: 0,
    unreadAnswers: 0,
    unreadWaitMs: 0,
  };
}

/** Wall time with at least one of the calls on its way. */
function coveredMs(calls: readonly { readonly span: Span }[]): number {
  let [totalMs, untilMs] = [0, Number.NEGATIVE_INFINITY];
  for (const { span } of calls.toSorted((one, other) => one.span.startMs - other.span.startMs)) {
    if (span.endMs <= untilMs) continue;
    totalMs += span.endMs - Math.max(span.startMs, untilMs);
    untilMs = span.endMs;
  }
  return totalMs;
}
