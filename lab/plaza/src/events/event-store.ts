import type { Pool } from 'pg';

export interface ClientEvent {
  readonly name: string;
  readonly payload: Readonly<Record<string, unknown>>;
}

/** What the campaign pages are counted over: older events are of no interest to anybody. */
export const keptEvents = 12_000;

export async function recordEvents(pool: Pool, events: readonly ClientEvent[]): Promise<void> {
  await pool.query(
    'INSERT INTO events (name, payload) SELECT name, payload FROM unnest($1::text[], $2::jsonb[]) AS batch (name, payload)',
    [events.map((event) => event.name), events.map((event) => JSON.stringify(event.payload))],
  );
}

/** How often each page was seen in one campaign. */
export async function campaignPages(pool: Pool, campaign: string): Promise<readonly unknown[]> {
  const pages = await pool.query(
    `SELECT payload ->> 'page' AS page, count(*)::int AS views
       FROM events
      WHERE payload @> $1::jsonb
      GROUP BY 1
      ORDER BY views DESC, page
      LIMIT 20`,
    [JSON.stringify({ campaign })],
  );
  return pages.rows;
}
