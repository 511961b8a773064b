import type { Pool } from 'pg';

export interface Post {
  readonly id: number;
  readonly title: string;
  readonly body: string;
  readonly authorId: number;
  readonly editorId: number;
  readonly createdAt: Date;
}

interface Person {
  readonly id: number;
  readonly handle: string;
  readonly displayName: string;
}

export async function readPost(pool: Pool, id: number): Promise<(Post & { readonly credits: readonly Person[] }) | null> {
  const posts = await pool.query<Post>(
    `SELECT id, title, body, author_id AS "authorId", editor_id AS "editorId", created_at AS "createdAt" FROM posts WHERE id = $1`,
    [id],
  );
  const post = posts.rows[0];
  return post === undefined ? null : { ...post, credits: await listCredits(pool, post) };
}

async function listCredits(pool: Pool, post: Post): Promise<readonly Person[]> {
  const credits: Person[] = [];
  for (const personId of new Set([post.authorId, post.editorId])) {
    const people = await pool.query<Person>('SELECT id, handle, display_name AS "displayName" FROM users WHERE id = $1', [personId]);
    credits.push(...people.rows);
  }
  return credits;
}

export async function createPost(pool: Pool, authorId: number, topicId: number, title: string, body: string): Promise<number> {
  const created = await pool.query<{ id: number }>(
    'INSERT INTO posts (author_id, editor_id, topic_id, title, body) VALUES ($1, $1, $2, $3, $4) RETURNING id',
    [authorId, topicId, title, body],
  );
  return created.rows[0]!.id;
}

export async function likePost(pool: Pool, postId: number, userId: number): Promise<void> {
  await pool.query('INSERT INTO likes (post_id, user_id) VALUES ($1, $2) ON CONFLICT DO NOTHING', [postId, userId]);
}
