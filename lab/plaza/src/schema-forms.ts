import { Client, DatabaseError } from 'pg';
import { parseFix, type DefectId } from './fix.ts';

/** A weakness of the schema: the statements that make it and those that mend it. Each list can be run on either form. */
interface SchemaForms {
  readonly defect: DefectId;
  readonly broken: readonly string[];
  readonly fixed: readonly string[];
}

function withoutIndex(defect: DefectId, name: string, definition: string, ...afterwards: readonly string[]): SchemaForms {
  return {
    defect,
    broken: [`DROP INDEX IF EXISTS ${name}`],
    fixed: [`CREATE INDEX IF NOT EXISTS ${name} ON ${definition}`, ...afterwards],
  };
}

function withIndexTooMany(defect: DefectId, name: string, definition: string): SchemaForms {
  return { defect, broken: [`CREATE INDEX IF NOT EXISTS ${name} ON ${definition}`], fixed: [`DROP INDEX IF EXISTS ${name}`] };
}

export const schemaForms: readonly SchemaForms[] = [
  withoutIndex('comments-post-index', 'comments_post_id_idx', 'comments (post_id)'),
  withoutIndex('profile-comments-index', 'comments_author_id_idx', 'comments (author_id)'),
  withoutIndex('notifications-page-index', 'notifications_user_id_created_at_idx', 'notifications (user_id, created_at DESC)'),
  // Expression indexes bring statistics of their own, which only ANALYZE fills.
  withoutIndex('email-lookup-index', 'users_lower_email_idx', 'users (lower(email))', 'ANALYZE users'),
  withoutIndex('media-tags-index', 'attachments_media_idx', 'attachments USING gin (media jsonb_path_ops)'),
  withoutIndex('post-search-index', 'posts_body_trgm_idx', 'posts USING gin (body gin_trgm_ops)'),
  withoutIndex('invitation-code-index', 'invitations_code_idx', 'invitations (code)'),
  withoutIndex('flagged-comment-index', 'comment_flags_comment_id_idx', 'comment_flags (comment_id)'),
  // Two migrations of two people, a week apart.
  withIndexTooMany('likes-duplicate-index', 'likes_user_idx', 'likes (user_id)'),
  withIndexTooMany('messages-redundant-index', 'messages_room_id_idx', 'messages (room_id)'),
  {
    defect: 'attachments-invalid-index',
    // Ends in a unique violation, as it did for whoever ran it, and leaves an INVALID index behind.
    broken: ['CREATE UNIQUE INDEX CONCURRENTLY IF NOT EXISTS attachments_url_key ON attachments (url)'],
    fixed: ['DROP INDEX IF EXISTS attachments_url_key'],
  },
  {
    defect: 'reading-position-key',
    // The index was added when saving got slow; that it could have been the key occurred to nobody.
    broken: [
      'ALTER TABLE reading_positions DROP CONSTRAINT IF EXISTS reading_positions_pkey',
      'CREATE INDEX IF NOT EXISTS reading_positions_user_id_post_id_idx ON reading_positions (user_id, post_id)',
    ],
    fixed: [
      'DROP INDEX IF EXISTS reading_positions_user_id_post_id_idx',
      'ALTER TABLE reading_positions DROP CONSTRAINT IF EXISTS reading_positions_pkey',
      'ALTER TABLE reading_positions ADD CONSTRAINT reading_positions_pkey PRIMARY KEY (user_id, post_id)',
    ],
  },
  {
    defect: 'audit-sequence',
    broken: ['ALTER TABLE audit_entries ALTER COLUMN id TYPE integer'],
    fixed: ['ALTER TABLE audit_entries ALTER COLUMN id TYPE bigint'],
  },
  {
    defect: 'audit-unlogged',
    // It made taking comments down a little faster.
    broken: ['ALTER TABLE audit_entries SET UNLOGGED'],
    fixed: ['ALTER TABLE audit_entries SET LOGGED'],
  },
  {
    defect: 'rating-statistics',
    // The import switches autovacuum off while it loads, and somebody forgot the other half.
    broken: [
      'ALTER TABLE prompt_ratings SET (autovacuum_enabled = off)',
      "DELETE FROM pg_statistic WHERE starelid = 'prompt_ratings'::regclass",
    ],
    fixed: ['ALTER TABLE prompt_ratings RESET (autovacuum_enabled)', 'ANALYZE prompt_ratings'],
  },
  {
    defect: 'meetup-place-statistics',
    broken: ['DROP STATISTICS IF EXISTS meetups_place'],
    // Without a list of the commonest: six hundred places do not fit, and those it lacks would count as independent again.
    fixed: ['CREATE STATISTICS IF NOT EXISTS meetups_place (ndistinct, dependencies) ON country, city FROM meetups', 'ANALYZE meetups'],
  },
];

/**
 * Brings the schema into the form that PLAZA_FIX asks for. Never called by the server: a running backend must leave
 * its schema alone.
 */
export async function matchSchema(databaseUrl: string, fix: string | undefined): Promise<void> {
  const isFixed = parseFix(fix);
  const client = new Client({ connectionString: databaseUrl });
  await client.connect();
  try {
    await client.query('CREATE EXTENSION IF NOT EXISTS pg_trgm');
    for (const { defect, broken, fixed } of schemaForms) {
      for (const statement of isFixed.has(defect) ? fixed : broken) {
        await client.query(statement).catch((error: unknown) => {
          if (!(error instanceof DatabaseError && error.code === uniqueViolation)) throw error;
        });
      }
    }
  } finally {
    await client.end();
  }
}

const uniqueViolation = '23505';
