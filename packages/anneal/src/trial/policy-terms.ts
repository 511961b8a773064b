/** Settles what the other arm left in flight in the database and the scheduler before a slice begins. */
export const pauseBetweenSlicesMs = 150;

/** For what is not slices: warming up, comparing answers, and reading what each slice cost. */
const besidesSlicesMs = 10 * 60_000;

/**
 * When the policies of a comparison end by themselves. An Anneal that is gone closes their socket, and one that is silent is
 * noticed; this is for the day on which neither works. It is twice what the slices can take, with as many rounds dropped as
 * kept, so that no comparison outlives its policy: one that did would find it gone, and say so.
 */
export function policyExpiryMs(
  { sliceMs, warmupRounds }: { readonly sliceMs: number; readonly warmupRounds: number },
  mostRounds: number,
): number {
  const rounds = warmupRounds + 2 * mostRounds + 1;
  return 2 * rounds * 2 * (sliceMs + pauseBetweenSlicesMs) + besidesSlicesMs;
}
