// Holds what is asked at /held until /release; with a pool of one connection once it is asked for one.
import { createServer } from 'node:http';

const state = { pool: null, held: [] };

const query = () =>
  state.pool.query('SELECT pg_sleep(0.2)').then(
    () => 'queried',
    (error) => error.code,
  );

async function answer({ url }, response) {
  if (url === '/held') {
    state.held.push(response);
    return;
  }
  if (url === '/release') for (const waiting of state.held.splice(0)) waiting.end('released');
  if (url === '/pool') {
    const { default: pg } = await import('pg');
    state.pool ??= new pg.Pool({ connectionString: process.env.DATABASE_URL, max: 1 });
  }
  response.end(url === '/query' ? await query() : String(state.held.length));
}

const server = createServer((request, response) => void answer(request, response));
server.listen(0, '127.0.0.1', () => {
  process.stdout.write(`listening ${server.address().port}\n`);
});
process.on('SIGTERM', () => {
  server.close();
  server.closeAllConnections();
  void state.pool?.end();
});
