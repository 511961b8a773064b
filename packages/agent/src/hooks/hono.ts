import type { Observer } from '../observer.ts';
import type { Library, LibraryFile } from './library.ts';

/** What the agent uses of what Hono's router found: handlers in the order they run, each with the route it belongs to. */
interface ContextOptions {
  readonly matchResult?: readonly [readonly (readonly [readonly [unknown, { readonly path: string; readonly method: string }], unknown])[]];
}

type Context = new (request: unknown, options?: ContextOptions) => object;

export const hono: Library = { packages: { hono: ['4.0', '5.0'] }, files: hookHono };

/** Hono's methods are private; each request makes a context, which is given what the router found. */
function hookHono(observer: Observer): readonly LibraryFile[] {
  const hook = observer.hook('hono');

  return [
    {
      path: 'hono/dist/context.js',
      names: ['Context'],
      meet: (exported) => ({ Context: named((exported as { Context: Context }).Context) }),
    },
    {
      path: 'hono/dist/cjs/context.js',
      meet(exported) {
        const all = exported as { Context: Context };
        all.Context = named(all.Context);
        return all;
      },
    },
  ];

  function named(original: Context): Context {
    return new Proxy(original, {
      construct(target, args: [unknown, ContextOptions?], newTarget) {
        if (hook.on) name(args[1]);
        return Reflect.construct(target, args, newTarget) as object;
      },
    });
  }

  function name(options: ContextOptions | undefined): void {
    try {
      const request = observer.current();
      if (request !== null) request.route = routeOf(options) ?? request.route;
    } catch (error) {
      hook.failed(error);
    }
  }
}

/** Middleware is registered for all methods, mostly under a wildcard: the route is the last handler that is for one. */
function routeOf(options: ContextOptions | undefined): string | null {
  const found = (options?.matchResult?.[0] ?? []).map(([[, route]]) => route);
  const route = found.findLast(({ method }) => method !== 'ALL') ?? found.findLast(({ path }) => !path.endsWith('*'));
  return route?.path ?? null;
}
