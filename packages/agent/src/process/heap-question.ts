import type { RuntimeSummary } from '../protocol.ts';

/**
 * What is asked of the heap: who allocates, kept or not; or who allocated what is still there. V8 samples for one of
 * both at a time.
 */
export type HeapQuestion = 'who allocates' | 'who keeps';

/** Of the time the main thread is at work: from here on it matters more who allocates than who keeps. */
const muchCollecting = 0.1;

/** What the next window should be asked, after this one. */
export function heapQuestionAfter({ gcMs, eventLoopUtilizationShare }: RuntimeSummary, windowMs: number): HeapQuestion {
  return gcMs > muchCollecting * eventLoopUtilizationShare * windowMs ? 'who allocates' : 'who keeps';
}
