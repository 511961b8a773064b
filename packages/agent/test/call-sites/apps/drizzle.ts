import { eq, sql } from 'drizzle-orm';
import { drizzle } from 'drizzle-orm/node-postgres';
import pg from 'pg';
import * as schema from './drizzle-tables.ts';
import { serve } from './serve.ts';

const pool = new pg.Pool({ connectionString: process.env['DATABASE_URL'], max: 2 });
const db = drizzle(pool, { schema });
const { authors, posts } = schema;
const prepared = db
  .select()
  .from(posts)
  .where(eq(posts.id, sql.placeholder('id')))
  .prepare('by_id');

serve(
  {
    '/select': async () => {
      const found = await db.select({ authorId: posts.authorId }).from(posts).limit(3); // at /select
      const names: unknown[] = [];
      for (const { authorId } of found) names.push(await db.select().from(authors).where(eq(authors.id, authorId))); // at /select
      return names;
    },
    '/lines': async () => {
      const one = await db.select({ name: authors.name }).from(authors).where(eq(authors.id, 1)); // at /lines
      const other = await db.select({ name: authors.name }).from(authors).where(eq(authors.id, 2)); // at /lines
      return [one, other];
    },
    '/write': async () => {
      await db.insert(authors).values({ id: 100, name: 'new' }).onConflictDoNothing(); // at /write
      await db.update(authors).set({ name: 'newer' }).where(eq(authors.id, 100)); // at /write
      await db.delete(authors).where(eq(authors.id, 100)); // at /write
    },
    '/then': () => {
      const rows = db.select({ id: posts.id }).from(posts).limit(1); // at /then
      return rows.then(({ length }) => length);
    },
    '/relational': () => db.query.authors.findMany({ with: { posts: true }, limit: 2 }), // at /relational
    '/execute': () => db.execute(sql`SELECT count(*)::int FROM posts WHERE id > ${3}`), // at /execute
    '/count': () => db.$count(posts), // at /count
    '/with': () => {
      const some = db.$with('some').as(db.select().from(posts).where(eq(posts.id, 9)));
      return db.with(some).select().from(some); // at /with
    },
    '/prepared': () => prepared.execute({ id: 5 }), // at /prepared
    '/transaction': () => {
      const work = async (tx: Pick<typeof db, 'select'>) => {
        await tx.select({ n: authors.name }).from(authors).where(eq(authors.id, 3)); // at /transaction
      };
      return db.transaction(work); // at /transaction
    },
  },
  () => pool.end(),
);
