import type { Pool } from 'pg';
import { isFixed } from '../fix.ts';

export interface Meetup {
  readonly id: number;
  readonly title: string;
  readonly startsAt: Date;
}

export async function meetupsIn(pool: Pool, country: string, city: string): Promise<readonly Meetup[]> {
  const meetups = await pool.query<Meetup>(
    'SELECT id, title, starts_at AS "startsAt" FROM meetups WHERE country = $1 AND city = $2 ORDER BY starts_at, id',
    [country, city],
  );
  return meetups.rows;
}

/** `day` is written as in ISO 8601: 2025-03-09. */
export async function meetupsOn(pool: Pool, day: string): Promise<readonly Meetup[]> {
  const isOnDay = isFixed('meetup-day-range') ? 'starts_at >= $1::date AND starts_at < $1::date + 1' : 'starts_at::date = $1::date';
  const meetups = await pool.query<Meetup>(
    `SELECT id, title, starts_at AS "startsAt" FROM meetups WHERE ${isOnDay} ORDER BY starts_at, id`,
    [day],
  );
  return meetups.rows;
}

/** For the search box, while somebody types. */
export async function completeTitle(pool: Pool, beginning: string): Promise<readonly string[]> {
  const titles = await pool.query<{ title: string }>('SELECT title FROM meetups WHERE title LIKE $1 ORDER BY title LIMIT 8', [
    `${beginning.replaceAll(/[\\%_]/g, String.raw`\$&`)}%`,
  ]);
  return titles.rows.map(({ title }) => title);
}

/** One page of all meetups, as readers of the language sort their titles. */
export async function meetupsByTitle(pool: Pool, after: string): Promise<readonly Meetup[]> {
  const page = await pool.query<Meetup>('SELECT id, title, starts_at AS "startsAt" FROM meetups WHERE title > $1 ORDER BY title LIMIT 20', [
    after,
  ]);
  return page.rows;
}
