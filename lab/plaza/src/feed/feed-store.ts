import type { Pool } from 'pg';
import { isFixed } from '../fix.ts';
import { rank, type Candidate } from './ranking.ts';

interface Author {
  readonly id: number;
  readonly handle: string;
  readonly displayName: string;
}

export interface FeedItem {
  readonly id: number;
  readonly title: string;
  readonly uses: number;
  readonly createdAt: Date;
  readonly author: Author | null;
}

const candidateCount = 120;
const feedLength = 40;

export async function readFeed(pool: Pool): Promise<readonly FeedItem[]> {
  const candidates = await pool.query<Candidate>(
    `SELECT id, author_id AS "authorId", title, uses, rating, created_at AS "createdAt"
       FROM prompts
      ORDER BY created_at DESC, id DESC
      LIMIT $1`,
    [candidateCount],
  );
  return withAuthors(pool, rank(candidates.rows, feedLength));
}

/** What others wrote: every member's own. */
export async function readFeedOf(pool: Pool, viewerId: number): Promise<readonly FeedItem[]> {
  const candidates = await pool.query<Candidate>(
    `SELECT id, author_id AS "authorId", title, uses, rating, created_at AS "createdAt"
       FROM prompts
      WHERE author_id <> $1
      ORDER BY created_at DESC, id DESC
      LIMIT $2`,
    [viewerId, candidateCount],
  );
  return withAuthors(pool, rank(candidates.rows, feedLength));
}

async function withAuthors(pool: Pool, prompts: readonly Candidate[]): Promise<readonly FeedItem[]> {
  const authors = isFixed('feed-author-loop') ? await authorsTogether(pool, prompts) : await authorsOneByOne(pool, prompts);
  return prompts.map(({ id, title, uses, createdAt, authorId }) => ({ id, title, uses, createdAt, author: authors.get(authorId) ?? null }));
}

async function authorsTogether(pool: Pool, prompts: readonly Candidate[]): Promise<ReadonlyMap<number, Author>> {
  const found = await pool.query<Author>('SELECT id, handle, display_name AS "displayName" FROM users WHERE id = ANY($1)', [
    prompts.map((prompt) => prompt.authorId),
  ]);
  return new Map(found.rows.map((author) => [author.id, author]));
}

async function authorsOneByOne(pool: Pool, prompts: readonly Candidate[]): Promise<ReadonlyMap<number, Author>> {
  const authors = new Map<number, Author>();
  for (const prompt of prompts) {
    const found = await pool.query<Author>('SELECT id, handle, display_name AS "displayName" FROM users WHERE id = $1', [prompt.authorId]);
    for (const author of found.rows) authors.set(author.id, author);
  }
  return authors;
}
