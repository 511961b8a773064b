import { AsyncResource } from 'node:async_hooks';
import type { Observer } from '../observer.ts';
import { enclosing, enteredAt } from './enclosing.ts';
import type { Library, LibraryFile } from './library.ts';
import { patchMethod, type Method } from './patch.ts';

/** Before 7 a query engine of its own held the connections: there is no driver to see. */
export const prisma: Library = { packages: { '@prisma/client': ['7.0', '8.0'] }, files: hookPrisma };

type Constructor = new (...args: unknown[]) => object;

/** What the agent uses of a `PrismaClient`. A promise of it calls `callback` when it is awaited. */
interface ClientLike {
  _createPrismaPromise?: (callback: (...args: unknown[]) => unknown, ...rest: unknown[]) => unknown;
}

/**
 * Prisma's queries start where they are awaited and reach the driver adapter many turns later. The
 * place is taken where a model's method makes its promise, and travels with the asynchronous context
 * of what that promise starts. What Prisma asks together (`findUnique` of one tick, an array of
 * promises in a transaction) has the place of the first.
 */
function hookPrisma(observer: Observer): readonly LibraryFile[] {
  const hook = observer.hook('@prisma/client');
  return [
    { path: '@prisma/client/runtime/client.js', meet: meetCommonJs },
    {
      path: '@prisma/client/runtime/client.mjs',
      names: ['getPrismaClient'],
      meet: (exported) => ({ getPrismaClient: seeing((exported as { getPrismaClient: Method }).getPrismaClient) }),
    },
  ];

  /** Its exports are getters that cannot be replaced: importers get a copy. */
  function meetCommonJs(exported: unknown): unknown {
    const value = seeing((exported as { getPrismaClient: Method }).getPrismaClient);
    return Object.defineProperties(
      {},
      { ...Object.getOwnPropertyDescriptors(exported as object), getPrismaClient: { value, enumerable: true } },
    );
  }

  /** `getPrismaClient` makes the class that an application's generated client extends or is. */
  function seeing(getPrismaClient: Method): Method {
    return function getObservedClient(this: unknown, ...args) {
      const Client = getPrismaClient.apply(this, args) as Constructor;
      try {
        patchMethod(Client.prototype as object, '_createItxClient', makingInner);
        patchMethod(Client.prototype as object, '$transaction', (original) => enclosing(observer, hook, original));
        return new Proxy(Client, {
          construct(target, parameters, newTarget) {
            const client = Reflect.construct(target, parameters, newTarget) as object;
            meetClient(client);
            return client;
          },
        });
      } catch (error) {
        hook.failed(error);
        return Client;
      }
    };
  }

  function meetClient(client: object): void {
    try {
      // The client is a proxy for its models' sake; what it makes promises with is its inner object's.
      const inner = ((client as { readonly _originalClient?: object })._originalClient ?? client) as ClientLike;
      const { _createPrismaPromise: create } = inner;
      if (typeof create === 'function') inner._createPrismaPromise = locating(create);
    } catch (error) {
      hook.failed(error);
    }
  }

  function locating(create: NonNullable<ClientLike['_createPrismaPromise']>): typeof create {
    return (callback, ...rest) => {
      const entry = enteredAt(observer, hook);
      if (entry === null) return create(callback, ...rest);
      return create((...args) => observer.entries.throughout(entry, () => callback(...args)), ...rest);
    };
  }

  /** A transaction's client makes promises in a way of its own that cannot be reached: its models' methods are met instead. */
  function makingInner(original: Method): Method {
    return function createInnerClient(this: unknown, ...args) {
      const client = original.apply(this, args) as object;
      return seen(client, (name, value) => {
        if (typeof value === 'function') return /^\$(?:query|execute)Raw/.test(name) ? locatingCall(value as Method) : value;
        return !name.startsWith('$') && isModel(value)
          ? seen(value, (_, method) => (typeof method === 'function' ? locatingCall(method as Method) : method))
          : value;
      });
    };
  }

  function locatingCall(method: Method): Method {
    return function called(this: unknown, ...args) {
      const entry = enteredAt(observer, hook);
      const promise = method.apply(this, args);
      if (entry === null || typeof promise !== 'object' || promise === null) return promise;
      for (const name of ['then', 'catch', 'finally', 'requestTransaction']) {
        patchMethod(promise, name, (original) => {
          return function start(this: unknown, ...handlers) {
            // What the application goes on with is not a part of this query.
            const bound = handlers.map((handler) => (typeof handler === 'function' ? AsyncResource.bind(handler as Method) : handler));
            return observer.entries.throughout(entry, () => original.apply(promise, bound));
          };
        });
      }
      return promise;
    };
  }
}

function isModel(value: unknown): value is object {
  return typeof value === 'object' && value !== null && typeof (value as { readonly findMany?: unknown }).findMany === 'function';
}

/** The same object to look at, with some of its properties replaced, each once. */
function seen(target: object, replace: (name: string, value: unknown) => unknown): object {
  const replaced = new Map<string, { readonly from: unknown; readonly to: unknown }>();
  return new Proxy(target, {
    get(owner, name) {
      const value: unknown = Reflect.get(owner, name, owner);
      if (typeof name !== 'string') return value;
      const known = replaced.get(name);
      if (known?.from === value && known !== undefined) return known.to;
      const to = replace(name, value);
      replaced.set(name, { from: value, to });
      return to;
    },
  });
}
