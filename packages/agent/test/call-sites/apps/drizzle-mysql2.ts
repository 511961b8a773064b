import { eq } from 'drizzle-orm';
import { int, mysqlTable, text } from 'drizzle-orm/mysql-core';
import { drizzle } from 'drizzle-orm/mysql2';
import { createPool } from 'mysql2/promise';
import { serve } from './serve.ts';

const pool = createPool({ uri: process.env['MYSQL_URL'] ?? '', connectionLimit: 2 });
const posts = mysqlTable('posts', { id: int('id').primaryKey(), authorId: int('author_id').notNull(), title: text('title').notNull() });
const db = drizzle(pool);

serve(
  {
    '/select': async () => {
      const found = await db.select().from(posts).where(eq(posts.id, 3)); // at /select
      return found;
    },
    '/update': () => db.update(posts).set({ title: 'post 3' }).where(eq(posts.id, 3)), // at /update
  },
  () => pool.end(),
);
