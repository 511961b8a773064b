import { constants, getPriority, setPriority } from 'node:os';

/**
 * Raises the calling thread's scheduling priority until disposed, where the system permits it: on a
 * busy machine the generator's send lag falls by an order of magnitude. Not permitted is not an error.
 */
export function raisedPriority(): Disposable & { readonly raised: boolean } {
  const before = getPriority();
  let raised = false;
  try {
    if (before > constants.priority.PRIORITY_HIGH) {
      setPriority(constants.priority.PRIORITY_HIGH);
      raised = true;
    }
  } catch {
    // EACCES or EPERM: an ordinary user may only lower it.
  }
  return {
    raised,
    [Symbol.dispose]() {
      if (raised) setPriority(before);
    },
  };
}
