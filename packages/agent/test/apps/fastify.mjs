import { scryptSync } from 'node:crypto';
import Fastify from 'fastify';
import pg from 'pg';

const pool = new pg.Pool({ connectionString: process.env.DATABASE_URL });
const app = Fastify();

app.addHook('onRequest', async (request, reply) => {
  if (request.headers.authorization === 'refused') await reply.code(401).send({ refused: true });
});

app.get('/posts/:id', async (request) => {
  const { rows } = await pool.query({ text: 'SELECT * FROM posts WHERE id = $1', values: [request.params.id] });
  return rows[0];
});

const listSchema = { response: { 200: { type: 'array', items: { type: 'object', properties: { id: { type: 'integer' } } } } } };
app.get('/posts', { schema: listSchema }, async () => {
  const { rows } = await pool.query({ text: 'SELECT id FROM posts ORDER BY id', rowMode: 'array' });
  return rows.map(([id]) => ({ id }));
});

app.get('/report', async () => ({ text: 'x'.repeat(2_000_000).split('') }));

function hashPassword(password) {
  return scryptSync(password, 'salt', 32, { N: 32_768, maxmem: 128 * 1024 * 1024 }).toString('hex');
}
app.post('/login', async () => ({ hash: hashPassword('secret') }));

await app.register(
  async (api) => {
    api.get('/things/:thing', async () => ({ ok: true }));
  },
  { prefix: '/api' },
);

// As a framework does, which declares routes while it is started: this module is no file of the application.
const declaring = "export default async (app) => { await null; app.get('/declared/elsewhere', async () => ({ ok: true })); }";
const { default: declare } = await import(`data:text/javascript,${encodeURIComponent(declaring)}`);
await declare(app);

await app.listen({ port: 0, host: '127.0.0.1' });
process.stdout.write(`listening ${app.server.address().port}\n`);
process.on('SIGTERM', () => {
  void app.close().then(() => pool.end());
});
