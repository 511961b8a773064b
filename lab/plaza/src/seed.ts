import { parseArgs } from 'node:util';
import { Client } from 'pg';
import { hashPassword } from './accounts/password.ts';
import { keptEvents } from './events/event-store.ts';
import { migrate } from './migrate.ts';
import { matchSchema } from './schema-forms.ts';
import { cameras, countryOf, mediaTags, places, topicNames, topicSlug, words } from './seed-vocabulary.ts';

export interface SeedOptions {
  /** 1 is 20,000 posts, a million comments and 100,000 likes; the rest grows in proportion, but for boards and events, which are capped. */
  readonly size: number;
  /** Which defects of the schema are fixed, in the words of PLAZA_FIX. */
  readonly fix?: string | undefined;
}

/** What every seeded member logs in with. */
export const seedPassword = 'correct horse battery';
/** Rooms 1 to this number have a whiteboard, at every size. */
export const boardCount = 40;

/** Ids that were given before this database's oldest event: more than an integer holds, and the column is a bigint. */
const dismissedEvents = 3_000_000_000;
/** Ids that were given to entries which are archived by now: an integer ends at 2,147,483,647. */
const dismissedAuditEntries = 2_090_000_000;

export interface SeedCounts {
  readonly users: number;
  readonly posts: number;
  readonly comments: number;
  readonly likes: number;
  readonly follows: number;
  readonly notifications: number;
  readonly attachments: number;
  readonly bookmarks: number;
  readonly prompts: number;
  readonly rooms: number;
  readonly shapesPerBoard: number;
  readonly memberships: number;
  readonly messages: number;
  readonly events: number;
  readonly meetups: number;
  readonly invitations: number;
  readonly flags: number;
  readonly readingPositions: number;
  readonly ratings: number;
  readonly auditEntries: number;
}

export function seedCounts(size: number): SeedCounts {
  const scaled = (count: number) => Math.max(1, Math.round(count * size));
  return {
    users: scaled(60_000),
    posts: scaled(20_000),
    comments: scaled(1_000_000),
    likes: scaled(100_000),
    follows: scaled(80_000),
    notifications: scaled(500_000),
    attachments: scaled(180_000),
    bookmarks: scaled(20_000),
    prompts: Math.max(120, scaled(1200)),
    rooms: Math.max(100, scaled(3500)),
    shapesPerBoard: Math.min(4500, scaled(4500)),
    memberships: scaled(140_000),
    messages: scaled(400_000),
    events: Math.min(keptEvents, scaled(keptEvents)),
    meetups: scaled(60_000),
    invitations: scaled(200_000),
    flags: scaled(60_000),
    readingPositions: scaled(60_000),
    ratings: scaled(20_000),
    auditEntries: scaled(5000),
  };
}

/**
 * Fills an empty database. Every value is a function of its row number (a hash, never `random()`,
 * and a fixed calendar), so that two seeds of one size are equal and no page has ties.
 */
export async function seed(databaseUrl: string, { size, fix }: SeedOptions): Promise<void> {
  await migrate(databaseUrl);
  const counts = seedCounts(size);
  const client = new Client({ connectionString: databaseUrl });
  await client.connect();
  try {
    await client.query('CREATE EXTENSION IF NOT EXISTS pg_stat_statements');
    await client.query('BEGIN');
    // Loading row by row would check every foreign key; the rows below satisfy them by construction.
    await client.query("SET LOCAL session_replication_role = 'replica'");
    await seedPhrases(client);
    await seedPeople(client, counts);
    await seedPosts(client, counts);
    await seedPrompts(client, counts);
    await seedChat(client, counts);
    await seedEvents(client, counts);
    await seedMeetups(client, counts);
    await seedHousekeeping(client, counts);
    await client.query('COMMIT');
    await continueSequences(client);
  } finally {
    await client.end();
  }
  await vacuum(databaseUrl);
  await matchSchema(databaseUrl, fix);
}

/** What the statements below share: a hash of a row number, and sentences and paragraphs to make texts of. */
async function seedPhrases(client: Client): Promise<void> {
  await client.query(`
    CREATE FUNCTION pg_temp.pick(row_number bigint, salt bigint, choices bigint) RETURNS integer
    LANGUAGE sql IMMUTABLE AS 'SELECT ((hashint8extended(row_number, salt) & 9007199254740991) % choices)::integer'`);
  await client.query('CREATE TEMPORARY TABLE phrases (id integer PRIMARY KEY, text text NOT NULL) ON COMMIT DROP');
  await client.query(
    `INSERT INTO phrases
     SELECT i, upper(left(string_agg(word, ' '), 1)) || substr(string_agg(word, ' ' ORDER BY n), 2) || '.'
       FROM (SELECT i, n, ($1::text[])[1 + pg_temp.pick(i * 16 + n, 11, cardinality($1::text[]))] AS word
               FROM generate_series(0, 1999) i CROSS JOIN generate_series(0, 5) n) chosen
      GROUP BY i`,
    [words],
  );
  await client.query('CREATE TEMPORARY TABLE paragraphs (id integer PRIMARY KEY, text text NOT NULL) ON COMMIT DROP');
  await client.query(
    `INSERT INTO paragraphs
     SELECT i, string_agg(p.text, ' ' ORDER BY n)
       FROM generate_series(0, 2999) i CROSS JOIN generate_series(0, 9) n
       JOIN phrases p ON p.id = pg_temp.pick(i * 16 + n, 12, 2000)
      GROUP BY i`,
  );
  await client.query('ANALYZE phrases, paragraphs');
}

async function seedPeople(client: Client, { users, follows }: SeedCounts): Promise<void> {
  // One salt for all: hashing a password per member would take an hour.
  const passwordHash = hashPassword(seedPassword, Buffer.alloc(16, 'plaza'));
  await client.query(
    `INSERT INTO users (id, handle, email, display_name, password_hash, bio, created_at)
     SELECT i, 'member' || i, 'Member' || i || '@plaza.example', initcap(first.text), $2, bio.text,
            timestamptz '2024-01-01 00:00:00+00' + i * interval '3 minutes'
       FROM generate_series(1, $1::int) i
       JOIN LATERAL (SELECT ($3::text[])[1 + pg_temp.pick(i, 21, cardinality($3::text[]))] AS text) first ON true
       JOIN phrases bio ON bio.id = pg_temp.pick(i, 22, 2000)
      ORDER BY i`,
    [users, passwordHash, words],
  );
  await client.query(
    `INSERT INTO follows (follower_id, followee_id, created_at)
     SELECT 1 + pg_temp.pick(i, 23, $2), 1 + pg_temp.pick(i, 24, $2), timestamptz '2025-01-01 00:00:00+00' + i * interval '1 minute'
       FROM generate_series(1, $1::int) i
         ON CONFLICT DO NOTHING`,
    [follows, users],
  );
}

async function seedPosts(client: Client, counts: SeedCounts): Promise<void> {
  const { users, posts, comments, likes, notifications, attachments, bookmarks } = counts;
  await client.query(
    'INSERT INTO topics (id, slug, name) SELECT i, slug, name FROM unnest($1::text[], $2::text[]) WITH ORDINALITY AS t (slug, name, i)',
    [topicNames.map((name) => topicSlug(name)), topicNames],
  );
  await client.query(
    `INSERT INTO posts (id, author_id, editor_id, topic_id, title, body, created_at)
     SELECT i, 1 + pg_temp.pick(i, 31, $2), 1 + pg_temp.pick(i, 32, $2), 1 + pg_temp.pick(i, 33, 12), rtrim(title.text, '.'),
            a.text || ' ' || b.text || ' Seen near ' || ($3::text[])[1 + pg_temp.pick(i, 34, cardinality($3::text[]))] || '. '
              || c.text || ' ' || d.text || ' ' || e.text,
            timestamptz '2025-01-01 00:00:00+00' + i * interval '17 minutes'
       FROM generate_series(1, $1::int) i
       JOIN phrases title ON title.id = pg_temp.pick(i, 35, 2000)
       JOIN phrases a ON a.id = pg_temp.pick(i, 36, 2000)
       JOIN phrases b ON b.id = pg_temp.pick(i, 37, 2000)
       JOIN paragraphs c ON c.id = pg_temp.pick(i, 38, 3000)
       JOIN paragraphs d ON d.id = pg_temp.pick(i, 39, 3000)
       JOIN paragraphs e ON e.id = pg_temp.pick(i, 40, 3000)
      ORDER BY i`,
    [posts, users, places],
  );
  await client.query(
    `INSERT INTO comments (id, post_id, author_id, body, created_at)
     SELECT i, 1 + pg_temp.pick(i, 51, $2), 1 + pg_temp.pick(i, 52, $3), a.text || ' ' || b.text,
            timestamptz '2025-01-01 00:00:30+00' + i * interval '101 seconds'
       FROM generate_series(1, $1::int) i
       JOIN phrases a ON a.id = pg_temp.pick(i, 53, 2000)
       JOIN phrases b ON b.id = pg_temp.pick(i, 54, 2000)
      ORDER BY i`,
    [comments, posts, users],
  );
  await client.query(
    `INSERT INTO likes (post_id, user_id, kind, created_at)
     SELECT 1 + pg_temp.pick(i, 61, $2), 1 + pg_temp.pick(i, 62, $3),
            (ARRAY['like', 'like', 'like', 'insightful', 'funny'])[1 + pg_temp.pick(i, 63, 5)],
            timestamptz '2025-01-01 00:00:10+00' + i * interval '203 seconds'
       FROM generate_series(1, $1::int + 100) i
         ON CONFLICT DO NOTHING`,
    [likes, posts, users],
  );
  await client.query(
    `INSERT INTO notifications (id, user_id, kind, text, read, created_at)
     SELECT i, 1 + pg_temp.pick(i, 71, $2), (ARRAY['like', 'comment', 'follow', 'mention'])[1 + pg_temp.pick(i, 72, 4)], a.text,
            pg_temp.pick(i, 73, 3) > 0, timestamptz '2025-01-01 00:00:20+00' + i * interval '127 seconds'
       FROM generate_series(1, $1::int) i
       JOIN phrases a ON a.id = pg_temp.pick(i, 74, 2000)
      ORDER BY i`,
    [notifications, users],
  );
  // The last picture was uploaded twice.
  await client.query(
    `INSERT INTO attachments (id, post_id, url, media, created_at)
     SELECT i, 1 + pg_temp.pick(i, 81, $2), 'https://media.plaza.example/' || md5(least(i, $1::int - 1)::text) || '.jpg',
            jsonb_build_object(
              'kind', 'photo', 'width', 800 + pg_temp.pick(i, 82, 3200), 'height', 600 + pg_temp.pick(i, 83, 2400),
              'camera', ($3::text[])[1 + pg_temp.pick(i, 84, cardinality($3::text[]))],
              'tags', jsonb_build_array(($4::text[])[1 + pg_temp.pick(i, 85, cardinality($4::text[]))],
                                        ($4::text[])[1 + pg_temp.pick(i, 86, cardinality($4::text[]))])),
            timestamptz '2025-01-01 00:00:40+00' + i * interval '5 minutes'
       FROM generate_series(1, $1::int) i`,
    [attachments, posts, cameras, mediaTags],
  );
  await client.query(
    `INSERT INTO bookmarks (user_id, post_id, note, created_at)
     SELECT 1 + pg_temp.pick(i, 91, least($3, 1000)), 1 + pg_temp.pick(i, 92, $2), '', timestamptz '2025-06-01 00:00:00+00' + i * interval '1 minute'
       FROM generate_series(1, $1::int) i
         ON CONFLICT DO NOTHING`,
    [bookmarks, posts, users],
  );
}

async function seedPrompts(client: Client, { users, prompts }: SeedCounts): Promise<void> {
  await client.query(
    `INSERT INTO prompts (id, author_id, topic_id, title, transcript, uses, rating, created_at)
     SELECT i, 1 + pg_temp.pick(i, 101, $2), 1 + i % 12, rtrim(title.text, '.'), transcript.text,
            pg_temp.pick(i, 102, 5000), pg_temp.pick(i, 103, 50) / 10.0, timestamptz '2025-03-01 00:00:00+00' + i * interval '53 minutes'
       FROM generate_series(1, $1::int) i
       JOIN phrases title ON title.id = pg_temp.pick(i, 104, 2000)
       JOIN LATERAL (SELECT string_agg(p.text, ' ' ORDER BY n) AS text
                       FROM generate_series(0, 99) n
                       JOIN paragraphs p ON p.id = pg_temp.pick(i * 128 + n, 105, 3000)) transcript ON true
      ORDER BY i`,
    [prompts, users],
  );
}

async function seedChat(client: Client, { users, rooms, shapesPerBoard, memberships, messages }: SeedCounts): Promise<void> {
  await client.query(
    `INSERT INTO rooms (id, name, purpose, owner_id, created_at)
     SELECT i, 'Room ' || i, a.text, 1 + pg_temp.pick(i, 111, $2), timestamptz '2024-06-01 00:00:00+00' + i * interval '2 hours'
       FROM generate_series(1, $1::int) i
       JOIN phrases a ON a.id = pg_temp.pick(i, 112, 2000)
      ORDER BY i`,
    [rooms, users],
  );
  await client.query(
    `INSERT INTO room_members (user_id, room_id, joined_at)
     SELECT 1 + i / 14, 1 + pg_temp.pick(i, 121, $2), timestamptz '2025-01-01 00:00:00+00' + i * interval '1 minute'
       FROM generate_series(0, $1::int - 1) i
         ON CONFLICT DO NOTHING`,
    [memberships, rooms],
  );
  await client.query(
    `INSERT INTO messages (id, room_id, author_id, body, created_at)
     SELECT i, 1 + pg_temp.pick(i, 131, $2), 1 + pg_temp.pick(i, 132, $3), a.text, timestamptz '2025-01-01 00:00:50+00' + i * interval '150 seconds'
       FROM generate_series(1, $1::int) i
       JOIN phrases a ON a.id = pg_temp.pick(i, 133, 2000)
      ORDER BY i`,
    [messages, rooms, users],
  );
  // Hand-drawn lines are most of a whiteboard's document: a pen tells where it is eight times a stroke.
  await client.query(
    `CREATE TEMPORARY TABLE strokes ON COMMIT DROP AS
     SELECT i AS id, jsonb_agg(trim_scale(pg_temp.pick(i * 32 + n, 144, 40000) / 10.0) ORDER BY n) AS points
       FROM generate_series(0, 999) i CROSS JOIN generate_series(0, 15) n
      GROUP BY i`,
  );
  await client.query(
    `INSERT INTO boards (room_id, document, updated_at)
     SELECT r, jsonb_build_object('title', 'Board ' || r, 'shapes', jsonb_agg(
              CASE WHEN n % 2 = 0
                THEN jsonb_build_object('id', n, 'kind', 'ink', 'points', s.points)
                ELSE jsonb_build_object(
                  'id', n, 'kind', (ARRAY['note', 'arrow', 'box'])[1 + pg_temp.pick(r * 10000 + n, 141, 3)],
                  'x', pg_temp.pick(r * 10000 + n, 142, 4000), 'y', pg_temp.pick(r * 10000 + n, 143, 4000), 'text', p.text)
              END ORDER BY n)),
            timestamptz '2025-06-01 00:00:00+00'
       FROM generate_series(1, $1::int) r CROSS JOIN generate_series(1, $2::int) n
       JOIN phrases p ON p.id = n % 2000
       JOIN strokes s ON s.id = pg_temp.pick(r * 10000 + n, 145, 1000)
      GROUP BY r`,
    [boardCount, shapesPerBoard],
  );
}

async function seedEvents(client: Client, { events }: SeedCounts): Promise<void> {
  await client.query(
    `INSERT INTO events (id, name, payload, received_at)
     SELECT $2::bigint + i, 'view', jsonb_build_object(
              'campaign', 'campaign-' || pg_temp.pick(i, 151, 200), 'page', '/posts/' || pg_temp.pick(i, 152, 40),
              'session', 's-' || pg_temp.pick(i / 50, 153, 2000000000), 'event', 'e-' || i,
              'screen', jsonb_build_object('width', 300 + pg_temp.pick(i, 154, 2000), 'height', 600 + pg_temp.pick(i, 155, 1200)),
              'pointer', jsonb_build_object('x', pg_temp.pick(i, 156, 1900), 'y', pg_temp.pick(i, 157, 1000)),
              'sinceLoadMs', pg_temp.pick(i, 158, 90000), 'referrer', 'https://' || md5((i % 900)::text) || '.example',
              'language', (ARRAY['en', 'de', 'fr', 'es'])[1 + pg_temp.pick(i, 159, 4)],
              'impressions', (SELECT jsonb_agg('i-' || i || '-' || n) FROM generate_series(1, 40) n)),
            timestamptz '2025-09-01 00:00:00+00' + i * interval '10 seconds'
       FROM generate_series(1, $1::int) i
      ORDER BY i`,
    [events, dismissedEvents],
  );
}

async function seedMeetups(client: Client, { users, meetups, invitations }: SeedCounts): Promise<void> {
  await client.query(
    `INSERT INTO meetups (id, host_id, title, country, city, starts_at)
     SELECT i, 1 + pg_temp.pick(i, 161, $2), rtrim(p.text, '.') || ' ' || i, ($4::text[])[at.place], ($3::text[])[at.place],
            timestamptz '2024-01-01 00:00:00+00' + i * interval '17 minutes'
       FROM generate_series(1, $1::int) i
       JOIN phrases p ON p.id = pg_temp.pick(i, 162, 2000)
       JOIN LATERAL (SELECT 1 + pg_temp.pick(i, 163, cardinality($3::text[])) AS place) at ON true
      ORDER BY i`,
    [meetups, users, places, places.map((_, place) => countryOf(place))],
  );
  await client.query(
    `INSERT INTO invitations (id, meetup_id, guest_id, code, created_at)
     SELECT i, 1 + pg_temp.pick(i, 171, $2), 1 + pg_temp.pick(i, 172, $3), 'seed-' || i, timestamptz '2025-06-01 00:00:00+00' + i * interval '1 minute'
       FROM generate_series(1, $1::int) i
      ORDER BY i`,
    [invitations, meetups, users],
  );
}

async function seedHousekeeping(client: Client, counts: SeedCounts): Promise<void> {
  const { users, posts, comments, prompts, flags, readingPositions, ratings, auditEntries } = counts;
  await client.query(
    `INSERT INTO comment_flags (comment_id, reporter_id, reason, created_at)
     SELECT 1 + pg_temp.pick(i, 181, $2), 1 + pg_temp.pick(i, 182, $3), p.text, timestamptz '2025-06-01 00:00:00+00' + i * interval '3 minutes'
       FROM generate_series(1, $1::int) i
       JOIN phrases p ON p.id = pg_temp.pick(i, 183, 2000)
      ORDER BY i`,
    [flags, comments, users],
  );
  await client.query(
    `INSERT INTO reading_positions (user_id, post_id, line, updated_at)
     SELECT DISTINCT ON (1, 2) 1 + pg_temp.pick(i, 191, $3), 1 + pg_temp.pick(i, 192, $2), pg_temp.pick(i, 193, 90), timestamptz '2025-06-01 00:00:00+00' + i * interval '1 minute'
       FROM generate_series(1, $1::int) i
      ORDER BY 1, 2, i`,
    [readingPositions, posts, users],
  );
  await client.query(
    `INSERT INTO prompt_ratings (prompt_id, user_id, stars)
     SELECT 1 + pg_temp.pick(i, 201, $2), 1 + pg_temp.pick(i, 202, $3), 1 + pg_temp.pick(i, 203, 5)
       FROM generate_series(1, $1::int) i
         ON CONFLICT DO NOTHING`,
    [ratings, prompts, users],
  );
  await client.query(
    `INSERT INTO audit_entries (id, actor_id, action, subject_id, created_at)
     SELECT $2::int + i, 1 + pg_temp.pick(i, 211, 20), 'removed a comment', 1 + pg_temp.pick(i, 212, $3), timestamptz '2025-06-01 00:00:00+00' + i * interval '1 minute'
       FROM generate_series(1, $1::int) i`,
    [auditEntries, dismissedAuditEntries, comments],
  );
}

/** Rows came with their ids: the next insert has to start after them. */
async function continueSequences(client: Client): Promise<void> {
  const identities = await client.query<{ table: string }>(
    `SELECT table_name AS table FROM information_schema.columns WHERE table_schema = 'public' AND column_name = 'id' AND is_identity = 'YES'`,
  );
  for (const { table } of identities.rows) {
    await client.query(`SELECT setval(pg_get_serial_sequence('${table}', 'id'), (SELECT max(id) FROM ${table}))`);
  }
}

/** Visibility map and statistics as a database has them that has been running for a while. */
async function vacuum(databaseUrl: string): Promise<void> {
  const client = new Client({ connectionString: databaseUrl });
  await client.connect();
  try {
    await client.query('VACUUM (ANALYZE)');
    // Put up since: too few rows for autovacuum to care, and for anybody else.
    await client.query(
      `INSERT INTO announcements (text, shown_from)
       SELECT 'House rule ' || i, timestamptz '2025-07-01 00:00:00+00' + i * interval '1 day' FROM generate_series(1, 5) i`,
    );
  } finally {
    await client.end();
  }
}

if (import.meta.main) {
  const databaseUrl = process.env['DATABASE_URL'];
  if (databaseUrl === undefined) throw new Error('DATABASE_URL is not set');
  const { values } = parseArgs({ options: { size: { type: 'string', default: '1' } } });
  const size = Number(values.size);
  if (!(size > 0 && size <= 10)) throw new Error('--size is a number above 0 and up to 10');
  await seed(databaseUrl, { size, fix: process.env['PLAZA_FIX'] });
}
