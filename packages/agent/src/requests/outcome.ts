import type { OpenRequest } from './request.ts';

/** What is left of a request once its calls are counted; its route counts it as often as there are requests it stands for. */
export type Outcome = Readonly<
  Pick<OpenRequest, 'startedAt' | 'closedAt' | 'failed' | 'responseBytes' | 'serialisationMs' | 'longestSerialisationMs' | 'synchronous'>
>;

/**
 * The same kept by itself until it is known what the request stands for. To keep the requests, with their calls and all
 * that these hold, had them outlive V8's young generation: its collections cost several times what following them does.
 */
export function outcomeOf(request: OpenRequest): Outcome {
  const { startedAt, closedAt, failed, responseBytes, serialisationMs, longestSerialisationMs, synchronous } = request;
  return { startedAt, closedAt, failed, responseBytes, serialisationMs, longestSerialisationMs, synchronous };
}
