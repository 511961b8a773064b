import type { RuntimeSummary } from '../protocol.ts';

/**
 * What is asked of the heap: who allocates, kept or not; or who allocated what is still there. V8 samples for one of
 * both at a time.
 */
export type HeapQuestion = 'who allocates' | 'who keeps';

/** Of the time the main thread is at work: from here on it matters more who allocates than who keeps. */
const muchCollecting = 0.1;

/**
 * What the next window should be asked, after this one. A collection that the machine interrupted takes a tenth of an
 * idle moment all by itself: what counts is the share that so many collections make certain, the lower end of the 95 %
 * interval of their expected number (Poisson; its square root has a standard deviation of one half).
 */
export function heapQuestionAfter({ gcMs, gcCount, eventLoopUtilizationShare }: RuntimeSummary, windowMs: number): HeapQuestion {
  const certainMs = gcCount === 0 ? 0 : gcMs * Math.max(1 - 0.98 / Math.sqrt(gcCount), 0) ** 2;
  return certainMs > muchCollecting * eventLoopUtilizationShare * windowMs ? 'who allocates' : 'who keeps';
}
