import { AsyncLocalStorage } from 'node:async_hooks';
import http, { type IncomingMessage, type ServerResponse } from 'node:http';
import https from 'node:https';
import { wrapMethod } from '../hooks/patch.ts';
import type { Observer } from '../observer.ts';
import { routeNameOf } from '../requests/route-name.ts';
import { recordAnswer, sendAnswer, type Answer, type Outcome } from './cache-responses/answer.ts';
import { clientKey, ignoredNames, requestKey, routeMatcher } from './cache-responses/request-key.ts';
import type { PolicyKind } from './policy.ts';
import { askedUrl } from './whole-answer.ts';

export interface CoalesceRequestsPolicy {
  readonly kind: 'coalesce-requests';
  /** Routes that only read, by the names Anneal knows them by. */
  readonly routes: readonly string[];
  /** Request headers by which answers do not differ, beside those that name a single request. */
  readonly ignoredHeaders?: readonly string[];
  /** Only where no answer depends on the client's address. */
  readonly acrossAddresses?: boolean;
  /** Nobody waits longer for somebody else's answer. */
  readonly longestWaitMs: number;
}

/** A request that waits for its turn; nothing of it has been seen by the application. */
interface Held {
  readonly incoming: IncomingMessage;
  readonly response: ServerResponse;
  /** Hands it to the application, in its own async context. */
  readonly run: () => void;
}

/** A request that the application works on, and those with the same key that came after it. */
interface Flight {
  readonly route: string;
  /** Came before it began, and get its answer. */
  followers: readonly Held[];
  /** Came after it began. */
  waiting: Held[];
  timer: NodeJS.Timeout | null;
}

const mostWaiting = 1_000;

/**
 * Identical GETs that wait at the same time are worked out once. A request is only ever answered by work that began
 * after it arrived: while one runs the others gather, and when it has been answered one of them is worked out for all.
 * So nobody is told anything older than what he would have been told alone, whoever writes in whichever process; the
 * price is the rest of the run under way. What cannot be shared lets everybody run alone, and its route from then on.
 */
export const coalesceRequests: PolicyKind<CoalesceRequestsPolicy> = {
  kind: 'coalesce-requests',
  actsOn: 'requests',

  start(policy, { observer }, others, control) {
    const rival = others.find((other) => other.policy.routes.some((route) => policy.routes.includes(route)));
    if (rival !== undefined) return `requests of one of these routes are coalesced by the policy ${rival.id}`;
    const routeOf = routeMatcher(policy.routes);
    const ignoredRequestHeaders = ignoredNames(policy.ignoredHeaders ?? []);
    const keyOf = policy.acrossAddresses === true ? requestKey : clientKey;
    const forOthersToo = (policy.ignoredHeaders ?? []).length > 0;
    const rules = { ignoredRequestHeaders, forOthersToo, varyingHeaders: new Set<string>() };
    const flights = new Map<string, Flight>();
    const unshared = new Set<string>();
    let figures = { led: 0, shared: 0, alone: 0 };

    const runAlone = (held: readonly Held[]) => {
      figures.alone += held.length;
      for (const { run } of held) run();
    };

    const lead = (key: string, route: string, { incoming, response }: Omit<Held, 'run'>, followers: readonly Held[]) => {
      const flight: Flight = { route, followers, waiting: [], timer: null };
      flights.set(key, flight);
      figures.led += 1;
      if (followers.length > 0) limitWait(key, flight);
      recordAnswer(incoming, response, rules, (outcome) => landed(key, flight, outcome, incoming));
    };

    /** Inside the application's `end`, or as the connection closed without. */
    const landed = (key: string, flight: Flight, outcome: Outcome, incoming: IncomingMessage) => {
      if (flights.get(key) === flight) flights.delete(key);
      if (flight.timer !== null) clearTimeout(flight.timer);
      const { followers, waiting } = flight;
      flight.followers = [];
      flight.waiting = [];
      const isShared = outcome.kind === 'answer' && answeredBy(observer, incoming) === flight.route && control.on;
      if (isShared) {
        figures.shared += followers.length;
        for (const follower of followers) reply(observer, flight.route, follower, outcome.answer);
      } else {
        // A failure is one request's; what is answered well and not to be shared will be so the next time.
        if (outcome.kind !== 'aborted' && control.on && (outcome.kind === 'answer' || outcome.status === 200)) unshared.add(flight.route);
        runAlone(followers);
      }
      const [next, ...rest] = waiting.filter(({ response }) => !response.destroyed);
      if (next === undefined) return;
      if (!isShared) runAlone([next, ...rest]);
      else {
        lead(key, flight.route, next, rest);
        next.run();
      }
    };

    /** Nobody waits for it any more, and nobody joins it. */
    const abandon = (key: string, flight: Flight) => {
      if (flights.get(key) === flight) flights.delete(key);
      if (flight.timer !== null) clearTimeout(flight.timer);
      const held = [...flight.followers, ...flight.waiting];
      flight.followers = [];
      flight.waiting = [];
      runAlone(held);
    };
    const limitWait = (key: string, flight: Flight) => {
      flight.timer ??= setTimeout(() => abandon(key, flight), policy.longestWaitMs).unref();
    };
    const scatter = () => {
      for (const [key, flight] of flights) abandon(key, flight);
    };

    /** True when it is held back; false when the application is to have it now. */
    const holds = (incoming: IncomingMessage, response: ServerResponse, pass: () => void): boolean => {
      const route = routeOf(incoming.url ?? '/');
      if (route === null || unshared.has(route)) return false;
      const key = keyOf(incoming, ignoredRequestHeaders);
      if (key === null) return false;
      const flight = flights.get(key);
      if (flight === undefined) {
        lead(key, route, { incoming, response }, []);
        return false;
      }
      if (flight.waiting.length >= mostWaiting) return false;
      const inOwnContext = AsyncLocalStorage.snapshot();
      flight.waiting.push({ incoming, response, run: () => queueMicrotask(() => inOwnContext(pass)) });
      limitWait(key, flight);
      return true;
    };

    // Whose route an answer is says the request that worked on it.
    const letPassAgain = observer.openEvery();
    const undo = [http.Server.prototype, https.Server.prototype].map((server) =>
      wrapMethod(
        server,
        'emit',
        (original) =>
          function emit(this: unknown, ...args) {
            if (args[0] !== 'request' || !control.on || control.draw?.(args[1] as IncomingMessage) === false)
              return Reflect.apply(original, this, args);
            try {
              if (holds(args[1] as IncomingMessage, args[2] as ServerResponse, () => Reflect.apply(original, this, args))) return true;
            } catch (error) {
              control.end(error instanceof Error ? error.message : String(error));
            }
            return Reflect.apply(original, this, args);
          },
      ),
    );
    return {
      switch(on) {
        if (on) unshared.clear();
        else scatter();
      },
      stop() {
        scatter();
        for (const takeAway of undo) takeAway?.();
        letPassAgain();
      },
      take() {
        const taken = figures;
        figures = { led: 0, shared: 0, alone: 0 };
        return taken;
      },
    };
  },
};

/** The route that worked on it, by its framework's word where that says: a pattern may match another route's URL. */
function answeredBy(observer: Observer, incoming: IncomingMessage): string {
  return routeNameOf(observer.current(), incoming, askedUrl(incoming));
}

function reply(observer: Observer, route: string, { response }: Held, answer: Answer): void {
  if (response.destroyed) return;
  const request = observer.on ? observer.open('GET') : null;
  if (request !== null) {
    response.once('close', () => observer.close(request, { route, failed: !response.writableFinished, responseBytes: answer.body.length }));
  }
  sendAnswer(response, answer);
}
