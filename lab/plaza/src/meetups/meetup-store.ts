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

export interface WatchedMeetup {
  readonly id: number;
  readonly title: string;
  readonly reports: number;
}

/** Meetups in a place from a day on whose hosts have reported comments since another: for whoever looks after the place. */
export async function meetupsOfReporters(
  pool: Pool,
  { country, city, from, since }: { readonly country: string; readonly city: string; readonly from: string; readonly since: string },
): Promise<readonly WatchedMeetup[]> {
  const meetups = await pool.query<WatchedMeetup>(
    `SELECT m.id, m.title, count(*)::int AS reports
       FROM meetups m
       JOIN comment_flags f ON f.reporter_id = m.host_id
      WHERE m.country = $1 AND m.city = $2 AND m.starts_at >= $3 AND f.created_at >= $4
      GROUP BY m.id
      ORDER BY m.starts_at, m.id`,
    [country, city, from, since],
  );
  return meetups.rows;
}

interface PlacedMeetup extends Meetup {
  readonly city: string;
  readonly hostId: number;
}

const nextCount = 15;
/** Enough that the smallest country is among them. */
const aheadCount = 1000;

/** The next meetups in a country after a day. */
export async function nextMeetups(pool: Pool, country: string, after: string): Promise<readonly PlacedMeetup[]> {
  if (isFixed('next-meetups-rows')) {
    const meetups = await pool.query<PlacedMeetup>(
      `SELECT id, title, city, host_id AS "hostId", starts_at AS "startsAt"
         FROM meetups
        WHERE starts_at >= $1::date AND country = $2
        ORDER BY starts_at, id
        LIMIT $3`,
      [after, country, nextCount],
    );
    return meetups.rows;
  }
  const ahead = await pool.query<PlacedMeetup & { readonly country: string }>(
    `SELECT id, title, country, city, host_id AS "hostId", starts_at AS "startsAt"
       FROM meetups
      WHERE starts_at >= $1::date
      ORDER BY starts_at, id
      LIMIT $2`,
    [after, aheadCount],
  );
  return ahead.rows
    .filter((meetup) => meetup.country === country)
    .slice(0, nextCount)
    .map(({ id, title, city, hostId, startsAt }) => ({ id, title, city, hostId, startsAt }));
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
