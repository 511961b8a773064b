/** One answer may take this long: a first request often compiles, connects and warms caches. */
const attemptTimeoutMs = 5000;

export interface Asked {
  /** Null when there was no answer. */
  readonly status: number | null;
  /** What stands in the way of calling it ready, as a sentence's end. */
  readonly problem: string;
}

/** One GET, to see whether anybody answers. */
export async function ask(url: string, signal: AbortSignal): Promise<Asked> {
  try {
    const response = await fetch(url, {
      redirect: 'manual',
      // No connection of ours stays open: the target's own count of connections begins at nought.
      headers: { connection: 'close' },
      signal: AbortSignal.any([signal, AbortSignal.timeout(attemptTimeoutMs)]),
    });
    await response.body?.cancel();
    return { status: response.status, problem: `status ${response.status}` };
  } catch (error) {
    const cause = error instanceof Error && error.cause instanceof Error ? error.cause : error;
    return { status: null, problem: cause instanceof Error ? cause.message || cause.name : String(cause) };
  }
}
