/** What is known about the time of trials when the next may begin. */
export interface TimeForTrials {
  /** Until no trial may begin any more. */
  readonly leftMs: number;
  /** How long one takes: the longest so far, 0 before the first. */
  readonly trialMs: number;
}

/**
 * Whether a group of changes may be tried now. A trial begins before the time is over, and leaves room for those behind it
 * that are worth more: policies come last because slow statements would blur them, not because they matter least.
 *
 * @param behind groups that come after it
 * @param worthiest place of a group's best change among all that were planned: 0 is what is worth most
 * @param time null: there is no limit
 */
export function hasTurn<T>(group: T, behind: readonly T[], worthiest: (group: T) => number, time: TimeForTrials | null): boolean {
  if (time === null) return true;
  const worthMore = behind.filter((other) => worthiest(other) < worthiest(group)).length;
  return time.leftMs > worthMore * time.trialMs;
}
