import type { Observer } from '../observer.ts';

/** Times JSON.stringify within requests. In place only while observing; nested calls (toJSON) count once. */
export function hookSerialisation(observer: Observer): void {
  const original = JSON.stringify;
  let inside = false;

  const stringify = ((value: unknown, replacer?: null, space?: number) => {
    const request = inside ? null : observer.current();
    if (request === null) return original(value, replacer, space);
    inside = true;
    const startedAt = performance.now();
    try {
      return original(value, replacer, space);
    } finally {
      inside = false;
      request.serialised(performance.now() - startedAt);
    }
  }) as typeof JSON.stringify;
  Object.defineProperty(stringify, 'name', { value: original.name, configurable: true });
  Object.defineProperty(stringify, 'length', { value: original.length, configurable: true });

  observer.whenSwitched((on) => {
    // Somebody else's replacement is left alone.
    if (on && JSON.stringify === original) JSON.stringify = stringify;
    else if (!on && JSON.stringify === stringify) JSON.stringify = original;
  });
}
