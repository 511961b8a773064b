import type { Measurement } from '../measurement/measurement.ts';

/**
 * Why no policy can be tried; null where it can. The agent of one process is heard, and a policy is in force there and nowhere
 * else: of a cluster's requests it would meet those that happen to come to that worker, and a trial would give what it does
 * for a part of the traffic as what it does for all.
 */
export function whyNoPolicy(otherProcesses: number): string | null {
  if (otherProcesses === 0) return null;
  return (
    `a policy acts in one process only, and ${otherProcesses + 1} served, as workers of a cluster do: ` +
    'nothing would tell what it is worth for all of them; start the backend as one process to have it tried'
  );
}

export function otherProcessesIn({ observations }: Pick<Measurement, 'observations'>): number {
  return observations['agent.runtime']?.otherProcesses ?? 0;
}
