import type { Observer } from '../observer.ts';
import type { Library, LibraryFile } from './library.ts';
import { patchMethod, type Method } from './patch.ts';

/** What routers for Koa leave on a context: @koa/router from 8 on, koa-router from 7 on. */
interface ContextLike {
  readonly _matchedRoute?: unknown;
}

export const koa: Library = { packages: { koa: ['2.0', '4.0'] }, files: hookKoa };

/** Koa has no routes; whichever router found one writes it on the context, which is looked at when the response is closed. */
function hookKoa(observer: Observer): readonly LibraryFile[] {
  const hook = observer.hook('koa');
  return [
    {
      path: 'koa/lib/application.js',
      meet(exported) {
        patchMethod((exported as { readonly prototype: object }).prototype, 'createContext', (original) => {
          return function createContext(this: unknown, incoming, response) {
            const context = original.call(this, incoming, response) as ContextLike;
            const request = hook.on ? observer.current() : null;
            if (request !== null) request.nameAtClose = () => routeOf(context);
            return context;
          } satisfies Method;
        });
        return exported;
      },
      bundled: { methods: ['createContext', 'handleRequest', 'callback', 'use'] },
    },
  ];
}

function routeOf({ _matchedRoute: route }: ContextLike): string | null {
  if (typeof route === 'string') return route;
  return route instanceof RegExp ? String(route) : null;
}
