import { createServer } from 'node:http';

const background = setInterval(() => undefined, 1000);
const queries = {};

async function countPosts(response) {
  // The driver is only loaded now, long after the agent.
  queries.pool ??= new (await import('pg')).default.Pool({ connectionString: process.env.DATABASE_URL });
  const result = await queries.pool.query('SELECT count(*)::int AS posts FROM posts');
  response.end(String(result.rows[0].posts));
}

const server = createServer((request, response) => {
  const { pathname } = new URL(request.url, 'http://localhost');
  if (pathname.startsWith('/late/')) void countPosts(response);
  else response.end(pathname);
});

server.listen(0, '127.0.0.1', () => {
  process.stdout.write(`listening ${server.address().port}\n`);
});
process.on('SIGTERM', () => {
  clearInterval(background);
  server.close();
  server.closeAllConnections();
  void queries.pool?.end();
});
