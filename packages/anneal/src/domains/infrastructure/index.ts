import type { Domain } from '../domain.ts';

/** Settings and sizes of the server, the container and the network. */
export const infrastructure: Domain = {
  id: 'infrastructure',
  title: 'Infrastructure',
  requires: [],
  probes: [],
  derivations: [],
  rules: [],
  remedies: [],
};
