import createKnex from 'knex';
import { serve } from './serve.ts';

const knex = createKnex({ client: 'pg', connection: process.env['DATABASE_URL'] ?? '', pool: { min: 0, max: 2 } });

serve(
  {
    '/table': async () => {
      const posts = await knex('posts').select('author_id').orderBy('id').limit(3); // at /table
      const names: unknown[] = [];
      for (const post of posts) names.push(await knex('authors').where({ id: post.author_id }).first('name')); // at /table
      return names;
    },
    '/lines': async () => {
      const one = await knex.select('title').from('posts').where('id', 1); // at /lines
      const other = await knex.select('title').from('posts').where('id', 2); // at /lines
      return [one, other];
    },
    '/parallel': () => Promise.all([1, 2, 3, 4, 5, 6].map((id) => knex('posts').where({ id }).select('title'))), // at /parallel
    '/raw': () => knex.raw('SELECT count(*)::int FROM posts WHERE id > ?', [5]), // at /raw
    '/then': () => {
      const rows = knex('posts').count('id'); // at /then
      return rows.then(([count]) => count);
    },
    '/subquery': async () => {
      const rows = await knex('authors').whereIn('id', (query) => void query.select('author_id').from('posts').where('id', 4)); // at /subquery
      return rows;
    },
    '/transaction': () => {
      const work = async (trx: typeof knex) => {
        await trx('authors').where({ id: 1 }).update({ name: 'author 1' }); // at /transaction
      };
      return knex.transaction(work); // at /transaction
    },
  },
  () => knex.destroy(),
);
