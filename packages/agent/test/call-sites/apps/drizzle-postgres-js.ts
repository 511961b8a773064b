import { eq } from 'drizzle-orm';
import { drizzle } from 'drizzle-orm/postgres-js';
import postgres from 'postgres';
import { posts } from './drizzle-tables.ts';
import { serve } from './serve.ts';

const client = postgres(process.env['DATABASE_URL'] ?? '', { max: 2 });
const db = drizzle(client);

serve(
  {
    '/select': async () => {
      const found = await db.select().from(posts).where(eq(posts.id, 3)); // at /select
      return found;
    },
    '/parallel': () => Promise.all([4, 5, 6].map((id) => db.select({ title: posts.title }).from(posts).where(eq(posts.id, id)))), // at /parallel
  },
  () => client.end(),
);
