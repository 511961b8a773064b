import { subscribe } from 'node:diagnostics_channel';
import type { Hook, Observer } from '../observer.ts';

/** What the agent uses of a Fastify 4 or 5 instance. */
interface FastifyLike {
  readonly version?: string;
  addHook(name: 'onRequest', hook: (request: FastifyRequestLike, reply: unknown, done: () => void) => void): unknown;
}

interface FastifyRequestLike {
  readonly routeOptions?: { readonly url?: string };
}

/**
 * Fastify announces each instance on a diagnostics channel. A first `onRequest` hook then tells the
 * route of every request, refused ones included; the `request.handler` channel would only tell
 * those that reach their handler.
 */
export function hookFastify(observer: Observer): void {
  const hook = observer.hook('fastify');
  const timed = new WeakSet<object>();
  const contextOf = propertyNamed('fastify.context');
  subscribe('fastify.initialization', (message) => {
    try {
      const { fastify } = message as { readonly fastify: FastifyLike };
      fastify.addHook('onRequest', (request, _reply, done) => {
        if (hook.on) {
          try {
            const open = observer.current();
            if (open !== null) {
              open.route = request.routeOptions?.url ?? null;
              timeSerialisers(observer, hook, contextOf(request), timed);
            }
          } catch (error) {
            hook.failed(error);
          }
        }
        done();
      });
      observer.hooks.add(`fastify ${fastify.version ?? ''}`.trim());
    } catch (error) {
      hook.failed(error);
    }
  });
}

type Serialiser = (data: unknown) => unknown;

/**
 * Serialisers compiled from response schemas do not pass through JSON.stringify. They live in the
 * route's context, under symbols that have kept their names from Fastify 4 on; where they are not
 * found, nothing is timed.
 */
function timeSerialisers(observer: Observer, hook: Hook, context: object | null, timed: WeakSet<object>): void {
  if (context === null || timed.has(context)) return;
  timed.add(context);
  const compiled = propertyNamed('response-schema')(context);
  if (compiled !== null) wrapAll(compiled, 2);

  /** By status code, and below that by content type. */
  function wrapAll(holder: object, depth: number): void {
    for (const [key, value] of Object.entries(holder)) {
      if (typeof value === 'function') Reflect.set(holder, key, timedSerialiser(value as Serialiser));
      else if (typeof value === 'object' && value !== null && depth > 1) wrapAll(value, depth - 1);
    }
  }

  function timedSerialiser(serialise: Serialiser): Serialiser {
    return (data) => {
      if (!hook.on) return serialise(data);
      const startedAt = performance.now();
      const text = serialise(data);
      observer.current()?.serialised(performance.now() - startedAt);
      return text;
    };
  }
}

/** Reads the property under the symbol of that description; the symbol is looked up once. */
function propertyNamed(description: string): (owner: object) => object | null {
  let symbol: symbol | undefined;
  return (owner) => {
    symbol ??= Object.getOwnPropertySymbols(owner).find((candidate) => candidate.description === description);
    const value: unknown = symbol === undefined ? undefined : (owner as Readonly<Record<symbol, unknown>>)[symbol];
    return typeof value === 'object' && value !== null ? value : null;
  };
}
