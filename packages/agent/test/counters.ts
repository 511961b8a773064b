import type { CacheKnowledge } from '../src/policies/invalidation/knowledge.ts';
import type { CacheResponsesPolicy } from '../src/policies/cache-responses.ts';

export const countersSql = `
  CREATE TABLE counters (id int PRIMARY KEY, value int NOT NULL);
  INSERT INTO counters SELECT n, 0 FROM generate_series(1, 20) n;
`;

const counter = { table: 'public.counters', key: { column: 'id', parameter: 1, type: 'integer' } } as const;
const anyCounter = { table: 'public.counters', key: null } as const;

/** As Anneal works it out of the parse trees and the catalogue. */
export function countersKnowledge(url: string, more: Partial<CacheKnowledge> = {}): CacheKnowledge {
  const { hostname, port, pathname, username } = new URL(url);
  return {
    connection: { host: hostname, port: Number(port), database: pathname.slice(1), user: username },
    statements: [
      { template: 'SELECT id, value FROM counters WHERE id = $1', reads: [counter], writes: [] },
      { template: 'SELECT value FROM counters WHERE id = $1', reads: [counter], writes: [] },
      { template: 'SELECT id FROM counters WHERE id = $1', reads: [counter], writes: [] },
      { template: 'SELECT sum(value)::int AS value FROM counters', reads: [anyCounter], writes: [] },
      { template: 'SELECT value, now() FROM counters WHERE id = $1', reads: null, writes: [] },
      { template: 'UPDATE counters SET value = value + ? WHERE id = $1 RETURNING value', reads: null, writes: [counter] },
    ],
    outsideWriters: 'none',
    ...more,
  };
}

export const cacheCounters = (knowledge: CacheKnowledge, more: Partial<CacheResponsesPolicy> = {}): CacheResponsesPolicy => ({
  kind: 'cache-responses',
  routes: [
    '/counters/:id',
    '/transactions/counters/:id',
    '/total',
    '/callbacks/:id',
    '/files',
    '/fetches',
    '/unknown',
    '/cookies',
    '/streams',
    '/chance',
    '/plain',
    '/who',
  ],
  knowledge,
  maximumBytes: 8_000_000,
  shadowShare: 0.02,
  ...more,
});
