import type { Domain } from '../domain.ts';

/** What the pages ask of the backend: payloads, waterfalls, caching headers. */
export const frontend: Domain = { id: 'frontend', title: 'Pages', requires: [], probes: [], derivations: [], rules: [], remedies: [] };
