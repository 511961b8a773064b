import type { Pool } from 'pg';

export interface TopicPage {
  readonly name: string;
  readonly posts: readonly { readonly id: number; readonly title: string; readonly createdAt: Date }[];
}

export async function readTopic(pool: Pool, slug: string): Promise<TopicPage | null> {
  const topics = await pool.query<{ id: number; name: string }>('SELECT id, name FROM topics WHERE slug = $1', [slug]);
  const topic = topics.rows[0];
  if (topic === undefined) return null;
  const posts = await pool.query<TopicPage['posts'][number]>(
    `SELECT id, title, created_at AS "createdAt" FROM posts WHERE topic_id = $1 ORDER BY created_at DESC, id DESC LIMIT 20`,
    [topic.id],
  );
  return { name: topic.name, posts: posts.rows };
}
