import mysql from 'mysql2';
import promises from 'mysql2/promise';
import { serve } from './serve.ts';

const uri = process.env['MYSQL_URL'] ?? '';
const pool = promises.createPool({ uri, connectionLimit: 2 });
const plain = mysql.createPool({ uri, connectionLimit: 2 });

serve(
  {
    '/query': async () => {
      const [posts] = await pool.query<mysql.RowDataPacket[]>('SELECT author_id FROM posts ORDER BY id LIMIT 5'); // at /query
      const names: unknown[] = [];
      for (const post of posts) names.push(await pool.query('SELECT name FROM authors WHERE id = ?', [post['author_id']])); // at /query
      return names.length;
    },
    '/execute': async () => {
      const [rows] = await pool.execute('SELECT name FROM authors WHERE id = ? AND name <> "secret"', [3]); // at /execute
      return rows;
    },
    '/connection': async () => {
      const connection = await pool.getConnection();
      try {
        await connection.beginTransaction(); // at /connection
        await connection.query({ sql: 'UPDATE authors SET name = ? WHERE id = ?', values: ['author 1', 1] }); // at /connection
        await connection.execute('SELECT id FROM authors WHERE id = ?', [2]); // at /connection
        await connection.commit(); // at /connection
      } finally {
        connection.release();
      }
    },
    '/callback': () =>
      new Promise((resolve) => {
        plain.query('SELECT title FROM posts WHERE id = ?', [7], (_error, rows) => resolve(rows)); // at /callback
      }),
    '/parallel': () => Promise.all([1, 2, 3, 4, 5, 6].map((id) => pool.query('SELECT title, id FROM posts WHERE id = ?', [id]))), // at /parallel
  },
  () => Promise.all([pool.end(), plain.promise().end()]),
);
