import type { Hook, Observer } from '../observer.ts';
import type { SourceLocation } from '../protocol.ts';
import type { Method } from './patch.ts';

/**
 * A method that runs the application's own code within something: a transaction. What the library
 * adds by itself (BEGIN, COMMIT) has no line of the application's on its stack and gets this one.
 */
export function enclosing(observer: Observer, hook: Hook, original: Method): Method {
  return function enclose(this: unknown, ...args) {
    const entry = enteredAt(observer, hook);
    return observer.entries.enclose(entry, () => original.apply(this, args));
  };
}

/** Where the application called from; null where nothing is to be looked at, or looking failed. */
export function enteredAt(observer: Observer, hook: Hook): SourceLocation | null {
  if (!hook.on) return null;
  try {
    return observer.enter();
  } catch (error) {
    hook.failed(error);
    return null;
  }
}
