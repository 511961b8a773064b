import type { Observer } from '../observer.ts';
import { templatedPath } from '../requests/templated-path.ts';
import type { Library, LibraryFile } from './library.ts';
import { patchMethod, type Method } from './patch.ts';
import { capturesRejections, emitAsUnit, wrapEmit } from './unit-of-work.ts';

type Emitter = Parameters<typeof emitAsUnit>[3] & object;

export const ws: Library = { packages: { ws: ['8.0', '9.0'] }, files: hookWs };

/** A message that a server's socket receives is a unit of work, named `ws <path>` after the request that opened it. */
function hookWs(observer: Observer): readonly LibraryFile[] {
  const hook = observer.hook('ws');
  /** Of sockets that clients opened here, and only of those. */
  const paths = new WeakMap<object, string>();

  return [
    {
      path: 'ws/lib/websocket-server.js',
      meet(exported) {
        patchMethod((exported as { readonly prototype: object }).prototype, 'completeUpgrade', (original) => {
          return function completeUpgrade(this: unknown, ...args: unknown[]) {
            const opened = args.at(-1);
            if (typeof opened !== 'function') return Reflect.apply(original, this, args);
            return Reflect.apply(original, this, [...args.slice(0, -1), naming(opened as Method)]);
          } satisfies Method;
        });
        return exported;
      },
      bundled: { methods: ['completeUpgrade', 'handleUpgrade', 'shouldHandle'] },
    },
    {
      path: 'ws/lib/websocket.js',
      meet(exported) {
        wrapEmit((exported as { readonly prototype: object }).prototype, 'emit', (socket, event, args) => {
          const path = event === 'message' && hook.on ? paths.get(socket) : undefined;
          if (path === undefined || capturesRejections(socket)) return null;
          return emitAsUnit(observer, 'ws', path, socket as Emitter, event, args);
        });
        return exported;
      },
      bundled: { methods: ['emitClose', 'setSocket', 'terminate'] },
    },
  ];

  function naming(opened: Method): Method {
    return function socketOpened(this: unknown, socket, request) {
      const url = (request as { readonly url?: string } | undefined)?.url ?? '/';
      // Engine.IO carries Socket.IO's events, which are told by their own names.
      if (!/[?&]EIO=\d/.test(url)) paths.set(socket as object, templatedPath(url));
      return opened.call(this, socket, request);
    };
  }
}
