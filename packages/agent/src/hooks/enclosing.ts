import type { Hook, Observer } from '../observer.ts';
import type { Method } from './patch.ts';

/**
 * A method that runs the application's own code within something: a transaction. What the library
 * adds by itself (BEGIN, COMMIT) has no line of the application's on its stack and gets this one.
 */
export function enclosing(observer: Observer, hook: Hook, original: Method): Method {
  return function enclose(this: unknown, ...args) {
    let entry = null;
    if (hook.on) {
      try {
        entry = observer.enter();
      } catch (error) {
        hook.failed(error);
      }
    }
    return observer.entries.enclose(entry, () => original.apply(this, args));
  };
}
