import { desc, eq } from 'drizzle-orm';
import { drizzle } from 'drizzle-orm/node-postgres';
import { integer, pgTable, text, timestamp } from 'drizzle-orm/pg-core';
import type { Pool } from 'pg';

const posts = pgTable('posts', {
  id: integer('id').primaryKey(),
  title: text('title').notNull(),
});

const bookmarks = pgTable('bookmarks', {
  id: integer('id').primaryKey().generatedByDefaultAsIdentity(),
  userId: integer('user_id').notNull(),
  postId: integer('post_id').notNull(),
  note: text('note').notNull(),
  createdAt: timestamp('created_at', { withTimezone: true }).notNull().defaultNow(),
});

export interface Bookmark {
  readonly id: number;
  readonly postId: number;
  readonly title: string;
  readonly note: string;
}

export interface BookmarkStore {
  list(userId: number): Promise<readonly Bookmark[]>;
  add(userId: number, postId: number, note: string): Promise<void>;
}

export function createBookmarkStore(pool: Pool): BookmarkStore {
  const database = drizzle({ client: pool });
  return {
    list: (userId) =>
      database
        .select({ id: bookmarks.id, postId: bookmarks.postId, title: posts.title, note: bookmarks.note })
        .from(bookmarks)
        .innerJoin(posts, eq(posts.id, bookmarks.postId))
        .where(eq(bookmarks.userId, userId))
        .orderBy(desc(bookmarks.createdAt), desc(bookmarks.id))
        .limit(20),
    async add(userId, postId, note) {
      await database.insert(bookmarks).values({ userId, postId, note }).onConflictDoNothing();
    },
  };
}
