import postgres from 'postgres';
import { serve } from './serve.ts';

const sql = postgres(process.env['DATABASE_URL'] ?? '', { max: 3 });
const newest = (limit: number) => sql`ORDER BY id DESC LIMIT ${limit}`;
const rename = async (tx: postgres.TransactionSql, id: number) => tx`UPDATE authors SET name = name WHERE id = ${id}`; // at /begin

serve(
  {
    '/tagged': async () => {
      const posts = await sql`SELECT author_id FROM posts ${newest(3)}`; // at /tagged
      const names: unknown[] = [];
      for (const { author_id: id } of posts) names.push(await sql`SELECT name FROM authors WHERE id = ${id}`); // at /tagged
      return names;
    },
    '/twice': async () => [
      await sql`SELECT title FROM posts WHERE id = ${1}`, // at /twice
      await sql`SELECT title FROM posts WHERE id = ${2}`, // at /twice
    ],
    '/parallel': () => Promise.all([1, 2, 3, 4, 5, 6, 7, 8].map((id) => sql`SELECT id FROM posts WHERE id = ${id}`)), // at /parallel
    '/unsafe': () => sql.unsafe('SELECT id FROM posts WHERE id = $1', [4]), // at /unsafe
    '/begin': () => {
      const work = async (tx: postgres.TransactionSql) => {
        await rename(tx, 1);
        return tx`SELECT name FROM authors WHERE id = 1`; // at /begin
      };
      return sql.begin(work); // at /begin
    },
    '/cursor': async () => {
      let seen = 0;
      for await (const rows of sql`SELECT id FROM posts`.cursor(40)) seen += rows.length; // at /cursor
      return seen;
    },
  },
  () => sql.end(),
);
