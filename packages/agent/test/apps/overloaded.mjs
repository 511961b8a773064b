// Answers one request after the other, each after ANSWER_MS, whatever waits behind it; with a pool once it is asked for one.
import { createServer } from 'node:http';

const answerMs = Number(process.env.ANSWER_MS ?? '0');
const state = { busy: Promise.resolve(), pool: null };

const after = (ms) => new Promise((resolve) => setTimeout(resolve, ms));

async function answer(request, response) {
  if (request.url === '/pool') {
    const { default: pg } = await import('pg');
    state.pool ??= new pg.Pool({ connectionString: process.env.DATABASE_URL, max: 1 });
    response.end('made');
    return;
  }
  if (request.url === '/query') {
    try {
      await state.pool.query('SELECT pg_sleep(0.2)');
      response.end('queried');
    } catch (error) {
      response.writeHead(500).end(error.code);
    }
    return;
  }
  const turn = state.busy.then(() => after(answerMs));
  state.busy = turn;
  await turn;
  response.end(JSON.stringify({ path: request.url }));
}

const server = createServer((request, response) => void answer(request, response));
server.listen(Number(process.env.PORT ?? 0), '127.0.0.1', () => {
  process.stdout.write(`listening ${server.address().port}\n`);
});
process.on('SIGTERM', () => {
  server.close();
  server.closeAllConnections();
  void state.pool?.end();
});
