import type { Domain } from '../domain.ts';

/** Job latency, retries, poison jobs and concurrency of background work. */
export const queue: Domain = { id: 'queue', title: 'Queues', requires: [], probes: [], derivations: [], rules: [], remedies: [] };
