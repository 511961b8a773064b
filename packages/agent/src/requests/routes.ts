import type { CallSiteSampler } from '../places/call-site.ts';
import { KnownPlaces } from './known-places.ts';
import { queryMsOf, templatesOf, type RequestTemplate } from './fold-request.ts';
import { destinationsOf, outgoingTimesOf, type RequestDestination } from '../outgoing/fold-outgoing.ts';
import type { Destination } from '../outgoing/outgoing.ts';
import { fewestValues } from './parent.ts';
import type { Look } from './following.ts';
import type { Problems } from '../problems.ts';
import type { OutgoingSummary, RouteSummary, SourceLocation, StatementSummary } from '../protocol.ts';
import { outcomeOf, type Outcome } from './outcome.ts';
import { repeatsFrom, share } from './repetition.ts';
import { mostStatements, RouteWindow } from './route-window.ts';
import type { CallTotals, OpenRequest } from './request.ts';
import { Room } from '../room.ts';
import { RouteAnswers } from '../answers/route-answers.ts';
import { Shown } from '../statements/shown-totals.ts';
import type { Template } from '../statements/statements.ts';

const mostRoutes = 10_000;
/** Of all routes together in one window, some 400 bytes each; and as many statements whose places are remembered from window to window. */
const mostStatementsInAll = 20_000;
/** From here on routes that a window did not see are forgotten: a scanner's made-up paths must not take the room of the application's own. */
const routesWorthForgetting = 1_000;
const overflowRoute = '(more routes than the agent keeps)';

class Route {
  readonly method: string;
  readonly name: string;
  readonly places = new Map<object, KnownPlaces>();
  window: RouteWindow;
  /** Shared by all routes. */
  readonly #room: Room;

  constructor(method: string, name: string, window: RouteWindow, room: Room) {
    this.method = method;
    this.name = name;
    this.window = window;
    this.#room = room;
  }

  placesOf(subject: object): KnownPlaces {
    const known = this.places.get(subject);
    if (known !== undefined) return known;
    const fresh = new KnownPlaces();
    if (this.places.size < mostStatements && this.#room.take(1)) this.places.set(subject, fresh);
    return fresh;
  }

  /** It will not be asked again: others may have its room. */
  forget(): void {
    this.#room.giveBack(this.places.size);
  }
}

/** Everything counted, by route and statement. */
export class Routes {
  readonly #problems: Problems;
  readonly #declared = new Map<string, SourceLocation>();
  /** By name, then by method: joining the two would make a new string for every request. */
  readonly #routes = new Map<string, Map<string, Route>>();
  #routeCount = 0;
  /** Counted, but for how often. */
  #unweighed: { readonly route: Route; readonly look: Look; readonly outcome: Outcome }[] = [];
  #windowRoom = new Room(mostStatementsInAll);
  readonly #placesRoom = new Room(mostStatementsInAll);
  #background = new RouteWindow(this.#windowRoom);
  readonly #backgroundPlaces = new Route('', '', this.#background, this.#placesRoom);

  constructor(problems: Problems) {
    this.#problems = problems;
  }

  /** Adds a closed request to its route; from here on its late calls are added there too. */
  count(request: OpenRequest): void {
    const route = this.#routeOf(request);
    const { window } = route;
    if (request.look.settled) window.add(request, request.look.times());
    else this.#unweighed.push({ route, look: request.look, outcome: outcomeOf(request) });
    if (request.identical !== null) {
      window.compared += 1;
      if (request.identical) window.identical += 1;
    }
    request.counted = true;
    if (request.answer !== null) {
      if (request.answer.location !== null) route.placesOf(answers).add(request.answer.location, 1);
      (window.answers ??= new RouteAnswers()).add(request.method, request.answer);
    }
    if (!request.followed) return;
    window.followed += 1;
    window.queryMs += queryMsOf(request);
    window.poolWaitMs += request.poolWaitMs;
    for (const [location, heldIdleMs] of request.heldAt ?? []) {
      if (location !== null) route.placesOf(holds).add(location, 1);
      window.hold(location ?? route.placesOf(holds).usual, heldIdleMs, 1);
    }
    for (const call of request.calls) call.template.sampleParameters(call.values);
    if (request.examined) for (const call of request.calls) call.template.lookAt(call);
    for (const [template, calls] of templatesOf(request)) this.#countTemplate(route, request, template, calls);
    if (request.answer !== null) countShown(window, request);
    if (request.outgoing === null) return;
    const { outgoingMs, redisMs } = outgoingTimesOf(request);
    window.outgoingMs += outgoingMs;
    window.redisMs += redisMs;
    for (const [destination, calls] of destinationsOf(request)) this.#countDestination(route, request, destination, calls);
  }

  /** It is known now what the requests of earlier rows stand for. */
  settle(): void {
    const unweighed = this.#unweighed;
    this.#unweighed = [];
    for (const kept of unweighed) {
      if (kept.look.settled) kept.route.window.add(kept.outcome, kept.look.times());
      else this.#unweighed.push(kept);
    }
  }

  declared(method: string, route: string, location: SourceLocation): void {
    if (this.#declared.size < mostRoutes) this.#declared.set(`${method} ${route}`, location);
  }

  /** Whether more stacks would only say again where the route sends its answers from. */
  knowsAnswers(method: string, name: string): boolean {
    return this.#routes.get(name)?.get(method)?.places.get(answers)?.areKnownWell === true;
  }

  /** A connection that was given back after its request was counted. */
  heldAfter(request: OpenRequest, location: SourceLocation | null, heldIdleMs: number): void {
    const route = this.#routeOf(request);
    route.window.hold(location ?? route.placesOf(holds).usual, heldIdleMs, 0);
  }

  /** A call of no request begins, and `times - 1` like it that nobody saw; what it receives is added to the answer. Null when there is no room. */
  background(template: Template, location: SourceLocation | null, times: number): CallTotals | null {
    const places = this.#backgroundPlaces.placesOf(template);
    if (location !== null) places.add(location, 1);
    else if (places.usual === null && places.wanted()) template.sampler.askAgain();
    const statement = this.#background.statements.of(template, location ?? places.usual);
    if (statement === null) {
      this.#noteStatements();
      return null;
    }
    statement.calls += times;
    return statement;
  }

  take(): {
    readonly routes: readonly RouteSummary[];
    readonly background: readonly StatementSummary[];
    readonly templates: ReadonlySet<Template>;
  } {
    const templates = new Set<Template>();
    const summarise = (route: Route, window: RouteWindow) => {
      const statements: StatementSummary[] = [];
      for (const statement of window.statements.all()) {
        // The first calls may have been counted before any stack showed the place.
        const location = statement.location ?? route.places.get(statement.template)?.usual ?? null;
        statements.push({ ...statement.toSummary(window.factor), location });
        templates.add(statement.template);
      }
      return statements;
    };
    const routes: RouteSummary[] = [];
    for (const route of this.#routes.values().flatMap((byMethod) => byMethod.values())) {
      if (route.window.requests > 0)
        routes.push(routeSummary(route, summarise(route, route.window), this.#answeredAt(route), outgoingSummaries(route)));
      else if (this.#routeCount >= routesWorthForgetting) this.#forget(route);
    }
    const background = summarise(this.#backgroundPlaces, this.#background);
    this.#windowRoom = new Room(mostStatementsInAll);
    this.#background = new RouteWindow(this.#windowRoom);
    for (const route of this.#routes.values().flatMap((byMethod) => byMethod.values())) route.window = new RouteWindow(this.#windowRoom);
    return { routes, background, templates };
  }

  #forget(route: Route): void {
    const byMethod = this.#routes.get(route.name);
    byMethod?.delete(route.method);
    if (byMethod?.size === 0) this.#routes.delete(route.name);
    route.forget();
    this.#routeCount -= 1;
  }

  #answeredAt(route: Route): SourceLocation | null {
    return route.places.get(answers)?.usual ?? this.#declared.get(`${route.method} ${route.name}`) ?? null;
  }

  #routeOf(request: OpenRequest): Route {
    return this.#route(request.method, request.route ?? '');
  }

  #route(method: string, name: string): Route {
    const byMethod = this.#routes.get(name);
    const known = byMethod?.get(method);
    if (known !== undefined) return known;
    if (this.#routeCount >= mostRoutes && name !== overflowRoute) {
      this.#problems.note(`a request was counted as "other": the agent keeps ${mostRoutes} routes`);
      return this.#route('*', overflowRoute);
    }
    const route = new Route(method, name, new RouteWindow(this.#windowRoom), this.#placesRoom);
    this.#routeCount += 1;
    if (byMethod === undefined) this.#routes.set(name, new Map([[method, route]]));
    else byMethod.set(method, route);
    return route;
  }

  #countTemplate(route: Route, request: OpenRequest, template: Template, calls: RequestTemplate): void {
    settlePlaces(route.placesOf(template), template, calls);
    for (const statement of calls.places) {
      const totals = route.window.statements.of(template, statement.location);
      if (totals === null) {
        this.#noteStatements();
        continue;
      }
      totals.add(statement);
      for (const call of statement.unfinished) call.totals = totals;
      if (statement.calls >= repeatsFrom && request.keepsRows && calls.compared.length >= fewestValues)
        totals.parents.ask(calls, request, template);
    }
  }

  #countDestination(route: Route, request: OpenRequest, destination: Destination, calls: RequestDestination): void {
    settlePlaces(route.placesOf(destination), destination, calls);
    for (const outgoing of calls.places) {
      const totals = route.window.destination(destination, outgoing.location);
      if (totals === null) {
        this.#noteStatements();
        continue;
      }
      totals.add(outgoing);
      for (const call of outgoing.unfinished) call.totals = totals;
      if (outgoing.calls >= repeatsFrom && request.keepsRows && calls.compared.length >= fewestValues)
        totals.parents.ask(calls, request, null);
    }
  }

  #noteStatements(): void {
    this.#problems.note(
      `a statement or outgoing call was not counted: the agent keeps ${mostStatements} of them per route and ${mostStatementsInAll} in all`,
    );
  }
}

function countShown(window: RouteWindow, request: OpenRequest): void {
  for (const { template, location, shown } of request.calls) {
    if (shown === null) continue;
    const statement = window.statements.seen(template, location);
    if (statement !== null) (statement.shown ??= new Shown()).add(shown);
  }
}

const holds = {};
const answers = {};

/**
 * Calls whose stack was not taken get the place that this request, else this route, is known to use
 * the template from. Where a route uses two places, later requests capture all of their calls.
 */
function settlePlaces<Calls extends PlacedCalls<Calls>>(
  known: KnownPlaces,
  { sampler }: { readonly sampler: CallSiteSampler },
  { places }: { readonly places: Calls[] },
): void {
  let unknown: Calls | null = null;
  let mostUsed: Calls | null = null;
  for (const place of places) {
    if (place.location === null) unknown = place;
    else {
      known.add(place.location, place.calls);
      if (mostUsed === null || place.calls > mostUsed.calls) mostUsed = place;
    }
  }
  if (known.several) sampler.severalPlaces = true;
  if (unknown === null) return;
  if (mostUsed === null) {
    unknown.location = known.usual;
    if (unknown.location === null && known.wanted()) sampler.askAgain();
    return;
  }
  mostUsed.absorb(unknown);
  places.splice(places.indexOf(unknown), 1);
}

/** What one place of one request called: statements or other services. */
interface PlacedCalls<Calls> {
  location: SourceLocation | null;
  readonly calls: number;
  absorb(other: Calls): void;
}

function outgoingSummaries(route: Route): readonly OutgoingSummary[] {
  const { outgoing, factor } = route.window;
  return [...(outgoing?.all() ?? [])].map((totals) => ({
    ...totals.toSummary(factor),
    location: totals.location ?? route.places.get(totals.destination)?.usual ?? null,
  }));
}

function routeSummary(
  route: Route,
  statements: readonly StatementSummary[],
  answeredAt: SourceLocation | null,
  outgoing: readonly OutgoingSummary[],
): RouteSummary {
  const { window } = route;
  const { factor } = window;
  return {
    method: route.method,
    route: route.name,
    requests: window.requests,
    errors: window.errors,
    identicalRequests: Math.round(share(window.identical, window.compared) * window.requests),
    durationUs: window.duration.toData(),
    followed: window.followed,
    queryMs: window.queryMs * factor,
    outgoingMs: window.outgoingMs * factor,
    redisMs: window.redisMs * factor,
    poolWaitMs: window.poolWaitMs * factor,
    heldIdleMs: window.heldIdleMs * factor,
    heldAt: [...window.heldAt]
      .map(([location, { heldIdleMs, requests }]) => ({
        location,
        heldIdleMs: heldIdleMs * factor,
        requests: Math.round(requests * factor),
      }))
      .sort((one, other) => other.heldIdleMs - one.heldIdleMs),
    serialisationMs: window.serialisationMs,
    longestSerialisationMs: window.longestSerialisationMs,
    responseBytes: window.responseBytes,
    largestResponseBytes: window.largestResponseBytes,
    answeredAt,
    answers: window.answers?.toSummary() ?? null,
    synchronousCalls: window.synchronous?.toSummaries() ?? [],
    statements,
    outgoing,
  };
}
