import { Client } from 'pg';
import { parseFix, type DefectId } from './fix.ts';

interface OptionalIndex {
  readonly defect: DefectId;
  readonly name: string;
  readonly definition: string;
}

/** Index defects are fixed by the schema, not by the code. */
export const optionalIndexes: readonly OptionalIndex[] = [
  { defect: 'comments-post-index', name: 'comments_post_id_idx', definition: 'comments (post_id)' },
  { defect: 'profile-comments-index', name: 'comments_author_id_idx', definition: 'comments (author_id)' },
  {
    defect: 'notifications-page-index',
    name: 'notifications_user_id_created_at_idx',
    definition: 'notifications (user_id, created_at DESC)',
  },
  { defect: 'email-lookup-index', name: 'users_lower_email_idx', definition: 'users (lower(email))' },
  { defect: 'media-tags-index', name: 'attachments_media_idx', definition: 'attachments USING gin (media jsonb_path_ops)' },
  { defect: 'post-search-index', name: 'posts_body_trgm_idx', definition: 'posts USING gin (body gin_trgm_ops)' },
];

/**
 * Creates the indexes of the fixed defects and drops those of the others. Never called by the
 * server: a running backend must leave its schema alone.
 */
export async function matchIndexes(databaseUrl: string, fix: string | undefined): Promise<void> {
  const fixed = parseFix(fix);
  const client = new Client({ connectionString: databaseUrl });
  await client.connect();
  try {
    await client.query('CREATE EXTENSION IF NOT EXISTS pg_trgm');
    for (const { defect, name, definition } of optionalIndexes) {
      await client.query(fixed.has(defect) ? `CREATE INDEX IF NOT EXISTS ${name} ON ${definition}` : `DROP INDEX IF EXISTS ${name}`);
    }
    // Expression indexes bring statistics of their own, which only ANALYZE fills.
    if (fixed.has('email-lookup-index')) await client.query('ANALYZE users');
  } finally {
    await client.end();
  }
}
