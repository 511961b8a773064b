import type { Domain } from '../domain.ts';

/** Fan-out, backpressure, slow consumers and reconnect storms of WebSocket channels. */
export const realtime: Domain = { id: 'realtime', title: 'Realtime', requires: [], probes: [], derivations: [], rules: [], remedies: [] };
