import type { Domain } from '../domain.ts';

/** Feed generation: fan-out on write or read, ranking cost, page stability. */
export const feed: Domain = { id: 'feed', title: 'Feeds', requires: [], probes: [], derivations: [], rules: [], remedies: [] };
