import type { SnapshotStatement } from '../../../packages/anneal/src/ports/database-snapshot.ts';

/**
 * Sessions that every request touches: `last_seen_at` is written a thousand times for each time it is asked. Updates are heap-only as long as
 * no index holds what they assign; an index for the hourly clean-up would end that and write every index of the table on every request. The look-up by
 * account is read often enough to be worth its index.
 */
export const sessionStore = {
  schema: [
    `CREATE TABLE sessions (
       id bigint PRIMARY KEY, account_id integer NOT NULL, token text NOT NULL, last_seen_at timestamptz NOT NULL,
       hits integer NOT NULL, device text NOT NULL) WITH (fillfactor = 70)`,
    `CREATE UNIQUE INDEX sessions_token_key ON sessions (token)`,
    `INSERT INTO sessions
       SELECT n, (n::bigint * 7919 % 20000), md5(n::text), timestamptz '2026-01-01 00:00Z' + (n::bigint * 104729 % 2592000) * interval '1 second', n % 50,
              (ARRAY['phone', 'tablet', 'desktop', 'tv'])[1 + n % 4]
         FROM generate_series(1, 100000) n`,
    `VACUUM ANALYZE sessions`,
  ],
  statements: [
    {
      id: 'touch',
      text: 'UPDATE sessions SET last_seen_at = $2, hits = hits + 1 WHERE id = $1',
      calls: 20_000,
      rows: 20_000,
      samples: [
        [4711, '2026-02-01 00:00Z'],
        [99_000, '2026-02-02 00:00Z'],
      ],
    },
    {
      id: 'sessions of an account',
      text: 'SELECT id, device, last_seen_at FROM sessions WHERE account_id = $1',
      calls: 400,
      rows: 2_000,
      samples: [[17], [12_345]],
    },
    {
      id: 'by token',
      text: 'SELECT account_id FROM sessions WHERE token = $1',
      calls: 2_000,
      rows: 2_000,
      samples: [['c4ca4238a0b923820dcc509a6f75849b']],
    },
    {
      id: 'idle sessions',
      text: 'SELECT id FROM sessions WHERE last_seen_at < $1 ORDER BY last_seen_at LIMIT 100',
      calls: 4,
      rows: 400,
      samples: [['2026-01-01 01:00Z']],
    },
  ] satisfies readonly Omit<SnapshotStatement, 'totalMs'>[],
} as const;
