import type { Domain } from '../domain.ts';

/** Hit rates, key patterns, stampedes, eviction; probes over Redis INFO and the agent. */
export const cache: Domain = { id: 'cache', title: 'Cache', requires: [], probes: [], derivations: [], rules: [], remedies: [] };
