import { subscribe } from 'node:diagnostics_channel';
import { captureRunningCallSite } from '../places/call-site.ts';
import type { Observer } from '../observer.ts';

interface FastifyLike {
  addHook(name: 'onRoute', hook: (route: { readonly method: string | readonly string[]; readonly url: string }) => void): unknown;
}

/**
 * Where each route is declared. Fastify sends what a handler returns from code of its own, so no stack of an answer
 * shows the application; the stack of `app.get(...)` does, once per route, while the application starts. A framework on
 * top of it (NestJS) declares all routes while the application awaits its start: that line is the place of none of them.
 */
export function hookFastifyRoutes(observer: Observer): void {
  const hook = observer.hook('places of Fastify routes');
  subscribe('fastify.initialization', (message) => {
    try {
      (message as { readonly fastify: FastifyLike }).fastify.addHook('onRoute', ({ method, url }) => {
        try {
          const location = captureRunningCallSite();
          if (location !== null) for (const one of [method].flat()) observer.declared(one, url, location);
        } catch (error) {
          hook.failed(error);
        }
      });
    } catch (error) {
      hook.failed(error);
    }
  });
}
