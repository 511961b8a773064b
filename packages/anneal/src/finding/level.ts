import type { Level } from './finding.ts';

/**
 * An `error` costs a tenth of what the workload spends: more than a release's usual growth in load,
 * so it is the difference between the machine one has and the next larger one.
 */
const errorShare = 0.1;

export function levelOf(certainShare: number): Level {
  return certainShare >= errorShare ? 'error' : 'warning';
}
