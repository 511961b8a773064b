/**
 * The compiled agent without a listener, for a server of `agent-overhead.ts` that flips observation in itself: loaded by
 * `--import` in place of the agent's own entry.
 */
import type { Observer } from '../packages/agent/src/observer.ts';
import { flippedObserver } from './flips.ts';

const { start } = (await import(new URL('../packages/agent/dist/start.js', import.meta.url).href)) as {
  readonly start: (asked: { socketPath: string; exported: null; policiesPath: string }) => Observer;
};
Reflect.set(globalThis, flippedObserver, start({ socketPath: '', exported: null, policiesPath: '' }));
