import type { Domain } from '../domain.ts';

/** Prompt caching, batching, token budgets and queueing of model calls. */
export const ai: Domain = { id: 'ai', title: 'AI calls', requires: [], probes: [], derivations: [], rules: [], remedies: [] };
