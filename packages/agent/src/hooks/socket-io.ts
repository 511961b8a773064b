import type { Observer } from '../observer.ts';
import type { Library, LibraryFile } from './library.ts';
import { capturesRejections, emitAsUnit, wrapEmit } from './unit-of-work.ts';

type Emitter = Parameters<typeof emitAsUnit>[3] & object;

interface SocketLike {
  readonly nsp?: { readonly name?: unknown };
}

export const socketIo: Library = { packages: { 'socket.io': ['4.0', '5.0'] }, files: hookSocketIo };

/** An event that a client sends is a unit of work, named `socket.io <namespace> <event>`. */
function hookSocketIo(observer: Observer): readonly LibraryFile[] {
  const hook = observer.hook('socket.io');
  return [
    {
      path: 'socket.io/dist/typed-events.js',
      meet(exported) {
        wrapEmit(
          (exported as { readonly StrictEventEmitter: { readonly prototype: object } }).StrictEventEmitter.prototype,
          'emitUntyped',
          (socket, event, args) => {
            const namespace = hook.on ? (socket as SocketLike).nsp?.name : undefined;
            if (typeof namespace !== 'string' || typeof event !== 'string' || capturesRejections(socket)) return null;
            return emitAsUnit(observer, 'socket.io', `${namespace} ${event}`, socket as Emitter, event, args);
          },
        );
        return exported;
      },
      bundled: { methods: ['emitUntyped', 'emitReserved'], as: 'StrictEventEmitter' },
    },
  ];
}
