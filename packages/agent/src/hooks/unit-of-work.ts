import type { Observer } from '../observer.ts';
import { patchMethod, type Method } from './patch.ts';

/**
 * What is worked on as a request is, without being one: a message, a job. It ends when what the work
 * returned has settled; of work that returns nothing to wait for, when it returned.
 */
export function runUnit(observer: Observer, kind: string, name: string, work: () => unknown): unknown {
  const request = observer.open(kind);
  if (request === null) return observer.within(null, work);
  const end = (failed: boolean) => observer.close(request, { route: name, failed, responseBytes: 0 });
  let result: unknown;
  try {
    result = observer.within(request, work);
  } catch (error) {
    end(true);
    throw error;
  }
  if (!(result instanceof Promise)) {
    end(false);
    return result;
  }
  // Handed on: a failure nobody handles stays unhandled.
  return result.then(
    (value: unknown) => {
      end(false);
      return value;
    },
    (error: unknown) => {
      end(true);
      throw error;
    },
  );
}

interface Emitting {
  rawListeners(name: unknown): ((this: unknown, ...args: unknown[]) => unknown)[];
}

/**
 * Runs the listeners of one event as `emit` does, one after the other with the emitter as `this`, but keeps what
 * they return: an event's work ends when its asynchronous listeners have.
 */
export function emitAsUnit(
  observer: Observer,
  kind: string,
  name: string,
  emitter: Emitting,
  event: unknown,
  args: readonly unknown[],
): boolean {
  const listeners = emitter.rawListeners(event);
  if (listeners.length === 0) return false;
  void runUnit(observer, kind, name, () => {
    const returned = listeners.map((listener) => Reflect.apply(listener, emitter, args));
    const promises = returned.filter((value) => value instanceof Promise);
    return promises.length === 0 ? undefined : Promise.all(promises);
  });
  return true;
}

/** `emit` that goes through `asUnit` for the events it takes: it returns null for all others. */
export function wrapEmit(
  prototype: object,
  method: string,
  asUnit: (emitter: object, event: unknown, args: readonly unknown[]) => boolean | null,
): void {
  patchMethod(prototype, method, (original) => {
    return function emit(this: unknown, ...args: unknown[]) {
      return asUnit(this as object, args[0], args.slice(1)) ?? Reflect.apply(original, this, args);
    } satisfies Method;
  });
}

/** Whether rejections of the emitter's listeners become its own errors (`captureRejections`): then its own `emit` must run. */
export function capturesRejections(emitter: object): boolean {
  const symbol = Object.getOwnPropertySymbols(emitter).find(({ description }) => description === 'kCapture');
  return symbol !== undefined && Reflect.get(emitter, symbol) === true;
}
